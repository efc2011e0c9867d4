from collections.abc import Sequence

from omnihub.connectors.asterisk import calling, checking, recordings
from omnihub.connectors.asterisk.calling import Originated
from omnihub.connectors.asterisk.listening import SOURCE, Listener
from omnihub.connectors.asterisk.settings import Settings
from omnihub.connectors.contract import BaseConnector, Desk, Finding
from omnihub.connectors.reading import read_json
from omnihub.connectors.telephony.call import Call, from_json
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
        call = self._call(event.request)
        region = self.settings.region_of(call.line)
        lent = recordings.lent(call) if self.settings.recordings != "none" else None
        told = amendment_of(
            call,
            channel=CHANNEL,
            account_id=self.account.id,
            region=region,
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

    async def originate(
        self, channel: str, exten: str, *, context: str = "", caller_id: str = "", call_id: str = ""
    ) -> Originated:
        """`channel`: an agent's extension, or a whole channel name such as PJSIP/101. Returns once the
        agent's telephone was picked up, or was not. Raises Invalid, Refused, TryLater or Uncertain."""
        call = calling.wanted(self.settings, channel, exten, context=context, caller_id=caller_id, call_id=call_id)
        return await calling.originate(self.settings, call)
