"""One form as it was sent, whatever way it was encoded. Says nothing yet about right or wrong."""

import codecs
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import orjson

from omnihub.connectors.webform.multipart import MAX_NAME, MAX_PARTS, read_parts
from omnihub.model.errors import Unreadable
from omnihub.model.raw import RawRequest

# Names of the form's own inputs. A field's key starts with a letter, so none can clash.
START, KEY, LANGUAGE, PAGE, PROOF, HONEYPOT = "_start", "_key", "_lang", "_page", "_proof", "_homepage"
SYSTEM_NAMES = frozenset({START, KEY, LANGUAGE, PAGE, PROOF, HONEYPOT, "_charset_"})

MAX_VALUE = 200_000
_KEY = re.compile(r"[A-Za-z0-9._:\-]{8,100}")
# Tab and newline stay. The other controls and halves of characters mean nothing in a form, and the two
# overrides (U+202D, U+202E) only serve to show a text as something else than it is.
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202d\u202e\ud800-\udfff\ufffe\uffff]")
_CHARSET_ALIASES = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030"}


@dataclass(slots=True, frozen=True, kw_only=True)
class Upload:
    field: str
    filename: str
    content: bytes


@dataclass(slots=True, frozen=True, kw_only=True)
class Submission:
    """`values` in the order sent, system inputs apart. `key` is the Idempotency-Key, or empty."""

    values: Mapping[str, tuple[str, ...]]
    uploads: tuple[Upload, ...]
    system: Mapping[str, str]
    key: str
    problems: tuple[str, ...]

    def digest(self) -> str:
        """Of what the person entered: the same for a repeat, whatever boundary it came with."""
        hashed = hashlib.sha256()
        for name, values in sorted(self.values.items()):
            hashed.update(orjson.dumps([name, values]))
        for upload in self.uploads:
            content = hashlib.sha256(upload.content).hexdigest()
            hashed.update(orjson.dumps([upload.field, upload.filename, content]))
        return hashed.hexdigest()


@dataclass(slots=True)
class _Collected:
    pairs: list[tuple[str, str]]
    uploads: list[Upload]
    problems: list[str]


def header(request: RawRequest, name: str) -> str:
    wanted = name.lower()
    return next((value for key, value in request.headers.items() if key.lower() == wanted), "")


def read_submission(request: RawRequest) -> Submission:
    """Raises Unreadable."""
    content_type = header(request, "content-type")
    kind = content_type.partition(";")[0].strip().lower()
    reader = _READERS.get(kind)
    if reader is None:
        raise Unreadable(f"a form cannot be sent as {kind[:80] or 'an unnamed type'}")
    collected = reader(content_type, request.body)
    grouped: dict[str, list[str]] = {}
    for name, value in collected.pairs:
        # An answer given twice in the same words is one answer.
        values = grouped.setdefault(name, [])
        if value not in values:
            values.append(value)
    system = {name: values[0] for name, values in grouped.items() if name in SYSTEM_NAMES}
    return Submission(
        values={name: tuple(values) for name, values in grouped.items() if name not in SYSTEM_NAMES},
        uploads=tuple(collected.uploads),
        system=system,
        key=_idempotency_key(header(request, "idempotency-key") or system.get(KEY, "")),
        problems=tuple(dict.fromkeys(collected.problems)),
    )


def clean(text: str) -> str:
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _idempotency_key(text: str) -> str:
    text = text.strip().strip('"')
    return text if _KEY.fullmatch(text) else ""


def _charset_of(content_type: str) -> str:
    match = re.search(r'charset\s*=\s*"?([^";\s]+)', content_type, re.IGNORECASE)
    return match[1] if match else ""


def _decode(data: bytes, *charsets: str) -> tuple[str, str]:
    """The text and what was odd. UTF-8 first unless a charset is named: other encodings rarely pass as it."""
    for charset in (*filter(None, charsets), "utf-8", "gb18030"):
        name = _CHARSET_ALIASES.get(charset.lower(), charset)
        try:
            text = codecs.decode(data, codecs.lookup(name).name)
        except (LookupError, ValueError, TypeError, AssertionError):
            continue  # the next one answers; the last resort below always does
        if isinstance(text, str):
            guessed = charset == "gb18030" and charset not in charsets
            return clean(text), "text that is not UTF-8 was read as GB18030" if guessed else ""
    return clean(data.decode("utf-8", "replace")), "text in an unknown encoding lost characters"


def _read_multipart(content_type: str, body: bytes) -> _Collected:
    parts, problems = read_parts(content_type, body)
    collected = _Collected([], [], problems)
    declared = _charset_of(content_type)
    hint = next((p.content.decode("ascii", "replace") for p in parts if p.name == b"_charset_"), "")
    for part in parts:
        name, odd_name = _decode(part.name, declared, hint)
        odd = [odd_name]
        if part.filename is None:
            text, odd_text = _decode(part.content[: MAX_VALUE * 4], part.charset, declared, hint)
            collected.pairs.append((name, text[:MAX_VALUE]))
            odd.append(odd_text)
        elif part.filename or part.content:  # a file input left empty sends a part with neither
            filename, odd_filename = _decode(part.filename, part.filename_charset, declared, hint)
            collected.uploads.append(Upload(field=name, filename=filename, content=part.content))
            odd.append(odd_filename)
        collected.problems.extend(filter(None, odd))
    return collected


def _read_urlencoded(content_type: str, body: bytes) -> _Collected:
    pairs = [pair for pair in body.split(b"&", MAX_PARTS + 1) if pair]
    if len(pairs) > MAX_PARTS:
        raise Unreadable(f"the form has more than {MAX_PARTS} values")
    split = [(_unquote(key), _unquote(value)) for key, _, value in (pair.partition(b"=") for pair in pairs)]
    hint = next((value.decode("ascii", "replace") for key, value in split if key == b"_charset_"), "")
    collected = _Collected([], [], [])
    for key, value in split:
        name, odd_name = _decode(key[: MAX_NAME * 4], _charset_of(content_type), hint)
        text, odd_text = _decode(value[: MAX_VALUE * 4], _charset_of(content_type), hint)
        collected.pairs.append((name[:MAX_NAME], text[:MAX_VALUE]))
        collected.problems.extend(filter(None, (odd_name, odd_text)))
    return collected


def _unquote(data: bytes) -> bytes:
    return unquote_to_bytes(data.replace(b"+", b" "))


_JSON_SYSTEM = {"start": START, "key": KEY, "lang": LANGUAGE, "page": PAGE, "proof": PROOF}


def _read_json(content_type: str, body: bytes) -> _Collected:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"the JSON cannot be read: {error}") from error
    fields = document.get("fields") if isinstance(document, dict) else None
    if not isinstance(fields, dict):
        raise Unreadable('the JSON must look like {"fields": {"email": "…"}}')
    collected = _Collected([], [], [])
    for name, value in fields.items():
        collected.pairs.extend((clean(name)[:MAX_NAME], text) for text in _json_texts(name, value))
    for name, system_name in _JSON_SYSTEM.items():
        if isinstance(document.get(name), str):
            collected.pairs.append((system_name, clean(document[name])[:MAX_VALUE]))
    if len(collected.pairs) > MAX_PARTS:
        raise Unreadable(f"the form has more than {MAX_PARTS} values")
    return collected


def _json_texts(name: str, value: object) -> Iterable[str]:
    if name in SYSTEM_NAMES and name != HONEYPOT:
        raise Unreadable(f"{name} is not a field")
    for item in value if isinstance(value, list) else [value]:
        match item:
            case None | False:
                continue
            case True:
                yield "on"
            case str():
                yield clean(item)[:MAX_VALUE]
            case int() | float():
                yield str(item)
            case _:
                raise Unreadable(f"the value of {name[:80]} must be a text, a number or a list of these")


_READERS = {
    "multipart/form-data": _read_multipart,
    "application/x-www-form-urlencoded": _read_urlencoded,
    "application/json": _read_json,
}
