"""An invitation in words, for mail that brings nothing else to read."""

import re

_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"^([A-Z-]{3,20})((?:;[^:\n\r]{0,200})?):(.{0,2000})", re.IGNORECASE | re.MULTILINE)
_SHOWN = (
    ("summary", ""),
    ("dtstart", "start: "),
    ("dtend", "end: "),
    ("location", "place: "),
    ("description", ""),
)
_MOMENT = re.compile(r"^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?$")
_ZONE = re.compile(r"TZID=\"?([^;:\"]+)", re.IGNORECASE)


def calendar_text(ics: str) -> str:
    """Summary, times, place and description of the first event; '' when it names none."""
    _, _, event = _FOLD.sub("", ics[:200_000]).partition("BEGIN:VEVENT")
    fields: dict[str, str] = {}
    for name, params, value in _LINE.findall(event.partition("END:VEVENT")[0]):
        if name.lower() not in fields:
            fields[name.lower()] = _readable(value.strip(), params)
    return "\n".join(f"{label}{fields[name]}" for name, label in _SHOWN if fields.get(name))


def _readable(value: str, params: str) -> str:
    moment = _MOMENT.match(value)
    if moment is None:
        return (
            value.replace("\\n", "\n")
            .replace("\\N", "\n")
            .replace("\\,", ",")
            .replace("\\;", ";")
            .replace("\\\\", "\\")
        )
    day = f"{moment[1]}-{moment[2]}-{moment[3]}"
    if not moment[4]:
        return day
    zone = _ZONE.search(params)
    suffix = " UTC" if moment[6] else f" ({zone[1]})" if zone else ""
    return f"{day} {moment[4]}:{moment[5]}{suffix}"
