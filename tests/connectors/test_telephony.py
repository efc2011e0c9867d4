"""A call's snapshot: kept as JSON, told in words, and never anybody else's."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.connectors.numbers import e164, is_withheld
from omnihub.connectors.telephony.call import Call, Consent, Transfer, from_json, to_json
from omnihub.connectors.telephony.dialling import checked
from omnihub.connectors.telephony.lines import Line, Lines
from omnihub.connectors.telephony.telling import amendment_of, lasting
from omnihub.model.errors import Invalid, Unreadable
from omnihub.model.inbound import InboundMessage, LentMedia
from tests.connectors.telephony_dialling import HOSTILE

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
CALL = Call(
    id="c1", direction="in", state="ringing", customer="13800138000", customer_name="Zhang San", line="700",
    agents=("101",), started_at=AT, sequence=7,
)  # fmt: skip


def told(call: Call, **given: Any) -> InboundMessage:
    message = amendment_of(call, **{"channel": "asterisk", "account_id": "acc", "region": "CN", **given}).message
    assert message is not None
    return message


def test_a_snapshot_comes_back_whole() -> None:
    call = replace(
        CALL, state="ended", outcome="answered", queue="support", position=2, answered_by="101", ended_at=AT,
        transfers=(Transfer(origin="101", to="102", kind="attended"),), answered_at=AT, waited_seconds=3,
        talked_seconds=9, cause="Normal Clearing", recording="a/b.wav", consent=Consent(notice="n", version="2"),
    )  # fmt: skip
    assert from_json(orjson.loads(orjson.dumps(to_json(call)))) == call
    assert to_json(call)["transfers"] == [{"from": "101", "to": "102", "kind": "attended"}]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("in")
    | st.just("ended"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(to_json(CALL))), ANYTHING))
def test_whatever_a_snapshot_holds_it_is_read_or_refused(changed: dict[str, Any]) -> None:
    try:
        call = from_json({**to_json(CALL), **changed})
    except Unreadable:
        return
    assert from_json(orjson.loads(orjson.dumps(to_json(call)))) == call
    told(call)


@pytest.mark.parametrize(
    "wrong", [{}, {"id": ""}, {"id": "1", "direction": "in"}, {"id": "1", "direction": "in", "state": []}]
)
def test_what_is_no_call_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        from_json(wrong)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "Call from +8613800138000 (Zhang San), ringing at 101"),
        ({"state": "queued", "queue": "support", "position": 2},
         "Call from +8613800138000 (Zhang San), waiting in support, place 2"),
        ({"state": "talking", "outcome": "answered", "answered_by": "101"},
         "Call from +8613800138000 (Zhang San), talking with 101"),
        ({"state": "held", "answered_by": "101"}, "Call from +8613800138000 (Zhang San), on hold with 101"),
        ({"state": "parked"}, "Call from +8613800138000 (Zhang San), parked"),
        ({"state": "ended", "outcome": "answered", "answered_by": "101", "waited_seconds": 4,
          "talked_seconds": 245},
         "Call from +8613800138000 (Zhang San), answered by 101 after 4 s, talked 4 min 05 s"),
        ({"state": "ended", "outcome": "missed", "waited_seconds": 23},
         "Missed call from +8613800138000 (Zhang San), waited 23 s"),
        ({"state": "ended", "outcome": "abandoned", "queue": "support", "waited_seconds": 23},
         "Missed call from +8613800138000 (Zhang San), hung up after waiting 23 s in support"),
        ({"state": "ended", "outcome": "busy"}, "Missed call from +8613800138000 (Zhang San): the line was busy"),
        ({"state": "ended", "outcome": "voicemail"}, "Voicemail from +8613800138000 (Zhang San)"),
        ({"state": "ended", "outcome": "rejected"}, "Rejected call from +8613800138000 (Zhang San)"),
        ({"direction": "out", "state": "ended", "outcome": "no_answer", "waited_seconds": 30},
         "Call to +8613800138000 (Zhang San), no answer after 30 s"),
        ({"direction": "out", "state": "ended", "outcome": "failed", "cause": "Congestion"},
         "Call to +8613800138000 (Zhang San) failed: Congestion"),
        ({"customer": "anonymous", "customer_name": ""}, "Call from an anonymous number, ringing at 101"),
        ({"customer": "95588", "customer_name": ""}, "Call from 95588, ringing at 101"),
    ],
)  # fmt: skip
def test_a_call_in_words(changed: dict[str, Any], words: str) -> None:
    assert told(replace(CALL, **changed)).text == words


def test_only_a_lost_call_of_a_customer_calls_an_agent() -> None:
    lost = {"missed", "abandoned", "voicemail", "busy", "no_answer", "failed"}
    for outcome in (*lost, "answered", "rejected"):
        ended: Any = {"state": "ended", "outcome": outcome}
        assert told(replace(CALL, **ended)).silent is (outcome not in lost)
        assert told(replace(CALL, **ended, direction="out")).silent
    for state in ("ringing", "queued", "talking", "held", "parked"):
        going: Any = {"state": state}
        assert told(replace(CALL, **going)).silent


@pytest.mark.parametrize(
    ("customer", "region", "key"),
    [
        ("13800138000", "CN", "phone:+8613800138000"),
        ("+8613800138000", "CN", "phone:+8613800138000"),
        ("8613800138000", "CN", "phone:+8613800138000"),
        ("008613800138000", "CN", "phone:+8613800138000"),
        ("030 901820", "DE", "phone:+4930901820"),
        ("+49 30 901820", "CN", "phone:+4930901820"),
        ("101", "CN", "asterisk:acc:anonymous-c1"),
        ("anonymous", "CN", "asterisk:acc:anonymous-c1"),
        ("", "CN", "asterisk:acc:anonymous-c1"),
        ("+266696687", "US", "asterisk:acc:anonymous-c1"),
        ("<unknown>", "CN", "asterisk:acc:anonymous-c1"),
    ],
)
def test_who_called(customer: str, region: str, key: str) -> None:
    message = told(replace(CALL, customer=customer), region=region)
    assert message.sender.key == key
    assert message.thread_key == message.sender.value
    assert message.extra["call"]["customer"] == ("" if is_withheld(customer) else customer)


def test_two_anonymous_calls_are_two_people() -> None:
    keys = {told(replace(CALL, id=one, customer="anonymous")).sender.key for one in ("c1", "c2", "c:3")}
    assert len(keys) == 3
    assert "asterisk:acc:anonymous-c%3A3" in keys


def test_the_amendment() -> None:
    amendment = amendment_of(CALL, channel="asterisk", account_id="acc", region="CN")
    assert (amendment.kind, amendment.sequence, amendment.external_id) == ("updated", 7, "call:c1")
    message = told(CALL)
    assert (message.kind, message.external_id, message.extra["call"]) == ("call", "call:c1", to_json(CALL))


def test_a_recording_is_told_once_the_call_is_over() -> None:
    going = replace(CALL, recording="2026/a.wav")
    assert told(going).media == ()
    ended = replace(going, state="ended", outcome="answered")
    [media] = told(ended).media
    assert (media.ref, media.filename, media.label) == ({"recording": "2026/a.wav"}, "a.wav", "recording")
    own = LentMedia(ref={"id": "RE1"}, filename="RE1.mp3", label="recording")
    assert told(ended, recording=own).media == (own,)
    assert told(ended, files=False).media == ()


def test_numbers_and_times() -> None:
    assert e164("x" * 500, "CN") == e164("not a number", "") == ""
    assert [lasting(one) for one in (0, 59, 60, 3599, 3600)] == [
        "0 s",
        "59 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
    ]


# — placing a call —


@pytest.mark.parametrize("wrong", HOSTILE, ids=repr)
def test_only_telephones_and_numbers_are_dialled(wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        checked(**{"extension": "101", "number": "+49 30 901820", "call_id": "c1", **wrong})
    assert set(refused.value.fields) == set(wrong)


HARM = st.sampled_from(list("\r\n\t\0'\",;:{}[]|<>&$%^@=/\\`*#~!?电１"))


@given(
    st.text("0123456789", max_size=12),
    HARM,
    st.text("0123456789", max_size=12),
    st.sampled_from(["extension", "number", "call_id"]),
)
def test_nothing_harmful_stands_in_a_command(before: str, harm: str, after: str, where: str) -> None:
    if where == "number" and harm == "/":
        return  # which people write between digits
    with pytest.raises(Invalid):
        checked(**{"extension": "101", "number": "123", "call_id": "c1", where: f"{before}{harm}{after}"})


@pytest.mark.parametrize(
    ("number", "bare"),
    [("+49 (30) 901-820", "+4930901820"), ("030/90.18 20", "030901820"), ("\u00a0110", "110")],
)
def test_what_people_write_between_digits_is_left_out(number: str, bare: str) -> None:
    assert checked("Agent.1-b", number, "hub-1").number == bare


# — lines —

LINES = Lines(
    region="DE", notice="We record.", version="1",
    own=(
        Line(line="700", record=False), Line(line="+4930555100", consent_notice="Wir zeichnen auf."),
        Line(line="701", region="CN", consent_version="2"),
    ),
)  # fmt: skip
RECORDED = replace(CALL, state="ended", outcome="answered", recording="a.wav")


def test_what_is_different_from_line_to_line() -> None:
    assert [LINES.region_of(one) for one in ("700", "701", "702", "")] == ["DE", "CN", "DE", "DE"]
    assert [LINES.records(one) for one in ("700", "701", "702", "")] == [False, True, True, True]
    # By the number as everybody knows it, too.
    for line in ("+4930555100", "030 555100", "004930555100"):
        assert LINES.consent_of(line) == Consent(notice="Wir zeichnen auf.", version="")
    assert LINES.consent_of("701") == Consent(notice="We record.", version="2")
    assert LINES.consent_of("702") == Consent(notice="We record.", version="1")
    assert Lines(region="DE").consent_of("702") is None


def test_a_recorded_call_bears_the_notice_of_its_line() -> None:
    assert LINES.heard(replace(RECORDED, line="701")).consent == Consent(notice="We record.", version="2")
    assert LINES.heard(replace(RECORDED, line="701", recording="")).consent is None
    assert Lines(region="DE").heard(RECORDED) == RECORDED
    told_then = replace(RECORDED, line="701", consent=Consent(notice="Of then.", version="0"))
    assert LINES.allowed(told_then) == told_then


def test_a_line_without_recordings_has_neither_file_nor_notice() -> None:
    call = replace(RECORDED, line="700", consent=Consent(notice="We record.", version="1"))
    for made in (LINES.heard(call), LINES.allowed(call)):
        assert (made.recording, made.consent) == ("", None)
        message = told(made)
        assert (message.media, message.extra["call"]["consent"]) == ((), None)
