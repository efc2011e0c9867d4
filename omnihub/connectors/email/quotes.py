"""What the customer wrote now, apart from what their mail program quoted below it.

Everything here leans towards showing too much: a rule that is unsure hides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from omnihub.connectors.email import quote_rules as rules

MAX_TEXT = 5_000_000  # characters; beyond that nobody reads, and splitting lines costs memory
_LONGEST_LINE = 1_000  # longer lines are prose, not attributions
_SIGNATURE_LINES = 15
_BARE_SIGNATURE_LINES = 5  # below `--` without its space, which may be the customer's own rule
_SCANNED_LINES = 10_000
_ENDS = 160  # characters at a line's end in which an attribution's verb stands
_MAX_ATTEMPTS = 300
_WRAPPED_OVER = 4


@dataclass(slots=True, frozen=True)
class Split:
    """`quoted` is all that is not visible, the signature included, so that nothing is ever lost.

    `cut` is the line where the visible part ends for good; None when there is no such line."""

    visible: str
    quoted: str = ""
    signature: str = ""
    cut: int | None = None
    whole: bool = False  # shown in full on purpose: a forward, or answers between the quoted lines


@dataclass(slots=True, frozen=True)
class Hint:
    """Where the HTML says the quote begins, and where its element ends, if it does."""

    start: int
    end: int | None


def is_forward(subject: str) -> bool:
    return rules.FORWARD_SUBJECT.match(subject) is not None


def split(text: str, subject: str = "", hint: Hint | None = None) -> Split:
    if is_forward(subject) or len(text) > MAX_TEXT:
        return Split(text, whole=True)
    lines = text.split("\n")
    start = _start(lines)
    if hint is not None and (start is None or hint.start <= start):
        start = hint.start
    above = lines[:_SCANNED_LINES] if start is None else lines[: start + 3]
    if any(rules.FORWARD.match(line) for line in above if len(line) < _LONGEST_LINE):
        return Split(text, whole=True)
    if start is None:
        return _without_signature(lines, len(lines))
    if hint is not None and hint.start == start and hint.end is not None and _is_written(lines[hint.end :]):
        return _around(lines, start, hint.end)
    end = _quote_end(lines, start)
    if end < len(lines) and _is_written(lines[end:]):
        return _around(lines, start, end)
    return _without_signature(lines, start)


def _start(lines: Sequence[str]) -> int | None:
    """First line of the quoted part."""
    attempts = 0
    for index, line in enumerate(lines[:_SCANNED_LINES]):
        if not line or len(line) > _LONGEST_LINE:
            continue
        if (found := _plain_start(lines, index)) is not None:
            return found
        if attempts < _MAX_ATTEMPTS and rules.ATTRIBUTION_END.search(line[-_ENDS:]):
            attempts += 1
            if (found := _attribution(lines, index)) is not None:
                return found
    return None


def _plain_start(lines: Sequence[str], index: int) -> int | None:
    line = lines[index]
    if line.startswith(">"):
        # One lonely line with `>` may be the customer's own arrow.
        return index if _is_block(lines, index) else None
    if rules.OUR_LINE.search(line) or rules.SEPARATOR.match(line):
        return index
    if rules.HEADER_START.match(line) and _is_header_block(lines, index):
        return _above_dividers(lines, index)
    return None


def _is_block(lines: Sequence[str], index: int) -> bool:
    following = lines[index + 1 : index + 2]
    return bool(following and following[0].startswith(">")) or _is_attribution(lines[index].lstrip("> "), False)


def _is_attribution(text: str, prefixed: bool) -> bool:
    if not any(rule.match(text) for rule in rules.ATTRIBUTIONS):
        return False
    return prefixed or rules.CERTAIN.match(text) is not None


def _attribution(lines: Sequence[str], end: int) -> int | None:
    """First line of the attribution that ends at `end`; programs wrap it over up to four lines."""
    prefixed = _next_written(lines, end + 1).startswith(">")
    for first in range(end, max(end - _WRAPPED_OVER, -1), -1):
        if first < end and (not lines[first].strip() or len(lines[first]) > _LONGEST_LINE):
            return None
        if _is_attribution(" ".join(line.strip() for line in lines[first : end + 1]), prefixed):
            return _with_name(lines, first)
    return None


def _with_name(lines: Sequence[str], first: int) -> int:
    """Gmail's Chinese form puts the sender first, and may wrap between sender and date."""
    above = lines[first - 1].strip() if first else ""
    alone = above.startswith("<") or above.endswith(">")
    if above and "@" in above and alone and len(above) < 120 and lines[first].lstrip().startswith(("于", "於")):
        return first - 1
    if lines[first].lstrip().startswith("<") and 0 < len(above) < 30 and above[-1] not in "。.!！?？,，":
        return first - 1
    return first


def _next_written(lines: Sequence[str], start: int) -> str:
    return next((line for line in lines[start : start + 5] if line.strip()), "")


def _is_header_block(lines: Sequence[str], index: int) -> bool:
    """From, then within a few lines a subject and at least one of date and to."""
    kinds: set[str] = set()
    blanks = 0
    for line in lines[index : index + 14]:
        if not line.strip(" >|*"):
            blanks += 1
            if blanks > 6 or "subject" in kinds:
                break
            continue
        kinds.update(kind for kind, pattern in rules.HEADER_LINES if len(line) < 2_000 and pattern.match(line))
    return "from" in kinds and "subject" in kinds and bool(kinds & {"date", "to"})


def _above_dividers(lines: Sequence[str], index: int) -> int:
    first = index
    while index > 0 and (not lines[index - 1].strip() or rules.DIVIDER.match(lines[index - 1])):
        index -= 1
        if rules.DIVIDER.match(lines[index]):
            first = index
    return first


def _quote_end(lines: Sequence[str], start: int) -> int:
    """Index behind the block of `>` lines that starts here; the end of all when the quote has no `>`."""
    index = start
    while index < len(lines) and not lines[index].startswith(">"):
        if (
            index > start + _WRAPPED_OVER
            or rules.SEPARATOR.match(lines[index])
            or rules.OUR_LINE.search(lines[index])
        ):
            return len(lines)
        index += 1
    if index == len(lines) or not _is_lead(lines[start:index]):
        return len(lines)
    last = index
    while index < len(lines) and (lines[index].startswith(">") or not lines[index].strip()):
        last = index if lines[index].startswith(">") else last
        index += 1
    return last + 1


def _is_lead(lines: Sequence[str]) -> bool:
    """Only an attribution stands between the start and the first `>`."""
    text = " ".join(line.strip() for line in lines if line.strip())
    return not text or rules.ATTRIBUTION_END.search(text[-_ENDS:]) is not None


def _is_written(lines: Sequence[str]) -> bool:
    """Whether a person wrote something here, apart from signatures and a list's footer."""
    for index, line in enumerate(lines):
        if rules.SIGNATURE.match(line) or rules.LIST_FOOTER.match(line):
            return False
        if len(line) < _LONGEST_LINE and line and _plain_start(lines, index) is not None:
            return False
        if line.strip() and not rules.MOBILE.match(line):
            return True
    return False


def _around(lines: list[str], start: int, end: int) -> Split:
    """Words below the quote: an answer written under it, or answers between its lines."""
    rest = lines[end:]
    if any(line.strip() for line in lines[:start]) or any(line.startswith(">") for line in rest):
        return Split("\n".join(lines), whole=True)
    below = _without_signature(rest, len(rest))
    quoted = "\n".join(lines[:end]).strip("\n")
    return Split(below.visible, "\n".join(filter(None, (quoted, below.quoted))), below.signature, whole=True)


def _without_signature(lines: list[str], end: int) -> Split:
    first = _signature_start(lines, end)
    visible = "\n".join(lines[:first]).strip("\n").rstrip()
    if not visible.strip():
        return Split("\n".join(lines), whole=end < len(lines))
    signature = "\n".join(lines[first:end]).strip("\n").rstrip()
    quoted = "\n".join(lines[first:]).strip("\n").rstrip()
    return Split(visible, quoted, signature, end if end < len(lines) else None)


def _signature_start(lines: Sequence[str], end: int) -> int:
    """First line of the signature that stands right above `end`; `end` itself when there is none."""
    first = end
    for index in range(end - 1, max(end - _SIGNATURE_LINES, -1), -1):
        if rules.SIGNATURE.match(lines[index]):
            below = sum(1 for line in lines[index + 1 : end] if line.strip())
            if lines[index] == rules.EXACT_SIGNATURE or below <= _BARE_SIGNATURE_LINES:
                first = index
            break
    for index in range(first - 1, -1, -1):
        if lines[index].strip() and not (len(lines[index]) < 200 and rules.MOBILE.match(lines[index])):
            break
        first = index if lines[index].strip() else first
    return first
