"""How well a text answers. Only for those that have all the words already."""

from omnihub.search.terms import Terms
from omnihub.search.words import PAIR, is_wide, normal, pieces

_AS_TYPED = 4.0
_WHOLE_WORD = 1.0
_LONG = 400


def scored(text: str, terms: Terms) -> float:
    """Standing as it was typed counts most, then whole words before beginnings, then a short text."""
    plain = " ".join(normal(text).split())
    score = _AS_TYPED if terms.plain and terms.plain in plain else 0.0
    whole = set(pieces(plain))
    for term in terms.terms:
        word = term.tokens[0].removeprefix(PAIR)
        score += _WHOLE_WORD * (word in plain if is_wide(word) else word in whole)
    return score + 1.0 / (1.0 + len(plain) / _LONG)
