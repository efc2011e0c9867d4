"""What processes cost, read from /proc: CPU seconds and memory."""

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_UTIME, _STIME = 11, 12  # after the name in brackets, which may hold blanks itself


def cpu_seconds(pid: int) -> float:
    """User and system time, its ended children not counted; 0.0 where the process is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICK


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return pages * _PAGE / 1_048_576


def family(pid: int) -> list[int]:
    """The process and all below it."""
    found, left = [], [pid]
    while left:
        one = left.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
                left += [int(child) for child in task.read_text().split()]
    return found


@dataclass(slots=True)
class Spent:
    """CPU seconds by the name of a group of processes, over `seconds` of wall time."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)

    def per(self, count: int) -> dict[str, float]:
        """Milliseconds of CPU for each of `count`, by group."""
        return {name: used * 1000 / max(1, count) for name, used in self.cpu.items()}

    def total(self, *names: str) -> float:
        return sum(used for name, used in self.cpu.items() if not names or name in names)


@contextmanager
def spending(groups: Mapping[str, Iterable[int]]) -> Iterator[Spent]:
    """What the groups use while the block runs. Their processes must outlive it."""
    pids = {name: list(members) for name, members in groups.items()}
    before = {pid: cpu_seconds(pid) for members in pids.values() for pid in members}
    spent, began = Spent(), time.monotonic()
    try:
        yield spent
    finally:
        spent.seconds = time.monotonic() - began
        spent.cpu = {
            name: sum(cpu_seconds(pid) - before[pid] for pid in members) for name, members in pids.items()
        }


class MemoryWatch:
    """Resident megabytes of some processes together, once a period, while the block runs."""

    def __init__(self, pids: Sequence[int], period: float = 1.0) -> None:
        self._pids = list(pids)
        self._period = period
        self._task: asyncio.Task[None] | None = None
        self.samples: list[float] = []

    async def __aenter__(self) -> "MemoryWatch":
        self._look()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._look()

    def _look(self) -> None:
        self.samples.append(sum(map(resident_mb, self._pids)))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._period)
            self._look()

    @property
    def growth(self) -> float:
        """Megabytes that the second half of the time has more than the first, by their medians: what is
        filled once, such as caches, is filled in the first."""
        half = len(self.samples) // 2
        if not half:
            return 0.0
        early, late = sorted(self.samples[:half]), sorted(self.samples[half:])
        return late[len(late) // 2] - early[len(early) // 2]
