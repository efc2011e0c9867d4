from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.connectors.wecom_api import sample_calls as calls
from omnihub.connectors.wecom_api.people import customer
from omnihub.connectors.wecom_api.platform import CORP_ID, xml_of
from omnihub.connectors.wecom_kf.connector import Connector
from omnihub.connectors.wecom_kf.pulling import PULLED
from omnihub.connectors.wecom_kf.simulator import OPEN_KFID, Simulator
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

CUSTOMER = "wmDemoCustomerWangFang00001"


class Sample(ChannelSample[Connector]):
    """At its door this channel is told only what employees write to the app; a customer's message is pulled."""

    settings: ClassVar = dict(calls.SETTINGS)
    patience: ClassVar = {
        "omnihub.connectors.wecom_api.api.TOKEN_SECONDS": 0.3,
        "omnihub.connectors.wecom_api.api.CALL_SECONDS": 0.3,
    }
    refusal_words = "40096 invalid external userid"

    def genuine(self, number: int) -> RawRequest:
        return calls.call(xml_of(calls.text_message(number)), self.connector.toolbox.now())

    def said(self, number: int) -> Said:
        return Said(sender=calls.SENDER, words=calls.words(number))

    def forged(self) -> Sequence[RawRequest]:
        return calls.forged_calls(self.connector.toolbox.now())

    def unreadable(self) -> Sequence[RawRequest]:
        at = self.connector.toolbox.now()
        pulled = [
            RawRequest(source=PULLED, body=body, received_at=at) for body in (b"", b"{", b"[" * 900, b"\xff")
        ]
        return [*calls.unreadable_calls(at), *pulled]

    def unknown_type(self) -> RawRequest:
        return calls.call(xml_of(calls.text_message(1, "hologram")), self.connector.toolbox.now())

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        simulator = Simulator(folder)
        simulator.platform.mute = {"silent": {"/cgi-bin/gettoken"}, "mute": {"/cgi-bin/kf/send_msg"}}.get(
            mood, set()
        )
        await simulator.start()
        simulator.heard(CUSTOMER)
        try:
            yield {"base_url": simulator.platform.url}
        finally:
            await simulator.stop()

    def outgoing(self, mood: Mood) -> Outgoing:
        userid = "wmNobodyHere" if mood == "refuses" else CUSTOMER
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=f"{OPEN_KFID}/{userid}",
            to=(customer(CORP_ID, userid),),
            text="It is on its way.",
            created_at=self.connector.toolbox.now(),
        )
