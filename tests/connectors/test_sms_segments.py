import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.connectors.sms.segments import count_segments

# 3GPP TS 23.038, section 6.2.1, written out from its columns.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå" "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ" " !\"#¤%&'()*+,-./" "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO" "PQRSTUVWXYZÄÖÑÜ§" "¿abcdefghijklmno" "pqrstuvwxyzäöñüà"
)  # fmt: skip
EXTENSION = "\f^{}\\[~]|€"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("gsm7", 0, 0)),
        ("Hello", ("gsm7", 5, 1)),
        ("a" * 160, ("gsm7", 160, 1)),
        ("a" * 161, ("gsm7", 161, 2)),
        ("a" * 306, ("gsm7", 306, 2)),
        ("a" * 307, ("gsm7", 307, 3)),
        ("a" * 1600, ("gsm7", 1600, 11)),
        ("€" * 80, ("gsm7", 160, 1)),
        ("€" * 81, ("gsm7", 162, 2)),
        # 76 pairs fill 152 of 153 septets: the 77th begins the next segment.
        ("€" * 153, ("gsm7", 306, 3)),
        ("a" + "€" * 152, ("gsm7", 305, 2)),
        ("中" * 70, ("ucs2", 70, 1)),
        ("中" * 71, ("ucs2", 71, 2)),
        ("中" * 134, ("ucs2", 134, 2)),
        ("中" * 135, ("ucs2", 135, 3)),
        ("🙂" * 35, ("ucs2", 70, 1)),
        ("🙂" * 36, ("ucs2", 72, 2)),
        # 33 emoji fill 66 of 67 units: none is cut in two.
        ("🙂" * 67, ("ucs2", 134, 3)),
        ("a" * 159 + "中", ("ucs2", 160, 3)),
        ("ç", ("ucs2", 1, 1)),  # small c with cedilla is not in the set, the capital is
        ("Ç", ("gsm7", 1, 1)),
        ("it’s", ("ucs2", 4, 1)),  # a typographic quotation mark makes the whole text dear
        ("`", ("ucs2", 1, 1)),
        ("\t", ("ucs2", 1, 1)),
    ],
)
def test_known_texts(text: str, expected: tuple[str, int, int]) -> None:
    assert count_segments(text) == expected


def test_the_basic_set_has_its_127_characters_and_the_extension_its_ten() -> None:
    assert len(set(BASIC)) == 127
    assert count_segments(BASIC) == ("gsm7", 127, 1)
    assert count_segments(EXTENSION) == ("gsm7", 20, 1)
    known = set(BASIC) | set(EXTENSION)
    taken = {chr(n) for n in range(0x10000) if not 0xD800 <= n < 0xE000 and count_segments(chr(n))[0] == "gsm7"}
    assert taken == known


GSM = st.text(st.sampled_from(BASIC + EXTENSION), max_size=700)


@given(GSM)
def test_gsm_texts_count_septets(text: str) -> None:
    encoding, units, segments = count_segments(text)
    assert encoding == "gsm7"
    assert units == len(text) + sum(character in EXTENSION for character in text)
    assert segments == _by_cutting([2 if c in EXTENSION else 1 for c in text], 160, 153)


@given(st.text(max_size=300), st.sampled_from("中ç🙂—"))
def test_one_other_character_makes_all_of_it_utf16(text: str, other: str) -> None:
    encoding, units, segments = count_segments(text + other)
    assert encoding == "ucs2"
    assert units == len((text + other).encode("utf-16-le", "surrogatepass")) // 2
    assert segments == _by_cutting([2 if ord(c) > 0xFFFF else 1 for c in text + other], 70, 67)


@given(st.text(max_size=400), st.text(max_size=40))
def test_a_longer_text_never_costs_less(text: str, more: str) -> None:
    assert count_segments(text + more).segments >= count_segments(text).segments


def _by_cutting(widths: list[int], alone: int, each: int) -> int:
    """By another way: cut off as much as fits, as often as something is left."""
    if sum(widths) <= alone:
        return 1 if widths else 0
    pieces = 0
    while widths:
        fitting = 0
        while fitting < len(widths) and sum(widths[: fitting + 1]) <= each:
            fitting += 1
        widths = widths[fitting:]
        pieces += 1
    return pieces
