from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from omnihub.connectors.freeswitch.connector import Connector
from omnihub.connectors.freeswitch.listening import request_of
from omnihub.connectors.sampling import ChannelSample, Said
from omnihub.connectors.telephony.call import Call
from omnihub.model.raw import RawRequest

CUSTOMER = "030 900155"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "host": "127.0.0.1",
        "password": "socket-password-of-the-sample",
        "region": "DE",
        "recordings_url": "https://recordings.example.test",
        "recordings_password": "recordings-password-of-the-sample",
    }

    def genuine(self, number: int) -> RawRequest:
        return self._journaled(f"call-{number}", number)

    def said(self, number: int) -> Said:
        return Said(sender="phone:+4930900155", words=f"talked {number} min")

    def forged(self) -> Sequence[RawRequest]:
        """Nobody but our own listener hands over calls."""
        return [replace(self.genuine(1), source="webhook", method=method) for method in ("POST", "GET")]

    def unreadable(self) -> Sequence[RawRequest]:
        genuine = self.genuine(1)
        bodies = (b"", b"{", b"[]", b'"call"', b"{}", b'{"id": "call-1"}', b'{"id": "call-1", "state": "flying"}')
        return [replace(genuine, body=body) for body in bodies]

    def _journaled(self, call_id: str, minutes: int) -> RawRequest:
        now = self.connector.toolbox.now()
        call = Call(
            id=call_id,
            direction="in",
            state="ended",
            outcome="answered",
            customer=CUSTOMER,
            customer_name="Anna Weber",
            line="+4930555100",
            agents=("1001",),
            answered_by="1001",
            started_at=now,
            answered_at=now,
            ended_at=now,
            talked_seconds=60 * minutes,
            cause="NORMAL_CLEARING",
            sequence=minutes,
        )
        return request_of(call, now)
