"""A person signed in over the network, as the browser is."""

from typing import Any

import aiohttp

from omnihub.unified_view.endpoint import PREFIX


class Person:
    def __init__(self, url: str) -> None:
        self._url = url + PREFIX
        self._csrf = ""
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def sign_in(self, email: str, password: str) -> "Person":
        status, answer = await self.post("/session", {"email": email, "password": password})
        assert status == 200, answer
        self._csrf = answer["csrf"]
        return self

    async def get(self, path: str) -> Any:
        status, answer = await self.call("GET", path)
        assert status == 200, answer
        return answer

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.call("POST", path, body)

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"X-CSRF-Token": self._csrf} if self._csrf else {}
        async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def __aenter__(self) -> "Person":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
