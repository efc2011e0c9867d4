import base64
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_KEY_FILE = "secret.key"


class VaultError(Exception):
    """A secret cannot be read with the present key."""


class Vault:
    """Secrets at rest by AES-256-GCM, and signatures, both under keys derived from one master secret."""

    def __init__(self, master: str) -> None:
        self._master = master.encode()
        self._cipher = AESGCM(self._derive(b"settings at rest"))
        self._sign_key = self._derive(b"signatures")

    def _derive(self, purpose: bytes) -> bytes:
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=b"omnihub", info=purpose).derive(self._master)

    def seal(self, secret: str) -> str:
        nonce = os.urandom(12)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, secret.encode(), None)).decode()

    def open(self, sealed: str) -> str:
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:12], raw[12:], None).decode()
        except InvalidTag as error:
            raise VaultError(
                "a stored secret cannot be read: security.secret_key (or var/secret.key) is not the one "
                "it was stored with; put the old key back, or enter the secret again"
            ) from error

    def sign(self, purpose: str, data: bytes) -> bytes:
        """32 bytes; a signature for one purpose is worthless for another."""
        return hmac.digest(self._sign_key, purpose.encode() + b"\0" + data, hashlib.sha256)


def master_secret(configured: str, var: Path) -> str:
    """The configured secret, or one generated once and kept in `var` for the owner's eyes only."""
    if configured:
        return configured
    path = var / _KEY_FILE
    var.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("ascii").strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.urlsafe_b64encode(os.urandom(48)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path.read_text("ascii").strip()
