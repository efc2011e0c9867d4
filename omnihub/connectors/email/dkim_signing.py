import dkim

from omnihub.connectors.email.settings import Settings

_SIGNED = (
    b"from", b"to", b"cc", b"reply-to", b"subject", b"date", b"message-id",
    b"in-reply-to", b"references", b"mime-version", b"content-type",
)  # fmt: skip


def signed(raw: bytes, settings: Settings) -> bytes:
    """The same bytes under a DKIM-Signature, where the account has a key."""
    key = settings.dkim_private_key.get_secret_value().strip()
    if not key:
        return raw
    present = [name for name in _SIGNED if _has(raw, name)]
    signature: bytes = dkim.sign(
        raw,
        settings.dkim_selector.encode("ascii"),
        (settings.dkim_domain or settings.domain).encode("idna"),
        key.encode("ascii"),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=present,
    )
    return signature + raw


def _has(raw: bytes, name: bytes) -> bool:
    head = raw.partition(b"\r\n\r\n")[0].lower()
    return head.startswith(name + b":") or b"\r\n" + name + b":" in head
