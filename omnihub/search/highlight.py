"""Where in a text the words stand that were looked for."""

import re
from collections.abc import Sequence
from typing import TypedDict

from omnihub.search.words import WIDE, normal

_AROUND = 60
_LONGEST = 200
_READ = 20_000
_WIDE = re.compile(f"[{WIDE}]")


class Part(TypedDict):
    text: str
    hit: bool


def _folded(text: str) -> tuple[str, list[int]]:
    """In normal spelling, and where each of its letters came from."""
    if text.isascii():
        return text.lower(), []
    letters: list[str] = []
    origin: list[int] = []
    for at, letter in enumerate(text):
        spelt = normal(letter)
        letters.append(spelt)
        origin += [at] * len(spelt)
    return "".join(letters), [*origin, len(text)]


def _pattern(needles: Sequence[str]) -> "re.Pattern[str] | None":
    ways = []
    for needle in needles:
        if needle.isdigit() and len(needle) > 3:
            ways.append(r"[ \-()./]{0,2}".join(needle))
        elif _WIDE.match(needle):
            ways.append(re.escape(needle))
        else:
            ways.append(rf"(?<![^\W{WIDE}])" + re.escape(needle) + r"\w*" * needle.isalpha())
    return re.compile("|".join(ways), re.ASCII if all(n.isascii() for n in needles) else 0) if ways else None


def spans(text: str, needles: Sequence[str]) -> list[tuple[int, int]]:
    pattern = _pattern(needles)
    if pattern is None:
        return []
    folded, origin = _folded(text[:_READ])
    found = [match.span() for match in pattern.finditer(folded) if match.group()]
    if origin:
        return [(origin[begin], origin[end]) for begin, end in found if origin[begin] < origin[end]]
    return found


def marked(text: str, needles: Sequence[str]) -> list[Part]:
    """All of it."""
    return _parts(text, spans(text, needles), 0, len(text))


def excerpt(text: str, needles: Sequence[str]) -> list[Part]:
    """In one line, the part where most of the words stand close together."""
    line = " ".join(text[:_READ].split())
    found = spans(line, needles)
    if not found:
        return [Part(text=line[:_LONGEST], hit=False)] if line else []
    begin = max(found, key=lambda one: (_distinct(line, found, one[0]), -one[0]))[0]
    begin = max(0, begin - _AROUND)
    end = min(len(line), begin + _LONGEST)
    parts = _parts(line, found, begin, end)
    if begin:
        parts.insert(0, Part(text="…", hit=False))
    if end < len(line):
        parts.append(Part(text="…", hit=False))
    return parts


def _distinct(line: str, found: Sequence[tuple[int, int]], at: int) -> int:
    return len({line[b:e].casefold() for b, e in found if at <= b and e <= at + _LONGEST - _AROUND})


def _parts(text: str, found: Sequence[tuple[int, int]], begin: int, end: int) -> list[Part]:
    parts: list[Part] = []
    at = begin
    for first, last in found:
        if first < at or last > end:
            continue
        if first > at:
            parts.append(Part(text=text[at:first], hit=False))
        parts.append(Part(text=text[first:last], hit=True))
        at = last
    if at < end:
        parts.append(Part(text=text[at:end], hit=False))
    return parts
