"""What comes in by HTTP: robots' messages with a signed header, and encrypted events at /events.

open.dingtalk.com: robot receives messages by HTTP, event subscription by HTTP (read 2026-11).
"""

import base64
import hashlib
import hmac
import os

import orjson

from omnihub.connectors.dingtalk.settings import Settings
from omnihub.connectors.reading import Fields, read_json, text_of
from omnihub.connectors.sealed import Envelope, Opened
from omnihub.model.errors import NotFound, Unreadable, Unverified
from omnihub.model.raw import RawRequest, Reply

EVENTS = "events"
CHECK = "check_url"
_NO_ANSWER = Reply(body=b'{"msgtype":"empty"}', content_type="application/json")


def header_signature(timestamp: str, secret: str) -> str:
    """The body is not part of it."""
    text = f"{timestamp}\n{secret}".encode("utf-8", "replace")
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


def is_event(request: RawRequest) -> bool:
    return request.tail.strip("/") == EVENTS


class RobotDoor:
    def __init__(self, settings: Settings) -> None:
        self._skew = settings.max_skew_seconds
        secrets = (settings.client_secret, settings.previous_client_secret)
        self._secrets = [secret.get_secret_value() for secret in secrets if secret.get_secret_value()]

    def verify(self, request: RawRequest) -> None:
        """Raises Unverified; NotFound where the address is none of ours."""
        if request.tail.strip("/"):
            raise NotFound("there is nothing at this address")
        timestamp, given = request.headers.get("timestamp", ""), request.headers.get("sign", "")
        if not any(_same(given, header_signature(timestamp, secret)) for secret in self._secrets):
            raise Unverified("the signature is wrong or missing")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16):
            raise Unverified("the timestamp is no time")
        if abs(request.received_at.timestamp() - int(timestamp) / 1000) > self._skew:
            raise Unverified("the signature is too old, or one of the clocks is wrong")

    def answer(self) -> Reply:
        """DingTalk would show any text in here as the robot's answer."""
        return _NO_ANSWER


class EventDoor:
    """The encrypted envelope of events. Answers are sealed with the key that opened what they answer."""

    def __init__(self, settings: Settings) -> None:
        token = settings.event_token.get_secret_value()
        keys = (settings.event_aes_key, settings.previous_event_aes_key)
        used = [key.get_secret_value() for key in keys if key.get_secret_value()]
        owner = settings.event_owner or settings.client_id
        self._envelope = Envelope(token=token, keys=used, owner=owner) if token and used else None

    def open(self, request: RawRequest) -> Fields:
        """Raises Unverified or Unreadable."""
        return read_json(self._opened(request).plain)

    def answer(self, request: RawRequest, nonce: str = "") -> Reply:
        """The sealed `success`; other answers make DingTalk repeat the event."""
        opened = self._opened(request)
        envelope = self._required()
        timestamp, nonce = str(round(request.received_at.timestamp() * 1000)), nonce or os.urandom(8).hex()
        sealed = envelope.seal(b"success", key=opened.key)
        body = {
            "msg_signature": envelope.sign(sealed, timestamp, nonce),
            "timeStamp": timestamp,
            "nonce": nonce,
            "encrypt": sealed,
        }
        return Reply(body=orjson.dumps(body), content_type="application/json")

    def _opened(self, request: RawRequest) -> Opened:
        envelope, query = self._required(), request.query
        given = query.get("msg_signature") or query.get("signature") or ""
        if not given:
            raise Unverified("the signature is missing")
        sealed = text_of(_body(request), "encrypt")
        if not sealed:
            raise Unverified("events must come encrypted")
        return envelope.open(sealed, given, query.get("timestamp", ""), query.get("nonce", ""))

    def _required(self) -> Envelope:
        if self._envelope is None:
            raise NotFound("events by HTTP are not set up: their token and encryption key are missing")
        return self._envelope


def _body(request: RawRequest) -> Fields:
    if not request.body.strip():
        raise Unreadable("the body is empty")
    return read_json(request.body)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
