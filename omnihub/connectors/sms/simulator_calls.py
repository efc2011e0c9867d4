"""Twilio's calls to the hub: signed, impatient, and given up early."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import aiohttp

from omnihub.connectors.sms.numbers import WHATSAPP
from omnihub.connectors.sms.segments import count_segments
from omnihub.connectors.sms.signature import Key, sign
from omnihub.connectors.sms.simulator_account import VERSION, DemoTwilio, Record

_TWIML = ("text/xml", "application/xml")
_FILE_BYTES = 5_000_000


@dataclass(slots=True, frozen=True, kw_only=True)
class Heard:
    """What the hub answered. `trouble`: Twilio's error code and words, "" where all is well."""

    status: int = 0
    trouble: str = ""


class Caller:
    """`connect_seconds` and `read_seconds` are Twilio's defaults. Only a connection that fails is tried again,
    once. A demo calls nobody but this machine."""

    def __init__(self, twilio: DemoTwilio, key: Key, connect_seconds: float, read_seconds: float) -> None:
        self._twilio = twilio
        self._key = key
        self._timeout = aiohttp.ClientTimeout(total=read_seconds, sock_connect=connect_seconds)
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._http = aiohttp.ClientSession(timeout=self._timeout)

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def message(self, record: Record, base: str, opt_out_type: str = "") -> Heard:
        """A customer's message to the number's webhook, then to its fallback."""
        number = self._twilio.numbers[record.to.removeprefix(WHATSAPP)]
        pairs = self._received(record, base)
        pairs += [("OptOutType", opt_out_type)] if opt_out_type else []
        if not number.sms_url:
            return Heard(trouble="11200: the number has no webhook")
        heard = await self.post(number.sms_url, pairs, answers_twiml=True)
        if heard.trouble and number.fallback_url:
            failed = [("ErrorCode", "11200"), ("ErrorUrl", number.sms_url)]
            heard = await self.post(number.fallback_url, [*pairs, *failed], answers_twiml=True)
        return heard

    def _received(self, record: Record, base: str) -> list[tuple[str, str]]:
        """Blank fields are sent, too, and signed."""
        pairs = [
            ("ToCountry", "US"), ("ToState", "DC"), ("ToCity", ""), ("ToZip", ""),
            ("SmsMessageSid", record.sid), ("SmsSid", record.sid), ("MessageSid", record.sid),
            ("AccountSid", self._twilio.account_sid), ("ApiVersion", VERSION), ("SmsStatus", "received"),
            ("From", record.sender), ("FromCountry", ""), ("FromState", ""), ("FromCity", ""), ("FromZip", ""),
            ("To", record.to), ("Body", record.body), ("NumMedia", str(len(record.files))),
            ("NumSegments", str(count_segments(record.body).segments or 1)),
        ]  # fmt: skip
        for at, file in enumerate(record.files):
            path = f"/{VERSION}/Accounts/{self._twilio.account_sid}/Messages/{record.sid}/Media/{file.sid}"
            pairs += [(f"MediaUrl{at}", base + path), (f"MediaContentType{at}", file.content_type)]
        return pairs

    async def status(self, record: Record, status: str) -> Heard:
        pairs = [
            ("SmsSid", record.sid), ("SmsStatus", status), ("MessageStatus", status), ("To", record.to),
            ("MessageSid", record.sid), ("AccountSid", self._twilio.account_sid), ("From", record.sender),
            ("ApiVersion", VERSION),
        ]  # fmt: skip
        pairs += [("ErrorCode", record.error)] if record.error and status in ("failed", "undelivered") else []
        return await self.post(record.callback, pairs)

    async def post(
        self, url: str, pairs: Sequence[tuple[str, str]], *, answers_twiml: bool = False
    ) -> Heard:  # fmt: skip
        url = url.partition("#")[0]
        if not _is_loopback(url):
            return Heard(trouble="11210: the demo reaches this machine only")
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1", **dict(sign(self._key, url, pairs)),
        }  # fmt: skip
        assert self._http is not None
        for last in (False, True):
            try:
                async with self._http.post(url, data=urlencode(pairs), headers=headers) as answer:
                    return _judged(answer.status, answer.headers, await answer.read(), answers_twiml)
            except aiohttp.ClientConnectorError as error:
                if last:
                    return Heard(trouble=f"11205: {error.os_error.strerror or 'no connection'}")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                return Heard(trouble=f"11200: {type(error).__name__}")
        raise AssertionError("unreachable")

    async def fetch(self, url: str) -> tuple[str, bytes] | None:
        """A file that the hub wants sent; None where it is not to be had."""
        if not _is_loopback(url):
            return None
        assert self._http is not None
        try:
            async with self._http.get(url) as answer:
                if answer.status != 200 or (answer.content_length or 0) > _FILE_BYTES:
                    return None
                return answer.content_type, await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None


def _judged(status: int, headers: Mapping[str, str], body: bytes, answers_twiml: bool) -> Heard:
    if not 200 <= status < 300:
        return Heard(status=status, trouble=f"11200: the answer was HTTP {status}")
    kind = headers.get("Content-Type", "").partition(";")[0].strip()
    if answers_twiml and body and kind not in _TWIML:
        return Heard(status=status, trouble=f"12300: invalid content type {kind}")
    return Heard(status=status)


def _is_loopback(url: str) -> bool:
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return urlsplit(url).hostname == "localhost"
