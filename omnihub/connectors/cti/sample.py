from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from omnihub.connectors.cti.connector import SECRET_HEADER, Connector
from omnihub.connectors.cti.simulator import Encoding, encoded
from omnihub.connectors.sampling import ChannelSample, Said
from omnihub.model.raw import RawRequest

SECRET = "secret-header-of-the-sample"
PASSWORD = "password-of-the-sample"
CUSTOMER = "493012345678"
LINE = "4930609854180"
_ENCODINGS: tuple[Encoding, ...] = ("json", "form", "multipart")


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {"phone_region": "DE", "secret": SECRET, "basic_user": "pbx", "basic_password": PASSWORD}

    def genuine(self, number: int) -> RawRequest:
        return self.posted(self._new_call(number), _ENCODINGS[number % 3])

    def said(self, number: int) -> Said:
        return Said(sender=f"phone:+{CUSTOMER}", words=f"Call from +{CUSTOMER}")

    def forged(self) -> Sequence[RawRequest]:
        good = self.genuine(3)
        kind = {"content-type": good.headers["content-type"]}
        return [
            replace(good, headers=kind),
            replace(good, headers={**kind, SECRET_HEADER: ""}),
            replace(good, headers={**kind, SECRET_HEADER: "a guess"}),
            replace(good, headers={**kind, SECRET_HEADER: "\udcff"}),
            replace(good, headers={**kind, "authorization": "Basic cGJ4Og=="}),
            replace(good, headers={**kind, "authorization": f"Bearer {SECRET}"}),
            replace(good, headers={**kind, "authorization": "Basic \udcff"}),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        bodies = (b"", b"{", b"[]", b'"newCall"', b"[" * 3000, b'{"event": "\xff"}', b'{"event": "newCall"}')
        return [self.raw(body) for body in bodies] + [
            self.posted({"callId": "1"}),
            self.posted({"event": "hangup", "callId": {"id": 1}}),
            self.raw(b"event=newCall&callId=%FF", "application/x-www-form-urlencoded"),
            self.raw(b"event=newCall&callId=1", "multipart/form-data"),
        ]

    def unknown_type(self) -> RawRequest:
        return self.posted({**self._new_call(1), "event": "transferred"})

    def posted(self, said: Mapping[str, Any], encoding: Encoding = "json") -> RawRequest:
        kind, body = encoded(said, encoding)
        return self.raw(body, kind)

    def raw(self, body: bytes, kind: str = "application/json") -> RawRequest:
        headers = {"content-type": kind, SECRET_HEADER: SECRET}
        return RawRequest(source="webhook", body=body, received_at=self.connector.toolbox.now(), headers=headers)

    def _new_call(self, number: int) -> dict[str, Any]:
        return {
            "event": "newCall", "from": CUSTOMER, "to": LINE, "direction": "in", "callId": f"call-{number}",
            "user": ["anna", "bao"],
        }  # fmt: skip
