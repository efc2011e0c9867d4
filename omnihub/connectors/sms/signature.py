"""Twilio's webhook signature: base64(HMAC(secret, the address that was called + every field sorted)).

The address is what Twilio was told to call. Behind a proxy nothing in the request tells it for sure, so it is
built from the configured public address and never from the Host or X-Forwarded headers."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, quote_plus, urlencode

from multidict import MultiMapping
from twilio.request_validator import (
    RequestValidator,
    get_signature_algorithm,
)

SIGNATURE = "x-twilio-signature"
SIGNATURE_SETTINGS = "x-twilio-webhooks-signature-settings"
Algorithm = Literal["HMAC_SHA1", "HMAC_SHA256"]
_HASHES = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


@dataclass(slots=True, frozen=True, kw_only=True)
class Key:
    """A secret and the one algorithm that it may be used with. `id`: the SharedKey's, empty for any."""

    secret: str = field(repr=False)
    algorithm: Algorithm = "HMAC_SHA1"
    id: str = ""


def addresses(door: str, tail: str, query: Mapping[str, str]) -> Sequence[str]:
    """Every way in which Twilio may have written the address of this call, the likeliest first. The door hands
    over a decoded query: only its escapes are guessed, never its order."""
    path = f"{door}/{quote(tail, errors='replace')}" if tail else door
    if not query:
        return (path,) if tail else (path, f"{path}/")
    pairs = list(query.items())
    written = (_written(pairs, quote_plus), _written(pairs, quote), _written(pairs, quote, safe="@:"))
    bases = (path,) if tail else (path, f"{path}/")
    return tuple(dict.fromkeys(f"{base}?{one}" for base in bases for one in written))


def _written(pairs: Sequence[tuple[str, str]], way: Callable[..., str], safe: str = "") -> str:
    """Twilio is known to sign @ and : of a query unescaped (twilio-node pull request 621)."""
    return urlencode(pairs, quote_via=way, safe=safe, errors="replace")


def is_genuine(
    keys: Iterable[Key], urls: Sequence[str], fields: MultiMapping[str], headers: Mapping[str, str]
) -> bool:
    """With any of the allowed keys. The caller's header only chooses among these, never an algorithm for a
    secret that is meant for another."""
    signature = headers.get(SIGNATURE) or ""
    announced = headers.get(SIGNATURE_SETTINGS) or ""
    algorithm = get_signature_algorithm(announced).upper()
    named = _setting(announced, "key")
    return any(
        _matches(key, url, fields, signature)
        for key in keys
        if key.secret and key.algorithm == algorithm and key.id in ("", named)
        for url in urls
    )


def _matches(key: Key, url: str, fields: MultiMapping[str], signature: str) -> bool:
    try:
        return bool(RequestValidator(key.secret).validate(url, fields, signature, key.algorithm))
    except (TypeError, ValueError):
        # The library's answer to strange values (a missing signature, a lone surrogate): not genuine.
        return False


def _setting(announced: str, name: str) -> str:
    for part in announced.split(","):
        key, _, value = part.partition("=")
        if key.strip() == name:
            return value.strip()
    return ""


def sign(key: Key, url: str, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The headers of a signed call, for the simulator and the samples. Written from the description of the
    algorithm, not with the library that checks it."""
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(key.secret.encode(), text.encode(), _HASHES[key.algorithm]).digest()
    yield SIGNATURE, base64.b64encode(digest).decode()
    if key.algorithm != "HMAC_SHA1":
        yield SIGNATURE_SETTINGS, f"key={key.id},algorithm={key.algorithm}"
