"""What Twilio posts and lists, case by case, and whatever else may come."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sms_fixtures import FOLDER, NOW, connected, event, request_of

from omnihub.connectors.sms.connector import Connector
from omnihub.connectors.sms.sample import ACCOUNT
from omnihub.model.errors import NotFound, OmnihubError, Refused, Unreadable, Unverified
from omnihub.model.inbound import Inbound, InboundMessage, Receipt
from omnihub.model.raw import RawRequest

CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
REFUSED = {"unverified": Unverified, "unreadable": Unreadable, "not_found": NotFound}


def test_there_are_cases() -> None:
    assert len(CASES) >= 70


@pytest.mark.parametrize("name", CASES)
def test_fixture(name: str) -> None:
    case = CASES[name]
    expect, connector = case["expect"], connected(**case.get("settings", {}))
    request = request_of(case["request"])
    if request.source == "webhook":
        if refused := expect.get("verify"):
            with pytest.raises(REFUSED[refused]):
                connector.verify(request)
            return
        connector.verify(request)
    if expect.get("parse") == "unreadable":
        with pytest.raises(Unreadable):
            connector.parse(event(request))
        return
    read = connector.parse(event(request))
    assert len(read) == len(expect.get("messages", [])) + len(expect.get("receipts", []))
    _compare_messages(read, expect.get("messages", []))
    _compare_receipts(read, expect.get("receipts", []))
    if "source_key" in expect:
        assert connector.source_key(request) == expect["source_key"]
    if expect.get("fetch") == "refused":
        _fetching_is_refused(connector, read)


def _compare_messages(read: Sequence[Inbound], expected: Sequence[Mapping[str, Any]]) -> None:
    messages = [one for one in read if isinstance(one, InboundMessage)]
    for message, wanted in zip(messages, expected, strict=True):
        assert _as_expected(message, wanted) == wanted


def _as_expected(message: InboundMessage, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The message in the fixture's words, as far as the fixture speaks of it."""
    seen: dict[str, Any] = {name: getattr(message, name) for name in wanted if hasattr(message, name)}
    seen["sender"] = message.sender.key
    if wanted["external_id"].endswith("*") and message.external_id.startswith(wanted["external_id"][:-1]):
        seen["external_id"] = wanted["external_id"]
    if "media" in wanted:
        seen["media"] = [
            {**one.ref, "filename": one.filename, "content_type": one.content_type, "label": one.label}
            for one in message.media
        ]
    if "attachments" in wanted:
        seen["attachments"] = [one.filename for one in message.attachments]
    if "sent_at" in wanted:
        seen["sent_at"] = message.sent_at.isoformat() if message.sent_at else None
    if "name" in wanted:
        seen["name"] = message.sender.name
    seen["problems"] = list(message.problems)
    if "extra" in wanted:
        seen["extra"] = {name: message.extra.get(name) for name in wanted["extra"]}
    return seen


def _compare_receipts(read: Sequence[Inbound], expected: Sequence[Mapping[str, Any]]) -> None:
    receipts = [one for one in read if isinstance(one, Receipt)]
    seen = [{name: getattr(one, name) for name in want} for one, want in zip(receipts, expected, strict=True)]
    assert seen == list(expected)


def _fetching_is_refused(connector: Connector, read: Sequence[Inbound]) -> None:
    """Before any connection: this connector has no network."""
    (message,) = (one for one in read if isinstance(one, InboundMessage))
    for media in message.media:
        with pytest.raises(Refused, match="not at an address of Twilio's"):
            asyncio.run(connector.fetch(media))


def test_a_webhook_and_the_listing_read_alike() -> None:
    connector = connected()
    for posted, listed in (("text_plain", "listed_text"), ("picture", "listed_picture"), ("stop", "listed_stop")):
        one, other = (
            connector.parse(event(request_of(CASES[name]["request"])))[0] for name in (posted, listed)
        )  # fmt: skip
        assert isinstance(one, InboundMessage)
        assert isinstance(other, InboundMessage)
        for field in (
            "external_id",
            "thread_key",
            "sender",
            "text",
            "media",
            "kind",
            "silent",
            "reachable",
            "wire",
        ):
            assert getattr(one, field) == getattr(other, field), field


def test_an_unknown_event_holds_all_that_was_said() -> None:
    (read,) = connected().parse(event(request_of(CASES["event_unknown"]["request"])))
    assert isinstance(read, InboundMessage)
    held = orjson.loads(read.attachments[0].content)
    assert held == dict(CASES["event_unknown"]["request"]["form"])


def test_the_answer_is_empty_twiml() -> None:
    reply = connected().acknowledge(request_of(CASES["text_plain"]["request"]), "01k00000000000000000event1")
    assert (reply.status, reply.body, reply.content_type) == (200, b"<Response></Response>", "text/xml")


# — whatever comes —

NAMES = st.sampled_from(
    ["MessageSid", "SmsSid", "AccountSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "MediaContentType0",
     "MessageStatus", "SmsStatus", "ErrorCode", "OptOutType", "ProfileName"]
) | st.text(max_size=8)  # fmt: skip
VALUES = st.text(max_size=30) | st.sampled_from(
    ["SM00000000000000000000000000000001", ACCOUNT, "+12025550117", "whatsapp:", "whatsapp:+1", "STOP", "sent",
     "received", "\x00", "٣", "1" * 400, "+" * 50, "https://api.twilio.com\\@x/", "https://[::1", "-1"]
)  # fmt: skip
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=12)


@given(pairs=PAIRS, tail=st.sampled_from(["", "status"]), query=st.dictionaries(st.just("m"), st.text(max_size=9)))
def test_whatever_twilio_signs_is_read_or_refused_in_words(
    pairs: list[tuple[str, str]], tail: str, query: dict[str, str]
) -> None:
    request = request_of({"form": pairs, "tail": tail, "query": query})
    connector = connected()
    try:
        connector.verify(request)
    except Unreadable:
        return
    _is_well_formed(connector.parse(event(request)), connector)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("sid", "from", "to", "body", "num_media", "date_sent", "date_created", "status", "error_code")
ITEM = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=9)


@given(message=ITEM, media=JSON | st.lists(st.fixed_dictionaries({"uri": JSON, "content_type": JSON})), api=JSON)
def test_whatever_the_api_lists_is_read_or_refused_in_words(message: Any, media: Any, api: Any) -> None:
    connector = connected()
    for body in ({"message": {"sid": "SM01", **message}, "media": media, "api": api}, {"status": message}):
        request = RawRequest(source="reconcile", body=orjson.dumps(body), received_at=NOW)
        with suppress(OmnihubError):
            _is_well_formed(connector.parse(event(request)), connector)


def _is_well_formed(read: Sequence[Inbound], connector: Connector) -> None:
    for one in read:
        if isinstance(one, Receipt):
            continue
        assert isinstance(one, InboundMessage)
        assert one.external_id
        assert one.thread_key == one.sender.value != ""
        assert one.sender.channel in ("phone", "sms")
        assert one.sent_at is not None
        assert one.sent_at.tzinfo is not None
        assert len(one.media) <= 20
        assert (one.kind == "notice") == bool(one.silent_reason)
        for media in one.media:
            assert set(media.ref) == {"url"}
