import contextlib
import hashlib
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omnihub.store.engines.errors import EngineError, explained

# WiredTiger lays out journal files of 100 MB each before it serves.
LEAST_FREE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of the engines lies under var/."""

    var: Path

    @property
    def lock(self) -> Path:
        return self.var / "hub.lock"

    @property
    def run(self) -> Path:
        return self.var / "run"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def bin(self) -> Path:
        return self.var / "bin"

    def data(self, engine: str) -> Path:
        return self.var / engine

    @classmethod
    def prepare(cls, var: Path) -> "Layout":
        """Raises EngineError when var/ cannot be made or written."""
        layout = cls(var.absolute())
        with explained(var):
            layout.var.mkdir(parents=True, exist_ok=True)
            layout = cls(layout.var.resolve())
            for place in (layout.run, layout.log):
                place.mkdir(mode=0o700, exist_ok=True)
            layout.run.chmod(0o700)
            with tempfile.TemporaryFile(dir=layout.var) as probe:
                probe.write(b"room to write")
        return layout

    def prepare_data(self, engine: str) -> Path:
        place = self.data(engine)
        with explained(place):
            place.mkdir(mode=0o700, exist_ok=True)
        return place

    def require_space(self, free_bytes: int | None = None) -> None:
        free = shutil.disk_usage(self.var).free if free_bytes is None else free_bytes
        if free < LEAST_FREE_BYTES:
            raise EngineError(
                f"Only {free // 2**20} MB are free on the disk that holds {self.var}; "
                f"the embedded databases need at least {LEAST_FREE_BYTES // 2**20} MB to start.",
                "Free some space, or move the directory to a larger disk; nothing already stored is lost.",
            )


def socket_dir(layout: Layout) -> Path:
    """A private directory (0700) in which unix sockets can be made.

    var/run itself where possible. A socket path may have 107 bytes only, and some network and shared
    file systems hold no sockets at all: then a short one outside, the same at every start.
    """
    for place in _candidates(layout):
        if _is_private(place) and _holds_sockets(place):
            return place
    with explained(Path(tempfile.gettempdir())):
        return Path(tempfile.mkdtemp(prefix="omnihub-"))


def leave(place: Path, layout: Layout) -> None:
    """Removes a socket directory that lies outside var/."""
    if place != layout.run:
        shutil.rmtree(place, ignore_errors=True)


def _candidates(layout: Layout) -> Iterator[Path]:
    yield layout.run
    name = hashlib.sha256(os.fsencode(layout.var)).hexdigest()[:12]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield Path(runtime) / f"omnihub-{name}"
    yield Path(tempfile.gettempdir()) / f"omnihub-{os.geteuid()}-{name}"


def _is_private(place: Path) -> bool:
    with contextlib.suppress(OSError):  # judged by what is there afterwards
        place.mkdir(mode=0o700, exist_ok=True)
    try:
        found = place.lstat()
    except OSError:
        return False
    # In a shared /tmp the name may have been taken by somebody else, or be a link to elsewhere.
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _holds_sockets(place: Path) -> bool:
    probe = place / "mongod.probe"  # as long as the longest name used: mongod.sock, redis.sock
    probe.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as attempt:
        try:
            attempt.bind(str(probe))
        except OSError:
            return False
    probe.unlink()
    return True
