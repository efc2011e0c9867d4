from collections.abc import Sequence

from omnihub.connectors.contract import Template
from omnihub.connectors.reading import text_of
from omnihub.connectors.wechat import prepared
from omnihub.connectors.wechat.parsing import read_push
from omnihub.connectors.wechat.settings import Settings
from omnihub.connectors.wechat_api import api as wechat
from omnihub.connectors.wechat_api import messages
from omnihub.connectors.wechat_api.connector import PushConnector, openid_to
from omnihub.connectors.wechat_api.media import download
from omnihub.connectors.wechat_api.people import openid_of, union_key
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.model.raw import RawEvent

_USER_INFO = "/cgi-bin/user/info"


class Connector(PushConnector[Settings]):
    settings_type = Settings

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        return read_push(self.door.read(event.request), self.settings.app_id, self.moment())

    def templates(self) -> Sequence[Template]:
        return prepared.templates(self.settings.prepared_messages)

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await download(self.api, media, self.settings.video_hosts)

    async def profile(self, handle: Handle) -> Profile | None:
        """No name: the platform stopped telling nicknames on 2021-12-27; the remark is the company's own."""
        query = {"openid": openid_of(handle), "lang": "zh_CN"}
        told = await wechat.get(self.api, _USER_INFO, query)
        remark, unionid = text_of(told, "remark").strip(), text_of(told, "unionid").strip()
        if not remark and not unionid:
            return None
        return Profile(name=remark, proven=(union_key(unionid),) if unionid else ())

    async def typing(self, message: Outgoing) -> None:
        await wechat.show_typing(self.api, openid_to(message))

    async def send(self, message: Outgoing) -> SendResult:
        openid = openid_to(message)
        given = ""
        if message.template is not None:
            given = await prepared.send_prepared(
                self.api, self.settings.prepared_messages, openid, message, self.settings.kf_account
            )
        else:
            body = await messages.answer_body(self.api, self.manifest, openid, message)
            await wechat.send_custom(self.api, messages.by_service_account(body, self.settings.kf_account))
        return SendResult(external_id=given or f"out:{message.id}")
