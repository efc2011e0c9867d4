"""Formatted answers: the text that Telegram shows, and where in it what stands out."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram_desk import MARIA, outgoing, world

from omnihub.connectors.telegram.formatting import formatted

CASES = {
    "bold_and_italic": (
        "<p>Your <b>order</b> is <em>here</em></p>",
        "Your order is here",
        ["bold order", "italic here"],
    ),
    "a_link": ('See <a href="https://example.test/t?a=1&amp;b=2">this</a>.', "See this.", ["text_link this"]),
    "a_link_that_is_none": ('<a href="javascript:alert(1)">no</a>', "no", []),
    "emoji_before_count_twice": ("🚚🚚 <b>即将送达</b>", "🚚🚚 即将送达", ["bold 即将送达"]),
    "a_list": ("<ul><li>one</li><li><b>two</b></li></ul>", "• one\n• two", ["bold two"]),
    "nested": ("<b>a <i>b</i> c</b>", "a b c", ["bold a b c", "italic b"]),
    "nothing_within_code": ("<code>x <b>y</b></code>", "x y", ["code x y"]),
    "pre_keeps_its_lines": ("<pre>a\n  b</pre>", "a\n  b", ["pre a\n  b"]),
    "never_closed": ("<b>open", "open", ["bold open"]),
    "only_space": ("<p> <b> </b> </p>", "", []),
    "paragraphs": ("<p>one</p>\n<p>two<br>three</p>", "one\ntwo\nthree", []),
}


def pieces(text: str, html: str) -> list[str]:
    units = text.encode("utf-16-le")
    _, entities = formatted(html)
    return [
        f"{one.type} {units[one.offset * 2 : (one.offset + one.length) * 2].decode('utf-16-le')}"
        for one in entities
    ]


@pytest.mark.parametrize("name", CASES)
def test_what_stands_out_is_where_it_was(name: str) -> None:
    html, text, expected = CASES[name]
    assert formatted(html)[0] == text
    assert pieces(text, html) == expected


TAGS = st.sampled_from(
    [
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<pre>",
        "</pre>",
        "<p>",
        "</p>",
        "<br>",
        "<li>",
        "<a href='https://x.test'>",
        "</a>",
        " ",
        "🚚",
        "字",
        "x",
    ]
)


@given(st.lists(TAGS, max_size=40).map("".join))
def test_entities_always_lie_within_the_text(html: str) -> None:
    text, entities = formatted(html)
    length = len(text.encode("utf-16-le")) // 2
    assert all(0 <= one.offset < one.offset + one.length <= length for one in entities)


async def test_a_formatted_answer_arrives_formatted(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.connector.send(replace(outgoing("好的 ok"), html="<p>好的 <b>ok</b></p>"))
        (kept,) = [one.fields for one in there.simulator.bot.messages.values() if one.fields.get("entities")]
        assert kept["text"] == "好的 ok"
        assert [(one["type"], one["offset"], one["length"]) for one in kept["entities"]] == [("bold", 3, 2)]
        assert there.simulator.chats.lines(str(MARIA))[-1].text == "好的 ok"
