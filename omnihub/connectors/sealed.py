"""The signed and encrypted envelope of WeChat, mini-programs, WeCom and DingTalk events.

Official descriptions: developers.weixin.qq.com message push, developer.work.weixin.qq.com/document/path/90968
(read 2026-11). All four use the same scheme; they differ in what stands at the end of the plain text.
"""

import base64
import binascii
import hmac
import os
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wechatpy.crypto.cryptography import WeChatCipher
from wechatpy.crypto.pkcs7 import PKCS7Encoder
from wechatpy.utils import WeChatSigner

from omnihub.model.errors import Unreadable, Unverified

_RANDOM = 16
_BLOCK = 16
_PADDING = 32
KEY_LENGTH = 43


def signature(*parts: str) -> str:
    """SHA-1 over the sorted parts: token, timestamp, nonce and, for envelopes, the cipher text."""
    signer = WeChatSigner()
    signer.add_data(*(part.encode("utf-8", "surrogateescape") for part in parts))
    return str(signer.signature)


def verify(given: str, *parts: str) -> None:
    """Raises Unverified."""
    if not hmac.compare_digest(given.encode("utf-8", "replace"), signature(*parts).encode()):
        raise Unverified("the signature is wrong")


def decode_key(encoding_aes_key: str) -> bytes:
    """43 characters to 32 bytes. Raises ValueError."""
    if len(encoding_aes_key) != KEY_LENGTH:
        raise ValueError(f"an EncodingAESKey has {KEY_LENGTH} characters")
    try:
        # Not validated: the last character may carry two bits too many, which strict decoders refuse.
        key = base64.b64decode(encoding_aes_key + "=")
    except binascii.Error as error:
        raise ValueError("an EncodingAESKey has only letters and digits") from error
    if len(key) != _PADDING:
        raise ValueError("an EncodingAESKey has only letters and digits")
    return key


@dataclass(slots=True, frozen=True, kw_only=True)
class Opened:
    """`key` is the place of the key that opened it among those tried: answer with the same one."""

    plain: bytes
    tail: str
    key: int


@dataclass(slots=True, frozen=True, kw_only=True)
class Envelope:
    """`keys`: EncodingAESKeys, the present one first, then the one before it. `owner`: what stands at the end
    of what we seal ourselves (appid, corpid, appKey …)."""

    token: str
    keys: Sequence[str]
    owner: str

    def open(
        self, cipher_text: str, given: str, timestamp: str, nonce: str, owners: Collection[str] = ()
    ) -> Opened:
        """Raises Unverified for a wrong signature or owner, Unreadable for what no key opens."""
        verify(given, self.token, timestamp, nonce, cipher_text)
        opened = self.decrypt(cipher_text)
        if opened.tail not in (owners or (self.owner,)):
            raise Unverified("the message is for somebody else")
        return opened

    def decrypt(self, cipher_text: str) -> Opened:
        """Without looking at who sent it. Raises Unreadable."""
        try:
            sealed = base64.b64decode(cipher_text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Unreadable("the cipher text is not base64") from error
        if not sealed or len(sealed) % _BLOCK:
            raise Unreadable("the cipher text is cut off")
        for number, key in enumerate(self.keys):
            found = _unpack(WeChatCipher(decode_key(key)).decrypt(sealed))
            if found is not None:
                return Opened(plain=found[0], tail=found[1], key=number)
        raise Unreadable("the message cannot be decrypted: the EncodingAESKey may be another one")

    def seal(self, plain: bytes, key: int = 0, random: bytes = b"") -> str:
        """Base64 of the cipher text; `random`, 16 bytes, only where a known answer is to be made again."""
        text = (random or os.urandom(_RANDOM)) + struct.pack(">I", len(plain)) + plain + self.owner.encode()
        padded = PKCS7Encoder.encode(text)
        return base64.b64encode(WeChatCipher(decode_key(self.keys[key])).encrypt(padded)).decode()

    def sign(self, cipher_text: str, timestamp: str, nonce: str) -> str:
        return signature(self.token, timestamp, nonce, cipher_text)


def _unpack(padded: bytes) -> tuple[bytes, str] | None:
    """Message and owner, None where the key was wrong or somebody tampered with it."""
    padding = padded[-1]
    if not 1 <= padding <= _PADDING or padded[-padding:] != bytes([padding]) * padding:
        return None
    content = padded[:-padding]
    start = _RANDOM + 4
    if len(content) < start:
        return None
    (length,) = struct.unpack(">I", content[_RANDOM:start])
    if length > len(content) - start:
        return None
    try:
        return content[start : start + length], content[start + length :].decode("utf-8")
    except UnicodeDecodeError:
        return None
