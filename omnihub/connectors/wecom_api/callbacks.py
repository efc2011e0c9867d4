"""What WeCom hands to the callback URL of an app: encrypted XML, and one check of the URL.

Official pages: developer.work.weixin.qq.com/document/path 90968 (scheme), 96238 and 96466 (callback), read
2026-11.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from omnihub.connectors.reading import Fields, read_xml, text_of
from omnihub.connectors.sealed import Envelope
from omnihub.model.errors import Unreadable, Unverified
from omnihub.model.raw import RawRequest, Reply

# Any 200 will do, and an empty one is never mistaken for an answer to the sender.
EMPTY = Reply(status=200, body=b"")


@dataclass(slots=True, frozen=True, kw_only=True)
class Pushed:
    """`xml` is what stood in the envelope."""

    fields: Fields
    xml: bytes

    @property
    def key(self) -> str:
        """Names this hand-over: a repeat is sealed anew, but says the same."""
        return f"push:{hashlib.sha256(self.xml).hexdigest()}"


@dataclass(slots=True, frozen=True, kw_only=True)
class CallbackDoor:
    """`keys`: EncodingAESKeys, the present one first."""

    corp_id: str
    token: str = field(repr=False)
    keys: Sequence[str] = field(repr=False)

    def echo(self, request: RawRequest) -> Reply:
        """The bare plain text, which WeCom wants within one second. Raises Unverified or Unreadable."""
        # Where the caller did not escape it, the plus signs of its base64 were read as spaces.
        sealed = request.query.get("echostr", "").replace(" ", "+")
        if not sealed:
            raise Unverified("the call names no echostr")
        return Reply(status=200, body=self._open(request, sealed), content_type="text/plain")

    def open(self, request: RawRequest) -> Pushed:
        """Raises Unverified for a forged call, Unreadable for what is no XML within."""
        if not request.query.get("msg_signature"):
            raise Unverified("the call is not signed")
        return _pushed(self._open(request, _cipher_text(request.body)))

    def read(self, request: RawRequest) -> Pushed:
        """What `open` let in before, without asking for proof again: a token that was changed since must not
        make the journal unreadable. Raises Unreadable."""
        return _pushed(self._envelope().decrypt(_cipher_text(request.body)).plain)

    def _open(self, request: RawRequest, sealed: str) -> bytes:
        query = request.query
        opened = self._envelope().open(
            sealed, query.get("msg_signature", ""), query.get("timestamp", ""), query.get("nonce", "")
        )
        return opened.plain

    def _envelope(self) -> Envelope:
        return Envelope(token=self.token, keys=self.keys, owner=self.corp_id)


def _cipher_text(body: bytes) -> str:
    sealed = text_of(read_xml(body), "Encrypt").strip()
    if not sealed:
        raise Unreadable("the call has no encrypted part")
    return sealed


def _pushed(xml: bytes) -> Pushed:
    return Pushed(fields=read_xml(xml), xml=xml)
