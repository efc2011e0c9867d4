"""Twilio's side: one account with its numbers and recordings, and the part of the REST API that the hub asks."""

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

from omnihub.connectors.simulation import tone

VERSION = "2010-04-01"


@dataclass(slots=True, kw_only=True)
class Number:
    number: str
    sid: str
    voice_url: str = ""
    fallback_url: str = ""
    status_url: str = ""


@dataclass(slots=True, kw_only=True)
class DemoAccountOfTwilio:
    """`recordings`: the sound of each by its id; a deleted one is gone."""

    numbers: dict[str, Number]
    account_sid: str = field(default_factory=lambda: f"AC{secrets.token_hex(16)}")
    auth_token: str = field(default_factory=lambda: secrets.token_hex(16))
    recordings: dict[str, bytes] = field(default_factory=dict)

    def record(self, seconds: int) -> str:
        sid = f"RE{secrets.token_hex(16)}"
        self.recordings[sid] = tone(min(seconds, 3))
        return sid


def account_of(numbers: Sequence[str]) -> DemoAccountOfTwilio:
    return DemoAccountOfTwilio(numbers={n: Number(number=n, sid=f"PN{secrets.token_hex(16)}") for n in numbers})


class Calls(Protocol):
    """Those that are placed by the API; what it answers is its resource, or its error."""

    async def create(self, form: Mapping[str, Sequence[str]]) -> web.Response: ...

    async def look(self, sid: str) -> web.Response: ...


def application(twilio: DemoAccountOfTwilio, calls: Calls) -> web.Application:
    base = f"/{VERSION}/Accounts/{twilio.account_sid}"
    expected = b64encode(f"{twilio.account_sid}:{twilio.auth_token}".encode()).decode()

    @web.middleware
    async def signed_in(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/store/"):
            return web.StreamResponse(status=403) if "Authorization" in request.headers else await handler(request)
        if request.headers.get("Authorization") != f"Basic {expected}":
            return error(401, 20003, "Authenticate")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def account(request: web.Request) -> web.Response:
        return web.json_response({"friendly_name": "Demo", "status": "active", "sid": twilio.account_sid})

    async def numbers(request: web.Request) -> web.Response:
        wanted = request.query.get("PhoneNumber")
        shown = [_shown(one) for one in twilio.numbers.values() if wanted in (None, one.number)]
        return web.json_response({"incoming_phone_numbers": shown})

    async def recording(request: web.Request) -> web.Response:
        """The API passes on to a store, which refuses credentials that are not meant for it."""
        sid, _, ending = request.match_info["name"].partition(".")
        if sid not in twilio.recordings or ending not in ("", "wav", "mp3"):
            return error(404, 20404, f"The requested resource {request.path} was not found")
        raise web.HTTPTemporaryRedirect(f"/store/{sid}")

    async def store(request: web.Request) -> web.Response:
        return web.Response(body=twilio.recordings[request.match_info["sid"]], content_type="audio/x-wav")

    async def place(request: web.Request) -> web.Response:
        form = await request.post()
        return await calls.create({name: [str(one) for one in form.getall(name)] for name in form})

    async def look(request: web.Request) -> web.Response:
        return await calls.look(request.match_info["sid"])

    app = web.Application(middlewares=[signed_in])
    app.router.add_get(f"{base}.json", account)
    app.router.add_get(f"{base}/IncomingPhoneNumbers.json", numbers)
    app.router.add_post(f"{base}/Calls.json", place)
    app.router.add_get(f"{base}/Calls/{{sid}}.json", look)
    app.router.add_get(f"{base}/Recordings/{{name}}", recording)
    app.router.add_get("/store/{sid}", store)
    return app


def _shown(number: Number) -> dict[str, Any]:
    return {
        "sid": number.sid, "phone_number": number.number, "capabilities": {"voice": True, "sms": True},
        "voice_url": number.voice_url, "voice_method": "POST", "voice_fallback_url": number.fallback_url,
        "status_callback": number.status_url, "status_callback_method": "POST", "voice_application_sid": "",
    }  # fmt: skip


def error(status: int, code: int, words: str) -> web.Response:
    return web.json_response({"code": code, "message": words, "status": status}, status=status)
