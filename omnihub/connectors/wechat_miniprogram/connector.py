from collections.abc import Sequence
from functools import cached_property

from omnihub.connectors.contract import Template
from omnihub.connectors.wechat_api import api as wechat
from omnihub.connectors.wechat_api import messages
from omnihub.connectors.wechat_api.connector import PushConnector, openid_to
from omnihub.connectors.wechat_api.media import download
from omnihub.connectors.wechat_miniprogram import prepared
from omnihub.connectors.wechat_miniprogram.parsing import read_push
from omnihub.connectors.wechat_miniprogram.settings import Settings
from omnihub.model.inbound import FetchedMedia, Inbound, LentMedia
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.model.raw import RawEvent


class Connector(PushConnector[Settings]):
    settings_type = Settings

    @cached_property
    def _prepared(self) -> prepared.PreparedMessages:
        return prepared.PreparedMessages(
            api=self.api, prepared=self.settings.prepared_messages, now=self.toolbox.now
        )

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        return read_push(self.door.read(event.request), self.settings.app_id, self.moment())

    def templates(self) -> Sequence[Template]:
        return prepared.templates(self.settings.prepared_messages)

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await download(self.api, media, self.settings.picture_hosts)

    async def typing(self, message: Outgoing) -> None:
        await wechat.show_typing(self.api, openid_to(message), path=self.settings.typing_path)

    async def send(self, message: Outgoing) -> SendResult:
        """The provider names none of its messages."""
        openid = openid_to(message)
        if message.template is not None:
            await self._prepared.send(openid, message.template)
        else:
            body = await messages.answer_body(self.api, self.manifest, openid, message)
            await wechat.send_custom(self.api, body)
        return SendResult(external_id=f"out:{message.id}")
