"""Bytes in whatever pieces become whole frames, and nothing breaks out of its line."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.connectors.asterisk.frames import Decoder, Frame, encode, frame_of
from omnihub.model.errors import Invalid, Unreadable
from tests.connectors.asterisk_captures import RAW

WHOLE = Decoder().feed(RAW)


def fed(*pieces: bytes) -> list[Frame]:
    decoder = Decoder()
    return [frame for piece in pieces for frame in decoder.feed(piece)]


def test_the_stream_is_read_whole() -> None:
    assert len(WHOLE) == RAW.count(b"\r\n\r\n")
    assert {frame.get("CallerIDName") for frame in WHOLE if frame.event == "newchannel"} == {"张三丰", "Agent One"}
    assert [frame.get("Response") for frame in WHOLE if not frame.event] == [
        "Success",
        "Success",
        "Success",
        "Goodbye",
    ]


def test_split_at_every_byte() -> None:
    assert fed(*(RAW[at : at + 1] for at in range(len(RAW)))) == WHOLE


def test_split_in_two_at_every_byte_of_the_first_call() -> None:
    start = RAW[:2500]
    whole = fed(start)
    assert all(fed(start[:at], start[at:]) == whole for at in range(len(start)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(RAW)), max_size=30))
def test_split_anywhere(cuts: list[int]) -> None:
    ends = [0, *sorted(cuts), len(RAW)]
    assert fed(*(RAW[one:other] for one, other in pairwise(ends))) == WHOLE


def test_repeated_headers_are_a_list_and_names_know_no_case() -> None:
    [frame] = fed(
        b"Asterisk Call Manager/11.0.0\r\nEvent: Cdr\r\nVariable: a=1\r\nVariable: b=2\r\nUniqueID: 7\r\n\r\n"
    )
    assert list(frame.all("variable")) == ["a=1", "b=2"]
    assert (frame.get("Uniqueid"), frame.get("missing"), frame.all("missing")) == ("7", "", ())


def test_what_the_exchange_does_not_know_is_empty() -> None:
    assert frame_of([("ConnectedLineNum", "<unknown>"), ("X", "<none>")]).get("ConnectedLineNum") == ""


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=40)
FRAMES = st.lists(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=6), max_size=6)


@settings(max_examples=100, deadline=None)
@given(FRAMES, st.integers(1, 9))
def test_whatever_is_said_comes_back(told: list[list[tuple[str, str]]], size: int) -> None:
    wire = b"Asterisk Call Manager/9\r\n"
    for pairs in told:
        wire += "\r\n".join(f"{name}: {value}" for name, value in pairs).encode() + b"\r\n\r\n"
    assert fed(*(wire[at : at + size] for at in range(0, len(wire), size))) == [frame_of(pairs) for pairs in told]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_rubbish_is_read_or_refused(pieces: list[bytes]) -> None:
    try:
        fed(b"Asterisk Call Manager/9\r\n", *pieces)
        fed(*pieces)
    except Unreadable:
        pass


@pytest.mark.parametrize(
    "greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad\r\n", b"\r\n", b"Asterisk\r\n"]
)
def test_another_service_is_recognised(greeting: bytes) -> None:
    with pytest.raises(Unreadable):
        fed(greeting)


def test_a_frame_without_an_end_is_refused() -> None:
    with pytest.raises(Unreadable):
        fed(b"Asterisk Call Manager/9\r\n", b"X: " + b"y" * 2_000_000)


@pytest.mark.parametrize("value", ["a\r\nAction: Command", "a\nb", "a\rb", "a\0b", "x" * 1001])
def test_nothing_breaks_out_of_its_line(value: str) -> None:
    with pytest.raises(Invalid):
        encode("Originate", [("Exten", value)])
    with pytest.raises(Invalid):
        encode(value)
    with pytest.raises(Invalid):
        encode("Ping", [(value, "1")])


def test_an_action_on_the_wire() -> None:
    assert (
        encode("Ping", [("ActionID", "1"), ("Name", "张三")])
        == "Action: Ping\r\nActionID: 1\r\nName: 张三\r\n\r\n".encode()
    )
