import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from omnihub.store.engines import logfile
from omnihub.store.engines.errors import EngineError, disk_full


@dataclass(frozen=True, slots=True)
class Program(ABC):
    """One engine: how it is called, when it serves, and what its last words mean."""

    name: ClassVar[str]
    binary: Path
    data: Path
    sockets: Path
    log_dir: Path

    # Last words (a pattern), what they mean, what to do.
    causes: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    # Whether the log has to be reopened by SIGUSR1 after it was moved.
    rotated_by_signal: ClassVar[bool] = False
    # A clean end takes this many seconds at most, after that it is forced.
    grace: ClassVar[float]

    @property
    def log(self) -> Path:
        return self.log_dir / f"{self.name}.log"

    @property
    def output(self) -> Path:
        """What the program prints before its log is open: loader errors, refused options."""
        return self.log_dir / f"{self.name}.out"

    @property
    @abstractmethod
    def socket(self) -> Path: ...

    @property
    @abstractmethod
    def cwd(self) -> Path: ...

    @property
    @abstractmethod
    def uri(self) -> str: ...

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    async def serving(self) -> None:
        """Returns once clients can read and write. Never raises because it is too early."""

    def heal(self, last_words: str) -> str | None:
        """Repairs what kept it from starting and says what was done; None when nothing can be."""
        return None

    def explain(self, status: int, last_words: str) -> EngineError:
        if "No space left on device" in last_words or "Disk quota exceeded" in last_words:
            return disk_full(self.data)
        forbidden = re.search("cannot be executed: .*", last_words)
        if forbidden:
            return EngineError(
                f"{self.binary} {forbidden[0]}.",
                "Is it on a file system mounted noexec? Then put the program on PATH from elsewhere.",
            )
        for pattern, cause, remedy in self.causes:
            if re.search(pattern, last_words):
                return EngineError(f"{cause} (data in {self.data}, log in {self.log}).", remedy)
        ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return EngineError(
            f"The embedded {self.name} {ended}. Its last words: {logfile.last_lines(last_words) or 'none'}",
            f"The whole log is in {self.log}.",
        )
