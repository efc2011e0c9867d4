"""The three ways in which phone systems post their events, as one set of fields."""

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl

from omnihub.connectors.reading import Fields, read_json
from omnihub.model.errors import Unreadable
from omnihub.model.raw import RawRequest

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_MOST_FIELDS = 100
_BOUNDARY = re.compile(r'boundary=(?:"([^"\r\n]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
_NAME = re.compile(rb'name="([^"\r\n]{0,200})"', re.IGNORECASE)


def read(request: RawRequest) -> Fields:
    """Raises Unreadable. What is no announced form is read as JSON, whatever it is called."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _READERS.get(kind, _json)(request)


def _json(request: RawRequest) -> Fields:
    return read_json(request.body)


def _form(request: RawRequest) -> Fields:
    # Some phone systems call their JSON a form, as that is what their HTTP client calls everything.
    if request.body.lstrip().startswith(b"{"):
        return read_json(request.body)
    try:
        text = request.body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise Unreadable("the form is not properly encoded, or has too many fields") from error
    return _gathered(pairs)


def _multipart(request: RawRequest) -> Fields:
    found = _BOUNDARY.search(request.headers.get("content-type", ""))
    if found is None:
        raise Unreadable("the form does not say how its parts are divided")
    boundary = b"--" + (found[1] or found[2]).encode("utf-8", "replace")
    parts = request.body.split(boundary)[1:]
    if len(parts) > _MOST_FIELDS:
        raise Unreadable("the form has too many fields")
    return _gathered(pair for part in parts if (pair := _part(part)) is not None)


def _part(part: bytes) -> tuple[str, str] | None:
    head, gap, value = part.partition(b"\r\n\r\n")
    name = _NAME.search(head)
    if not gap or name is None:
        return None
    try:
        return name[1].decode("utf-8"), value.removesuffix(b"\r\n").decode("utf-8")
    except ValueError as error:
        raise Unreadable("the form is not properly encoded") from error


def _gathered(pairs: Iterable[tuple[str, str]]) -> Fields:
    """A name that comes several times, or ends in [], is a list."""
    fields: Fields = {}
    for written, value in pairs:
        name = re.sub(r"\[[0-9]*\]$", "", written)
        if name == written and name not in fields:
            fields[name] = value
        else:
            known = fields.setdefault(name, [])
            fields[name] = [*(known if isinstance(known, list) else [known]), value]
    return fields


_READERS: Mapping[str, Callable[[RawRequest], Fields]] = {_FORM: _form, _MULTIPART: _multipart}
