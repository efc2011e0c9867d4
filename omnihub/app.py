"""Wiring: which rooms a process runs, and how they start and end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import structlog
from aiohttp import web
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.tokens import CommonTokens
from omnihub.inbox.contacts import ContactDesk
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import Listeners
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.inbox.profiles import PROFILE, ProfileErrands
from omnihub.inbox.progress import PROGRESS
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.recordings import FORGET, ForgetErrands, Recordings
from omnihub.inbox.tickets import TicketDesk
from omnihub.outbound.errands import ConfirmationErrands, ErrandKind, ErrandRunner
from omnihub.outbound.gestures import Gestures
from omnihub.outbound.options import Options
from omnihub.outbound.progress import ProgressErrands
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.search.feeder import Feeder
from omnihub.settings import Settings
from omnihub.store import presence
from omnihub.store.database import now
from omnihub.store.engines import Engines
from omnihub.store.store import Store
from omnihub.unified_view.application import application
from omnihub.unified_view.deps import Deps
from omnihub.webhooks.receive import Receiver

log = structlog.get_logger("omnihub")

ROLES = ("web", "worker", "listen")
_WAKE_SECONDS = 2.0
_PRESSURE_SECONDS = 3.0
_RETENTION_SECONDS = 3600.0
_DRAIN_SECONDS = 15.0
_CLIENT_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)


@dataclass(slots=True, frozen=True, kw_only=True)
class Hub:
    """The rooms of one process, connected."""

    settings: Settings
    engines: Engines
    store: Store
    toolbox: Toolbox
    connectors: Connectors

    @property
    def deps(self) -> Deps:
        return Deps(
            store=self.store,
            settings=self.settings,
            connectors=self.connectors,
            toolbox=self.toolbox,
            tickets=TicketDesk(self.store),
            rearranging=Rearranging(self.store, self.settings),
            contacts=ContactDesk(self.store),
            submit=Submit(self.store, self.connectors, self.settings),
            options=Options(self.store, self.connectors),
            gestures=Gestures(self.store, self.connectors),
        )

    def errand_kinds(self) -> Mapping[str, ErrandKind]:
        submit = self.deps.submit
        return {
            "confirmation": ConfirmationErrands(submit),
            MEDIA: MediaErrands(self.store, self.connectors),
            PROFILE: ProfileErrands(self.store, self.connectors),
            PROGRESS: ProgressErrands(self.store, submit),
            FORGET: ForgetErrands(self.store),
        }

    def intake(self) -> Intake:
        return Intake(self.store, self.connectors, self.settings)


@contextlib.asynccontextmanager
async def open_hub(settings: Settings, *, exclusive: bool = False) -> AsyncIterator[Hub]:
    """Engines, store and connectors. Raises EngineError, SchemaTooNew."""
    engines = await Engines.open(
        settings.storage.var,
        mongodb_uri=settings.mongodb.uri.get_secret_value(),
        redis_url=settings.redis.url.get_secret_value(),
        exclusive=exclusive,
        on_event=_told_by_engines,
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(engines.close)
        store = Store(settings, engines.endpoints.mongodb_uri, engines.endpoints.redis_url)
        stack.push_async_callback(store.close)
        await store.prepare()
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=_CLIENT_TIMEOUT))
        toolbox = Toolbox(
            http=http,
            public_url=settings.public_url,
            sign=store.vault.sign,
            now=now,
            tokens=CommonTokens(store.access_tokens, RedisError),
        )
        connectors = Connectors(toolbox)
        stack.push_async_callback(connectors.close)
        yield Hub(settings=settings, engines=engines, store=store, toolbox=toolbox, connectors=connectors)


def _told_by_engines(name: str, details: Mapping[str, Any]) -> None:
    log.info(name, **details)


def web_application(hub: Hub, pages: Mapping[str, web.Application] | None = None) -> web.Application:
    """`pages`: sub-applications of the demo, by path prefix."""
    app = application(hub.deps)
    app.add_routes(Receiver(hub.store, hub.connectors, hub.settings).routes())
    for prefix, page in (pages or {}).items():
        app.add_subapp(prefix, page)
    return app


def workers(hub: Hub, roles: Sequence[str]) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """What runs in the background for these roles, by name."""
    found: dict[str, Callable[[], Awaitable[None]]] = {}
    if "worker" in roles:
        found["intake"] = hub.intake().run
        found["outbound"] = OutboundWorker(hub.store, hub.connectors, hub.settings).run
        found["errands"] = ErrandRunner(hub.store, hub.errand_kinds()).run
        found["search"] = Feeder(hub.store).run
        found["wake"] = lambda: _every(_WAKE_SECONDS, hub.deps.tickets.wake_due)
        found["retention"] = lambda: _every(_RETENTION_SECONDS, lambda: _retire(hub))
        found["recordings"] = lambda: _every(_RETENTION_SECONDS, Recordings(hub.store).retire)
    if "web" in roles or "listen" in roles:
        found["pressure"] = lambda: _every(_PRESSURE_SECONDS, hub.store.pressure.measure)
    if "listen" in roles:
        found["listeners"] = Listeners(hub.store, hub.connectors).run
    if roles:
        found["presence"] = lambda: _every(presence.BEAT_SECONDS, lambda: _live(hub.store))
    return found


async def run(
    hub: Hub,
    roles: Sequence[str],
    *,
    stop: asyncio.Event,
    pages: Mapping[str, web.Application] | None = None,
    ready: Callable[[int], Awaitable[None]] | None = None,
) -> None:
    """Until `stop` is set, then drains: doors first, then workers. `ready` is given the port."""
    async with contextlib.AsyncExitStack() as stack:
        tasks = [
            asyncio.create_task(_kept_alive(name, work), name=name) for name, work in workers(hub, roles).items()
        ]
        stack.push_async_callback(_leave, hub.store)
        stack.push_async_callback(_end, tasks)
        port = 0
        if "web" in roles:
            port = await _serve(hub, web_application(hub, pages), stack)
        if ready:
            await ready(port)
        await stop.wait()
        log.info("stopping")


async def _serve(hub: Hub, app: web.Application, stack: contextlib.AsyncExitStack) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5, handle_signals=False)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, hub.settings.server.host, hub.settings.server.port, backlog=1024)
    await site.start()
    return int(runner.addresses[0][1])


async def _kept_alive(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """A worker that fails is logged and started again: nobody would notice that it is gone."""
    pause = 0.5
    while True:
        try:
            await work()
            return
        except Exception:
            log.exception("worker.failed", worker=name, again_in=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 30.0)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    _, left = await asyncio.wait(tasks, timeout=_DRAIN_SECONDS)
    for task in left:
        log.warning("worker.not_ended", worker=task.get_name(), seconds=_DRAIN_SECONDS)


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except PyMongoError as error:
            log.warning("periodic.database_away", error=str(error))
        await asyncio.sleep(seconds)


async def _live(store: Store) -> None:
    """Says that we do, and frees what those hold who do not."""
    await store.presence.beat()
    for process in await store.presence.bury_the_dead():
        log.warning("process.vanished", process=process)


async def _leave(store: Store) -> None:
    try:
        await store.presence.leave()
    except PyMongoError as error:
        log.warning("presence.database_away", error=str(error))


async def _retire(hub: Hub) -> None:
    """Raw events and dead letters past their days go."""
    keep = hub.settings.retention
    gone = await hub.store.journal.purge(
        done_before=now() - timedelta(days=keep.raw_event_days),
        dead_before=now() - timedelta(days=keep.dead_letter_days),
    )
    if gone:
        log.info("retention.purged", raw_events=gone)
