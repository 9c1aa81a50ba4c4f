"""Compiled code on disk: kept by a user for that user alone, and run again only if the user's own key signed it.

Whoever can put a file here could have any code run, so nothing is taken on trust. The directory belongs to the user and
nobody else can write to it; it is held open while it is used, so that exchanging a directory above it changes nothing.
Every entry is signed with a key that only the user can read. What fails a check is compiled anew and said once.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
import sys
import time
from pathlib import Path
from types import TracebackType

__all__ = ["cache_directory", "read", "write"]

LOG = logging.getLogger(__name__)
MOST_FILES = 1000            # object files kept on disk; the least recently made go first
ABANDONED = 86_400.0         # seconds after which an unfinished file is that of a process that has ended
MOST_BYTES = 1 << 26         # of one file; the object code of the largest kernels has some megabytes
OFF = ("off", "0", "no", "none", "false")
KEY, KEY_BYTES = "key", 32   # as long as the digest it signs
MAGIC = b"dynamics kernel 2\n"
_POSIX = os.name == "posix"  # elsewhere the signature stands alone: there are no owners and modes to ask for
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_OPEN = stat.S_IRWXG | stat.S_IRWXO
_FLAGS = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY", "O_NONBLOCK"))
_SAID: set[str] = set()


class _UntrustedError(OSError):
    """A file or directory that somebody else made or could have changed."""


def cache_directory() -> Path | None:
    """Return where compiled kernels are kept, None if nowhere.

    The environment variable DYNAMICS_CACHE names another directory, by its whole path; set to ``off`` (``0``, ``no``,
    ``none``, ``false``) nothing is kept.
    """
    chosen = os.environ.get("DYNAMICS_CACHE", "")
    if chosen.strip().lower() in OFF:
        return None
    try:
        root = _root(chosen)
        if root.is_absolute():
            return root / "kernels"
        # it would be another one wherever a program is started
        _say("place", f"compiled kernels are not kept: '{root}' is not the whole path of a directory; DYNAMICS_CACHE "
                      "names one")
        return None
    except RuntimeError as error:  # no home directory is known
        _say("place", f"compiled kernels are not kept: {error}; DYNAMICS_CACHE names a directory for them")
        return None


def _root(chosen: str) -> Path:
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dynamics" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "dynamics"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dynamics"


def read(name: str) -> bytes | None:
    """Return the code kept under a name, None if there is none that can be trusted.

    Parameters
    ----------
    name : str
        Made from everything the code depends on; signed with it, so that no entry can stand for another.

    Returns
    -------
    bytes or None
    """
    directory = cache_directory()
    if directory is None:
        return None
    try:
        with _Place(directory) as place:
            return _trusted(place, name)
    except OSError as error:
        _say_unusable(directory, error)
        return None


def write(name: str, code: bytes) -> None:
    """Keep code under a name, whole or not at all; a cache that cannot be written is no error."""
    directory = cache_directory()
    if directory is None:
        return
    try:
        with _Place(directory) as place:
            content = MAGIC + _signature(place.key(), name, code) + code
            if len(content) <= MOST_BYTES:
                place.put(f"{name}.kernel", content)
                _remove_old(place)
    except OSError as error:
        _say_unusable(directory, error)


def _trusted(place: _Place, name: str) -> bytes | None:
    try:
        content = place.get(f"{name}.kernel", _WRITABLE)
    except FileNotFoundError:
        return None
    except _UntrustedError as error:
        _say("entry", f"a kept kernel is not used, it is compiled anew: {error}")
        return None
    head = len(MAGIC) + hashlib.sha256().digest_size
    code = content[head:]
    signed = MAGIC + _signature(place.key(), name, code)
    if hmac.compare_digest(content[:head], signed):
        return code
    _say("entry", f"a kept kernel in {place.path} is damaged or was not made by this user; it is compiled anew")
    return None


def _signature(key: bytes, name: str, code: bytes) -> bytes:
    return hmac.new(key, b"\0".join((MAGIC, name.encode(), code)), hashlib.sha256).digest()


class _Place:
    """The cache directory, made where it is missing, checked, and held open while it is used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle: int | None = None

    def __enter__(self) -> _Place:
        _make(self.path)
        if _POSIX:
            if self.path.is_symlink():
                raise _UntrustedError(f"{self.path} is a symbolic link")
            self.handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS)
            try:
                _check(os.fstat(self.handle), self.path, _WRITABLE)
            except OSError:
                os.close(self.handle)
                raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.handle is not None:
            os.close(self.handle)

    def _name(self, name: str) -> str:
        return name if self.handle is not None else str(self.path / name)

    def get(self, name: str, forbidden: int) -> bytes:
        """Return a file's bytes, if it is the user's own and others have none of the ``forbidden`` permissions."""
        try:
            handle = os.open(self._name(name), os.O_RDONLY | _FLAGS, dir_fd=self.handle)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _UntrustedError(f"{self.path / name} cannot be opened ({error.strerror})") from error
        try:
            found = os.fstat(handle)
            _check(found, self.path / name, forbidden)
            _check_size(found, self.path / name)
            file = os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
        with file:
            return file.read(found.st_size)

    def put(self, name: str, content: bytes, *, over: bool = True) -> None:
        """Put a file in place whole or not at all; without ``over`` one that is there already stays."""
        temporary = f"{os.getpid()}.{os.urandom(8).hex()}.part"
        handle = os.open(self._name(temporary), os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self.handle)
        try:
            with os.fdopen(handle, "wb") as file:
                if _POSIX:
                    # whatever the user's usual mode leaves of it
                    os.fchmod(handle, 0o600)
                file.write(content)
            if over or not self._linked(temporary, name):
                os.replace(self._name(temporary), self._name(name), src_dir_fd=self.handle, dst_dir_fd=self.handle)
        except OSError:
            self.remove(temporary)
            raise

    def _linked(self, temporary: str, name: str) -> bool:
        """Give a file its name if nothing has it yet; False where the file system cannot."""
        try:
            os.link(self._name(temporary), self._name(name), src_dir_fd=self.handle, dst_dir_fd=self.handle)
        except FileExistsError:
            pass  # another process was quicker
        except OSError:
            return False
        self.remove(temporary)
        return True

    def remove(self, name: str) -> None:
        try:
            os.unlink(self._name(name), dir_fd=self.handle)
        except OSError:
            pass  # another process was quicker

    def key(self) -> bytes:
        """Return the user's key; one that is missing, damaged or was open to others is made anew."""
        try:
            key = self.get(KEY, _OPEN)
            if len(key) == KEY_BYTES:
                return key
            _say("key", f"the key of the kept kernels in {self.path} is damaged; it is replaced and they are compiled anew")
        except FileNotFoundError:
            # two processes can make one at the same time: both go on with the one that was first
            self.put(KEY, os.urandom(KEY_BYTES), over=False)
            return self.get(KEY, _OPEN)
        except _UntrustedError as error:
            _say("key", f"the key of the kept kernels is replaced and they are compiled anew: {error}")
        self.put(KEY, os.urandom(KEY_BYTES))
        return self.get(KEY, _OPEN)


def _make(path: Path) -> None:
    """Make a directory and those above it that are missing, closed to others whatever the user's usual mode."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    for place in reversed(missing):
        try:
            place.mkdir(mode=0o700)
            # a usual mode can take away the user's own rights too
            place.chmod(0o700)
        except FileExistsError:
            pass  # another process was quicker, or a link to nowhere, which opening refuses


def _check(found: os.stat_result, path: Path, forbidden: int) -> None:
    if not _POSIX:
        return
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise _UntrustedError(f"{path} is no regular file")
    if found.st_uid != os.geteuid():
        raise _UntrustedError(f"{path} belongs to another user")
    if found.st_mode & forbidden:
        raise _UntrustedError(f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):o})")


def _check_size(found: os.stat_result, path: Path) -> None:
    """Before anything is read: what is no file, or larger than any that is written here, could take all the memory."""
    if not stat.S_ISREG(found.st_mode):
        raise _UntrustedError(f"{path} is no regular file")
    if found.st_size > MOST_BYTES:
        raise _UntrustedError(f"{path} has {found.st_size} bytes, more than any that is written there")


def _remove_old(place: _Place) -> None:
    ages = {}
    with os.scandir(place.path if place.handle is None else place.handle) as files:
        for file in files:
            if not file.name.endswith((".kernel", ".part")):
                continue
            try:
                ages[file.name] = file.stat(follow_symlinks=False).st_mtime
            except FileNotFoundError:
                pass  # another process was quicker
    kept = sorted((name for name in ages if name.endswith(".kernel")), key=lambda name: ages[name])
    begun = time.time() - ABANDONED
    abandoned = [name for name, age in ages.items() if name.endswith(".part") and age < begun]
    for name in (*kept[:-MOST_FILES], *abandoned):
        place.remove(name)


def _say_unusable(directory: Path, error: OSError) -> None:
    reason = str(error) if isinstance(error, _UntrustedError) else f"{directory}: {error.strerror or error}"
    _say("directory", f"compiled kernels are not kept, so that every start compiles anew: {reason}; give the user alone a "
                      "directory (chmod 700), name another in DYNAMICS_CACHE, or set DYNAMICS_CACHE=off")


def _say(kind: str, message: str) -> None:
    if kind not in _SAID:
        _SAID.add(kind)
        LOG.warning("%s", message)
