from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import orjson

from omnihub.connectors.asterisk.connector import Connector
from omnihub.connectors.asterisk.listening import SOURCE
from omnihub.connectors.sampling import ChannelSample, Said
from omnihub.connectors.telephony.call import Call, to_json
from omnihub.model.raw import RawRequest

CUSTOMER = "+8613800138000"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "host": "127.0.0.1",
        "username": "omnihub",
        "secret": "secret-of-the-sample",
        "recording_password": "recording-password-of-the-sample",
    }

    def genuine(self, number: int) -> RawRequest:
        return self._handed_over(orjson.dumps(to_json(self._call(number))), number)

    def said(self, number: int) -> Said:
        return Said(sender=f"phone:{CUSTOMER}", words=f"Ann Sample {number}")

    def forged(self) -> Sequence[RawRequest]:
        """The account's address is open to all, but no call comes that way."""
        return [replace(self.genuine(1), source="webhook"), replace(self.genuine(1), source="")]

    def unreadable(self) -> Sequence[RawRequest]:
        bodies = (b"", b"{", b"[]", b"{}", b'{"id":"1","direction":"up","state":"ringing"}')
        return [self._handed_over(body, 1) for body in bodies]

    def _call(self, number: int) -> Call:
        at = self.connector.toolbox.now()
        return Call(
            id=f"1795347609.{number}",
            direction="in",
            state="ended",
            outcome="missed",
            customer=CUSTOMER,
            customer_name=f"Ann Sample {number}",
            line="700",
            agents=("101",),
            started_at=at - timedelta(seconds=23),
            ended_at=at,
            waited_seconds=23,
            cause="Normal Clearing",
            sequence=number,
        )

    def _handed_over(self, body: bytes, number: int) -> RawRequest:
        return RawRequest(
            source=SOURCE,
            body=body,
            received_at=self.connector.toolbox.now(),
            headers={"content-type": "application/json"},
            source_key=f"1795347609.{number}:{number}",
        )
