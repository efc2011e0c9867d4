"""When a line is staffed, as an admin writes it: "Mon-Fri 09:00-18:00, Sat 10:00-14:00"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = 24 * 60
_WEEK = 7 * _DAY
_LONGEST = 1000
_DAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
_NAMES = {
    **_DAYS, "monday": 0, "tuesday": 1, "tues": 1, "wednesday": 2, "thursday": 3, "thur": 3, "thurs": 3,
    "friday": 4, "saturday": 5, "sunday": 6, "周一": 0, "周二": 1, "周三": 2, "周四": 3, "周五": 4, "周六": 5,
    "周日": 6, "周天": 6,
}  # fmt: skip
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_PART = re.compile(r"[^\s,;，；、]+")
# Hyphens and dashes, with blanks around them or without.
_TO = re.compile(r"\s*[-\u2010-\u2015~至到]\s*")
_EXAMPLE = 'write it like "Mon-Fri 09:00-18:00, Sat 10:00-14:00"'


@dataclass(slots=True, frozen=True)
class OpeningHours:
    """Spans of the week in minutes since Monday's midnight by the clock on the wall; the end is not in it and
    may lie in the next week. None at all: always open."""

    spans: tuple[tuple[int, int], ...] = ()

    def contains(self, local: datetime) -> bool:
        if not self.spans:
            return True
        minute = local.weekday() * _DAY + local.hour * 60 + local.minute
        return any((minute - begin) % _WEEK < end - begin for begin, end in self.spans)


def parse(text: str) -> OpeningHours:
    """Days, each followed by one range or several; one that ends before it begins ends on the next day.
    Raises ValueError, in words for whoever wrote it."""
    if len(text) > _LONGEST:
        raise ValueError("the opening hours are too long")
    spans: set[tuple[int, int]] = set()
    days: list[int] = []
    timed = False
    for part in _PART.findall(_TO.sub("-", text)):
        if part[0].isdigit():
            if not days:
                raise ValueError(f'"{part}" has no day before it: {_EXAMPLE}')
            begin, length = _range(part)
            spans |= {(day * _DAY + begin, day * _DAY + begin + length) for day in days}
            timed = True
            continue
        days = [] if timed else days
        days += _days(part)
        timed = False
    if days and not timed:
        raise ValueError(f"the last day has no hours after it: {_EXAMPLE}")
    return OpeningHours(tuple(sorted(spans)))


def _days(part: str) -> Iterator[int]:
    first, _, last = part.partition("-")
    begin = _day(first, part)
    end = _day(last, part) if "-" in part else begin
    return ((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _day(word: str, part: str) -> int:
    day = _NAMES.get(word.lower().rstrip(".:").replace("星期", "周"))
    if day is None:
        raise ValueError(f'"{part}" is no day: {_EXAMPLE}')
    return day


def _range(part: str) -> tuple[int, int]:
    """Where in the day it begins, and how long it is, in minutes."""
    first, _, last = part.partition("-")
    begin, end = _minute(first, part), _minute(last, part)
    if begin == _DAY:
        raise ValueError(f'"{part}" begins at 24:00: write 00:00 of the next day')
    if begin == end:
        raise ValueError(f'"{part}" begins and ends at the same time: write 00:00-24:00 for a whole day')
    return begin, (end - begin) % _DAY or _DAY


def _minute(clock: str, part: str) -> int:
    found = _CLOCK.fullmatch(clock)
    if found is None:
        raise ValueError(f'"{part}" is no range of hours: {_EXAMPLE}')
    hour, minute = int(found[1]), int(found[2])
    if minute > 59 or hour * 60 + minute > _DAY:
        raise ValueError(f'"{clock}" is no time of day: {_EXAMPLE}')
    return hour * 60 + minute


def zone_of(name: str) -> ZoneInfo:
    """Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:  # a folder of the time zones is an OSError
        raise ValueError(f'"{name}" is no time zone: write it like Europe/Berlin or Asia/Shanghai') from error


def check(text: str, zone: str) -> None:
    """Raises ValueError, in words for whoever wrote it."""
    zone_of(zone)
    parse(text)


@lru_cache(maxsize=256)
def _read(text: str, zone: str) -> tuple[OpeningHours, ZoneInfo]:
    return parse(text), zone_of(zone)


def is_open(text: str, zone: str, at: datetime) -> bool:
    """`at` knows its own zone. Raises ValueError where the hours or their zone cannot be read."""
    hours, local = _read(text, zone)
    return hours.contains(at.astimezone(local))
