"""The provider's side: one account with its numbers, messages, files and people who opted out."""

import itertools
import re
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from omnihub.connectors.numbers import e164
from omnihub.connectors.sms.numbers import WHATSAPP
from omnihub.connectors.sms.segments import count_segments
from omnihub.connectors.sms.statuses import MEANINGS

VERSION = "2010-04-01"
# A receiver whose number ends so never gets a message.
UNDELIVERABLE = {"0003": "30003", "0006": "30006", "0007": "30007"}
_MOST_FILES = 10
_TEXT_LIMIT = 1600


class ApiError(Exception):
    def __init__(self, status: int, code: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.code = code
        self.words = words

    def body(self) -> dict[str, Any]:
        info = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.words, "more_info": info, "status": self.status}


@dataclass(slots=True, kw_only=True)
class File:
    sid: str
    content_type: str
    content: bytes


@dataclass(slots=True, kw_only=True)
class Record:
    sid: str
    direction: str
    sender: str
    to: str
    body: str
    status: str
    created: datetime
    sent: datetime | None = None
    updated: datetime
    files: list[File] = field(default_factory=list)
    media_urls: tuple[str, ...] = ()
    callback: str = ""
    service: str | None = None
    error: str = ""

    @property
    def customer(self) -> str:
        return (self.sender if self.direction == "inbound" else self.to).removeprefix(WHATSAPP)


@dataclass(slots=True, kw_only=True)
class Number:
    sid: str
    number: str
    sms_url: str = ""
    sms_method: str = "POST"
    fallback_url: str = ""
    mms: bool = True


class DemoTwilio:
    """`calls_per_second`: what the API takes before it answers 429."""

    def __init__(self, numbers: Sequence[str], *, now: Callable[[], datetime], calls_per_second: int) -> None:
        self.account_sid = f"AC{secrets.token_hex(16)}"
        self.auth_token = secrets.token_hex(16)
        self.service_sid = f"MG{secrets.token_hex(16)}"
        self.numbers = {one: Number(sid=f"PN{secrets.token_hex(16)}", number=one) for one in numbers}
        self.records: list[Record] = []
        self.opted_out: set[tuple[str, str]] = set()
        self.stored: dict[str, File] = {}  # the store for pictures, by its unguessable name
        self.now = now
        self._calls: deque[datetime] = deque()
        self._calls_per_second = calls_per_second
        self._serial = itertools.count(1)

    # — what the API's callers may do —

    def count_call(self) -> None:
        """Raises ApiError 20429."""
        at = self.now()
        while self._calls and (at - self._calls[0]).total_seconds() >= 1:
            self._calls.popleft()
        if len(self._calls) >= self._calls_per_second:
            raise ApiError(429, 20429, "Too Many Requests")
        self._calls.append(at)

    def create(self, form: Mapping[str, str], media_urls: Sequence[str]) -> Record:
        """Raises ApiError in Twilio's own words."""
        to = form.get("To", "").strip()
        body = form.get("Body", "")
        if not to:
            raise ApiError(400, 21604, "A 'To' phone number is required.")
        sender, service = self._sender(form)
        if not e164(to.removeprefix(WHATSAPP), "US"):
            raise ApiError(400, 21211, f"Invalid 'To' Phone Number: {to}")
        if not body and not media_urls:
            raise ApiError(400, 21602, "Message body is required.")
        if len(body) > _TEXT_LIMIT:
            raise ApiError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if len(media_urls) > _MOST_FILES:
            raise ApiError(400, 21623, "Number of media files exceeds allowed limit")
        if media_urls and not self.numbers[sender].mms:
            raise ApiError(400, 21612, "Message cannot be sent with the current combination of 'To' and 'From'")
        for address in (*media_urls, form.get("StatusCallback", "http://-")):
            if not re.match(r"https?://", address):
                raise ApiError(400, 21609, f"Invalid URL: {address}")
        if (to, sender) in self.opted_out:
            raise ApiError(400, 21610, "Attempt to send to unsubscribed recipient")
        shown = form.get("From") or sender
        record = self.record("outbound-api", shown, to, body, "queued", files=len(media_urls) > 0)
        record.media_urls, record.callback = tuple(media_urls), form.get("StatusCallback", "")
        record.service = service
        return record

    def _sender(self, form: Mapping[str, str]) -> tuple[str, str | None]:
        sender, service = form.get("From", "").removeprefix(WHATSAPP), form.get("MessagingServiceSid", "")
        if service and service != self.service_sid:
            raise ApiError(404, 20404, f"The requested resource /Services/{service} was not found")
        if service:
            return sender or next(iter(self.numbers)), service
        if not sender:
            raise ApiError(400, 21603, "A 'From' phone number is required.")
        if sender not in self.numbers:
            raise ApiError(400, 21606, f"The 'From' phone number {sender} is not a valid, message-capable number")
        return sender, None

    def listed(self, query: Mapping[str, str]) -> Sequence[Record]:
        """The newest first. Raises ApiError for a date that is none."""
        bounds = {name: _date(query[name]) for name in ("DateSent>", "DateSent<") if query.get(name)}
        return [one for one in reversed(self.records) if _listed(one, query, bounds)]

    def find(self, sid: str) -> Record:
        found = next((one for one in self.records if one.sid == sid), None)
        if found is None:
            raise ApiError(404, 20404, f"The requested resource /Messages/{sid}.json was not found")
        return found

    # — what happens —

    def receive(self, customer: str, to: str, body: str, files: Sequence[tuple[str, bytes]]) -> Record:
        """A customer writes. STOP and START count before the hub hears of them."""
        record = self.record("inbound", customer, to, body, "received", files=bool(files))
        record.sent = record.created
        for content_type, content in files:
            self.attach(record, content_type, content)
        return record

    def attach(self, record: Record, content_type: str, content: bytes) -> None:
        file = File(sid=f"ME{secrets.token_hex(16)}", content_type=content_type, content=content)
        record.files.append(file)
        self.stored[secrets.token_urlsafe(24)] = file

    def store_name(self, file: File) -> str:
        return next(name for name, one in self.stored.items() if one is file)

    def record(
        self, direction: str, sender: str, to: str, body: str, status: str, *, files: bool
    ) -> Record:  # fmt: skip
        at = self.now()
        sid = f"{'MM' if files else 'SM'}{next(self._serial):08x}{secrets.token_hex(12)}"
        record = Record(
            sid=sid, direction=direction, sender=sender, to=to, body=body, status=status, created=at, updated=at
        )  # fmt: skip
        self.records.append(record)
        return record

    # — as the API shows it —

    def resource(self, record: Record) -> dict[str, Any]:
        uri = f"/{VERSION}/Accounts/{self.account_sid}/Messages/{record.sid}"
        return {
            "account_sid": self.account_sid,
            "api_version": VERSION,
            "body": record.body,
            "date_created": _rfc2822(record.created),
            "date_sent": _rfc2822(record.sent) if record.sent else None,
            "date_updated": _rfc2822(record.updated),
            "direction": record.direction,
            "error_code": int(record.error) if record.error else None,
            "error_message": MEANINGS.get(record.error) if record.error else None,
            "from": record.sender,
            "messaging_service_sid": record.service,
            "num_media": str(len(record.files) or len(record.media_urls)),
            "num_segments": str(count_segments(record.body).segments or 1),
            "price": None,
            "price_unit": "USD",
            "sid": record.sid,
            "status": record.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": record.to,
            "uri": f"{uri}.json",
        }

    def media_resource(self, record: Record, file: File) -> dict[str, Any]:
        uri = f"/{VERSION}/Accounts/{self.account_sid}/Messages/{record.sid}/Media/{file.sid}.json"
        return {
            "account_sid": self.account_sid,
            "content_type": file.content_type,
            "date_created": _rfc2822(record.created),
            "date_updated": _rfc2822(record.updated),
            "parent_sid": record.sid,
            "sid": file.sid,
            "uri": uri,
        }

    def number_resource(self, number: Number) -> dict[str, Any]:
        return {
            "account_sid": self.account_sid,
            "sid": number.sid,
            "phone_number": number.number,
            "friendly_name": number.number,
            "capabilities": {"voice": True, "sms": True, "mms": number.mms, "fax": False},
            "sms_url": number.sms_url,
            "sms_method": number.sms_method,
            "sms_fallback_url": number.fallback_url,
            "sms_fallback_method": "POST",
            "api_version": VERSION,
            "uri": f"/{VERSION}/Accounts/{self.account_sid}/IncomingPhoneNumbers/{number.sid}.json",
        }


def _rfc2822(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC))


def _date(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, 20001, f"Invalid date: {text}") from None
    return read.replace(tzinfo=read.tzinfo or UTC)


def _listed(record: Record, query: Mapping[str, str], bounds: Mapping[str, datetime]) -> bool:
    if query.get("To") not in (None, "", record.to) or query.get("From") not in (None, "", record.sender):
        return False
    if not bounds:
        return True
    if record.sent is None:
        return False
    at = record.sent.replace(microsecond=0)
    return at >= bounds.get("DateSent>", at) and at <= bounds.get("DateSent<", at)
