"""SEARCH over a demo folder: each key is a small test of one mail."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from email.utils import parsedate_to_datetime

from omnihub.connectors.email.simulator_imap_fetch import Reader
from omnihub.connectors.email.simulator_imap_grammar import BadCommand, Token, numbers, text
from omnihub.connectors.email.simulator_store import StoredMail

Test = Callable[[int, Reader], bool]

_FLAG_KEYS = {
    "SEEN": "\\Seen",
    "ANSWERED": "\\Answered",
    "FLAGGED": "\\Flagged",
    "DELETED": "\\Deleted",
    "DRAFT": "\\Draft",
}
_HEADER_KEYS = {"FROM": "From", "TO": "To", "CC": "Cc", "BCC": "Bcc", "SUBJECT": "Subject"}


def matching(mails: Sequence[StoredMail], criteria: Sequence[Token]) -> list[int]:
    """Positions in `mails`, from 0."""
    words = list(criteria)
    if words and isinstance(words[0], str) and words[0].upper() == "CHARSET":
        words = words[2:]
    test = _all_of(words, mails)
    return [index for index, mail in enumerate(mails) if test(index + 1, Reader(mail))]


def _all_of(words: list[Token], mails: Sequence[StoredMail]) -> Test:
    tests = []
    rest = list(words)
    while rest:
        tests.append(_next(rest, mails))
    return lambda number, reader: all(test(number, reader) for test in tests)


def _next(rest: list[Token], mails: Sequence[StoredMail]) -> Test:
    """Takes one key and its arguments off `rest`."""
    token = rest.pop(0)
    if isinstance(token, list):
        return _all_of(token, mails)
    key = text(token).upper()
    if key == "NOT":
        inner = _next(rest, mails)
        return lambda number, reader: not inner(number, reader)
    if key == "OR":
        one, other = _next(rest, mails), _next(rest, mails)
        return lambda number, reader: one(number, reader) or other(number, reader)
    if key in ("ALL", "OLD"):
        return lambda number, reader: True
    if key in ("NEW", "RECENT"):
        return lambda number, reader: False
    if flag := _FLAG_KEYS.get(key.removeprefix("UN")):
        wanted = not key.startswith("UN")
        return lambda number, reader: (flag in reader.mail.flags) == wanted
    if key[0].isdigit() or key[0] == "*":
        return _in_set(key, len(mails), by_uid=False)
    return _with_argument(key, rest, mails)


def _with_argument(key: str, rest: list[Token], mails: Sequence[StoredMail]) -> Test:
    count = 2 if key == "HEADER" else 1
    if len(rest) < count:
        raise BadCommand(f"{key} needs more words")
    words = [text(rest.pop(0)) for _ in range(count)]
    if key == "UID":
        return _in_set(words[0], mails[-1].uid if mails else 0, by_uid=True)
    if key in ("KEYWORD", "UNKEYWORD"):
        return lambda number, reader: key == "UNKEYWORD"
    if key in ("LARGER", "SMALLER"):
        limit = int(words[0])
        return lambda number, reader: reader.mail.size > limit if key == "LARGER" else reader.mail.size < limit
    if key == "HEADER" or key in _HEADER_KEYS:
        name, part = (words[0], words[1]) if key == "HEADER" else (_HEADER_KEYS[key], words[0])
        return lambda number, reader: _header_has(reader, name, part)
    if key in ("TEXT", "BODY"):
        return lambda number, reader: words[0].lower().encode() in reader.raw.lower()
    if key.removeprefix("SENT") in _DATES:
        return _dated(key, _date(words[0]))
    raise BadCommand(f"cannot search for {key}")


def _in_set(spec: str, largest: int, *, by_uid: bool) -> Test:
    ranges = list(numbers(spec, largest))

    def test(number: int, reader: Reader) -> bool:
        value = reader.mail.uid if by_uid else number
        return any(low <= value <= high for low, high in ranges)

    return test


def _header_has(reader: Reader, name: str, part: str) -> bool:
    return any(part.lower() in str(value).lower() for value in reader.parsed.get_all(name, []))


_DATES: dict[str, Callable[[date, date], bool]] = {
    "SINCE": lambda value, limit: value >= limit,
    "BEFORE": lambda value, limit: value < limit,
    "ON": lambda value, limit: value == limit,
}


def _dated(key: str, limit: date) -> Test:
    compare = _DATES[key.removeprefix("SENT")]

    def test(number: int, reader: Reader) -> bool:
        if not key.startswith("SENT"):
            return compare(reader.mail.at.date(), limit)
        try:
            return compare(parsedate_to_datetime(str(reader.parsed.get("Date"))).date(), limit)
        except ValueError:
            return False

    return test


def _date(words: str) -> date:
    try:
        return datetime.strptime(words, "%d-%b-%Y").date()
    except ValueError:
        raise BadCommand(f"{words} is no date") from None
