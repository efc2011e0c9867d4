from collections.abc import Sequence

from omnihub.connectors.contract import BaseConnector, Desk, Dialled, Finding
from omnihub.connectors.freeswitch import calling, checking, recordings
from omnihub.connectors.freeswitch.listening import SOURCE, Listener, key_of
from omnihub.connectors.freeswitch.settings import Settings
from omnihub.connectors.reading import read_json
from omnihub.connectors.telephony.call import Call, from_json
from omnihub.connectors.telephony.dialling import checked
from omnihub.connectors.telephony.telling import amendment_of
from omnihub.model.errors import Unverified
from omnihub.model.inbound import FetchedMedia, Inbound, LentMedia
from omnihub.model.raw import RawEvent, RawRequest


class Connector(BaseConnector[Settings]):
    settings_type = Settings

    def verify(self, request: RawRequest) -> None:
        if request.source != SOURCE:
            raise Unverified("calls come over the event socket only, never to the door")
        _read(request)

    def source_key(self, request: RawRequest) -> str:
        return key_of(_read(request))

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        call = self.settings.lines_told.allowed(_read(event.request))
        lent = recordings.lent(call, self.settings)
        told = amendment_of(
            call,
            channel=self.manifest.key,
            account_id=self.account.id,
            region=self.settings.lines_told.region_of(call.line),
            recording=lent,
            files=lent is not None,
        )
        return (told,)

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await recordings.fetch(self.toolbox.http, media, self.settings)

    async def dial(self, extension: str, number: str, *, call_id: str) -> Dialled:
        call = calling.wanted(self.settings, checked(extension, number, call_id))
        return await calling.dial(self.settings.server, call)

    async def listen(self, desk: Desk) -> None:
        await Listener(desk, self.settings, self.toolbox.now).run()

    async def check(self) -> Sequence[Finding]:
        return await checking.findings(self.settings)


def _read(request: RawRequest) -> Call:
    return from_json(read_json(request.body))
