"""The event socket's bytes: whole frames out of any pieces, and nothing but one command into each line."""

import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.connectors.freeswitch import wire
from omnihub.connectors.freeswitch.wire import Frames, command, read_event
from omnihub.model.errors import Refused, Unreadable

NAMES = st.from_regex(r"[A-Za-z][A-Za-z\-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FIELDS = st.dictionaries(
    NAMES.filter(lambda name: name not in ("Event-Name", "Content-Length")), VALUES, max_size=6
)


def json_frame(fields: Mapping[str, str]) -> bytes:
    body = json.dumps({"Event-Name": "CHANNEL_CREATE", **fields}, ensure_ascii=False).encode()
    return b"Content-Length: %d\nContent-Type: text/event-json\n\n" % len(body) + body


def plain_frame(fields: Mapping[str, str], text: str) -> bytes:
    lines = [f"{name}: {quote(value)}" for name, value in {"Event-Name": "CHANNEL_CREATE", **fields}.items()]
    body = ("\n".join(lines) + "\n\n" + text).encode()
    return b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(body) + body


@given(
    told=st.lists(FIELDS, min_size=1, max_size=4), plain=st.booleans(), text=VALUES,
    cuts=st.lists(st.integers(0, 2000), max_size=12),
)  # fmt: skip
def test_frames_are_whole_wherever_they_are_torn(
    told: list[dict[str, str]], plain: bool, text: str, cuts: list[int]
) -> None:
    stream = b"".join(plain_frame(one, text) if plain else json_frame(one) for one in told)
    ends = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    frames = Frames()
    pieces = (stream[a:b] for a, b in pairwise(ends))
    events = [read_event(frame) for piece in pieces for frame in frames.feed(piece)]
    # Leading and trailing blanks of a plain value are encoded, and so kept; those of its name are not.
    assert [{**event.fields} for event in events] == [{"Event-Name": "CHANNEL_CREATE", **one} for one in told]
    assert not plain or all(event.body == text for event in events)


@given(st.lists(st.binary(max_size=60) | st.sampled_from(
    [b"\n\n", b"Content-Length: 5\n", b"Content-Type: text/event-json\n", b"Content-Type: text/event-plain\n",
     b"Event-Name: X\n", b'{"Event-Name": 1}', b"\xff", b"%E5%"]
), max_size=20))  # fmt: skip
def test_whatever_comes_only_the_error_tree_answers(pieces: list[bytes]) -> None:
    frames = Frames()
    with suppress(Unreadable):
        for frame in (frame for piece in pieces for frame in frames.feed(piece)):
            assert isinstance(frame.reply, str)
            if frame.is_event:
                assert read_event(frame).fields["Event-Name"] is not None


def test_headers_without_an_end_are_refused_in_time() -> None:
    frames = Frames()
    endless = (frame for _ in range(100) for frame in frames.feed(b"X-Header: y\n" * 100))
    with pytest.raises(Unreadable, match="too large"):
        list(endless)


def test_a_large_body_is_refused_before_it_comes() -> None:
    frames = Frames()
    with pytest.raises(Unreadable, match="larger"):
        list(frames.feed(b"Content-Length: %d\n\n" % (wire.MAX_BODY_BYTES + 1)))


@given(VALUES, st.sampled_from(["\r", "\n", "\x00", "\r\n\r\n", "\n\nbgapi originate"]), VALUES)
def test_no_value_becomes_a_command(before: str, break_: str, after: str) -> None:
    with pytest.raises(Refused):
        command(f"api {before}{break_}{after}")
    with pytest.raises(Refused):
        command("bgapi status", Job_UUID=f"{before}{break_}{after}")


def test_a_command_is_written_with_its_headers() -> None:
    assert command("bgapi status", Job_UUID="1-2") == b"bgapi status\nJob-UUID: 1-2\n\n"
