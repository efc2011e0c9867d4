from typing import Literal

Language = Literal["en", "zh-CN"]


def from_header(accept_language: str) -> Language | None:
    """The first of our languages by the header's weights; None when it asks for neither."""
    wanted: list[tuple[float, Language]] = []
    for part in accept_language[:500].split(","):
        tag, _, weight = part.strip().partition(";")
        language = _ours(tag.strip().lower())
        if language:
            wanted.append((_weight(weight), language))
    best = max(wanted, key=lambda pair: pair[0], default=None)
    return best[1] if best and best[0] > 0 else None


def _ours(tag: str) -> Language | None:
    return {"zh": "zh-CN", "en": "en"}.get(tag.partition("-")[0])  # type: ignore[return-value]


def _weight(text: str) -> float:
    try:
        return float(text.strip().removeprefix("q=")) if text.strip() else 1.0
    except ValueError:
        return 0.0
