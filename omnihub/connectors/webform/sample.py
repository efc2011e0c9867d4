from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from urllib.parse import urlencode

from omnihub.connectors.sampling import ChannelSample, Said
from omnihub.connectors.webform.connector import Connector
from omnihub.connectors.webform.proof import StartTokens
from omnihub.model.raw import RawRequest

_URLENCODED = "application/x-www-form-urlencoded"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {"title": "Contact us", "allowed_origins": ["https://shop.example.test"]}

    def genuine(self, number: int) -> RawRequest:
        return self._posted(self._filled(number))

    def said(self, number: int) -> Said:
        account = self.connector.account.id
        return Said(sender=f"webform:{account}:ann@example.test", words=f"question number {number}")

    def forged(self) -> Sequence[RawRequest]:
        filled = self._filled(1)
        elsewhere = StartTokens(self.connector.toolbox.sign, "another account").issue(self._shown_at())
        return [
            self._posted(filled | {"_start": ""}),
            self._posted(filled | {"_start": "19a0.guess.guess"}),
            self._posted(filled | {"_start": elsewhere}),
            self._posted(filled, {"origin": "https://evil.example.test"}),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        return [
            self._raw(b"", "application/json"),
            self._raw(b"{", "application/json"),
            self._raw(b'"text"', "application/json"),
            self._raw(b"anything", "text/plain"),
            self._posted(self._filled(1) | {"message": ""}),
        ]

    def unknown_type(self) -> RawRequest:
        """A field that the form does not ask, or no longer."""
        return self._posted(self._filled(1) | {"of_tomorrow": "This is question number 1, too."})

    def _filled(self, number: int) -> dict[str, str]:
        return {
            "_start": StartTokens(self.connector.toolbox.sign, self.connector.account.id).issue(self._shown_at()),
            "_key": f"sample-key-{number}",
            "name": "Ann Sample",
            "email": "ann@example.test",
            "message": f"This is question number {number}.",
        }

    def _shown_at(self) -> datetime:
        return self.connector.toolbox.now() - timedelta(minutes=1)

    def _posted(self, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> RawRequest:
        return self._raw(urlencode(fields).encode(), _URLENCODED, headers)

    def _raw(self, body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> RawRequest:
        return RawRequest(
            source="webhook",
            body=body,
            received_at=self.connector.toolbox.now(),
            headers={"content-type": content_type, "accept": "application/json", **(headers or {})},
            remote="192.0.2.7",
        )
