"""What FETCH says of a mail."""

import re
from collections.abc import Callable, Iterable
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses

from omnihub.connectors.email.simulator_imap_grammar import BadCommand, Token, flags, literal, string
from omnihub.connectors.email.simulator_store import StoredMail

_BODY = re.compile(r"BODY(\.PEEK)?\[([^\]]*)\](?:<(\d+)(?:\.(\d+))?>)?", re.IGNORECASE)
_FIELDS = re.compile(r"HEADER\.FIELDS(\.NOT)? \(([^)]*)\)", re.IGNORECASE)
_PART = re.compile(r"(\d+(?:\.\d+)*)(?:\.(MIME|HEADER|TEXT))?")
_FAST = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
_MACROS = {"FAST": _FAST, "ALL": (*_FAST, "ENVELOPE"), "FULL": (*_FAST, "ENVELOPE", "BODY")}
_OLD = {"RFC822": "BODY[]", "RFC822.HEADER": "BODY.PEEK[HEADER]", "RFC822.TEXT": "BODY[TEXT]"}


class Reader:
    """One mail under FETCH; the file is opened only for items that need it."""

    def __init__(self, mail: StoredMail) -> None:
        self.mail = mail
        self._raw: bytes | None = None
        self._parsed: Message | None = None

    @property
    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = self.mail.raw()
        return self._raw

    @property
    def parsed(self) -> Message:
        if self._parsed is None:
            self._parsed = BytesParser(policy=compat32).parsebytes(self.raw)
        return self._parsed


def item_names(token: Token) -> list[str]:
    names = flags(token)
    if not isinstance(token, list) and names[0].upper() in _MACROS:
        return list(_MACROS[names[0].upper()])
    for name in names:
        if name.upper() not in _ITEMS and name.upper() not in _OLD and not _BODY.fullmatch(name):
            raise BadCommand(f"{name} cannot be fetched")
    return names


def sets_seen(names: Iterable[str]) -> bool:
    found = (_BODY.fullmatch(_OLD.get(name.upper(), name)) for name in names)
    return any(match and not match[1] for match in found)


def answer(mail: StoredMail, names: Iterable[str]) -> bytes:
    reader = Reader(mail)
    return b"(" + b" ".join(_item(reader, name) for name in names) + b")"


def _item(reader: Reader, name: str) -> bytes:
    if make := _ITEMS.get(name.upper()):
        return name.upper().encode() + b" " + make(reader)
    match = _BODY.fullmatch(_OLD.get(name.upper(), name))
    if not match:
        raise BadCommand(f"{name} cannot be fetched")
    content = section(reader, match[2])
    label = name.upper() if name.upper() in _OLD else f"BODY[{match[2]}]"
    if match[3] is not None:
        start = int(match[3])
        content = content[start : start + int(match[4])] if match[4] else content[start:]
        label += f"<{start}>"
    return label.encode("latin-1") + b" " + literal(content)


def section(reader: Reader, spec: str) -> bytes:
    head, _, rest = reader.raw.partition(b"\r\n\r\n")
    upper = spec.upper()
    if not spec:
        return reader.raw
    if upper == "HEADER":
        return head + b"\r\n\r\n"
    if upper == "TEXT":
        return rest
    if match := _FIELDS.fullmatch(spec):
        return _fields(head, match[2].replace('"', "").lower().split(), leave_out=bool(match[1]))
    match = _PART.fullmatch(upper)
    if not match:
        raise BadCommand(f"there is no section {spec}")
    part = _part(reader.parsed, [int(number) for number in match[1].split(".")])
    if part is None:
        return b""
    if match[2] in ("MIME", "HEADER"):
        return (
            b"".join(f"{name}: {value}\r\n".encode("utf-8", "surrogateescape") for name, value in part.items())
            + b"\r\n"
        )
    return content_of(part)


def _fields(head: bytes, names: list[str], *, leave_out: bool) -> bytes:
    lines = re.split(rb"\r\n(?![ \t])", head)
    wanted = [line for line in lines if (line.partition(b":")[0].decode("latin-1").lower() in names) != leave_out]
    return b"".join(line + b"\r\n" for line in wanted if line) + b"\r\n"


def _part(message: Message, path: list[int]) -> Message | None:
    for number in path:
        children = _children(message)
        if not children and number == 1:
            continue  # part 1 of a mail without parts is its text
        if number < 1 or number > len(children):
            return None
        message = children[number - 1]
    return message


def _children(message: Message) -> list[Message]:
    payload = message.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def content_of(part: Message) -> bytes:
    """As it was transferred. `get_payload` would replace 8-bit bytes, hence the look inside."""
    payload = vars(part)["_payload"]
    if isinstance(payload, str):
        return payload.encode("ascii", "surrogateescape")
    return b"\r\n".join(one.as_bytes() for one in _children(part))


def _envelope(reader: Reader) -> bytes:
    mail = reader.parsed
    one_line = {name: _header(mail, name) for name in ("Date", "Subject", "In-Reply-To", "Message-ID")}
    sender = _addresses(mail, "From")
    people = [_addresses(mail, name) for name in ("Sender", "Reply-To", "To", "Cc", "Bcc")]
    people[:2] = [sender if one == b"NIL" else one for one in people[:2]]
    fields = [string(one_line["Date"]), string(one_line["Subject"]), sender, *people]
    return b"(" + b" ".join([*fields, string(one_line["In-Reply-To"]), string(one_line["Message-ID"])]) + b")"


def _header(mail: Message, name: str) -> str | None:
    """As it was written; `get` would replace 8-bit bytes."""
    value = next((text for key, text in mail.raw_items() if key.lower() == name.lower()), None)
    return None if value is None else " ".join(value.split())


def _addresses(mail: Message, name: str) -> bytes:
    found = [pair for pair in getaddresses([str(value) for value in mail.get_all(name, [])]) if pair[1]]
    if not found:
        return b"NIL"
    listed = []
    for shown, address in found:
        local, _, domain = address.rpartition("@")
        fields = (string(shown or None), b"NIL", string(local or None), string(domain or None))
        listed.append(b"(" + b" ".join(fields) + b")")
    return b"(" + b"".join(listed) + b")"


def _structure(part: Message) -> bytes:
    children = _children(part)
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        inner = b"".join(_structure(child) for child in children)
        return b"(" + inner + b" " + string(part.get_content_subtype()) + b")"
    content = content_of(part)
    params = [
        piece for name, value in (part.get_params() or [])[1:] for piece in (string(name), string(_flat(value)))
    ]
    fields = [
        string(part.get_content_maintype() if part.get_content_maintype() != "message" else "application"),
        string(part.get_content_subtype()),
        b"(" + b" ".join(params) + b")" if params else b"NIL",
        string(_header(part, "Content-ID")),
        string(_header(part, "Content-Description")),
        string(str(part.get("Content-Transfer-Encoding", "7bit"))),
        str(len(content)).encode(),
    ]
    if part.get_content_maintype() == "text":
        fields.append(str(content.count(b"\n")).encode())
    return b"(" + b" ".join(fields) + b")"


def _flat(value: object) -> str:
    return str(value[2]) if isinstance(value, tuple) else str(value)


_ITEMS: dict[str, Callable[[Reader], bytes]] = {
    "FLAGS": lambda reader: b"(" + " ".join(sorted(reader.mail.flags)).encode() + b")",
    "UID": lambda reader: str(reader.mail.uid).encode(),
    "RFC822.SIZE": lambda reader: str(reader.mail.size).encode(),
    "INTERNALDATE": lambda reader: f'"{reader.mail.at:%d-%b-%Y %H:%M:%S +0000}"'.encode(),
    "ENVELOPE": _envelope,
    "BODY": lambda reader: _structure(reader.parsed),
    "BODYSTRUCTURE": lambda reader: _structure(reader.parsed),
}
