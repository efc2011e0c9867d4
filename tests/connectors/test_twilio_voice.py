"""What Twilio posts about calls, case by case, what it is answered, and whatever else may come."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.twilio_voice import recordings, signature
from omnihub.connectors.twilio_voice.connector import Connector
from omnihub.connectors.twilio_voice.sample import ACCOUNT, CUSTOMER, NUMBER, OLD_TOKEN, TOKEN, Sample
from omnihub.connectors.twilio_voice.signature import sign
from omnihub.connectors.twilio_voice.simulator_twiml import read_twiml
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, NotFound, OmnihubError, Refused, Unreadable, Unverified
from omnihub.model.inbound import Amendment, InboundMessage
from omnihub.model.raw import RawEvent, RawRequest

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
DOOR = "http://hub.example.test/in/twilio_voice/a-key"
FOLDER = Path(registry.__file__).parent / "twilio_voice" / "fixtures"
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
REFUSED = {"unverified": Unverified, "unreadable": Unreadable, "not_found": NotFound}
TOKENS = {"token": TOKEN, "previous": OLD_TOKEN, "other": "a guess"}
BARE = {name: value for name, value in Sample.settings.items() if name != "previous_auth_token"}


def connected(**settings: Any) -> Connector:
    values = registry.plain(registry.read_settings("twilio_voice", {**BARE, **settings}))
    account = Account(id="01account", key="a-key", channel="twilio_voice", name="T", enabled=True, settings=values)
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    toolbox = Toolbox(
        http=nobody, public_url="http://hub.example.test", sign=lambda purpose, data: b"", now=lambda: NOW
    )  # fmt: skip
    return cast("Connector", registry.connect(account, toolbox))


def request_of(told: Mapping[str, Any]) -> RawRequest:
    pairs = [(name, value) for name, value in told.get("form", [])]
    body = told["body"].encode() if "body" in told else urlencode(pairs).encode()
    tail, query = told.get("tail", ""), told.get("query", {})
    signed_tail, signed_query = told.get("signed_tail", tail), told.get("signed_query", query)
    url = DOOR + (f"/{quote(signed_tail)}" if signed_tail else "")
    url += f"?{urlencode(signed_query)}" if signed_query else ""
    way = told.get("sign", "token")
    headers = {} if way == "none" else dict(sign(TOKENS[way], url, pairs))
    headers["content-type"] = told.get("type", "application/x-www-form-urlencoded; charset=UTF-8")
    return RawRequest(source="webhook", body=body, received_at=NOW, tail=tail, query=query, headers=headers)


def event(request: RawRequest) -> RawEvent:
    return RawEvent(id="01k00000000000000000event1", account_id="01account", request=request)


def amended(connector: Connector, request: RawRequest) -> tuple[Amendment, InboundMessage]:
    (read,) = connector.parse(event(request))
    assert isinstance(read, Amendment)
    assert read.message is not None
    return read, read.message


# — case by case —


def test_there_are_cases() -> None:
    assert len(CASES) >= 55


@pytest.mark.parametrize("name", CASES)
def test_fixture(name: str) -> None:
    case = CASES[name]
    expect, connector = case["expect"], connected(**case.get("settings", {}))
    request = request_of(case["request"])
    if refused := expect.get("verify"):
        with pytest.raises(REFUSED[refused]):
            connector.verify(request)
        return
    connector.verify(request)
    if expect.get("kind") == "unsupported":
        (kept,) = connector.parse(event(request))
        assert isinstance(kept, InboundMessage)
        assert (kept.kind, kept.sender.key, kept.silent) == ("unsupported", expect["sender"], True)
        assert expect["holds"] in kept.attachments[0].content.decode()
        return
    amendment, message = amended(connector, request)
    assert (amendment.kind, amendment.sequence, message.kind) == ("updated", expect["sequence"], "call")
    assert amendment.external_id == message.external_id == f"call:{expect['call']['id']}"
    assert (message.sender.key, message.thread_key) == (expect["sender"], expect["thread_key"])
    assert message.silent is expect["silent"]
    assert message.extra["call"] == expect["call"]
    assert message.text == expect.get("text", message.text)
    assert message.extra.get("recording_problem") == expect.get("problem")
    if "source_key" in expect:
        assert connector.source_key(request) == expect["source_key"]
    _compare_media(connector, message, expect)
    _compare_answer(connector, request, expect)


def _compare_media(connector: Connector, message: InboundMessage, expect: Mapping[str, Any]) -> None:
    if expect.get("fetch") == "refused":  # before any connection: this connector has no network
        with pytest.raises(Refused, match="not at an address of Twilio's"):
            asyncio.run(connector.fetch(message.media[0]))
        return
    seen = [{**one.ref, "filename": one.filename, "content_type": one.content_type} for one in message.media]
    assert seen == ([expect["media"]] if expect.get("media") else [])


def _compare_answer(connector: Connector, request: RawRequest, expect: Mapping[str, Any]) -> None:
    reply = connector.acknowledge(request, "01k")
    verbs = read_twiml(reply.status, reply.content_type.partition(";")[0], reply.body)
    assert [verb.name for verb in verbs] == expect["twiml"]
    if "says" in expect:
        assert [verb.text for verb in verbs if verb.name == "Say"] == expect["says"]
    for name, value in expect.get("dial", {}).items():
        (dial,) = (verb for verb in verbs if verb.name == "Dial")
        seen = [noun.text for noun in dial.nouns] if name == "nouns" else dial.given.get(name)
        assert seen == value, name


# — the answer's addresses are what Twilio signs next —


def addresses_in(reply: bytes) -> Sequence[str]:
    names = ("action", "statusCallback", "recordingStatusCallback")
    return [one.get(n, "") for one in ElementTree.fromstring(reply).iter() for n in names if one.get(n)]


@pytest.mark.parametrize("caller", [CUSTOMER, "anonymous", "sip:a%20b&c=d@x.example", "+8613800138025", ""])
def test_every_address_that_is_given_out_is_one_that_is_taken(caller: str) -> None:
    connector = connected(record_calls=True, consent_notice="Recorded.", ring="sequence")
    sample = Sample(connector)
    pairs = [("CallSid", "CA1"), ("AccountSid", ACCOUNT), ("From", caller), ("To", NUMBER)]
    ringing = connector.acknowledge(sample.signed([*pairs, ("CallStatus", "ringing")]), "01k").body
    unanswered = [*pairs, ("CallStatus", "in-progress"), ("DialCallStatus", "no-answer")]
    voicemail = connector.acknowledge(sample.signed(unanswered, tail="dial/1"), "01k").body
    given_out = [*addresses_in(ringing), *addresses_in(voicemail)]
    assert len(given_out) == 5
    for url in given_out:
        path, _, query = url.removeprefix(f"{connector.door}/").partition("?")
        told = [("CallSid", "CA1"), ("ParentCallSid", "CA1"), ("RecordingSid", "RE1"), ("CallStatus", "ringing")]
        told += [("From", caller), ("To", NUMBER)]
        decoded = _decoded(query)
        request = RawRequest(
            source="webhook", body=urlencode(told).encode(), received_at=NOW, tail=path, query=decoded,
            headers=dict(sign(TOKEN, url, told)),
        )  # fmt: skip
        connector.verify(request)
        _, message = amended(connector, request)
        assert message.extra["call"].get("customer", "") == re.sub(r"\s+", " ", caller).replace("anonymous", "")


def _decoded(query: str) -> Mapping[str, str]:
    """As the hub's door decodes it."""
    return dict(URL(f"http://x/?{query}", encoded=True).query)


# — signature and settings —


def test_twilios_published_vector() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+14158675310", "Digits": "1234", "From": "+14158675310",
        "To": "+18005551212",
    }  # fmt: skip
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    headers = {"x-twilio-signature": "GvWf1cFY/Q7PnoempGyD5oXAezc="}
    assert sign("12345", url, fields.items()) == headers
    assert signature.is_genuine(["12345"], [url], MultiDict(fields), headers)
    assert not signature.is_genuine(["12346", ""], [url], MultiDict(fields), headers)


def test_the_empty_token_signs_nothing() -> None:
    pairs = [("CallSid", "CA1")]
    assert not signature.is_genuine([""], [DOOR], MultiDict(pairs), sign("", DOOR, pairs))


@pytest.mark.parametrize(
    "wrong",
    [
        {"numbers": []}, {"numbers": ["12025550143"]}, {"agents": ["anna"]}, {"agents": ["sip:a b@x.example"]},
        {"agents": ['client:a"/>']}, {"agents": [f"+1202555{n:04}" for n in range(11)]}, {"ring_seconds": 601},
        {"record_calls": True}, {"greeting": "ring\x07"}, {"language": "Martian!"}, {"voice": "<b>"},
        {"api_base_url": "http://api.example.com"}, {"recording_hosts": ["https://x"]}, {"webhook_url": "ftp://x"},
        {"account_sid": "AC1"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(Invalid):
        registry.read_settings("twilio_voice", {**BARE, **wrong})


@pytest.mark.parametrize(
    ("url", "allowed", "ours"),
    [
        (f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Recordings/RE1.mp3", True, True),
        (f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/../ACother/RE1.mp3", True, False),
        ("https://api.twilio.com/2010-04-01/Accounts/ACother/Recordings/RE1.mp3", True, False),
        ("https://media.twiliocdn.com/x.mp3", True, False),
        ("http://api.twilio.com/x.mp3", False, False),
        ("https://api.twilio.com:8443/x.mp3", False, False),
        ("https://eviltwilio.com/x.mp3", False, False),
        ("https://api.twilio.com\\@evil.example/x.mp3", False, False),
        ("file:///etc/passwd", False, False),
        ("https://169.254.169.254/latest", False, False),
    ],
)
def test_where_recordings_are_fetched_and_with_what(url: str, allowed: bool, ours: bool) -> None:
    settings = connected().settings
    assert recordings.is_allowed(url, settings) is allowed
    assert (allowed and recordings.is_ours(url, settings)) is ours


# — whatever may come —

WORDS = st.text(max_size=20) | st.sampled_from(
    ["completed", "ringing", "in-progress", "no-answer", "absent", "16101", "+12025550117", "client:anna", "-1",
     "99999999999", "Fri, 20 Nov 2026 09:29:41 +0000", "Fri, 99 Nov 20266 09:29:41 +9999"]
)  # fmt: skip
NAMES = (
    "From", "To", "CallStatus", "Direction", "SequenceNumber", "Timestamp", "DialCallStatus", "DialCallDuration",
    "RecordingSid", "RecordingUrl", "RecordingStatus", "RecordingDuration", "ErrorCode", "CallDuration",
    "CallerName", "ParentCallSid",
)  # fmt: skip
TAILS = ("", "status", "leg/0", "leg/7", "dial/0", "dial/1", "recording", "voicemail")


@given(
    fields=st.dictionaries(st.sampled_from(NAMES), WORDS),
    tail=st.sampled_from(TAILS),
    query=st.dictionaries(st.sampled_from(["c", "l", "v"]), WORDS, max_size=3),
    greeting=st.text(max_size=40),
)
def test_whatever_a_field_holds(
    fields: dict[str, str], tail: str, query: dict[str, str], greeting: str
) -> None:  # fmt: skip
    try:
        connector = connected(ring="sequence", greeting=greeting)
    except Invalid:  # what cannot be read out
        return
    pairs = [("CallSid", "CA1"), ("AccountSid", ACCOUNT), *fields.items()]
    pairs = [(name, value.encode("utf-8", "replace").decode()) for name, value in pairs]
    query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    url = DOOR + (f"/{tail}" if tail else "") + (f"?{urlencode(query)}" if query else "")
    request = RawRequest(
        source="webhook", body=urlencode(pairs).encode(), received_at=NOW, tail=tail, query=query,
        headers=dict(sign(TOKEN, url, pairs)),
    )  # fmt: skip
    try:
        connector.verify(request)
    except (Unreadable, NotFound):
        return
    _, message = amended(connector, request)
    assert message.text
    assert message.extra["call"]["id"]
    assert connector.source_key(request)
    reply = connector.acknowledge(request, "01k")
    read_twiml(reply.status, "text/xml", reply.body)


@given(body=st.binary(max_size=100), tail=st.text(max_size=12))
def test_whatever_a_body_is(body: bytes, tail: str) -> None:
    connector = connected()
    request = replace(Sample(connector).genuine(1), body=body, tail=tail)
    for ask in (connector.verify, connector.source_key, lambda one: connector.acknowledge(one, "01k")):
        with suppress(OmnihubError):
            ask(request)
