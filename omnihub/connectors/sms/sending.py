"""Replies out. Creating a message is not idempotent at Twilio, so that a second attempt looks first."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.sms.api import Api
from omnihub.connectors.sms.numbers import WHATSAPP, is_hidden
from omnihub.connectors.sms.parsing import own_id, read_date
from omnihub.connectors.sms.segments import count_segments
from omnihub.connectors.sms.settings import Settings
from omnihub.model.errors import NotFound, Refused, TryLater, Uncertain
from omnihub.model.outgoing import Outgoing, SendResult

MOST_FILES = 10
# A message older than this may have been handed over before, by whichever process.
FRESH = timedelta(seconds=10)
_NOT_TAKEN = frozenset({"failed", "undelivered", "canceled"})
_REMEMBERED = 5_000
# What a trial account puts before every text.
_TRIAL = "Sent from your Twilio trial account - "
V = TypeVar("V")


class Sending:
    """`callback`: the address of status callbacks for a message, "" where Twilio could not reach it."""

    def __init__(
        self, api: Api, settings: Settings, callback: Callable[[str], str], now: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._settings = settings
        self._callback = callback
        self._now = now
        self._doubtful: OrderedDict[str, datetime] = OrderedDict()  # by message id: since when
        self._sent: OrderedDict[str, str] = OrderedDict()  # sids, by which of our messages they are

    async def send(self, message: Outgoing) -> SendResult:
        pairs = self._form(message)
        earlier = await self._taken_before(message, dict(pairs)) if self._may_be_repeated(message) else None
        if earlier is not None:
            return self._result(message, earlier, f"Twilio had taken it already; {_told(message)}")
        began = self._now()
        try:
            created = await self._api.create_message(pairs)
        except Uncertain:
            # The first doubtful attempt counts: what it left at Twilio was made after it began.
            _remember(self._doubtful, message.id, self._doubtful.get(message.id, began))
            raise
        return self._result(message, created, _told(message))

    def _form(self, message: Outgoing) -> list[tuple[str, str]]:
        """Raises Refused for what cannot be a message."""
        if len(message.to) != 1:
            raise Refused("a text message goes to one person")
        if is_hidden(message.to[0]):
            raise Refused("this sender hid their number; nobody can answer")
        files = self._files(message)
        if not message.text.strip() and not files:
            raise Refused("there is nothing to send")
        prefix = WHATSAPP if message.answering.get("channel") == "whatsapp" else ""
        pairs = [("To", f"{prefix}{message.to[0].value}"), *self._origin(message, prefix)]
        pairs += [("Body", message.text)] if message.text.strip() else []
        pairs += [("MediaUrl", url) for url in files]
        callback = self._callback(message.id)
        return [*pairs, ("StatusCallback", callback)] if callback else pairs

    def _origin(self, message: Outgoing, prefix: str) -> list[tuple[str, str]]:
        """An answer comes from the number that was written to, as long as it is one of ours."""
        numbers, service = self._settings.from_numbers, self._settings.messaging_service_sid
        written_to = str(message.answering.get("number", ""))
        if prefix and written_to:
            return [("From", f"{prefix}{written_to}")]
        if service:
            return [("MessagingServiceSid", service)]
        return [("From", written_to if written_to in numbers else numbers[0])]

    def _files(self, message: Outgoing) -> list[str]:
        if not message.attachments:
            return []
        if not self._settings.mms:
            raise Refused("files are switched off for this account (MMS); send a link instead")
        if len(message.attachments) > MOST_FILES:
            raise Refused(f"a message carries {MOST_FILES} files at most")
        urls = [one.url for one in message.attachments]
        if not all(urls):
            raise Refused("the hub gave no address from which Twilio could fetch the file")
        return urls

    def _may_be_repeated(self, message: Outgoing) -> bool:
        return message.id in self._doubtful or self._now() - message.created_at > FRESH

    async def _taken_before(self, message: Outgoing, sent: dict[str, str]) -> Fields | None:
        """What an earlier attempt left at Twilio. The API does not show the callback that names our id, so that
        it is known by its receiver, its text, its number of files and its time. A message of ours that is
        known to be another one is not taken for it. Raises TryLater: without having looked, nothing is sent."""
        since = self._doubtful.get(message.id, message.created_at).replace(microsecond=0)
        # Without a filter by date, which may leave out what still waits at Twilio; the newest come first.
        query: dict[str, str] = {name: sent[name] for name in ("To", "From") if name in sent}
        found: list[Fields] = []
        try:
            async for page in self._api.messages(query):
                found += [one for one in page if self._is_it(one, message, since)]
                if any((made := read_date(one, "date_created")) and made < since for one in page):
                    break
        except NotFound as error:
            raise TryLater(f"Twilio cannot say whether it has this message already: {error}") from error
        return found[-1] if found else None

    def _is_it(self, item: Fields, message: Outgoing, since: datetime) -> bool:
        made = read_date(item, "date_created")
        body, text = text_of(item, "body").strip(), message.text.strip()
        return (
            text_of(item, "direction").startswith("outbound")
            and text_of(item, "status") not in _NOT_TAKEN
            and body in (text, f"{_TRIAL}{text}".strip())
            and text_of(item, "num_media", "0") == str(len(message.attachments))
            and made is not None
            and made >= since
            and self._sent.get(text_of(item, "sid"), message.id) == message.id
        )

    def _result(self, message: Outgoing, created: Fields, words: str) -> SendResult:
        sid = text_of(created, "sid")
        self._doubtful.pop(message.id, None)
        if sid:
            _remember(self._sent, sid, message.id)
        return SendResult(external_id=own_id(message.id), aliases=(sid,) if sid else (), words=words)


def _told(message: Outgoing) -> str:
    """For the agent: what it costs."""
    if message.attachments:
        return "sent as MMS"
    encoding, _, segments = count_segments(message.text)
    name = "GSM-7" if encoding == "gsm7" else "UCS-2"
    return f"{segments} SMS {'segment' if segments == 1 else 'segments'} ({name})"


def _remember(kept: OrderedDict[str, V], key: str, value: V) -> None:
    kept[key] = value
    while len(kept) > _REMEMBERED:
        kept.popitem(last=False)
