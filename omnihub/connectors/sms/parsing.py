"""From what Twilio posts, and from what its API lists, to one shape: pure, without clock or network."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from omnihub.connectors.reading import Fields, inner, items, read_json, text_of
from omnihub.connectors.sms import statuses
from omnihub.connectors.sms.files import ending_of
from omnihub.connectors.sms.form import read_form
from omnihub.connectors.sms.numbers import WHATSAPP, Sender, plain, sender_of
from omnihub.connectors.sms.settings import Settings
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import Inbound, InboundAttachment, InboundMessage, LentMedia, Receipt
from omnihub.model.raw import RawEvent, RawRequest

RECONCILED = "reconcile"
STATUS_TAIL = "status"
# Our own id of a message, in the query of its status callback.
OWN_ID = "m"
_IDS = ("MessageSid", "SmsMessageSid", "SmsSid")
_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_MOST_FILES = 20
_URL_LIMIT = 2_000
_KEPT_FIELDS = (
    "NumSegments", "MessagingServiceSid", "FromCity", "FromState", "FromZip", "FromCountry", "WaId",
    "ButtonText", "ButtonPayload", "OriginalRepliedMessageSid", "Latitude", "Longitude", "Address", "Label",
)  # fmt: skip
_NOTICES = {
    "stop": ("opted_out", False, "Opted out of text messages: {said}"),
    "start": ("opted_in", True, "Opted in to text messages again: {said}"),
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Reader:
    """What reading needs to know of the account."""

    account_id: str
    settings: Settings


@dataclass(slots=True, frozen=True, kw_only=True)
class Heard:
    """One message of a customer, however we learned of it."""

    sid: str
    sender: str
    to: str
    text: str
    sent_at: datetime
    name: str = ""
    opt_out_type: str = ""
    media: tuple[LentMedia, ...] = ()
    problems: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def own_id(message_id: str) -> str:
    """The name under which the hub knows its own message before Twilio has named it."""
    return f"out:{message_id}"


def parse(event: RawEvent, reader: Reader) -> Sequence[Inbound]:
    request = event.request
    if request.source == RECONCILED:
        return _listed(request, reader)
    fields = dict(read_form(request))
    what = kind_of(request, fields)
    if what == "status":
        return _receipts(fields, request.query.get(OWN_ID, ""), request.received_at)
    if what == "message":
        return (_message(_posted(fields, request.received_at), reader),)
    return (_unknown(request, fields, reader),)


def kind_of(request: RawRequest, fields: Mapping[str, str]) -> str:
    """message, status, or "" for what this channel does not know. Raises Unreadable."""
    at_status = request.tail.strip("/") == STATUS_TAIL
    status = fields.get("MessageStatus") or (fields.get("SmsStatus", "") if at_status else "")
    if message_sid(fields):
        return "status" if status and status.lower() not in statuses.INBOUND else "message"
    if at_status or not fields.get("AccountSid"):
        raise Unreadable("this says neither which message it is about nor which Twilio account")
    return ""


def message_sid(fields: Mapping[str, str]) -> str:
    return next((fields[name] for name in _IDS if _SID.fullmatch(fields.get(name, ""))), "")


def source_key(fields: Mapping[str, str], what: str) -> str:
    """The same for a webhook, its repeat, and what the listing finds later: Twilio names a message once, and
    each status of it comes once, but for repeats."""
    sid = message_sid(fields)
    if what == "status":
        return f"status:{sid}:{(fields.get('MessageStatus') or fields.get('SmsStatus', '')).lower()}"
    return f"message:{sid}" if sid else ""


# — a webhook —


def _posted(fields: Mapping[str, str], received_at: datetime) -> Heard:
    media, problems = _posted_media(fields)
    return Heard(
        sid=message_sid(fields),
        sender=fields.get("From", ""),
        to=fields.get("To", ""),
        text=fields.get("Body", "") or _place(fields),
        sent_at=received_at,
        name=" ".join(fields.get("ProfileName", "").split())[:200],
        opt_out_type=fields.get("OptOutType", ""),
        media=media,
        problems=problems,
        extra={name: fields[name] for name in _KEPT_FIELDS if fields.get(name)},
    )


def _place(fields: Mapping[str, str]) -> str:
    """WhatsApp's locations come without words."""
    if not fields.get("Latitude") or not fields.get("Longitude"):
        return ""
    named = [fields.get("Label", ""), fields.get("Address", ""), f"{fields['Latitude']}, {fields['Longitude']}"]
    return "Location: " + ", ".join(part for part in named if part)


def _posted_media(fields: Mapping[str, str]) -> tuple[tuple[LentMedia, ...], tuple[str, ...]]:
    """As many files as there are addresses; a count that says otherwise is only mentioned."""
    found = []
    for number in range(_MOST_FILES):
        url = fields.get(f"MediaUrl{number}", "")
        if url and len(url) <= _URL_LIMIT:
            found.append(_lent(url, fields.get(f"MediaContentType{number}", ""), number))
    announced = fields.get("NumMedia", "0").strip() or "0"
    if announced == str(len(found)):
        return tuple(found), ()
    return tuple(found), (f"{len(found)} files came, but {announced[:20]} were announced",)


def _lent(url: str, content_type: str, number: int) -> LentMedia:
    kind = content_type.partition(";")[0].strip().lower()
    label = kind.partition("/")[0]
    return LentMedia(
        ref={"url": url}, filename=f"file-{number + 1}{ending_of(kind)}", content_type=kind,
        label=label if label in ("image", "audio", "video") else "file",
    )  # fmt: skip


# — the API's listing —


def listed_message(item: Mapping[str, Any], media: Sequence[Mapping[str, Any]], api_base_url: str) -> bytes:
    """What is journaled of a message whose webhook was lost."""
    return orjson.dumps({"message": item, "media": list(media), "api": api_base_url})


def listed_status(item: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"status": item})


def _listed(request: RawRequest, reader: Reader) -> Sequence[Inbound]:
    said = read_json(request.body)
    if status := inner(said, "status"):
        fields = {
            "MessageSid": text_of(status, "sid"),
            "MessageStatus": text_of(status, "status"),
            "ErrorCode": text_of(status, "error_code"),
            "ErrorMessage": text_of(status, "error_message"),
        }
        return _receipts(fields, "", read_date(status, "date_updated") or request.received_at)
    item = inner(said, "message")
    if not _SID.fullmatch(text_of(item, "sid")):
        raise Unreadable("the listed message has no id")
    media = [one for one in items(said, "media") if isinstance(one, dict) and text_of(one, "uri")]
    base = text_of(said, "api")
    lent = (
        _lent(base + text_of(one, "uri").removesuffix(".json"), text_of(one, "content_type"), number)
        for number, one in enumerate(media[:_MOST_FILES])
    )
    missing = text_of(item, "num_media", "0") not in ("", str(len(media)))
    also = {
        "NumSegments": text_of(item, "num_segments"),
        "MessagingServiceSid": text_of(item, "messaging_service_sid"),
    }
    heard = Heard(
        sid=text_of(item, "sid"),
        sender=text_of(item, "from"),
        to=text_of(item, "to"),
        text=text_of(item, "body"),
        sent_at=sent_at(item) or request.received_at,
        media=tuple(lent),
        problems=("its files are no longer at Twilio",) if missing else (),
        extra={"found_by": "listing"} | {name: value for name, value in also.items() if value},
    )
    return (_message(heard, reader),)


def sent_at(item: Fields) -> datetime | None:
    return read_date(item, "date_sent") or read_date(item, "date_created")


def read_date(item: Fields, name: str) -> datetime | None:
    """RFC 2822, as Twilio's older APIs write dates."""
    try:
        read = parsedate_to_datetime(text_of(item, name))
    except (ValueError, OverflowError):
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


# — one message —


def _message(heard: Heard, reader: Reader) -> InboundMessage:
    sender = sender_of(
        heard.sender, heard.name, account_id=reader.account_id, region=reader.settings.phone_region,
        message_id=heard.sid,
    )  # fmt: skip
    channel = "whatsapp" if sender.whatsapp else "sms"
    number = plain(heard.to)
    message = InboundMessage(
        external_id=heard.sid,
        thread_key=sender.handle.value,
        sender=sender.handle,
        sent_at=heard.sent_at,
        text=heard.text,
        media=heard.media,
        reachable=False if sender.hidden else None,
        wire={"number": number, "channel": channel},
        problems=heard.problems,
        extra={"number": number, "channel": channel, **heard.extra},
    )
    return _consent(message, heard, reader.settings, sender)


def _consent(message: InboundMessage, heard: Heard, settings: Settings, sender: Sender) -> InboundMessage:
    """Opting out and in is kept and shown, but answered by Twilio, never by us. A call for help is a message
    like any other, though Twilio has answered it, too."""
    meant = consent_word(heard, settings)
    if meant == "help":
        return replace(message, extra={**message.extra, "opt_out_type": meant})
    if meant not in _NOTICES or sender.hidden:
        return message
    code, reachable, words = _NOTICES[meant]
    said = heard.text.strip()[:100]
    return replace(
        message,
        kind="notice",
        text=words.format(said=said or meant.upper()),
        silent=True,
        silent_reason=code,
        reachable=reachable,
        extra={**message.extra, "notice": code, "opt_out_type": meant, "said": heard.text},
    )


def consent_word(heard: Heard, settings: Settings) -> str:
    """Where Twilio says what it made of the message, that counts and not the word. It counts only a message
    that is nothing but the word."""
    told = heard.opt_out_type.strip().lower()
    if told in ("stop", "start", "help"):
        return told
    word = heard.text.strip().upper()
    families = (("stop", settings.stop_words), ("start", settings.start_words), ("help", settings.help_words))
    return next((name for name, words in families if word in words), "")


# — receipts, and the rest —


def _receipts(fields: Mapping[str, str], message_id: str, at: datetime) -> Sequence[Receipt]:
    """Named by our own id where the callback carries it, so that it is understood even if the answer to our
    sending was lost."""
    status = (fields.get("MessageStatus") or fields.get("SmsStatus", "")).lower()
    report = statuses.report_of(status)
    if report is None:
        return ()
    code = fields.get("ErrorCode", "") if report == "failed" else ""
    words = statuses.words_for(code, fields.get("ErrorMessage", "")) if report == "failed" else ""
    return (
        Receipt(
            external_id=own_id(message_id) if message_id else message_sid(fields),
            status=report,
            at=at,
            words=words or (status if report in ("failed", "delayed") else ""),
            code=code if code != "0" else "",
        ),
    )


def _unknown(request: RawRequest, fields: Mapping[str, str], reader: Reader) -> InboundMessage:
    digest = hashlib.sha256(request.body).hexdigest()[:32]
    name = next((fields[one] for one in ("EventType", "CallStatus", "SmsStatus") if fields.get(one)), "unknown")
    sender = sender_of(
        fields.get("From", "").removeprefix(WHATSAPP), "", account_id=reader.account_id,
        region=reader.settings.phone_region, message_id=digest,
    )  # fmt: skip
    return InboundMessage(
        external_id=f"event:{digest}",
        thread_key=sender.handle.value,
        sender=sender.handle,
        sent_at=request.received_at,
        kind="unsupported",
        text=f"Twilio told of something that this channel does not know ({name[:100]}); see the attachment",
        attachments=(
            InboundAttachment(
                filename="event.json",
                content_type="application/json",
                content=orjson.dumps(dict(fields), option=orjson.OPT_INDENT_2),
            ),
        ),
        extra={"event": name[:100]},
    )
