"""Compiling and keeping; threads and processes may compile at once."""

import ctypes
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from dynamics.compiled.kernels import jit, kept_code
from dynamics.errors import IntegrationError


def text(number):
    return f"define i64 @answer() {{\n  ret i64 {number}\n}}\n"


def answer(number):
    return jit.compile_kernel(text(number)).function("answer", [], ctypes.c_int64)()


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNAMICS_CACHE", str(tmp_path))
    monkeypatch.setattr(jit, "_KERNELS", type(jit._KERNELS)())
    return tmp_path / "kernels"


def forget(monkeypatch):
    monkeypatch.setattr(jit, "_KERNELS", type(jit._KERNELS)())


def test_a_kernel_is_kept_and_not_compiled_again(directory, monkeypatch):
    assert answer(41) == 41
    assert sorted(p.suffix for p in directory.iterdir()) == ["", ".kernel"]
    monkeypatch.setattr(jit, "_object_code", lambda *_: pytest.fail("compiled again"))
    assert answer(41) == 41
    forget(monkeypatch)
    assert answer(41) == 41


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-9], lambda c: c[:-1] + bytes([c[-1] ^ 1]),
                                    lambda c: b"x" * 99])
def test_a_damaged_entry_is_made_again(directory, monkeypatch, damage):
    answer(7)
    (path,) = directory.glob("*.kernel")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    forget(monkeypatch)
    assert answer(7) == 7
    assert path.read_bytes() == whole


def test_code_for_another_processor_or_version_is_not_used(directory):
    answer(5)
    target = jit.native_target()
    jit.compile_kernel(text(5), replace(target, version="another"))
    jit.compile_kernel(text(5), replace(target, features=target.features + ","))
    assert len(list(directory.glob("*.kernel"))) == 3


def test_nothing_is_kept_where_that_is_switched_off_or_impossible(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNAMICS_CACHE", "off")
    assert kept_code.cache_directory() is None
    assert answer(3) == 3
    occupied = tmp_path / "file"
    occupied.write_text("")
    monkeypatch.setenv("DYNAMICS_CACHE", str(occupied))
    assert answer(4) == 4


def test_the_oldest_kernels_go_first(directory, monkeypatch):
    monkeypatch.setattr(kept_code, "MOST_FILES", 3)
    for number in range(6):
        answer(number)
    assert len(list(directory.glob("*.kernel"))) == 3
    assert not list(directory.glob("*.part"))


def test_the_usual_place_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.delenv("DYNAMICS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "l"))
    for platform, part in (("linux", "x"), ("win32", "l"), ("darwin", "Caches")):
        monkeypatch.setattr(kept_code.sys, "platform", platform)
        assert part in kept_code.cache_directory().parts


def test_many_threads_and_processes_compile_at_once(directory):
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(answer, [n % 5 for n in range(40)])) == [n % 5 for n in range(40)]
    code = ("import ctypes\nfrom dynamics.compiled.kernels.jit import compile_kernel\n"
            f"for n in range(20):\n    text = {text('%d')!r} % n\n"
            "    f = compile_kernel(text).function('answer', [], ctypes.c_int64)\n    assert f() == n")
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [child.wait() for child in children] == [0, 0, 0]
    assert not list(directory.glob("*.part"))


def test_faults_are_sentences(monkeypatch):
    with pytest.raises(IntegrationError, match="LLVM refuses"):
        jit.compile_kernel("define nonsense")
    with pytest.raises(IntegrationError, match="no function 'other'"):
        jit.compile_kernel(text(1)).function("other", [])
    jit.native_target.cache_clear()
    with monkeypatch.context() as old:
        old.setattr("llvmlite.binding.llvm_version_info", (15, 0, 7))
        with pytest.raises(IntegrationError, match=r"llvmlite 0\.45 or later"):
            jit.native_target()
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    with pytest.raises(IntegrationError, match="'llvmlite', which is not installed"):
        jit.native_target()
    jit.native_target.cache_clear()


CROWDED = '''
import ctypes, os
from sympy import Symbol, sin
from dynamics.compiled.kernels import flow_code, jit
from dynamics.compiled.kernels.flow_problems import FlowProblem

y = Symbol("y")
problem, target = FlowProblem((y,), (), (sin(y),)), jit.native_target()
code = jit._object_code(flow_code.flow_text(problem, "tsit5", target.width, False), target, True)
memory = ctypes.CDLL(None)
address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
memory.mmap.restype, memory.mmap.argtypes = address, [address, size, number, number, number, ctypes.c_long]
memory.munmap.argtypes = [address, size]
for pages in (1, 2, 3):
    child = os.fork()
    if not child:
        taken = memory.mmap(None, 8 << 30, 0, 0x4022, -1, 0)
        while (page := memory.mmap(None, 4096, 0, 0x4022, -1, 0)) > taken:
            pass  # gaps above
        memory.munmap(page, 4096)
        memory.munmap(taken + (8 << 30) - 64*4096, pages*4096)
        jit.Kernel(code, target)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, f"ended by signal with {pages} free pages"
'''


@pytest.mark.skipif(sys.platform != "linux" or sys.maxsize < 2**32, reason="places memory as Linux does")
def test_a_kernel_loads_where_little_memory_is_free_near_by():
    # eight gigabytes of addresses are taken but for a hole of few pages: constants must not lie far from the code
    done = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
