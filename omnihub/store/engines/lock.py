import fcntl
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from omnihub.store.engines.errors import explained


@dataclass(frozen=True, slots=True)
class Holder:
    pid: int
    command: str


class VarLock:
    """Held for as long as the process lives: the kernel lets go of it even after SIGKILL."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """None when somebody else holds it."""
        with explained(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _signature(), 0)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except OSError:
                os.close(descriptor)
                raise
        return cls(descriptor)

    def release(self) -> None:
        # The file stays: removing it would let a third process lock a name that is gone.
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def holder(path: Path) -> Holder | None:
    """Who wrote itself into the lock; None while that is not (or no longer) known."""
    try:
        first, _, command = path.read_text().partition("\n")
    except FileNotFoundError:
        return None
    if not first.isdigit() or not _lives(int(first)):
        return None
    return Holder(int(first), command.strip())


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, but there
        return True
    return True


def _signature() -> bytes:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])
    return f"{os.getpid()}\n{command}\n".encode(errors="replace")
