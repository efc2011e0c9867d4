"""The hub as its users run it: processes of `python -m omnihub`, seen from outside."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parent.parent
READY_SECONDS = 60.0
NOTHING: Mapping[str, str] = {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """`settings` by their names, such as server.port."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMNIHUB_")}
    return kept | {f"OMNIHUB_{name.replace('.', '__').upper()}": value for name, value in settings.items()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def working_on(var: Path) -> list[int]:
    """Every process that has this directory in its command line or works in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and alive(int(entry.name)):
            try:
                told = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
                place = os.readlink(entry / "cwd")
            except OSError:
                continue
            if str(var) in told or place.startswith(str(var)):
                found.append(int(entry.name))
    return found


async def until(look: Callable[[], Awaitable[Any]], within: float = 30.0) -> Any:
    """Waits until `look` answers something true, and returns it."""
    end = time.monotonic() + within
    while not (seen := await look()):
        assert time.monotonic() < end, f"did not happen within {within} s"
        await asyncio.sleep(0.03)
    return seen


@dataclass(slots=True, frozen=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


async def omnihub(*arguments: str, settings: Mapping[str, str], within: float = 60.0) -> Ended:
    """Runs a command to its end."""
    process = await _started(arguments, settings)
    try:
        out, err = await asyncio.wait_for(process.communicate(), within)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return Ended(code=process.returncode or 0, out=out.decode(), err=err.decode())


async def _started(
    arguments: tuple[str, ...],
    settings: Mapping[str, str],
    module: str = "omnihub",
    more: Mapping[str, str] = NOTHING,
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env={**environment(settings), **more},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@dataclass
class Running:
    """A command that stays. `out` and `err` grow while it runs."""

    process: asyncio.subprocess.Process
    out: str = ""
    err: str = ""
    http: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    async def start(
        cls,
        *arguments: str,
        settings: Mapping[str, str],
        module: str = "omnihub",
        more: Mapping[str, str] = NOTHING,
    ) -> "Running":
        """`more`: further variables of its environment."""
        running = cls(await _started(arguments, settings, module, more))
        running._readers = [asyncio.create_task(running._read(name)) for name in ("out", "err")]
        return running

    async def _read(self, name: str) -> None:
        stream = self.process.stdout if name == "out" else self.process.stderr
        assert stream is not None
        while line := await stream.readline():
            setattr(self, name, getattr(self, name) + line.decode("utf-8", "replace"))

    async def ready(self, word: str = " is ready") -> "Running":
        end = time.monotonic() + READY_SECONDS
        while word not in self.out or not self.out.endswith("\n\n"):
            assert self.process.returncode is None, f"ended with {self.process.returncode}: {self.out}{self.err}"
            assert time.monotonic() < end, f"not ready: {self.out}{self.err}"
            await asyncio.sleep(0.02)
        return self

    @property
    def url(self) -> str:
        found = re.search(r"is ready: (http://\S+)", self.out)
        assert found, self.out
        return found[1]

    @property
    def password(self) -> str:
        found = re.search(r"password: +(\S+)", self.out)
        return found[1] if found else ""

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.end()

    async def stop(self) -> int:
        """Asks it to end, as a service manager does."""
        self.signal(signal.SIGTERM)
        return await self.end()

    async def end(self, within: float = 40.0) -> int:
        code = await asyncio.wait_for(self.process.wait(), within)
        await asyncio.gather(*self._readers)
        await self.http.close()
        return code

    async def close(self) -> None:
        """However it stands: afterwards it is gone."""
        if self.process.returncode is None:
            # It may have died this very moment, and nobody has heard of it yet.
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(signal.SIGTERM)
            await self.end()
        await self.http.close()


@asynccontextmanager
async def running(*arguments: str, settings: Mapping[str, str]) -> AsyncIterator[Running]:
    """A command that stays, once it is ready; ended at the end."""
    started = await Running.start(*arguments, settings=settings)
    try:
        yield await started.ready()
    finally:
        await started.close()
