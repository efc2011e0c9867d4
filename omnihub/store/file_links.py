"""Addresses by which somebody without an account may fetch one file for a while."""

import base64
import binascii
import hmac
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from omnihub.model.errors import NotFound

_PURPOSE = "shared file"
_SIGNATURE = 16
_EXPIRED = "this link has expired"


class FileLinks:
    def __init__(self, sign: Callable[[str, bytes], bytes], public_url: str) -> None:
        self._sign = sign
        self._public_url = public_url

    def url(self, attachment_id: str, filename: str, at: datetime, lasting: timedelta) -> str:
        ends = struct.pack(">I", int((at + lasting).timestamp()))
        body = ends + attachment_id.encode()
        token = base64.urlsafe_b64encode(self._mark(body) + body).decode().rstrip("=")
        return f"{self._public_url}/shared/{token}/{quote(filename.replace('/', '_') or 'file', safe='')}"

    def read(self, token: str, at: datetime) -> str:
        """The attachment's id. Raises NotFound for what is forged or over."""
        try:
            raw = base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4))
        except (binascii.Error, ValueError) as error:
            raise NotFound("there is no such file") from error
        mark, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if len(body) <= 4 or not hmac.compare_digest(mark, self._mark(body)):
            raise NotFound("there is no such file")
        (ends,) = struct.unpack(">I", body[:4])
        if at > datetime.fromtimestamp(ends, UTC):
            raise NotFound(_EXPIRED)
        return body[4:].decode("utf-8", "replace")

    def _mark(self, body: bytes) -> bytes:
        return self._sign(_PURPOSE, body)[:_SIGNATURE]
