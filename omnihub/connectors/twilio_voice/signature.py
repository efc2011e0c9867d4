"""Twilio's signature: base64(HMAC-SHA1(auth token, the address that was called + every field sorted)).

The address is built from the configured public one, never from Host or X-Forwarded headers."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode

from multidict import MultiMapping
from twilio.request_validator import RequestValidator

SIGNATURE = "x-twilio-signature"


def addresses(door: str, tail: str, query: Mapping[str, str]) -> Sequence[str]:
    """How Twilio may have written the address of this call. Every query is one that `twiml` wrote."""
    path = f"{door}/{quote(tail, errors='replace')}" if tail else door
    if query:
        return (f"{path}?{urlencode(list(query.items()), errors='replace')}",)
    return (path,) if tail else (path, f"{path}/")


def is_genuine(
    tokens: Iterable[str], urls: Iterable[str], fields: MultiMapping[str], headers: Mapping[str, str]
) -> bool:
    signature = headers.get(SIGNATURE, "")
    known = [token for token in tokens if token]
    return bool(signature) and any(_matches(token, url, fields, signature) for url in urls for token in known)


def _matches(token: str, url: str, fields: MultiMapping[str], signature: str) -> bool:
    try:
        return bool(RequestValidator(token).validate(url, fields, signature))
    except (TypeError, ValueError):
        # The library's answer to strange values, such as a lone surrogate: not genuine.
        return False


def sign(token: str, url: str, pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The headers of a signed call, for the simulator and the samples. Written from the description of the
    algorithm, not with the library that checks it."""
    text = url + "".join(name + value for name, value in sorted(set(pairs)))
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return {SIGNATURE: base64.b64encode(digest).decode()}
