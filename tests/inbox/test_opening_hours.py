from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from omnihub.model.opening_hours import check, is_open, parse

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
SHOP = "Mon-Fri 09:00-18:00, Sat 10:00-14:00"
# 2026-11-16 is a Monday.
MONDAY = datetime(2026, 11, 16)


def at(day: str, clock: str, zone: str = "UTC") -> datetime:
    hour, minute = clock.split(":")
    shift = timedelta(days=DAYS.index(day), hours=int(hour), minutes=int(minute))
    return (MONDAY + shift).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("text", "day", "clock", "expected"),
    [
        (SHOP, "Mon", "09:00", True),
        (SHOP, "Mon", "08:59", False),
        (SHOP, "Fri", "17:59", True),
        (SHOP, "Fri", "18:00", False),
        (SHOP, "Sat", "13:59", True),
        (SHOP, "Sat", "09:30", False),
        (SHOP, "Sun", "12:00", False),
        ("Mon,Wed 09:00-12:00 13:00-17:00", "Wed", "12:30", False),
        ("Mon,Wed 09:00-12:00 13:00-17:00", "Wed", "13:00", True),
        ("Mon,Wed 09:00-12:00 13:00-17:00", "Mon", "11:59", True),
        ("Mon,Wed 09:00-12:00 13:00-17:00", "Tue", "10:00", False),
        ("Mon 09:00-12:00, 13:00-17:00; Tue 10:00-11:00", "Mon", "13:30", True),
        ("Mon 09:00-12:00, 13:00-17:00; Tue 10:00-11:00", "Tue", "13:30", False),
        ("Fri 22:00-06:00", "Fri", "23:00", True),
        ("Fri 22:00-06:00", "Sat", "05:59", True),
        ("Fri 22:00-06:00", "Sat", "06:00", False),
        ("Fri 22:00-06:00", "Fri", "05:00", False),
        ("Sun 22:00-06:00", "Mon", "05:00", True),
        ("Sat-Mon 10:00-12:00", "Sun", "11:00", True),
        ("Sat-Mon 10:00-12:00", "Tue", "11:00", False),
        ("Mon-Sun 00:00-24:00", "Thu", "23:59", True),
        ("Mon 18:00-24:00", "Tue", "00:00", False),
        ("Monday to Friday 9:00 - 18:00".replace(" to ", " – "), "Tue", "17:00", True),
        ("周一至周五 09:00-18:00，星期六 10:00-14:00", "Sat", "13:00", True),
        ("周一至周五 09:00-18:00，星期六 10:00-14:00", "Sun", "13:00", False),
        ("", "Sun", "03:00", True),
        ("  ", "Sun", "03:00", True),
    ],
)
def test_by_the_clock_on_the_wall(text: str, day: str, clock: str, expected: bool) -> None:
    assert is_open(text, "UTC", at(day, clock)) is expected
    assert is_open(text, "Asia/Shanghai", at(day, clock, "Asia/Shanghai")) is expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("09:00-18:00", '"09:00-18:00" has no day before it'),
        ("Mon", "the last day has no hours"),
        ("Mon 09:00-18:00, Sat", "the last day has no hours"),
        ("Foo 09:00-18:00", '"Foo" is no day'),
        ("Mon-Foo 09:00-18:00", '"Mon-Foo" is no day'),
        ("Mon-Wed-Fri 09:00-18:00", '"Mon-Wed-Fri" is no day'),
        ("Mon- 09:00-18:00", "is no day"),
        ("Mon 9-18", '"9-18" is no range of hours'),
        ("Mon 09:00", '"09:00" is no range of hours'),
        ("Mon 09:00-12:00-14:00", "is no range of hours"),
        ("Mon 09:00-25:00", '"25:00" is no time of day'),
        ("Mon 09:60-10:00", '"09:60" is no time of day'),
        ("Mon 24:01-10:00", '"24:01" is no time of day'),
        ("Mon 24:00-10:00", "begins at 24:00"),
        ("Mon 09:00-09:00", "begins and ends at the same time"),
        ("Mon 0９:00-10:00", "is no range of hours"),
        ("Mon 09:00-18:00 " * 100, "too long"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check(text, "UTC")


@pytest.mark.parametrize("zone", ["", "Nowhere", "../etc/passwd", "Europe", "/etc/localtime", "a\0b"])
def test_a_time_zone_is_one_of_the_known(zone: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        check(SHOP, zone)


@given(st.text(max_size=60) | st.text("MonTueSat 0123456789:-,", max_size=40))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    words = "none"
    try:
        parse(text)
    except ValueError as error:
        words = str(error)
    assert words


minutes = st.integers(0, 1439)
ranges = st.tuples(minutes, st.integers(1, 1440)).filter(lambda r: r[0] != r[1])
rules = st.tuples(st.integers(0, 6), st.integers(0, 6), st.lists(ranges, min_size=1, max_size=3))
# Around the nights on which these clocks are changed, and on others.
moments = st.datetimes(datetime(2026, 3, 7), datetime(2026, 11, 5)).map(lambda at: at.replace(tzinfo=UTC))
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _written(week: list[tuple[int, int, list[tuple[int, int]]]]) -> str:
    return ", ".join(
        f"{DAYS[first]}-{DAYS[last]} " + " ".join(f"{_clock(a)}-{_clock(b)}" for a, b in spans)
        for first, last, spans in week
    )


def _staffed(week: list[tuple[int, int, list[tuple[int, int]]]], local: datetime) -> bool:
    """Day by day, as a person would read it off the door."""
    minute = local.hour * 60 + local.minute
    for first, last, spans in week:
        days = {(first + n) % 7 for n in range((last - first) % 7 + 1)}
        for begin, end in spans:
            if begin < end:
                inside = local.weekday() in days and begin <= minute < end
            else:
                tonight = local.weekday() in days and minute >= begin
                inside = tonight or ((local.weekday() - 1) % 7 in days and minute < end)
            if inside:
                return True
    return False


@given(st.lists(rules, min_size=1, max_size=4), moments, zones)
@example([(6, 6, [(60, 150)])], datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "Europe/Berlin")
@example([(6, 6, [(60, 150)])], datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Berlin")
@example([(6, 6, [(120, 180)])], datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "Europe/Berlin")
@example([(5, 5, [(1320, 180)])], datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "America/New_York")
def test_it_is_what_the_door_says(
    week: list[tuple[int, int, list[tuple[int, int]]]], moment: datetime, zone: str
) -> None:
    assert is_open(_written(week), zone, moment) is _staffed(week, moment.astimezone(ZoneInfo(zone)))


def test_the_night_on_which_the_clock_is_changed() -> None:
    """In Berlin 02:00 to 03:00 is skipped in March, and comes twice in October."""
    night, berlin = "Sun 02:00-03:00", "Europe/Berlin"
    march, october = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    steps = [timedelta(minutes=10 * n) for n in range(6 * 6)]
    assert sum(is_open(night, berlin, march + step) for step in steps) == 0
    assert sum(is_open(night, berlin, october + step) for step in steps) == 12
