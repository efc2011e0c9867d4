from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlencode

from omnihub.connectors.sampling import ChannelSample, Said
from omnihub.connectors.twilio_voice.connector import Connector
from omnihub.connectors.twilio_voice.signature import SIGNATURE, sign
from omnihub.model.raw import RawRequest

TOKEN = "auth-token-of-the-sample"
OLD_TOKEN = "previous-token-of-the-sample"
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
NUMBER = "+12025550143"
CUSTOMER = "+12025550117"
_FORM = "application/x-www-form-urlencoded; charset=UTF-8"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "previous_auth_token": OLD_TOKEN,
        "numbers": [NUMBER],
        "agents": ["client:anna", "+12025550199"],
    }

    def genuine(self, number: int) -> RawRequest:
        return self.signed(self._incoming(number), OLD_TOKEN if number == 3 else TOKEN)

    def said(self, number: int) -> Said:
        return Said(sender=f"phone:{CUSTOMER}", words=CUSTOMER)

    def forged(self) -> Sequence[RawRequest]:
        pairs = self._incoming(1)
        genuine = self.signed(pairs)
        unsigned = {name: value for name, value in genuine.headers.items() if name != SIGNATURE}
        elsewhere = sign(TOKEN, f"{self.connector.door}x", pairs)
        return [
            replace(genuine, headers=unsigned),
            replace(genuine, headers={**genuine.headers, SIGNATURE: "\udcff"}),
            self.signed(pairs, "a guess"),
            self.signed(pairs, ""),
            replace(genuine, headers={**genuine.headers, **elsewhere}),
            replace(genuine, body=genuine.body + b"&Extra=1"),
            replace(genuine, query={"c": "+12025550100"}),
            replace(genuine, tail="status"),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        """Signed, but about nothing."""
        return [
            self.signed([]),
            self.signed([("From", CUSTOMER)]),
            self.signed([("CallStatus", "completed"), ("AccountSid", ACCOUNT)], tail="status"),
            self.signed([("CallSid", "../CA1"), ("AccountSid", ACCOUNT)], tail="dial/0"),
            replace(self.signed(self._incoming(1)), body=b"CallSid=%FF%FE"),
            replace(self.signed(self._incoming(1)), headers={"content-type": "application/json"}, body=b"{}"),
        ]

    def unknown_type(self) -> RawRequest:
        return self.signed([("AccountSid", ACCOUNT), ("EventType", "of-tomorrow"), ("From", CUSTOMER)])

    def signed(self, pairs: Sequence[tuple[str, str]], token: str = TOKEN, tail: str = "") -> RawRequest:
        url = f"{self.connector.door}/{tail}" if tail else self.connector.door
        return RawRequest(
            source="webhook", body=urlencode(pairs).encode(), received_at=self.connector.toolbox.now(), tail=tail,
            headers={"content-type": _FORM, **sign(token, url, pairs)},
        )  # fmt: skip

    def _incoming(self, number: int) -> list[tuple[str, str]]:
        return [
            ("CallSid", f"CA{number:032x}"), ("AccountSid", ACCOUNT), ("From", CUSTOMER), ("To", NUMBER),
            ("CallStatus", "ringing"), ("Direction", "inbound"), ("ApiVersion", "2010-04-01"), ("FromCity", ""),
            ("CallerName", "Emma Wilson & Söhne"),
        ]  # fmt: skip
