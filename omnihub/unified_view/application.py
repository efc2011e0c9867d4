import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiohttp import web

from omnihub.outbound.calling import Calling
from omnihub.unified_view import health, middleware, openapi, shared_files
from omnihub.unified_view.api import (
    accounts,
    attachments,
    call_backs,
    calls,
    contacts,
    messages,
    people,
    search,
    session,
    tickets,
    upkeep,
)
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.docs import docs_routes
from omnihub.unified_view.endpoint import PREFIX, Endpoint
from omnihub.unified_view.live import Live, Pace
from omnihub.unified_view.live_feed import Feed
from omnihub.unified_view.metrics import Metrics
from omnihub.unified_view.pages import STATIC, Site
from omnihub.unified_view.serving import BODY_LIMIT, json_response, route_of
from omnihub.unified_view.views import dumps

ENDPOINTS: Sequence[Endpoint] = tuple(
    endpoint
    for part in (
        session,
        tickets,
        messages,
        calls,
        call_backs,
        attachments,
        contacts,
        search,
        accounts,
        people,
        upkeep,
    )
    for endpoint in part.api.endpoints
)


def application(
    deps: Deps, *, static: Path = STATIC, pace: Pace | None = None, feed: Feed | None = None
) -> web.Application:
    """The application that other rooms add their own routes to. Addresses that nobody answers become the web
    app's, so that no route has to come last."""
    metrics = Metrics()
    live = Live(deps, metrics, pace or Pace(), feed or Feed(deps.store))
    app = web.Application(
        middlewares=[middleware.watch(deps, metrics), middleware.answer_problems(Site(static))],
        client_max_size=BODY_LIMIT,
    )
    limits = deps.settings
    at_once = max(1, limits.server.max_inflight_bytes // max(1, limits.storage.attachment_limit_bytes))
    app[attachments.UPLOADS] = asyncio.Semaphore(at_once)
    app[calls.CALLING] = Calling(deps.store, deps.connectors)
    app.on_response_prepare.append(middleware.security_headers(deps.settings.public_url.startswith("https:")))
    app.router.add_routes(health.routes(deps, metrics))
    app.router.add_routes(docs_routes())
    app.router.add_routes(shared_files.routes(deps))
    app.router.add_get(f"{PREFIX}/openapi.json", _document(deps))
    app.router.add_get(f"{PREFIX}/live", live.serve)
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, PREFIX + endpoint.path, route_of(endpoint, deps))
    app.cleanup_ctx.append(live.running)
    app.on_shutdown.append(live.close_all)
    app.on_shutdown.append(_end_calling)
    return app


async def _end_calling(app: web.Application) -> None:
    await app[calls.CALLING].close()


def _document(deps: Deps) -> Callable[[web.Request], Awaitable[web.Response]]:
    document = dumps(openapi.document(ENDPOINTS, deps.settings.public_url))

    async def answer(request: web.Request) -> web.Response:
        return json_response(request, document)

    return answer
