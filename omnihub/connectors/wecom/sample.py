from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.connectors.wecom.connector import Connector
from omnihub.connectors.wecom.simulator import AGENT_ID, Simulator
from omnihub.connectors.wecom_api import sample_calls as calls
from omnihub.connectors.wecom_api.people import employee
from omnihub.connectors.wecom_api.platform import CORP_ID, xml_of
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {**calls.SETTINGS, "agent_id": AGENT_ID}
    patience: ClassVar = {
        "omnihub.connectors.wecom_api.api.TOKEN_SECONDS": 0.3,
        "omnihub.connectors.wecom_api.api.CALL_SECONDS": 0.3,
    }
    refusal_words = "81013 user & party & tag all invalid"

    def genuine(self, number: int) -> RawRequest:
        return calls.call(xml_of(calls.text_message(number)), self.connector.toolbox.now())

    def said(self, number: int) -> Said:
        return Said(sender=calls.SENDER, words=calls.words(number))

    def forged(self) -> Sequence[RawRequest]:
        return calls.forged_calls(self.connector.toolbox.now())

    def unreadable(self) -> Sequence[RawRequest]:
        return calls.unreadable_calls(self.connector.toolbox.now())

    def unknown_type(self) -> RawRequest:
        return calls.call(xml_of(calls.text_message(1, "hologram")), self.connector.toolbox.now())

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        simulator = Simulator(folder)
        simulator.platform.mute = {"silent": {"/cgi-bin/gettoken"}, "mute": {"/cgi-bin/message/send"}}.get(
            mood, set()
        )
        await simulator.start()
        try:
            yield {"base_url": simulator.platform.url}
        finally:
            await simulator.stop()

    def outgoing(self, mood: Mood) -> Outgoing:
        userid = "NobodyHere" if mood == "refuses" else calls.USERID
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=userid,
            to=(employee(CORP_ID, userid),),
            text="It is on its way.",
            created_at=self.connector.toolbox.now(),
        )
