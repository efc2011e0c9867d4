import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path


class EngineError(Exception):
    """An embedded engine cannot do its work."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}\n{remedy}")
        self.problem = problem
        self.remedy = remedy


class VarInUse(EngineError):
    """Another hub runs on this directory. `pid` is None when it could not be read."""

    def __init__(self, directory: Path, pid: int | None, command: str = "") -> None:
        who = f"process {pid}" if pid else "another process"
        by = f" ({command})" if command else ""
        super().__init__(
            f"Another hub is already running on {directory}: {who}{by}.",
            "Stop that one first, or give this one a directory of its own.",
        )
        self.directory = directory
        self.pid = pid


def disk_full(place: Path) -> EngineError:
    return EngineError(
        f"The disk that holds {place} is full.",
        "Free some space, or move the directory to a larger disk; nothing already stored is lost.",
    )


def not_writable(place: Path, reason: str) -> EngineError:
    return EngineError(
        f"{place} cannot be written by user {os.geteuid()}: {reason}.",
        "Make it belong to the user who runs the hub (for example: chown -R), "
        "or choose another directory. Do not run the hub once as root and then as somebody else.",
    )


@contextlib.contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turns an OSError about `place` into an EngineError that says what to do."""
    try:
        yield
    except OSError as error:
        at = Path(error.filename) if isinstance(error.filename, str) else place
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(at) from error
        raise not_writable(at, error.strerror or str(error)) from error
