"""Signs of a person: a form that was really shown, some time ago, and a little work done by the browser."""

import base64
import binascii
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from altcha.v1 import ChallengeOptions, create_challenge, extract_params, verify_solution

Sign = Callable[[str, bytes], bytes]

START_LIFE = timedelta(hours=48)
PROOF_LIFE = timedelta(minutes=30)
# Highest number to search to; the visitor's browser tries half of it on average.
EFFORT = {"easy": 50_000, "normal": 200_000, "hard": 800_000}
_MAX_PROOF_CHARS = 2048


@dataclass(slots=True, frozen=True)
class StartTokens:
    """Says when a form was shown, signed by the hub and bound to the account."""

    sign: Sign
    account_id: str

    def issue(self, now: datetime) -> str:
        body = f"{int(now.timestamp() * 1000):x}.{secrets.token_urlsafe(6)}"
        return f"{body}.{self._signature(body)}"

    def read(self, token: str) -> datetime | None:
        """When the form was shown; None for a forged or missing token."""
        body, _, signature = token[:200].rpartition(".")
        if not body or not secrets.compare_digest(self._signature(body).encode(), signature.encode()):
            return None
        from_epoch = timedelta(milliseconds=int(body.partition(".")[0], 16))
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00") + from_epoch

    def _signature(self, body: str) -> str:
        signed = self.sign("webform-start", f"{self.account_id}:{body}".encode())
        return base64.urlsafe_b64encode(signed[:18]).decode()


@dataclass(slots=True, frozen=True)
class Proofs:
    """altcha challenges (version 1: SHA-256 of salt and number)."""

    sign: Sign
    account_id: str

    def challenge(self, now: datetime, difficulty: str) -> dict[str, Any]:
        options = ChallengeOptions(max_number=EFFORT[difficulty], hmac_key=self._key(), expires=now + PROOF_LIFE)
        made: dict[str, Any] = create_challenge(options).to_dict()
        return made

    def fault(self, payload: str, received_at: datetime) -> str:
        """Empty for a good proof, else proof_invalid or proof_expired. Judged by the time it came in, so
        that a replay years later judges the same."""
        solved = _decode(payload)
        if solved is None or not verify_solution(solved, self._key(), check_expires=False)[0]:
            return "proof_invalid"
        expires = extract_params(solved).get("expires", ["0"])[0]
        return "" if int(expires) >= received_at.timestamp() else "proof_expired"

    def key_of(self, payload: str) -> str | None:
        """What names the solved challenge, for remembering that it was used."""
        solved = _decode(payload)
        return str(solved["challenge"]) if solved else None

    def _key(self) -> bytes:
        return self.sign("webform-proof", self.account_id.encode())


def _decode(payload: str) -> Any:
    """The solution's five members, each of its right type; None for anything else."""
    if not payload or len(payload) > _MAX_PROOF_CHARS:
        return None
    try:
        solved = orjson.loads(base64.b64decode(payload, validate=True))
    except (binascii.Error, ValueError):
        return None
    texts = ("algorithm", "challenge", "salt", "signature")
    if not isinstance(solved, dict) or any(not isinstance(solved.get(name), str) for name in texts):
        return None
    return solved if type(solved.get("number")) is int else None
