"""Text as the words that it is found by. Pure; how Chinese is cut is handed in."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

# Scripts that put no spaces between words.
HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
WIDE = f"{HAN}\u0e00-\u0e7f\u3040-\u30ff"
_PIECE = re.compile(rf"[{WIDE}]+|[^\W_{WIDE}]+")
_ACCENTS = re.compile("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]")
_IS_WIDE = re.compile(rf"[{WIDE}]")
_ADDRESS = re.compile(r"[a-z0-9][\w.+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_NUMBER = re.compile(r"\d(?:[ \-()./]{0,2}\d){6,18}")
# Of a text longer than this the rest is not found. Pairs cost most, and are for what no dictionary knows.
WORDS_CHARACTERS = 20_000
PAIRS_CHARACTERS = 2_000
MOST_TOKENS = 1_500
_LONGEST = 64
# These belong to the sentence, not to what it is about: no pair with one of them is kept.
_FUNCTION = frozenset("的了是我你他她它您们吗呢吧啊哦嗯呀么就也都还很这那")
_MOST_NUMBERS = 8
SHORTEST_FRAGMENT = 4
# Before a pair of neighbours that is no word: kept apart, for it finds less surely.
PAIR = "~"
# These stand in nearly every sentence, and alone find nothing.
_SINGLES = _FUNCTION | frozenset(
    "在有和不个一二三上下来去说到要会能可以对给把被让从向跟与或及而但好请着过得地之为于其所因此如果再又只已没无更最太真里外中前后"
    "啦哈嘛"
)

# Of a run of Chinese: its words, and the parts of it that no dictionary vouches for.
Cut = Callable[[str], tuple[Iterable[str], Iterable[str]]]


def normal(text: str) -> str:
    """One spelling for all: full-width as half-width, small letters, no accents."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not _ACCENTS.search(folded):
        return folded
    apart = unicodedata.normalize("NFD", folded)
    return unicodedata.normalize("NFC", "".join(c for c in apart if not "\u0300" <= c <= "\u036f"))


def is_wide(piece: str) -> bool:
    return _IS_WIDE.match(piece) is not None


def needs_cutting(text: str) -> bool:
    return not text.isascii() and _IS_WIDE.search(text) is not None


def is_filler(character: str) -> bool:
    return character in _SINGLES


def pieces(text: str) -> Iterator[str]:
    """Of a text in normal spelling: runs of one script, and what spaces and signs part."""
    for found in _PIECE.finditer(text):
        yield found.group()


def pairs(run: str) -> list[str]:
    neighbours = (run[at : at + 2] for at in range(len(run) - 1))
    return [pair for pair in neighbours if pair[0] not in _FUNCTION and pair[1] not in _FUNCTION]


def tokens(text: str, cut: Cut) -> list[str]:
    """In the order in which they stand, each once."""
    plain = normal(text[:WORDS_CHARACTERS])
    found: dict[str, None] = {}
    for address in _ADDRESS.findall(plain):
        found[address[:_LONGEST]] = None
    neighbours: list[str] = []
    seen = 0
    for piece in pieces(plain):
        seen += len(piece)
        if not is_wide(piece):
            found[piece[:_LONGEST]] = None
            continue
        words, doubtful = cut(piece)
        for word in words:
            if len(word) > 1 or not is_filler(word):
                found[word[:_LONGEST]] = None
        if seen < PAIRS_CHARACTERS:
            neighbours += [pair for part in doubtful for pair in pairs(part)]
    for digits in _numbers(plain):
        found |= dict.fromkeys(fragments(digits))
    for pair in neighbours:
        if pair not in found:
            found[PAIR + pair] = None
    return list(found)[:MOST_TOKENS]


def _numbers(text: str) -> Iterator[str]:
    for count, found in enumerate(_NUMBER.finditer(text)):
        if count == _MOST_NUMBERS:
            return
        yield "".join(c for c in found.group() if c.isdigit())


def fragments(digits: str) -> list[str]:
    """A number's endings: whatever part of it someone remembers is how one of them begins."""
    return [digits[at:] for at in range(max(1, len(digits) - SHORTEST_FRAGMENT + 1))]


def by_letter(run: str) -> tuple[Iterable[str], Iterable[str]]:
    """For names: whatever follows whatever is found, single letters too."""
    return [run, *run, *pairs(run)], ()


def in_doubt(words: Sequence[str], is_known: Callable[[str], bool]) -> Iterator[str]:
    """Between two words of the dictionary nothing is looked for. A letter that was left over, or a word that was
    guessed, may belong to a name: it counts with the letters on both sides. A long word may hold a shorter one."""
    for at, word in enumerate(words):
        if len(word) == 1 or not is_known(word):
            before = words[at - 1][-1] if at else ""
            after = words[at + 1][0] if at + 1 < len(words) else ""
            yield before + word + after
        elif len(word) > 2:
            yield word


def is_word(token: str) -> bool:
    """Whether others are likely to use it too: those make up the dictionary."""
    return token[0] != PAIR and len(token) > 1 and token.isalpha()
