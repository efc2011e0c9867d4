import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import ValidationError
from pymongo.errors import ConnectionFailure, PyMongoError

from omnihub.model.errors import OmnihubError
from omnihub.model.ids import new_id
from omnihub.unified_view import pages
from omnihub.unified_view.addresses import client_ip
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.languages import from_header
from omnihub.unified_view.metrics import Metrics
from omnihub.unified_view.problems import Problem, Told, told, told_of_error, told_of_validation
from omnihub.unified_view.serving import LANGUAGE, language_of

log = structlog.get_logger("omnihub.unified_view")


# Mail is shown in a frame of its own without scripts; its styles are inline and its images are fetched only
# once an agent asks for them.
APP_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob: http: https:; media-src 'self' blob:;"
    " font-src 'self' data:; connect-src 'self' ws: wss:; frame-src 'self' blob:;"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# Other rooms' pages, such as a hosted form that other websites frame, say themselves who may frame them.
_OTHER_ROOMS = ("/in/", "/demo/")


def security_headers(https: bool) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def add(request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith(_OTHER_ROOMS):
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            return
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", APP_POLICY)
        if https:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")

    return add


def watch(deps: Deps, metrics: Metrics) -> Middleware:
    """Logs and counts every request, outermost, so that it sees what was really answered."""

    @web.middleware
    async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[LANGUAGE] = from_header(request.headers.get("Accept-Language", "")) or "en"
        started = time.perf_counter()
        response = await handler(request)
        seconds = time.perf_counter() - started
        route = _route(request)
        metrics.count_request(request.method, route, response.status, seconds)
        log.info(
            "http.request",
            method=request.method,
            route=route,
            path=request.path,
            status=response.status,
            ms=round(seconds * 1000, 1),
            ip=client_ip(request, deps.settings.server.trusted_proxies),
        )
        return response

    return watched


def _route(request: web.Request) -> str:
    """The pattern, not the path: a metric per ticket would never end."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unmatched"


def answer_problems(site: "pages.Site") -> Middleware:
    """Every error becomes problem+json; a page that only the web app knows becomes the web app."""

    @web.middleware
    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            page = await site.page(request)
            return page or told(Problem("not_found"), language_of(request)).response()
        except (OmnihubError, Problem, ValidationError, PyMongoError, web.HTTPException) as error:
            if _has_begun(request) or (isinstance(error, web.HTTPException) and error.status < 400):
                raise
            return _told(error, request).response()
        except Exception as error:
            if request.transport is None or request.transport.is_closing() or _has_begun(request):
                raise
            return _internal(error, request).response()

    return answered


def _has_begun(request: web.Request) -> bool:
    """Part of an answer is out: another one would be read as the rest of it, so the connection is cut."""
    return request.writer.output_size > 0


def _told(error: Exception, request: web.Request) -> Told:
    language = language_of(request)
    if isinstance(error, Problem):
        return told(error, language)
    if isinstance(error, ValidationError):
        return told_of_validation(error, language)
    if isinstance(error, OmnihubError):
        return told_of_error(error, language)
    if isinstance(error, ConnectionFailure):
        log.error("database.unreachable", path=request.path, error=str(error))
        return told(Problem("unavailable", headers={"Retry-After": "3"}), language)
    if isinstance(error, web.HTTPException):
        return told(_of_http(error, request), language)
    return _internal(error, request)


def _of_http(error: web.HTTPException, request: web.Request) -> Problem:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Problem("method_not_allowed", method=request.method, allowed=allowed, headers={"Allow": allowed})
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Problem("too_large", limit=error.text.rpartition(" ")[2] if error.text else "?")
    codes = {401: "not_signed_in", 403: "forbidden", 404: "not_found", 415: "unsupported_type"}
    if error.status >= 500:
        return Problem("try_later")
    return Problem(codes.get(error.status, "bad_request"), wanted="application/json")


def _internal(error: Exception, request: web.Request) -> Told:
    number = new_id()
    log.error("http.failed", id=number, method=request.method, path=request.path, exc_info=error)
    return told(Problem("internal", id=number, details={"id": number}), language_of(request))
