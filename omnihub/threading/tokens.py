import base64
import hmac
from collections.abc import Callable, Iterable

_ID_LENGTH = 26
_MAC_BYTES = 8
_MAC_LENGTH = 13


class ReplyTokens:
    """What a reply carries back to us: a conversation's id and our signature over it.

    39 characters of [0-9a-z], so that it survives an address's local part, whatever a mail system does to
    its case. Without the signature anybody could write into any conversation by guessing its id.
    """

    def __init__(self, sign: Callable[[str, bytes], bytes]) -> None:
        self._sign = sign

    def _mac(self, conversation_id: str) -> str:
        mac = self._sign("reply token", conversation_id.encode())[:_MAC_BYTES]
        return base64.b32encode(mac).decode().rstrip("=").lower()

    def issue(self, conversation_id: str) -> str:
        return conversation_id + self._mac(conversation_id)

    def read(self, token: str) -> str | None:
        """The conversation's id, or None for what we did not issue."""
        candidate = token.strip().lower()
        if len(candidate) != _ID_LENGTH + _MAC_LENGTH or not candidate.isascii():
            return None
        conversation_id, mac = candidate[:_ID_LENGTH], candidate[_ID_LENGTH:]
        return conversation_id if hmac.compare_digest(mac, self._mac(conversation_id)) else None

    def first(self, tokens: Iterable[str]) -> str | None:
        """The first that we issued, as a conversation's id."""
        return next((found for token in tokens if (found := self.read(token))), None)
