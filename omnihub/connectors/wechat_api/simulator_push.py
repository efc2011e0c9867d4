import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from omnihub.connectors import sealed
from omnihub.connectors.reading import Fields, read_json, read_xml, text_of
from omnihub.connectors.wechat_api.pushes import Format, Mode
from omnihub.model.errors import OmnihubError

DEADLINE = 5.0
DELIVERIES = 3


@dataclass(slots=True, frozen=True, kw_only=True)
class Attempt:
    """`status` 0: no answer in time, or no connection."""

    status: int
    body: bytes = b""


@dataclass(slots=True, frozen=True, kw_only=True)
class Outcome:
    """`taken`: answered as it must be. `reply`: the fields of a passive reply, decrypted, where one came."""

    taken: bool
    attempts: Sequence[Attempt]
    reply: Fields = field(default_factory=dict)


class Pusher:
    """Pushes as api.weixin.qq.com does: signed, in the account's mode and format, again with the same content
    where no answer comes within the deadline. `url` is the door, once the URL check has passed."""

    def __init__(
        self, *, appid: str, token: str, aes_key: str, mode: Mode = "safe", format: Format = "xml",
        deadline: float = DEADLINE, deliveries: int = DELIVERIES, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.url = ""
        self.mode = mode
        self.format = format
        self._envelope = sealed.Envelope(token=token, keys=(aes_key,), owner=appid)
        self._token = token
        self._deadline = deadline
        self._deliveries = deliveries
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._http = aiohttp.ClientSession()

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def verify_url(self, url: str) -> bool:
        """What happens when the admin presses save; only an address that passes is pushed to."""
        echo = str(secrets.randbelow(9 * 10**18) + 10**18)
        attempt = await self._request("GET", url, {**self._signed(), "echostr": echo}, b"")
        if attempt.status != 200 or not hmac.compare_digest(attempt.body, echo.encode()):
            return False
        self.url = url
        return True

    async def push(self, fields: Mapping[str, Any]) -> Outcome:
        """`fields` as the platform names them; ToUserName and FromUserName among them."""
        attempts: list[Attempt] = []
        if not self.url:
            return Outcome(taken=False, attempts=attempts)
        for _ in range(self._deliveries):
            query, body = self.envelope(fields)
            attempts.append(await self._request("POST", self.url, query, body))
            if attempts[-1].status == 200:
                break
        taken, reply = self._judge(attempts[-1], fields)
        return Outcome(taken=taken, attempts=attempts, reply=reply)

    def envelope(self, fields: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
        """Query and body of one delivery; timestamp, nonce and cipher text are new each time."""
        plain = self._written(fields)
        query = {**self._signed(), "openid": str(fields.get("FromUserName", ""))}
        if self.mode == "plain":
            return query, plain
        cipher_text = self._envelope.seal(plain)
        query |= {
            "encrypt_type": "aes",
            "msg_signature": self._envelope.sign(cipher_text, query["timestamp"], query["nonce"]),
        }
        outer = {"ToUserName": fields.get("ToUserName", ""), "Encrypt": cipher_text}
        if self.mode == "compatible":
            outer = {**fields, "Encrypt": cipher_text}
        return query, self._written(outer)

    def _written(self, fields: Mapping[str, Any]) -> bytes:
        return orjson.dumps(dict(fields)) if self.format == "json" else to_xml(fields)

    def _signed(self) -> dict[str, str]:
        timestamp, nonce = str(int(self._clock())), str(secrets.randbelow(2**31))
        return {
            "signature": sealed.signature(self._token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
        }

    async def _request(self, method: str, url: str, query: Mapping[str, str], body: bytes) -> Attempt:
        assert self._http is not None, "start() comes first"
        media_type = "application/json" if self.format == "json" else "text/xml"
        timeout = aiohttp.ClientTimeout(total=self._deadline)
        try:
            async with self._http.request(
                method, url, params=dict(query), data=body or None, timeout=timeout, allow_redirects=False,
                headers={"Content-Type": media_type, "User-Agent": "Mozilla/4.0"} if body else {},
            ) as response:  # fmt: skip
                return Attempt(status=response.status, body=await response.read())
        except (TimeoutError, aiohttp.ClientError, OSError):
            return Attempt(status=0)

    def _judge(self, attempt: Attempt, fields: Mapping[str, Any]) -> tuple[bool, Fields]:
        if attempt.status != 200:
            return False, {}
        if attempt.body in (b"", b"success"):
            return True, {}
        try:
            reply = self._opened_reply(attempt.body)
        except OmnihubError:
            return False, {}
        meant = text_of(reply, "ToUserName") == fields.get("FromUserName") and bool(text_of(reply, "MsgType"))
        return meant, reply if meant else {}

    def _opened_reply(self, body: bytes) -> Fields:
        """A passive reply; in safe mode it must be sealed as the push was."""
        outer = self._read(body)
        if self.mode == "plain":
            return outer
        opened = self._envelope.open(
            text_of(outer, "Encrypt"), text_of(outer, "MsgSignature"),
            text_of(outer, "TimeStamp"), text_of(outer, "Nonce"),
        )  # fmt: skip
        return self._read(opened.plain)

    def _read(self, body: bytes) -> Fields:
        return read_json(body) if self.format == "json" else read_xml(body)


def to_xml(fields: Mapping[str, Any]) -> bytes:
    """As the platform writes it: texts in CDATA, numbers bare, lists as repeated elements."""
    return f"<xml>{''.join(_element(name, value) for name, value in fields.items())}</xml>".encode()


def _element(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return "".join(_element(name, one) for one in value)
    if isinstance(value, Mapping):
        return f"<{name}>{''.join(_element(key, one) for key, one in value.items())}</{name}>"
    if isinstance(value, int | float):
        return f"<{name}>{value}</{name}>"
    escaped = str(value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{escaped}]]></{name}>"
