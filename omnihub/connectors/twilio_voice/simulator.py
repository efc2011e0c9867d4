"""Twilio on loopback: a number that is called, agents who are rung, and the callbacks of it all."""

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.simulation import Loopback
from omnihub.connectors.twilio_voice.signature import sign
from omnihub.connectors.twilio_voice.simulator_api import account_of, application, error
from omnihub.connectors.twilio_voice.simulator_call import DemoCall, Exchange, Pairs, Plan
from omnihub.connectors.twilio_voice.simulator_outgoing import Outgoing, Refusal
from omnihub.connectors.twilio_voice.simulator_twiml import Invalid, Verb, read_twiml

NAME = "Demo telephone"
NUMBER = "+12025550143"
AGENTS = ("client:anna", "+12025550199", "sip:bao@pbx.example.com")
# in order: each callback at its moment. late: all after the call, the last one first.
Order = Literal["in order", "late"]
_NOTES = {
    "en": f"Calls to {NUMBER}. They ring Anna (101), a telephone and Bao (102) together, then go to voicemail.",
    "zh": f"拨打 {NUMBER} 的来电：Anna（101）、一部电话和 Bao（102）同时振铃，无人接听则进入语音信箱。",
}


class Simulator:
    """`times`: how often each callback is posted. `read_seconds`: how long Twilio waits for TwiML. Only a
    connection that fails is tried again, once; then the fallback address is called. Faults of the API: `is_mute`
    takes a call and never answers, `fails_with` answers that status."""

    def __init__(
        self,
        folder: Path,
        *,
        numbers: Sequence[str] = (NUMBER,),
        order: Order = "in order",
        times: int = 1,
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self.twilio = account_of(numbers)
        self._order = order
        self._times = times
        self._now = now
        self._timeout = aiohttp.ClientTimeout(total=read_seconds, sock_connect=connect_seconds)
        self._http: aiohttp.ClientSession | None = None
        self._loopback = Loopback(application(self.twilio, self))
        self._held: list[tuple[str, Pairs]] = []
        self.troubles: list[str] = []
        self.outgoing = Outgoing(self.twilio, now, self.troubles)
        self.outgoing.ask, self.outgoing.tell = self._twiml, self._tell
        self.is_mute = False
        self.fails_with = 0
        self._muted = asyncio.Event()

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(timeout=self._timeout)
        await self._loopback.start()
        self.outgoing.base = self.url

    async def stop(self) -> None:
        self._muted.set()
        await self.outgoing.stop()
        await self._loopback.stop()
        if self._http is not None:
            await self._http.close()
            self._http = None

    @property
    def url(self) -> str:
        return self._loopback.url

    def settings(self) -> dict[str, Any]:
        return {
            "account_sid": self.twilio.account_sid,
            "auth_token": self.twilio.auth_token,
            "numbers": list(self.twilio.numbers),
            "agents": list(AGENTS),
            "record_calls": True,
            "consent_notice": "This call is recorded to improve our service.",
            "consent_version": "2026-11",
            "recording_format": "wav",
            "phones": [{"extension": "101", "address": AGENTS[0]}, {"extension": "102", "address": AGENTS[2]}],
            "api_base_url": self.url,
        }

    def accounts(self) -> Sequence[DemoAccount]:
        return [DemoAccount(name=NAME, settings=self.settings(), notes=_NOTES)]

    def pages(self) -> web.Application | None:
        return None

    async def attach(self, doors: Mapping[str, str]) -> None:
        """What an admin enters at each number."""
        for door in doors.values():
            for number in self.twilio.numbers.values():
                number.voice_url = number.fallback_url = door
                number.status_url = f"{door}/status"

    async def call(self, customer: str, plan: Plan | None = None, number: str = "") -> DemoCall:
        """A whole call. What went wrong between Twilio and the hub is added to `troubles`, in its own codes."""
        called = self.twilio.numbers[number] if number else next(iter(self.twilio.numbers.values()))
        call = DemoCall(customer=customer, number=called, plan=plan or Plan(), at=self._now())
        try:
            await Exchange(self.twilio, self.url, self._ask, self._tell).carry(call)
        except Invalid as error:
            self.troubles.append(str(error))
        for url, pairs in reversed(self._held):
            await self._post_all(url, pairs)
        self._held.clear()
        return call

    async def outgoing_over(self) -> None:
        """Until all calls that were placed are over, and all is told of them."""
        await self.outgoing.over()
        for url, pairs in reversed(self._held):
            await self._post_all(url, pairs)
        self._held.clear()

    # — the API's calls —

    async def create(self, form: Mapping[str, Sequence[str]]) -> web.Response:
        if self.fails_with:
            return error(self.fails_with, 20500, "Internal Server Error")
        try:
            call = self.outgoing.place(form)
        except Refusal as refusal:
            return error(refusal.status, refusal.code, str(refusal))
        if self.is_mute:
            await self._muted.wait()
        return web.json_response({"sid": call.sid, "status": "queued"}, status=201)

    async def look(self, sid: str) -> web.Response:
        call = self.outgoing.calls.get(sid)
        if call is None or self.is_mute:
            return error(404, 20404, "The requested resource was not found")
        return web.json_response({"sid": call.sid, "status": call.status})

    # — to the hub —

    async def _ask(self, url: str, pairs: Pairs) -> Sequence[Verb]:
        try:
            return await self._twiml(url, pairs)
        except Invalid as error:
            fallback = next((n.fallback_url for n in self.twilio.numbers.values() if n.voice_url == url), "")
            if not fallback:
                raise
            return await self._twiml(fallback, [*pairs, ("ErrorCode", str(error)[:5]), ("ErrorUrl", url)])

    async def _twiml(self, url: str, pairs: Pairs) -> Sequence[Verb]:
        return read_twiml(*await self._post(url, pairs))

    async def _tell(self, url: str, pairs: Pairs) -> None:
        if self._order == "late":
            self._held.append((url, pairs))
        else:
            await self._post_all(url, pairs)

    async def _post_all(self, url: str, pairs: Pairs) -> None:
        for _ in range(self._times):
            try:
                status, _, _ = await self._post(url, pairs)
            except Invalid as error:
                self.troubles.append(str(error))
                continue
            if not 200 <= status < 300:
                self.troubles.append(f"11200: the answer was HTTP {status}")

    async def _post(self, url: str, pairs: Pairs) -> tuple[int, str, bytes]:
        """Raises Invalid."""
        address = url.partition("#")[0]
        if not _is_loopback(address):
            raise Invalid("11210: the demo reaches this machine only")
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1", **sign(self.twilio.auth_token, address, pairs),
        }  # fmt: skip
        assert self._http is not None
        for last in (False, True):
            try:
                async with self._http.post(
                    URL(address, encoded=True), data=urlencode(pairs), headers=headers
                ) as answer:
                    return answer.status, answer.content_type, await answer.read()
            except aiohttp.ClientConnectorError as error:
                if last:
                    raise Invalid("11205: no connection") from error
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise Invalid(f"11200: {type(error).__name__}") from error
        raise AssertionError("unreachable")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
