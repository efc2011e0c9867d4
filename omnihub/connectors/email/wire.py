"""Values as header lines: encoded, folded and free of anything that could end a line early.

The library's own folding is left out on purpose. In Python 3.11 it turns message ids longer than a line
into encoded-words and may encode the comma between two addresses.
"""

import re
from collections.abc import Sequence
from email.charset import BASE64, Charset
from email.header import Header
from email.policy import EmailPolicy
from email.utils import quote

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_MEDIA_TYPE = re.compile(r"([\w!#$&^.+-]+)/([\w!#$&^.+-]+)", re.ASCII)
_UTF8 = Charset("utf-8")
_UTF8.header_encoding = BASE64
_READY = frozenset(
    {"from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references"}
    | {"auto-submitted", "x-auto-response-suppress", "x-loop"}
)
_INJECTION = re.compile(r"\r(?!\n)|(?<!\r)\n|\r\n(?![ \t]+\S)|[\x00]")


class _Policy(EmailPolicy):
    """Takes the headers of `_READY` as they stand; everything else as usual."""

    def header_store_parse(self, name: str, value: str) -> tuple[str, str]:
        if name.lower() not in _READY:
            return super().header_store_parse(name, value)
        if _INJECTION.search(value) or not value.isascii():
            raise ValueError(f"{name} is not ready to be sent")
        return name, value


POLICY = _Policy(linesep="\r\n", cte_type="7bit", refold_source="none", raise_on_defect=True)


def plain(value: str) -> str:
    """One line without control characters."""
    return " ".join(_CONTROLS.sub(" ", value).split())


def words(header: str, value: str) -> str:
    value = plain(value).encode("utf-8", "replace").decode()
    charset = "us-ascii" if value.isascii() and "=?" not in value else _UTF8
    return Header(value, charset, maxlinelen=76, header_name=header).encode(linesep="\r\n")


def mailbox(name: str, address: str) -> str:
    address, name = ascii_address(address), plain(name)
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        return f"{words('Reply-To', name)}\r\n <{address}>"
    shown = name if _PLAIN_NAME.fullmatch(name) else f'"{quote(name)}"'
    return f"{shown} <{address}>" if len(shown) + len(address) < 60 else f"{shown}\r\n <{address}>"


def ascii_address(address: str) -> str:
    """Raises UnicodeError where the part before the @ is not ASCII."""
    local, _, domain = address.rpartition("@")
    local.encode("ascii")
    return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"


def ids(values: Sequence[str]) -> str:
    return "\r\n ".join(f"<{value}>" for value in values)


def lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"


def media_type(value: str) -> tuple[str, str]:
    """Containers cannot be attached as bytes; they travel as plain files."""
    match = _MEDIA_TYPE.fullmatch(value.partition(";")[0].strip().lower())
    if not match or match[1] in ("message", "multipart"):
        return "application", "octet-stream"
    return match[1], match[2]


def file_name(value: str) -> str:
    return plain(value.replace("\\", "/").rpartition("/")[2]) or "attachment"


def token(value: str) -> str:
    return re.sub(r"[^\w.@+=-]", "", value, flags=re.ASCII) or "part"
