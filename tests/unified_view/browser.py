"""A person in a browser, or a program with a token, in front of a real hub. Every answer that comes back is
held against the model that the API's document promises."""

import io
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp.test_utils import TestServer
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from omnihub.model.documents import Role, UserDoc
from omnihub.model.ids import new_id
from omnihub.unified_view.application import ENDPOINTS
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.endpoint import PREFIX, Endpoint
from omnihub.unified_view.shapes.common import Problem

PASSWORD = "correct horse battery"
# Parameters that cost nothing: most tests are not about hashing.
CHEAP_HASH = PasswordHasher.from_parameters(CHEAPEST).hash(PASSWORD)
_BY_ROUTE: dict[tuple[str, str], Endpoint] = {(e.method, PREFIX + e.path): e for e in ENDPOINTS}


@dataclass(slots=True)
class Answer:
    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.content)

    @property
    def problem(self) -> Any:
        assert self.headers["Content-Type"].startswith("application/problem+json"), self.content
        return self.json


@dataclass
class Hub:
    server: TestServer
    deps: Deps
    _http: list[aiohttp.ClientSession] = field(default_factory=list)

    async def user(self, role: Role = "agent", *, password_hash: str = CHEAP_HASH, locale: str = "en") -> UserDoc:
        return await self.deps.store.users.add(
            email=f"{new_id()}@example.test",
            name=f"The {role}",
            role=role,
            password_hash=password_hash,
            locale=locale,
        )

    def visitor(self) -> "Browser":
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self._http.append(http)
        return Browser(self, http)

    async def browser(self, role: Role = "agent", **user: Any) -> "Browser":
        """Signed in, without the cost of a password."""
        browser = self.visitor()
        browser.user = await self.user(role, **user)
        token, browser.csrf = await self.deps.store.sessions.start(browser.user["_id"], 1)
        browser.http.cookie_jar.update_cookies({"omnihub_session": token}, self.server.make_url("/"))
        return browser

    async def program(self, *scopes: str, role: Role = "admin") -> "Browser":
        user = await self.user(role)
        _, token = await self.deps.store.sessions.add_token(user["_id"], "a program", scopes)
        program = self.visitor()
        program.user = user
        program.headers["Authorization"] = f"Bearer {token}"
        return program

    async def close(self) -> None:
        for http in self._http:
            await http.close()
        await self.server.close()


class Browser:
    user: UserDoc

    def __init__(self, hub: Hub, http: aiohttp.ClientSession) -> None:
        self.hub = hub
        self.http = http
        self.csrf = ""
        self.headers: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        headers = {**self.headers, **options.pop("headers", {})}
        if method != "GET" and self.csrf:
            headers.setdefault("X-CSRF-Token", self.csrf)
        url = self.hub.server.make_url(path if path.startswith("/api/") else PREFIX + path)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            options["data"] = io.BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
        async with self.http.request(method, url, headers=headers, **options) as response:
            answer = Answer(response.status, response.headers, await response.read())
        await self._hold_against_document(method, url.path, answer)
        return answer

    async def _hold_against_document(self, method: str, path: str, answer: Answer) -> None:
        kind = answer.headers.get("Content-Type", "")
        if kind.startswith("application/problem+json"):
            Problem.model_validate_json(answer.content)
            assert answer.json["status"] == answer.status
            return
        for resource in self.hub.server.app.router.resources():
            endpoint = _BY_ROUTE.get((method, resource.canonical))
            if endpoint and resource._match(path) is not None:
                assert answer.status in (endpoint.status, 206, 304), answer.content
                if endpoint.answer is not None:
                    endpoint.answer.model_validate_json(answer.content)
                elif not endpoint.gives_bytes:
                    assert answer.content == b""
                return

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("POST", path, body, **options)

    async def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("PUT", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.call("PATCH", path, body, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.call("DELETE", path, **options)
