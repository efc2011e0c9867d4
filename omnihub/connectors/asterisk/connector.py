from collections.abc import Sequence

from omnihub.connectors.asterisk import calling, checking, recordings
from omnihub.connectors.asterisk.listening import SOURCE, Listener
from omnihub.connectors.asterisk.settings import Settings
from omnihub.connectors.contract import BaseConnector, Desk, Dialled, Finding
from omnihub.connectors.reading import read_json
from omnihub.connectors.telephony.call import Call, from_json
from omnihub.connectors.telephony.dialling import checked
from omnihub.connectors.telephony.telling import amendment_of
from omnihub.model.errors import Unverified
from omnihub.model.inbound import FetchedMedia, Inbound, LentMedia
from omnihub.model.raw import RawEvent, RawRequest

CHANNEL = "asterisk"


class Connector(BaseConnector[Settings]):
    settings_type = Settings

    def verify(self, request: RawRequest) -> None:
        """Only our own listener hands over calls; the account has no door for anybody else."""
        if request.source != SOURCE:
            raise Unverified("calls come from the exchange only, not by HTTP")
        self._call(request)

    def source_key(self, request: RawRequest) -> str:
        return request.source_key

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        call = self.settings.lines_told.allowed(self._call(event.request))
        lent = recordings.lent(call) if self.settings.recordings != "none" else None
        told = amendment_of(
            call,
            channel=CHANNEL,
            account_id=self.account.id,
            region=self.settings.lines_told.region_of(call.line),
            recording=lent,
            files=lent is not None,
        )
        return (told,)

    def _call(self, request: RawRequest) -> Call:
        return from_json(read_json(request.body))

    async def listen(self, desk: Desk) -> None:
        await Listener(self.settings, self.settings.rules(), desk, self.toolbox.now).run()

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await recordings.fetch(media, self.settings, self.toolbox.http, self.toolbox.now())

    async def check(self) -> Sequence[Finding]:
        return await checking.findings(self.settings)

    async def dial(self, extension: str, number: str, *, call_id: str) -> Dialled:
        call = calling.wanted(self.settings, checked(extension, number, call_id))
        return await calling.dial(self.settings, call)
