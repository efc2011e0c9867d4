"""One receiving route for every channel: verify, journal, ring, acknowledge."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog
from aiohttp import web

from omnihub.connectors.contract import Connector, Door
from omnihub.connectors.registry import Connectors
from omnihub.model.errors import Invalid, NotFound, OmnihubError, TryLater, Unreadable, Unverified
from omnihub.model.raw import RawRequest, Reply
from omnihub.settings import Settings
from omnihub.store.database import PyMongoError, now
from omnihub.store.journal import JournalFull, JournalUnavailable
from omnihub.store.store import Store
from omnihub.webhooks.words import say

log = structlog.get_logger("omnihub.webhooks")

_HEADERS_KEPT = 60
_HEADER_LIMIT = 4096

_NEVER_KEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
_CORS_METHODS = "GET, POST, OPTIONS"
_CORS_HEADERS = "Content-Type, Idempotency-Key"
_PROOF_SECONDS = 3600
_CATCHING_UP_SECONDS = 30
# A database that neither answers nor refuses: the caller, who waits no longer either, had better repeat.
_STORE_SECONDS = 8.0


class TooLarge(Unreadable):
    code = "too_large"


class Busy(TryLater):
    code = "busy"
    after: float


class TooOften(Busy):
    code = "too_often"


# The answer's status, and whether the account's health counts it.
_STATUS: Mapping[type[OmnihubError], tuple[int, bool]] = {
    Invalid: (422, False),
    TooLarge: (413, True),
    Unverified: (401, True),
    Unreadable: (400, True),
    NotFound: (404, False),
    TooOften: (429, False),
    Busy: (503, False),
    OmnihubError: (400, True),
}


class Receiver:
    def __init__(self, store: Store, connectors: Connectors, settings: Settings) -> None:
        self._store = store
        self._connectors = connectors
        self._settings = settings
        self._inflight = 0

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.route("*", "/in/{channel}/{key}", self.handle),
            web.route("*", "/in/{channel}/{key}/{tail:.*}", self.handle),
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        locale = request.headers.get("Accept-Language", "")
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                connector = await self._connector(request)
        except NotFound:
            return _problem(404, "not_found", say("not_found", locale))
        except (PyMongoError, TimeoutError) as error:
            return _unavailable(error, locale)
        origin = connector.cors_origin(_bare(request, self._remote(request)))
        if request.method == "OPTIONS":
            response: web.Response = web.Response(status=204)
        else:
            response = await self._answer(connector, request, locale)
        return _with_cors(response, origin) if connector.manifest.door.cors else response

    async def _connector(self, request: web.Request) -> Connector:
        """Raises NotFound: an unknown and a disabled account look the same from outside."""
        account = await self._store.accounts.by_key(request.match_info["channel"], request.match_info["key"])
        if not account.enabled or "webhook" not in (await self._connectors.of(account)).manifest.arrives:
            raise NotFound("there is no such account")
        return await self._connectors.of(account)

    async def _answer(self, connector: Connector, request: web.Request, locale: str) -> web.Response:
        raw = _bare(request, self._remote(request))
        try:
            if request.method in ("GET", "HEAD"):
                return _http(await self._show(connector, raw))
            if request.method not in ("POST", "PUT"):
                return web.Response(status=405, headers={"Allow": _CORS_METHODS})
            await self._respect_limits(connector, raw)
            async with self._held(request, connector.manifest.door) as body:
                raw = replace(raw, body=body)
                return _http(await self._receive(connector, raw))
        except JournalFull as error:
            return _unavailable(error, locale, after=_CATCHING_UP_SECONDS)
        except (JournalUnavailable, PyMongoError) as error:
            return _unavailable(error, locale)
        except OmnihubError as error:
            return await self._refuse(connector, raw, error, locale)

    async def _show(self, connector: Connector, raw: RawRequest) -> Reply:
        await self._respect_limits(connector, raw)
        answer = connector.challenge(raw)
        if answer is None:
            raise NotFound("nothing is to be read here")
        return answer

    async def _receive(self, connector: Connector, raw: RawRequest) -> Reply:
        answer = connector.challenge(raw)
        if answer is not None:
            return answer
        connector.verify(raw)
        raw = replace(raw, source_key=connector.source_key(raw))
        raw = await self._mark_reuse(connector, raw)
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                entry = await self._store.journal.append(
                    connector.account.id, _without_secrets(raw, connector.manifest.door)
                )
        except TimeoutError as error:
            raise JournalUnavailable("the database did not answer in time") from error
        if "poll" in connector.manifest.arrives:
            await self._store.bell.ring_door(connector.account.id, entry.id)
        return connector.acknowledge(raw, entry.id)

    async def _refuse(
        self, connector: Connector, raw: RawRequest, error: OmnihubError, locale: str
    ) -> web.Response:
        status, counted = next(known for kind, known in _STATUS.items() if isinstance(error, kind))
        if counted:
            await self._count_refused(connector)
            log.info("door.refused", account=connector.account.name, code=error.code, reason=str(error))
        headers = {"Retry-After": str(max(1, round(error.after)))} if isinstance(error, Busy) else {}
        own = connector.refusal(raw, error)
        if own is not None:
            return _http(replace(own, headers={**own.headers, **headers}))
        fields = dict(error.fields) if isinstance(error, Invalid) else None
        detail = say(error.code, locale) or str(error)
        return _problem(status, error.code, detail, fields=fields, headers=headers)

    async def _mark_reuse(self, connector: Connector, raw: RawRequest) -> RawRequest:
        """A one-time proof that was used before is noted for the connector to judge."""
        key = connector.proof_key(raw)
        if key is None or await self._store.limits.first_use(f"proof:{key}", raw.source_key, _PROOF_SECONDS):
            return raw
        return replace(raw, meta={**raw.meta, "proof_reused": True})

    async def _respect_limits(self, connector: Connector, bare: RawRequest) -> None:
        account, door = connector.account, connector.manifest.door
        limits = [(limit.key, limit.count, limit.seconds) for limit in connector.limits(bare)]
        if door.per_ip_minute:
            limits.append((f"ip:{bare.remote}", door.per_ip_minute, 60))
        for key, count, seconds in limits:
            wait = await self._store.limits.hit(f"{account.id}:{key}", count, seconds)
            if wait:
                raise TooOften("too many requests", after=wait)

    @asynccontextmanager
    async def _held(self, request: web.Request, door: Door) -> AsyncIterator[bytes]:
        """The body, read within the channel's limit. Until it is journaled it counts against what all requests
        together may hold in memory."""
        limit = door.max_body_bytes
        if (request.content_length or 0) > limit:
            raise TooLarge(f"the body may have {limit} bytes at most")
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.content.iter_chunked(65_536):
                size += len(chunk)
                self._inflight += len(chunk)
                if size > limit:
                    raise TooLarge(f"the body may have {limit} bytes at most")
                if self._inflight > self._settings.server.max_inflight_bytes:
                    raise Busy("too much is being received at once", after=2)
                chunks.append(chunk)
            yield b"".join(chunks)
        finally:
            self._inflight -= size

    async def _count_refused(self, connector: Connector) -> None:
        try:
            await self._store.accounts.count_refused(connector.account.id)
        except PyMongoError as error:
            log.warning("door.count_failed", error=str(error))

    def _remote(self, request: web.Request) -> str:
        # Some proxies add a line of their own below the one that the caller made up.
        forwarded = ", ".join(request.headers.getall("X-Forwarded-For", []))
        return client_address(request.remote or "", forwarded, self._settings.server.trusted_proxies)


def client_address(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The nearest address that is not one of our own proxies."""
    networks = [ipaddress.ip_network(proxy, strict=False) for proxy in trusted]

    def ours(address: str) -> bool:
        try:
            return any(ipaddress.ip_address(address) in network for network in networks)
        except ValueError:
            return False

    address = peer
    for hop in reversed([hop.strip() for hop in forwarded.split(",") if hop.strip()]):
        if not ours(address):
            break
        address = hop
    return address


def _bare(request: web.Request, remote: str, body: bytes = b"") -> RawRequest:
    headers = {
        name.lower(): value[:_HEADER_LIMIT] for name, value in list(request.headers.items())[:_HEADERS_KEPT]
    }
    return RawRequest(
        source="webhook",
        body=body,
        received_at=now(),
        method=request.method,
        tail=request.match_info.get("tail", ""),
        query=dict(request.query),
        headers=headers,
        remote=remote,
    )


def _without_secrets(raw: RawRequest, door: Door) -> RawRequest:
    never = _NEVER_KEPT.union(door.secret_headers)
    headers = {name: value for name, value in raw.headers.items() if name not in never}
    query = {name: value for name, value in raw.query.items() if name != "secret"}
    return replace(raw, headers=headers, query=query)


def _http(reply: Reply) -> web.Response:
    headers = {"Content-Type": reply.content_type, "X-Content-Type-Options": "nosniff", **reply.headers}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _problem(
    status: int,
    code: str,
    detail: str,
    *,
    fields: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    body = {"type": f"/problems/{code}", "title": detail, "status": status, "detail": detail, "code": code}
    return web.json_response(
        body | ({"fields": fields} if fields else {}),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


def _unavailable(error: Exception, locale: str, after: int = 5) -> web.Response:
    log.error("door.unavailable", error=str(error))
    return _problem(503, "unavailable", say("unavailable", locale), headers={"Retry-After": str(after)})


def _with_cors(response: web.Response, origin: str | None) -> web.Response:
    response.headers["Vary"] = "Origin"
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = _CORS_METHODS
        response.headers["Access-Control-Allow-Headers"] = _CORS_HEADERS
        response.headers["Access-Control-Max-Age"] = "600"
    return response
