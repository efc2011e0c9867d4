import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web
from aiohttp.web_response import ContentCoding

from omnihub.unified_view import callers, views
from omnihub.unified_view.addresses import foreign_origin
from omnihub.unified_view.callers import Caller
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.endpoint import Call, Endpoint
from omnihub.unified_view.languages import Language, from_header
from omnihub.unified_view.once import once
from omnihub.unified_view.problems import Problem

BODY_LIMIT = 4_194_304
_BODY_SECONDS = 30.0
_WORTH_COMPRESSING = 1024
LANGUAGE = web.RequestKey("language", str)


def route_of(endpoint: Endpoint, deps: Deps) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        who = await _authorised(endpoint, deps, request)
        raw = b"" if endpoint.takes_file or endpoint.method == "GET" else await read_body(request)
        call = Call(
            deps=deps,
            request=request,
            who=who,
            given=_given(endpoint, request, raw),
            language=language_of(request),
        )
        if endpoint.once and who is not None and not endpoint.takes_file:
            return await _answer_once(endpoint, call, who, raw)
        return _response(endpoint, request, await endpoint.handler(call))

    return serve


def language_of(request: web.Request) -> Language:
    return "zh-CN" if request.get(LANGUAGE) == "zh-CN" else "en"


async def _authorised(endpoint: Endpoint, deps: Deps, request: web.Request) -> Caller | None:
    if endpoint.role is None:
        if endpoint.method != "GET" and (origin := foreign_origin(request, deps.settings)):
            raise Problem("foreign_origin", origin=origin)
        return None
    caller = await callers.identify(deps.store, request)
    if caller is None:
        raise Problem("not_signed_in", headers={"WWW-Authenticate": "Bearer"})
    if from_header(request.headers.get("Accept-Language", "")) is None:
        request[LANGUAGE] = caller.user["locale"]
    if endpoint.method != "GET":
        caller.require_csrf(request)
    caller.require(endpoint.role, endpoint.scope)
    return caller


async def read_body(request: web.Request) -> bytes:
    """Never holds more than the limit, and never waits for ever."""
    if request.content_length is not None and request.content_length > BODY_LIMIT:
        raise Problem("too_large", limit=BODY_LIMIT)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_chunked(65_536):
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise Problem("too_large", limit=BODY_LIMIT)
    except TimeoutError:
        raise Problem("too_slow") from None
    return bytes(body)


def _given(endpoint: Endpoint, request: web.Request, raw: bytes) -> Any:
    if endpoint.method == "GET":
        values: Any = dict(request.query)
        return endpoint.given.model_validate(values) if endpoint.given else None
    if raw and request.content_type != "application/json":
        raise Problem("unsupported_type", wanted="application/json")
    values = _json(raw) if raw else {}
    return endpoint.given.model_validate(values) if endpoint.given else None


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem("bad_json", reason=str(error)[:200]) from None


async def _answer_once(endpoint: Endpoint, call: Call[Any], who: Caller, raw: bytes) -> web.Response:
    async def work() -> tuple[int, bytes]:
        return endpoint.status, views.dumps(await endpoint.handler(call))

    digest = hashlib.sha256(raw).hexdigest()
    status, body, replayed = await once(call.deps.store, call.request, who.id, digest, work)
    return json_response(call.request, body, status, replayed=replayed)


def _response(endpoint: Endpoint, request: web.Request, answer: Any) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    if endpoint.answer is None:
        return web.Response(status=204)
    return json_response(request, views.dumps(answer), endpoint.status)


def json_response(request: web.Request, body: bytes, status: int = 200, *, replayed: bool = False) -> web.Response:
    response = web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
    response.headers["Cache-Control"] = "no-store"
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if len(body) > _WORTH_COMPRESSING and "gzip" in request.headers.get("Accept-Encoding", "").lower():
        response.enable_compression(ContentCoding.gzip)
    return response
