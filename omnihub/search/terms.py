"""What was typed, as the terms that an entry must have."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from omnihub.search.words import PAIR, SHORTEST_FRAGMENT, is_filler, is_wide, normal, pairs, pieces
from omnihub.store.search import SearchIndex, Term

MOST_CHARACTERS = 200
MOST_TERMS = 12
_EXPANSIONS = 30
_LONGEST_WORD = 6
# So seldom is what the dictionary does not know.
_UNKNOWN = 1 / 1e8
_PHRASE = re.compile('"([^"]+)"|“([^”]+)”|「([^」]+)」')
_NUMBER = re.compile(r"(?<!\w)\+?\d(?:[ \-()./]{0,2}\d){5,18}(?!\w)")
_UNPARTED = re.compile(_NUMBER.pattern.replace("[ ", "["))
_ADDRESS = re.compile(r"[a-z0-9][\w.+-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)+")


@dataclass(slots=True, frozen=True, kw_only=True)
class Terms:
    """`needles` are what a reader's eye looks for; `phrases` must stand there word for word. `cut`: a beginning
    was too common for all that begins so to be looked for."""

    terms: tuple[Term, ...] = ()
    needles: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    plain: str = ""
    cut: bool = False


async def terms_of(words: str, index: SearchIndex, *, apart: bool = False) -> Terms:
    """`apart`: in the shortest words, for what was cut in another way when it stood in a sentence, and no numbers
    joined that spaces part."""
    plain = normal(words[:MOST_CHARACTERS])
    phrases = tuple(" ".join("".join(found).split()) for found in _PHRASE.findall(plain))
    pieces_left = _PHRASE.sub(lambda found: " " + "".join(filter(None, found.groups())) + " ", plain)
    terms: list[Term] = []
    needles: list[str] = []
    for whole in [*_ADDRESS.findall(pieces_left)]:
        terms.append(Term(tokens=(whole,)))
        needles.append(whole)
    pieces_left = _ADDRESS.sub(" ", pieces_left)
    number = _UNPARTED if apart else _NUMBER
    for found in number.findall(pieces_left):
        digits = "".join(c for c in found if c.isdigit())
        terms.append(Term(tokens=(digits,), prefix=digits))
        needles.append(digits)
    plain_words = list(pieces(number.sub(" ", pieces_left)))
    known = await index.words_among(_candidates(plain_words, 2 if apart else _LONGEST_WORD))
    cut = False
    for piece in plain_words:
        needles.append(piece)
        if not is_wide(piece):
            term, whole_range = await _written(piece, index)
            cut |= not whole_range
            terms.append(term)
        elif len(piece) == 1:
            term, whole_range = await _begun(piece, index)
            cut |= not whole_range
            terms.append(term)
        else:
            spoken = _spoken(piece, known)
            needles += [term.tokens[0] for term in spoken]
            terms += spoken
    unique = tuple(dict.fromkeys(terms))[:MOST_TERMS]
    shown = tuple(dict.fromkeys(sorted(needles, key=len, reverse=True)))
    return Terms(terms=unique, needles=shown, phrases=phrases, plain=" ".join(plain.split()), cut=cut)


async def _written(word: str, index: SearchIndex) -> tuple[Term, bool]:
    """True where all that begins so is looked for."""
    if any(c.isdigit() for c in word):
        return Term(tokens=(word,), prefix=word if len(word) >= SHORTEST_FRAGMENT else ""), True
    return await _begun(word, index)


async def _begun(word: str, index: SearchIndex) -> tuple[Term, bool]:
    longer, is_all = await index.words_from(word, _EXPANSIONS)
    return Term(tokens=tuple(dict.fromkeys([word, *longer]))), is_all


def _candidates(words: Sequence[str], longest: int) -> Iterator[str]:
    for word in words:
        if is_wide(word):
            for length in range(2, longest + 1):
                yield from (word[at : at + length] for at in range(len(word) - length + 1))


def segments(run: str, known: Mapping[str, int]) -> list[str]:
    """The likeliest way to cut it into words that are in the index."""
    total = sum(known.values()) * 100 + 1e6
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(run) + 1):
        ways = []
        for begin in range(max(0, end - _LONGEST_WORD), end):
            word = run[begin:end]
            if len(word) > 1 and word not in known:
                continue
            chance = known[word] / total if len(word) > 1 else _UNKNOWN
            ways.append((best[begin][0] + math.log(max(chance, 1e-12)), begin))
        best.append(max(ways))
    words: list[str] = []
    end = len(run)
    while end:
        begin = best[end][1]
        words.append(run[begin:end])
        end = begin
    return words[::-1]


def _spoken(run: str, known: Mapping[str, int]) -> list[Term]:
    terms: list[Term] = []
    at = 0
    for word in segments(run, known):
        if len(word) == 2:
            terms.append(Term(tokens=(word, PAIR + word)))
        elif len(word) > 2:
            terms.append(Term(tokens=(word,)))
        elif not is_filler(word):
            beside = pairs(run[max(0, at - 1) : at + 2])
            terms.append(Term(tokens=(*beside, word, *(PAIR + pair for pair in beside))))
        at += len(word)
    if terms:
        return terms
    return [Term(tokens=(pair, PAIR + pair)) for pair in pairs(run)]
