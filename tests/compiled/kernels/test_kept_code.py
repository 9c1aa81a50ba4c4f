"""Compiled code on disk: nothing that another user could have made or changed is ever run, and it is said once."""

import ctypes
import os
import stat
import subprocess
import sys

import pytest

from dynamics.compiled.kernels import jit, kept_code

TEXT = "define i64 @answer() {{\n  ret i64 {}\n}}\n"
ANOTHER_USER = 12345
posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")
as_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")


def answer(number):
    return jit.compile_kernel(TEXT.format(number)).function("answer", [], ctypes.c_int64)()


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNAMICS_CACHE", str(tmp_path))
    monkeypatch.setattr(kept_code, "_SAID", set())
    forget(monkeypatch)
    return tmp_path / "kernels"


def forget(monkeypatch):
    """As if the process had started anew, but for what was said."""
    monkeypatch.setattr(jit, "_KERNELS", type(jit._KERNELS)())


@pytest.fixture
def said(monkeypatch):
    """The warnings so far."""
    messages = []
    monkeypatch.setattr(kept_code.LOG, "warning", lambda form, *parts: messages.append(form % parts))
    return messages


def entry(directory):
    (path,) = directory.glob("*.kernel")
    return path


def poison(directory, monkeypatch):
    """Another kernel's code, which returns 666, under the name of the one that returns 42."""
    answer(666)
    foreign = entry(directory)
    content = foreign.read_bytes()
    foreign.unlink()
    answer(42)
    forget(monkeypatch)
    return content


def test_directory_entries_and_key_are_closed_to_others_whatever_the_usual_mode(directory):
    before = os.umask(0)
    try:
        assert answer(1) == 1
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.iterdir())}
    if os.name == "posix":
        assert modes.pop("kernels") == 0o700
        assert set(modes.values()) == {0o600}
    assert len((directory / "key").read_bytes()) == 32


def test_an_entry_under_the_name_of_another_is_not_run(directory, monkeypatch, said):
    # signed with the same key, but for another text
    content = poison(directory, monkeypatch)
    entry(directory).write_bytes(content)
    assert answer(42) == 42
    assert len(said) == 1
    assert "not made by this user" in said[0]
    forget(monkeypatch)
    monkeypatch.setattr(jit, "_object_code", lambda *_: pytest.fail("the entry was not made again"))
    assert answer(42) == 42


@pytest.mark.parametrize("key", [b"", b"short", bytes(32)], ids=["none", "short", "zeros"])
def test_an_entry_signed_with_another_key_is_not_run(directory, monkeypatch, said, key):
    # the same code signed by somebody who does not know the key: as good as any other
    answer(42)
    forget(monkeypatch)
    path, head = entry(directory), len(kept_code.MAGIC) + 32
    code = path.read_bytes()[head:]
    path.write_bytes(kept_code.MAGIC + kept_code._signature(key, path.stem, code) + code)
    compiled = []
    monkeypatch.setattr(jit, "_object_code", lambda *a, make=jit._object_code: compiled.append(a) or make(*a))
    assert answer(42) == 42
    assert len(compiled) == 1
    assert len(said) == 1


@pytest.mark.parametrize("place", [0, 5, 20, 49, 50, 51, 200, -1])
def test_one_changed_byte_anywhere_is_noticed(directory, monkeypatch, said, place):
    answer(42)
    forget(monkeypatch)
    path = entry(directory)
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[place] ^= 1
    path.write_bytes(changed)
    assert answer(42) == 42
    assert path.read_bytes() == whole
    assert len(said) == 1


@pytest.mark.parametrize("length", [0, 1, 18, 49, 50, 300])
def test_a_truncated_entry_is_compiled_anew(directory, monkeypatch, said, length):
    answer(42)
    forget(monkeypatch)
    path = entry(directory)
    path.write_bytes(path.read_bytes()[:length])
    assert answer(42) == 42
    assert len(said) == 1


@posix
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_others_can_write_to_is_not_run(directory, monkeypatch, said, mode):
    answer(42)
    forget(monkeypatch)
    entry(directory).chmod(mode)
    assert answer(42) == 42
    assert "open to other users" in said[0]
    assert len(said) == 1
    assert stat.S_IMODE(entry(directory).stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("mode", [0o770, 0o720, 0o702, 0o777, 0o1777])
def test_a_directory_others_can_write_to_is_neither_read_nor_written(directory, monkeypatch, said, mode):
    answer(42)
    before = sorted(directory.iterdir())
    forget(monkeypatch)
    directory.chmod(mode)
    compiled = []
    monkeypatch.setattr(jit, "_object_code", lambda *a, make=jit._object_code: compiled.append(a) or make(*a))
    assert [answer(42), answer(43)] == [42, 43]
    assert len(compiled) == 2
    assert sorted(directory.iterdir()) == before
    assert len(said) == 1
    assert "open to other users" in said[0]
    assert "DYNAMICS_CACHE" in said[0]


@as_root
@pytest.mark.parametrize("of", ["kernels", "entry", "key"])
def test_what_belongs_to_another_user_is_not_trusted(directory, monkeypatch, said, of):
    answer(42)
    forget(monkeypatch)
    path = {"kernels": directory, "entry": entry(directory), "key": directory / "key"}[of]
    os.chown(path, ANOTHER_USER, ANOTHER_USER)
    compiled = []
    monkeypatch.setattr(jit, "_object_code", lambda *a, make=jit._object_code: compiled.append(a) or make(*a))
    assert answer(42) == 42
    assert len(compiled) == 1
    assert "belongs to another user" in said[0]
    if of != "kernels":
        # in a directory of the user's own what is suspicious is replaced
        assert path.stat().st_uid == 0


@posix
def test_symbolic_links_are_not_followed(directory, monkeypatch, said, tmp_path):
    content = poison(directory, monkeypatch)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(content)
    path = entry(directory)
    path.unlink()
    path.symlink_to(elsewhere)
    assert answer(42) == 42
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == content
    assert len(said) == 1


@posix
def test_a_directory_that_is_a_symbolic_link_is_not_used(directory, said, tmp_path):
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    directory.symlink_to(other)
    assert answer(42) == 42
    assert not list(other.iterdir())
    assert "symbolic link" in said[0]


@posix
def test_a_pipe_in_place_of_an_entry_does_not_hang(directory, monkeypatch, said):
    answer(42)
    forget(monkeypatch)
    path = entry(directory)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert answer(42) == 42
    assert path.is_file()
    assert len(said) == 1


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_others_can_read_is_replaced_and_what_it_signed_is_not_run(directory, monkeypatch, said, mode):
    answer(42)
    forget(monkeypatch)
    key = directory / "key"
    before = key.read_bytes()
    key.chmod(mode)
    compiled = []
    monkeypatch.setattr(jit, "_object_code", lambda *a, make=jit._object_code: compiled.append(a) or make(*a))
    assert answer(42) == 42
    assert len(compiled) == 1
    assert key.read_bytes() != before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sum(message.startswith("the key") for message in said) == 1


@pytest.mark.parametrize("damage", [lambda key: key.unlink(), lambda key: key.write_bytes(b""),
                                    lambda key: key.write_bytes(b"x" * 33)])
def test_without_its_key_nothing_is_run(directory, monkeypatch, said, damage):
    answer(42)
    answer(43)
    forget(monkeypatch)
    damage(directory / "key")
    compiled = []
    monkeypatch.setattr(jit, "_object_code", lambda *a, make=jit._object_code: compiled.append(a) or make(*a))
    assert [answer(42), answer(43)] == [42, 43]
    assert len(compiled) == 2
    assert len(said) == len(set(said))
    forget(monkeypatch)
    assert [answer(42), answer(43)] == [42, 43]
    assert len(compiled) == 2


def test_a_cache_that_is_a_file_or_cannot_be_made_is_said_once(monkeypatch, said, tmp_path):
    occupied = tmp_path / "file"
    occupied.write_text("")
    for place in (occupied, occupied / "below"):
        monkeypatch.setenv("DYNAMICS_CACHE", str(place))
        assert answer(42) == 42
        forget(monkeypatch)
    assert len(said) == 1


def test_a_user_without_a_home_compiles_without_a_cache(monkeypatch, said):
    monkeypatch.setenv("DYNAMICS_CACHE", "~nobody_of_this_name/cache")
    assert [answer(42), answer(43)] == [42, 43]
    assert len(said) == 1


FULL = """
import ctypes, logging, resource, signal, sys
logging.basicConfig(stream=sys.stdout, format="SAID %(message)s")
from dynamics.compiled.kernels.jit import compile_kernel
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, MOST))
for number in (1, 2):
    text = "define i64 @answer() {\\n  ret i64 %d\\n}\\n" % number
    assert compile_kernel(text).function("answer", [], ctypes.c_int64)() == number
"""


@posix
@pytest.mark.parametrize("limit", [0, 16, 100])
def test_a_full_disk_is_said_once_and_leaves_nothing(directory, limit):
    # a limit on the size of files fails in the middle of a write, as a full disk does
    done = subprocess.run([sys.executable, "-c", FULL.replace("MOST", str(limit))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("SAID") == 1
    assert "File too large" in done.stdout
    assert not list(directory.glob("*.part"))
    assert not list(directory.glob("*.kernel"))


def test_unfinished_files_of_processes_that_ended_are_removed(directory):
    answer(1)
    old, young = directory / "1.aa.part", directory / "1.bb.part"
    for path in (old, young):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    answer(2)
    assert [path.exists() for path in (old, young)] == [False, True]


def test_the_first_processes_agree_on_one_key(directory):
    # every one of them wants to make the key; an entry signed with one that was replaced would be compiled for ever
    code = ("import ctypes, logging, sys\nfrom dynamics.compiled.kernels.jit import compile_kernel\n"
            "logging.basicConfig(stream=sys.stdout)\n"
            f"f = compile_kernel({TEXT!r}.format(int(sys.argv[1]))).function('answer', [], ctypes.c_int64)\n"
            "assert f() == int(sys.argv[1])")
    children = [subprocess.Popen([sys.executable, "-c", code, str(number)], stdout=subprocess.PIPE) for number in range(4)]
    said = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert said == [b""] * 4
    assert len({kept_code.read(path.stem) is None for path in directory.glob("*.kernel")} - {False}) == 0


# ---- what is there already, and what the user's environment says ----------------------------------------------------------

def parts_of(directory, part):
    return directory / "key" if part == "key" else entry(directory)


@pytest.mark.parametrize("part", ["key", "entry"])
@pytest.mark.parametrize("size", [kept_code.MOST_BYTES + 1, 1 << 40])
def test_a_file_larger_than_any_that_is_written_is_not_read(directory, monkeypatch, said, part, size):
    answer(42)
    try:
        os.truncate(parts_of(directory, part), size)
    except OSError:
        pytest.skip("this disk holds no file of this size")
    forget(monkeypatch)
    assert answer(42) == 42
    assert "more than any that is written there" in said[0]
    forget(monkeypatch)
    assert answer(42) == 42
    assert parts_of(directory, part).stat().st_size < kept_code.MOST_BYTES


def test_the_largest_file_that_is_read(directory):
    """One of the very size is read whole; with one byte more it is refused."""
    answer(42)
    key = directory / "key"
    with kept_code._Place(directory) as place:
        os.truncate(key, kept_code.MOST_BYTES)
        assert len(place.get("key", 0)) == kept_code.MOST_BYTES
        os.truncate(key, kept_code.MOST_BYTES + 1)
        with pytest.raises(OSError, match="more than any"):
            place.get("key", 0)


@posix
@pytest.mark.parametrize("part", ["key", "entry"])
def test_a_directory_in_place_of_a_file_is_not_used_and_nothing_stays_open(directory, monkeypatch, said, part):
    answer(42)
    path = parts_of(directory, part)
    path.unlink()
    path.mkdir(mode=0o700)
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        forget(monkeypatch)
        assert answer(42) == 42
    assert len(os.listdir("/dev/fd")) == before
    assert any("is no regular file" in message for message in said)


@posix
def test_a_usual_mode_that_takes_everything_leaves_the_user_a_cache(tmp_path, monkeypatch, said):
    place = tmp_path / "above" / "cache"
    monkeypatch.setenv("DYNAMICS_CACHE", str(place))
    usual = os.umask(0o777)
    try:
        assert answer(42) == 42
    finally:
        os.umask(usual)
    made = (place.parent, place, place / "kernels")
    assert {folder.stat().st_mode & 0o777 for folder in made} == {0o700}
    files = list((place / "kernels").iterdir())
    assert len(files) == 2
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert not said


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME", "DYNAMICS_CACHE"])
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="other variables say the place there")
def test_a_place_that_depends_on_the_working_directory_is_not_used(tmp_path, monkeypatch, said, variable):
    for name in ("XDG_CACHE_HOME", "DYNAMICS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "relative")
    monkeypatch.chdir(tmp_path)
    assert [answer(42), answer(43)] == [42, 43]
    assert not list(tmp_path.iterdir())
    assert len(said) == 1
    assert "is not the whole path of a directory" in said[0]


@pytest.mark.parametrize("word", ["off", "OFF", "0", "no", "none", "None", "false", " off "])
def test_words_that_mean_no_cache(tmp_path, monkeypatch, said, word):
    monkeypatch.setenv("DYNAMICS_CACHE", word)
    monkeypatch.chdir(tmp_path)
    assert answer(42) == 42
    assert kept_code.cache_directory() is None
    assert not list(tmp_path.iterdir())
    assert not said
