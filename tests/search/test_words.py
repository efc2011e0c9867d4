"""Text as tokens, what was typed as terms, and where the words stand."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.search.highlight import excerpt, marked, spans
from omnihub.search.terms import segments
from omnihub.search.words import (
    MOST_TOKENS,
    Cut,
    by_letter,
    fragments,
    in_doubt,
    is_word,
    needs_cutting,
    normal,
    tokens,
)


def by_words(*known: str) -> Cut:
    def cut(run: str) -> tuple[list[str], Iterable[str]]:
        words, at = [], 0
        while at < len(run):
            word = next((one for one in known if run.startswith(one, at)), run[at])
            words.append(word)
            at += len(word)
        return words, in_doubt(words, lambda word: word in known)

    return cut


def marks(text: str, *needles: str) -> list[str]:
    return [text[begin:end] for begin, end in spans(text, needles)]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Größe", "grosse"),
        ("Café", "cafe"),
        ("ＡＢＣ１２３", "abc123"),
        ("退款", "退款"),
        ("İstanbul", "istanbul"),
    ],
)
def test_spelling_is_one(text: str, plain: str) -> None:
    assert normal(text) == plain


def test_words_addresses_and_numbers() -> None:
    found = tokens("Anna.B@shop-example.com ordered SF12345, call +86 138-0013-8000", by_letter)
    assert {"anna.b@shop-example.com", "anna", "ordered", "sf12345", "8613800138000", "13800138000"} <= set(found)
    assert any(token.startswith("0138") for token in found)


def test_every_part_of_a_number_begins_one_of_its_tokens() -> None:
    digits = "8613800138000"
    kept = fragments(digits)
    parts = {digits[a:b] for a in range(len(digits)) for b in range(a + 4, len(digits) + 1)}
    assert all(any(one.startswith(part) for one in kept) for part in parts)


def test_chinese_is_words_and_the_pairs_where_words_are_in_doubt() -> None:
    assert tokens("耳机申请退款", by_words("耳机", "申请", "退款")) == ["耳机", "申请", "退款"]
    found = tokens("联系王小明确认", by_words("联系", "明确"))
    assert found == ["联系", "王", "小", "明确", "认", "~系王", "~王小", "~小明", "~确认"]
    assert not is_word("~小明")
    assert is_word("退款")


def test_a_text_of_any_length_has_a_bounded_number_of_tokens() -> None:
    assert len(tokens(" ".join(f"w{n}" for n in range(9000)), by_letter)) == MOST_TOKENS


@given(st.text(max_size=300))
def test_any_text_has_tokens(text: str) -> None:
    found = tokens(text, by_letter)
    assert len(found) == len(set(found))
    assert all(found)
    needs_cutting(text)


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=4), max_size=3))
def test_marking_loses_no_letter(text: str, needles: list[str]) -> None:
    plain = [normal(needle) for needle in needles]
    assert "".join(part["text"] for part in marked(text, [one for one in plain if one])) == text


def test_marks_are_put_at_words_and_their_beginnings() -> None:
    assert marks("Refunds and prefund, a REFUND", "refund") == ["Refunds", "REFUND"]
    assert marks("我要申请退款，退款！", "退款") == ["退款", "退款"]
    assert marks("电话 138-0013-8000 谢谢", "13800138000") == ["138-0013-8000"]
    assert marks("Ｒｅｆｕｎｄ café", "refund", "cafe") == ["Ｒｅｆｕｎｄ", "café"]
    assert marks("价格100元", "100") == ["100"]


def test_an_excerpt_shows_where_most_words_are() -> None:
    text = "refund. " + "so on and so on " * 40 + "the refund of my broken charger"
    parts = excerpt(text, ["refund", "charger", "broken"])
    assert [part["text"] for part in parts if part["hit"]] == ["refund", "broken", "charger"]
    assert parts[0]["text"] == "…"


def test_a_question_is_cut_into_words_that_the_index_has() -> None:
    known = {"中国": 50, "人民": 40, "国人": 5, "申请": 10, "退款": 10}
    assert segments("中国人民", known) == ["中国", "人民"]
    assert segments("怎申请退款", known) == ["怎", "申请", "退款"]
