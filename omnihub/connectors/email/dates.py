"""The Date header, in the many shapes senders give it."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz

_EARLIEST = 1990
_FUTURE = timedelta(days=366)  # a sender's clock may be wrong, but not by years

_CHINESE_MONTHS = ("十二", "十一", "十", "一", "二", "三", "四", "五", "六", "七", "八", "九")
_MONTH_NUMBERS = (12, 11, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9)
_ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONE = re.compile(r"(?:(?:GMT|UTC)\s*)?([+-])(\d{1,2}):?(\d{2})?\b|(?<!\w)(Z|GMT|UTC|CST)(?!\w)")
_NUMERIC = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:.{0,12}?(上午|下午|凌晨|晚上|AM|PM)?\s*(\d{1,2})[:：时点](\d{1,2})(?:[:：分](\d{1,2}))?)?"
    r"(?:\.\d+)?\s*(AM|PM)?",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(r"^\s*(?:星期|周|週)[一二三四五六日天]\s*[,，]?\s*|[(（](?:星期|周|週).[)）]")
_NUMBERED_MONTH = re.compile(r"\b(\d{1,2})月")


def parse_date(value: str) -> tuple[datetime | None, str]:
    """UTC moment, or None with a plain-words problem. A missing zone is taken as UTC."""
    if not value.strip():
        return None, "no Date"
    try:
        moment = _rfc(value) or _rfc(_english(value)) or _numeric(value)
    except (ValueError, OverflowError, TypeError, IndexError):
        moment = None
    if moment is None:
        return None, "unreadable Date"
    if moment.year < _EARLIEST or moment > datetime.now(UTC) + _FUTURE:
        return None, f"implausible Date {moment.year}"
    return moment, ""


def _rfc(value: str) -> datetime | None:
    parts = parsedate_tz(value[:200])
    if parts is None:
        return None
    moment = datetime(*parts[:5], min(parts[5], 59), tzinfo=UTC)  # a leap second is not known here
    return moment - timedelta(seconds=parts[9] or 0)


def _english(value: str) -> str:
    """A Chinese mail program's `星期一, 16 十一月 2026 15:04:05 +0800`."""
    text = _WEEKDAY.sub("", value[:200])
    if "年" in text:
        return ""
    text = _NUMBERED_MONTH.sub(lambda m: _ENGLISH[(int(m[1]) - 1) % 12], text)
    for chinese, number in zip(_CHINESE_MONTHS, _MONTH_NUMBERS, strict=True):
        text = text.replace(f"{chinese}月", _ENGLISH[number - 1])
    return text


def _numeric(value: str) -> datetime | None:
    match = _NUMERIC.search(value[:200].replace("T", " "))
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    hour, minute, second = (int(match[i] or 0) for i in (5, 6, 7))
    half = (match[4] or match[8] or "").upper()
    if half in ("下午", "晚上", "PM") and hour < 12:
        hour += 12
    if half in ("上午", "凌晨", "AM") and hour == 12:
        hour = 0
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _offset(value[match.end() :])


def _offset(rest: str) -> timedelta:
    zone = _ZONE.search(rest[:60])
    if zone is None or zone[4] in ("Z", "GMT", "UTC"):
        return timedelta()
    if zone[4] == "CST":
        return timedelta(hours=8)  # beside a Chinese date it is China's, not Chicago's
    span = timedelta(hours=int(zone[2]), minutes=int(zone[3] or 0))
    return -span if zone[1] == "-" else span
