import asyncio
import os
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from omnihub.store.engines import layout as places
from omnihub.store.engines import mongod, record, redis_server
from omnihub.store.engines.binaries import MONGOD, REDIS, choose
from omnihub.store.engines.endpoints import Endpoints
from omnihub.store.engines.errors import EngineError, VarInUse
from omnihub.store.engines.layout import Layout
from omnihub.store.engines.lock import Holder, VarLock, holder
from omnihub.store.engines.mongod import Mongod
from omnihub.store.engines.program import Program
from omnihub.store.engines.record import Record
from omnihub.store.engines.redis_server import RedisServer
from omnihub.store.engines.supervisor import OnEvent, Supervisor

ATTACH_LIMIT_S = 60.0
_POLL_S = 0.1


class Engines:
    """The two databases of a hub: embedded ones it runs, embedded ones another process runs, or external."""

    def __init__(self, external: Endpoints, on_event: OnEvent | None = None) -> None:
        self.endpoints = external
        self._external = external
        self._on_event = on_event
        self._layout: Layout | None = None
        self._lock: VarLock | None = None
        self._sockets: Path | None = None
        self._supervisors: dict[str, Supervisor] = {}
        self._attached: Record | None = None

    @classmethod
    async def open(
        cls,
        var: Path,
        *,
        mongodb_uri: str = "",
        redis_url: str = "",
        exclusive: bool = True,
        on_event: OnEvent | None = None,
    ) -> Self:
        """Returns when both databases serve. An address given means that this one runs elsewhere; it is
        not looked at here.

        `exclusive` is the hub itself: it refuses a var/ that another process holds (VarInUse). Without it,
        engines already running on var/ are shared, else started and owned until close. Raises EngineError.
        The calling thread has to outlive the engines: when it ends, the kernel ends them.
        """
        engines = cls(Endpoints(mongodb_uri, redis_url), on_event)
        if exclusive or not (mongodb_uri and redis_url):
            await engines._settle(Layout.prepare(var), exclusive)
        return engines

    @property
    def owned(self) -> bool:
        """Whether this object runs the engines, and will stop them."""
        return bool(self._supervisors)

    def status(self) -> dict[str, Any]:
        pids = self._attached.pids if self._attached else {}
        return {
            name: self._supervisors[name].status()
            if name in self._supervisors
            else {"embedded": name in pids, "pid": pids.get(name)}
            for name in (Mongod.name, RedisServer.name)
        }

    async def close(self) -> None:
        """Stops what is owned: mongod and Redis end cleanly, by force only when they do not. Idempotent."""
        supervisors, self._supervisors = self._supervisors, {}
        lock, self._lock = self._lock, None
        try:
            if lock and self._layout:
                _record_path(self._layout).unlink(missing_ok=True)
            await asyncio.gather(*(supervisor.stop() for supervisor in supervisors.values()))
            if self._sockets and self._layout:
                places.leave(self._sockets, self._layout)
        finally:
            if lock:
                lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _settle(self, layout: Layout, exclusive: bool) -> None:
        deadline = time.monotonic() + ATTACH_LIMIT_S
        while True:
            self._lock = VarLock.take(layout.lock)
            if self._lock:
                return await self._own(layout)
            if exclusive:
                raise await _in_use(layout)
            owner = holder(layout.lock)
            if owner and await self._attach(layout, owner):
                return None
            if time.monotonic() > deadline:
                raise _silent_owner(layout, owner)
            await asyncio.sleep(_POLL_S)

    async def _own(self, layout: Layout) -> None:
        self._layout = layout
        try:
            _record_path(layout).unlink(missing_ok=True)
            programs = self._programs(layout)
            self._supervisors = {
                program.name: Supervisor(program, self._tell, self._publish) for program in programs
            }
            self.endpoints = self._addresses()
            await _all(*(supervisor.start() for supervisor in self._supervisors.values()))
            self._publish()
        except BaseException:
            await self.close()
            raise

    def _programs(self, layout: Layout) -> list[Program]:
        """Those that do not run elsewhere."""
        if self._external.mongodb_uri and self._external.redis_url:
            return []
        layout.require_space()
        sockets = self._sockets = places.socket_dir(layout)
        programs: list[Program] = []
        if not self._external.mongodb_uri:
            binary = choose(MONGOD, layout.bin)
            programs.append(Mongod(binary, layout.prepare_data(Mongod.name), sockets, layout.log))
        if not self._external.redis_url:
            binary = choose(REDIS, layout.bin)
            programs.append(RedisServer(binary, layout.prepare_data(RedisServer.name), sockets, layout.log))
        return programs

    def _addresses(self) -> Endpoints:
        own = {name: supervisor.program.uri for name, supervisor in self._supervisors.items()}
        return Endpoints(
            self._external.mongodb_uri or own[Mongod.name], self._external.redis_url or own[RedisServer.name]
        )

    def _publish(self) -> None:
        """Tells processes beside us where the engines are, once all of them serve."""
        pids = {name: supervisor.pid for name, supervisor in self._supervisors.items()}
        if self._layout and self._lock and all(pids.values()):
            own = {name: supervisor.program.uri for name, supervisor in self._supervisors.items()}
            Record(os.getpid(), own.get(Mongod.name, ""), own.get(RedisServer.name, ""), pids).write(
                _record_path(self._layout)
            )

    async def _attach(self, layout: Layout, owner: Holder) -> bool:
        found = record.read(_record_path(layout))
        if found is None or found.owner != owner.pid:
            return False  # still starting, or just stopping
        mongodb_uri = self._external.mongodb_uri or found.mongodb_uri
        redis_url = self._external.redis_url or found.redis_url
        if not (mongodb_uri and redis_url):
            raise _settings_differ(layout, owner)
        answers = await asyncio.gather(
            _true() if self._external.mongodb_uri else mongod.alive(mongodb_uri),
            _true() if self._external.redis_url else redis_server.alive(redis_url),
        )
        if not all(answers):
            return False
        self.endpoints = Endpoints(mongodb_uri, redis_url)
        self._attached = found
        return True

    def _tell(self, event: str, details: Mapping[str, Any]) -> None:
        # Through the loop: an error in the listener must not end the supervision.
        if self._on_event:
            asyncio.get_running_loop().call_soon(self._on_event, event, details)


async def _all(*starting: Coroutine[Any, Any, None]) -> None:
    """All of them, and none left running in the background when one fails."""
    tasks = [asyncio.create_task(start) for start in starting]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _true() -> bool:
    return True


def _record_path(layout: Layout) -> Path:
    return layout.run / "engines.json"


async def _in_use(layout: Layout) -> VarInUse:
    # The lock is there a moment before its holder has written its name.
    for _ in range(10):
        owner = holder(layout.lock)
        if owner:
            return VarInUse(layout.var, owner.pid, owner.command)
        await asyncio.sleep(_POLL_S)
    return VarInUse(layout.var, None)


def _silent_owner(layout: Layout, owner: Holder | None) -> EngineError:
    who = f"process {owner.pid}" if owner else "another process"
    return EngineError(
        f"The hub on {layout.var} ({who}) holds the directory, but its databases do not answer.",
        f"Look at its output and at {layout.log}; stop it and start again.",
    )


def _settings_differ(layout: Layout, owner: Holder) -> EngineError:
    return EngineError(
        f"The hub on {layout.var} (process {owner.pid}) uses external databases; this command was told to "
        "use embedded ones.",
        "Give both the same mongodb.uri and redis.url.",
    )
