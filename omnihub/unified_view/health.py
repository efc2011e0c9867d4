import asyncio
from collections.abc import Awaitable

import structlog
from aiohttp import web
from redis.exceptions import RedisError

from omnihub.store.database import PyMongoError
from omnihub.store.store import Store
from omnihub.unified_view import callers, views
from omnihub.unified_view.addresses import is_local
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.metrics import Metrics
from omnihub.unified_view.problems import Problem

log = structlog.get_logger("omnihub.unified_view")

_PATIENCE_SECONDS = 3.0


async def engines(store: Store) -> dict[str, str]:
    mongodb, redis = await asyncio.gather(_state("mongodb", store.db.ping()), _state("redis", store.redis.ping()))
    return {"mongodb": mongodb, "redis": redis}


async def _state(name: str, ping: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await ping
    except (PyMongoError, RedisError, OSError, TimeoutError) as error:
        log.warning("engine.unreachable", engine=name, error=str(error))
        return "error"
    return "ok"


def routes(deps: Deps, metrics: Metrics) -> list[web.RouteDef]:
    async def alive(_: web.Request) -> web.Response:
        return web.Response(body=b'{"ok":true}', content_type="application/json")

    async def ready(_: web.Request) -> web.Response:
        state = await engines(deps.store)
        status = 200 if set(state.values()) == {"ok"} else 503
        return web.Response(body=views.dumps(state), content_type="application/json", status=status)

    async def measured(request: web.Request) -> web.Response:
        """For this machine itself, and for whoever has a token that may read."""
        if not is_local(request):
            caller = await callers.identify(deps.store, request)
            if caller is None:
                raise Problem("not_signed_in", headers={"WWW-Authenticate": "Bearer"})
            caller.require("readonly", "read")
        text = await metrics.text(deps.store)
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    return [web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", measured)]
