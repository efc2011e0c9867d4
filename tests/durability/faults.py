"""Crash points: every command to the database and the bell, and every call to a provider, before and after.

A point is named as in "before insert raw_events". The process kills itself at the wanted occurrence of one;
without a wish it only notes which ones it passes.
"""

import functools
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pymongo.monitoring
import redis.asyncio.client

# Whatever a driver does by itself, or before the hub is ready, is no deed of ours.
_NOT_OURS = frozenset(
    {
        "hello",
        "ping",
        "isMaster",
        "endSessions",
        "killCursors",
        "getMore",
        "listCollections",
        "dbStats",
        "aggregate",
    }
)
# Signs of life, which come by the clock and not by what is done.
_BY_THE_CLOCK = frozenset({"processes", "account_health"})


class Faults:
    """`armed`: a file; only while it exists do points count. `log`: where passed points are noted."""

    def __init__(self, armed: Path, log: Path | None, wanted: str, occurrence: int) -> None:
        self._armed = armed
        self._log = log
        self._wanted = wanted
        self._occurrence = occurrence
        self._seen: Counter[str] = Counter()

    def pass_by(self, point: str) -> None:
        if not self._armed.exists():
            return
        self._seen[point] += 1
        if self._log is not None:
            with self._log.open("a") as log:
                log.write(point + "\n")
        if point == self._wanted and self._seen[point] == self._occurrence:
            os.kill(os.getpid(), signal.SIGKILL)


class _Commands(pymongo.monitoring.CommandListener):
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._names: dict[int, str] = {}

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        target = event.command.get(event.command_name)
        where = target if isinstance(target, str) else ""
        if event.command_name in _NOT_OURS or where in _BY_THE_CLOCK:
            return
        name = f"{event.command_name} {where}".strip()
        self._names[event.request_id] = name
        self._faults.pass_by(f"before {name}")

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None:
        if name := self._names.pop(event.request_id, ""):
            self._faults.pass_by(f"after {name}")

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None:
        self._names.pop(event.request_id, None)


def _around(faults: Faults, name: Callable[..., str], call: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    @functools.wraps(call)
    async def surrounded(*given: Any, **options: Any) -> Any:
        point = name(*given)
        faults.pass_by(f"before {point}")
        answer = await call(*given, **options)
        faults.pass_by(f"after {point}")
        return answer

    return surrounded


def install(environment: Mapping[str, str]) -> None:
    log = environment.get("CRASH_LOG", "")
    faults = Faults(
        armed=Path(environment["CRASH_ARMED"]),
        log=Path(log) if log else None,
        wanted=environment.get("CRASH_AT", ""),
        occurrence=int(environment.get("CRASH_OCCURRENCE", "1")),
    )
    pymongo.monitoring.register(_Commands(faults))
    pipeline: Any = redis.asyncio.client.Pipeline
    pipeline.execute = _around(faults, lambda *_: "ring", pipeline.execute)
    session: Any = aiohttp.ClientSession
    session._request = _around(faults, lambda _, method, *__: f"provider {method}", session._request)
