"""A phone system on loopback that speaks the contract in every dialect that is about."""

import base64
import itertools
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
import orjson
from aiohttp import web

from omnihub.connectors.contract import DemoAccount

NAME = "Demo phone system"
LINE = "4930609854180"
SECRET = "secret-header-of-the-demo"
Encoding = Literal["json", "form", "multipart"]
Spelling = Literal["user", "caller"]
CAUSES = ("normalClearing", "busy", "cancel", "noAnswer", "congestion", "notFound", "forwarded")
_NOTES = {
    "en": "A phone system with the line +49 30 609854180. It reports newCall, answer and hangup of every call.",
    "zh": "一个电话系统，线路为 +49 30 609854180。每通电话都会上报 newCall、answer 和 hangup。",
}


class Refusal(Exception):
    """The hub did not take an event, or answered what the contract does not have."""


@dataclass(slots=True, kw_only=True)
class PbxCall:
    call_id: str
    origin: str
    target: str
    direction: Literal["in", "out"]
    decision: Mapping[str, str] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    state: Literal["newCall", "answer", "hangup"] = "newCall"


class Pbx:
    """`times`: how often each event is posted, as repeats are. `seconds`: how long it waits for an answer
    before it connects the call without one. It is strict with the answers: 200, JSON, a known action."""

    def __init__(
        self, *, encoding: Encoding = "json", spelling: Spelling = "user", times: int = 1, seconds: float = 5.0,
        secret: str = SECRET, basic: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.door = ""
        self._encoding = encoding
        self._spelling = spelling
        self._times = times
        self._secret = secret
        self._basic = basic
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._http: aiohttp.ClientSession | None = None
        self._serial = itertools.count(1)

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(timeout=self._timeout)

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    # — what happens on the telephones —

    def begin(
        self, origin: str, target: str = LINE, *, direction: Literal["in", "out"] = "in", call_id: str = ""
    ) -> PbxCall:  # fmt: skip
        """A call that nothing has been told of yet. Numbers are written without +."""
        named = call_id or f"{next(self._serial):06}{secrets.token_hex(8)}"
        return PbxCall(call_id=named, origin=origin, target=target, direction=direction)

    async def ring(self, call: PbxCall, *people: str, queue: str = "") -> Mapping[str, str]:
        """Raises Refusal."""
        call.people = people
        given = self._said(call, "newCall", people) | ({"queue": queue} if queue else {})
        call.decision = _decision(await self.post(given), call)
        return call.decision

    async def answer(self, call: PbxCall, person: str) -> None:
        call.state = "answer"
        given = self._said(call, "answer", (person,)) | {"answeringNumber": person}
        _nothing(await self.post(given))

    async def hang_up(self, call: PbxCall, cause: str = "normalClearing") -> None:
        """Of an unanswered one: by the caller with "cancel", by nobody with "noAnswer"."""
        if cause not in CAUSES:
            raise ValueError(f"the contract has no cause {cause}")
        call.state = "hangup"
        given = self._said(call, "hangup", ()) | {"cause": cause}
        _nothing(await self.post(given))

    def _said(self, call: PbxCall, event: str, people: Sequence[str]) -> dict[str, Any]:
        said: dict[str, Any] = {
            "event": event, "from": call.origin, "to": call.target, "direction": call.direction,
            "callId": call.call_id,
        }  # fmt: skip
        if people:
            said[self._spelling] = list(people) if len(people) > 1 else people[0]
        return said

    # — to the hub —

    async def post(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to the last of the repeats. Raises Refusal."""
        assert self._http is not None
        kind, body = encoded(said, self._encoding)
        headers = {"Content-Type": kind} | ({"X-Omnihub-Secret": self._secret} if self._secret else {})
        if self._basic:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(self._basic).encode()).decode()
        answers = []
        for _ in range(self._times):
            try:
                async with self._http.post(self.door, data=body, headers=headers) as answer:
                    answers.append(_read(answer.status, answer.content_type, await answer.read()))
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise Refusal(f"no answer: {type(error).__name__}") from error
        if any(one != answers[0] for one in answers):
            raise Refusal("the same event was answered differently")
        return answers[-1]


def encoded(said: Mapping[str, Any], encoding: Encoding) -> tuple[str, bytes]:
    """Content type and body."""
    if encoding == "json":
        return "application/json", orjson.dumps(said)
    pairs = [
        (f"{name}[]" if isinstance(value, list) else name, one)
        for name, value in said.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    if encoding == "form":
        return "application/x-www-form-urlencoded", urlencode(pairs).encode()
    boundary = "----" + secrets.token_hex(8)
    parts = (f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in pairs)
    return f'multipart/form-data; boundary="{boundary}"', ("".join(parts) + f"--{boundary}--\r\n").encode()


def _read(status: int, kind: str, body: bytes) -> Mapping[str, Any]:
    if status != 200 or kind != "application/json":
        raise Refusal(f"HTTP {status} {kind}: {body[:200]!r}")
    said = orjson.loads(body)
    if not isinstance(said, dict):
        raise Refusal(f"the answer is no object: {body[:200]!r}")
    return said


def _decision(said: Mapping[str, Any], call: PbxCall) -> Mapping[str, str]:
    match said.get("action"):
        case None if not said:
            return {}
        case "reject" if call.direction == "in" and said == {"action": "reject", "reason": "busy"}:
            return dict(said)
        case "dial" if call.direction == "out" and str(said.get("caller_id", "")).isdigit():
            if str(said.get("number", "")).isdigit():
                return dict(said)
    raise Refusal(f"the contract has no such answer: {said}")


def _nothing(said: Mapping[str, Any]) -> None:
    if said:
        raise Refusal(f"only a new call is decided on: {said}")


class Simulator:
    def __init__(self, folder: Path, *, encoding: Encoding = "json", spelling: Spelling = "user") -> None:
        self._folder = folder
        self.pbx = Pbx(encoding=encoding, spelling=spelling)

    async def start(self) -> None:
        await self.pbx.start()

    async def stop(self) -> None:
        await self.pbx.stop()

    def settings(self) -> dict[str, Any]:
        return {
            "phone_region": "DE",
            "secret": SECRET,
            "blocked": ["+4930555000*", "anonymous"],
            "caller_ids": ["+41*=+41445550100"],
            "default_caller_id": f"+{LINE}",
        }

    def accounts(self) -> Sequence[DemoAccount]:
        return [DemoAccount(name=NAME, settings=self.settings(), notes=_NOTES)]

    def pages(self) -> web.Application | None:
        return None

    async def attach(self, doors: Mapping[str, str]) -> None:
        self.pbx.door = doors.get(NAME, "")
