import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from omnihub.store.engines import logfile
from omnihub.store.engines.errors import EngineError, explained
from omnihub.store.engines.process import Child, end_stray, strays
from omnihub.store.engines.program import Program

# A database that was killed while busy replays its journal first.
START_LIMIT_S = 180.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
HOUSEKEEPING_S = 60.0

OnEvent = Callable[[str, Mapping[str, Any]], None]


class Supervisor:
    """Keeps one engine running at the same address until it is stopped."""

    def __init__(self, program: Program, on_event: OnEvent, on_restart: Callable[[], None]) -> None:
        self.program = program
        self.restarts = 0
        self._tell = on_event
        self._restarted = on_restart
        self._child: Child | None = None
        self._running = False
        self._pause = FIRST_PAUSE_S
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._running else None

    def status(self) -> dict[str, Any]:
        up = time.monotonic() - self._child.started_at if self._child and self._running else 0.0
        return {
            "embedded": True,
            "running": self._running,
            "pid": self.pid,
            "uptime_seconds": round(up, 1),
            "restarts": self.restarts,
            "log": str(self.program.log),
        }

    async def start(self) -> None:
        """Returns when the engine serves. Raises EngineError when it cannot."""
        name = self.program.name
        for pid in strays(self.program.binary, self.program.data):
            self._tell("stray_ended", {"engine": name, "pid": pid})
            await end_stray(pid)
        begun = time.monotonic()
        try:
            await self._launch_healing()
        except BaseException:
            await self.stop()
            raise
        self._tell("engine_started", {"engine": name, "seconds": round(time.monotonic() - begun, 3)})
        self._watch = asyncio.create_task(self._supervise(), name=f"supervise-{name}")

    async def stop(self) -> None:
        if self._watch:
            self._watch.cancel()
            await asyncio.wait({self._watch})
            self._watch = None
        if self._child:
            self._running = False
            await self._child.stop(self.program.grace)
            self._child = None
        self.program.socket.unlink(missing_ok=True)

    async def _launch_healing(self) -> None:
        try:
            await self._launch()
        except _DiedStarting as death:
            healed = self.program.heal(death.last_words)
            if healed is None:
                raise
            self._tell("engine_healed", {"engine": self.program.name, "what": healed})
            await self._launch()

    async def _launch(self) -> None:
        program = self.program
        with explained(program.data):
            program.socket.unlink(missing_ok=True)
            logfile.rotate(program.log)
            said = logfile.size(program.log)
            child = self._child = Child(program.command(), program.cwd, program.output)
        serving = asyncio.create_task(program.serving())
        gone = asyncio.create_task(child.wait())
        try:
            await asyncio.wait({serving, gone}, timeout=START_LIMIT_S, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise _DiedStarting(program, gone.result(), self._last_words(said))
            if not serving.done():
                raise EngineError(
                    f"The embedded {program.name} did not answer within {START_LIMIT_S:.0f} s.",
                    f"Its log is in {program.log}.",
                )
            _require_served(program, serving)
        finally:
            for task in (serving, gone):
                task.cancel()
            await asyncio.gather(serving, gone, return_exceptions=True)
        self._running = True

    def _last_words(self, said: int) -> str:
        return logfile.since(self.program.output, 0) + logfile.since(self.program.log, said)

    async def _supervise(self) -> None:
        while True:
            assert self._child is not None
            said = logfile.size(self.program.log)
            status = await self._until_gone(self._child)
            self._running = False
            lived = time.monotonic() - self._child.started_at
            why = self.program.explain(status, logfile.since(self.program.log, said))
            self._tell(
                "engine_died",
                {"engine": self.program.name, "status": status, "lived": round(lived, 1), "why": why.problem},
            )
            if lived > STEADY_AFTER_S:
                self._pause = FIRST_PAUSE_S
            await self._revive()

    async def _until_gone(self, child: Child) -> int:
        while True:
            try:
                async with asyncio.timeout(HOUSEKEEPING_S):
                    return await child.wait()
            except TimeoutError:
                self._tidy(child)

    def _tidy(self, child: Child) -> None:
        try:
            if logfile.rotate(self.program.log) and self.program.rotated_by_signal:
                child.signal(signal.SIGUSR1)
        except OSError as error:
            self._tell("log_not_rotated", {"engine": self.program.name, "why": str(error)})

    async def _revive(self) -> None:
        begun = time.monotonic()
        while True:
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
            try:
                await self._launch_healing()
            except EngineError as error:
                self._tell(
                    "engine_restart_failed",
                    {"engine": self.program.name, "why": error.problem, "next_in": self._pause},
                )
                if self._child:
                    await self._child.stop(self.program.grace)
                continue
            self.restarts += 1
            self._announce()
            self._tell(
                "engine_restarted",
                {"engine": self.program.name, "seconds": round(time.monotonic() - begun, 3)},
            )
            return

    def _announce(self) -> None:
        try:
            self._restarted()
        except EngineError as error:  # the engine itself is well, so it stays
            self._tell("engine_not_announced", {"engine": self.program.name, "why": error.problem})


def _require_served(program: Program, serving: asyncio.Task[None]) -> None:
    error = serving.exception()
    if isinstance(error, EngineError):
        raise error
    if error:
        raise EngineError(
            f"The embedded {program.name} runs, but answers: {error}", f"Its log is in {program.log}."
        ) from error


class _DiedStarting(EngineError):
    def __init__(self, program: Program, status: int, last_words: str) -> None:
        explained_by = program.explain(status, last_words)
        super().__init__(explained_by.problem, explained_by.remedy)
        self.last_words = last_words
