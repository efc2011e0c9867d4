from collections.abc import Sequence

from omnihub.connectors.contract import (
    BaseConnector,
    Finding,
    ReplyWindow,
    Template,
    Toolbox,
)
from omnihub.connectors.reading import text_of
from omnihub.connectors.wechat import prepared
from omnihub.connectors.wechat.parsing import read_push
from omnihub.connectors.wechat.settings import Settings
from omnihub.connectors.wechat_api import api as wechat
from omnihub.connectors.wechat_api import messages
from omnihub.connectors.wechat_api.media import download
from omnihub.connectors.wechat_api.people import openid_of, union_key
from omnihub.connectors.wechat_api.pushes import SUCCESS, PushDoor, source_key
from omnihub.model.account import Account
from omnihub.model.errors import Refused
from omnihub.model.inbound import Allowance, FetchedMedia, Handle, Inbound, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply

_USER_INFO = "/cgi-bin/user/info"


class Connector(BaseConnector[Settings]):
    """One Official Account. All answers are customer-service messages: the door only ever says `success`."""

    settings_type = Settings

    def __init__(self, account: Account, settings: Settings, toolbox: Toolbox) -> None:
        super().__init__(account, settings, toolbox)
        self._door = PushDoor(
            token=settings.token.get_secret_value(), keys=settings.keys, appid=settings.app_id, mode=settings.mode
        )
        self._api = wechat.wechat_api(
            toolbox.http, toolbox.tokens, base_url=settings.base_url, appid=settings.app_id,
            secret=settings.app_secret.get_secret_value(),
        )  # fmt: skip

    def challenge(self, request: RawRequest) -> Reply | None:
        return self._door.echo(request) if request.method in ("GET", "HEAD") else None

    def verify(self, request: RawRequest) -> None:
        self._door.open(request)

    def source_key(self, request: RawRequest) -> str:
        return source_key(self._door.read(request).fields)

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        return SUCCESS

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        moment = Allowance(seconds=self.settings.moment_seconds, messages=self.settings.moment_messages)
        return read_push(self._door.read(event.request), self.settings.app_id, moment)

    def reply_window(self) -> ReplyWindow:
        return ReplyWindow(hours=self.settings.window_hours, messages=self.settings.window_messages)

    def templates(self) -> Sequence[Template]:
        return prepared.templates(self.settings.prepared_messages)

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await download(self._api, media, self.settings.video_hosts)

    async def profile(self, handle: Handle) -> Profile | None:
        """No name: the platform stopped telling nicknames on 2021-12-27; the remark is the company's own."""
        query = {"openid": openid_of(handle), "lang": "zh_CN"}
        told = await wechat.get(self._api, _USER_INFO, query)
        remark, unionid = text_of(told, "remark").strip(), text_of(told, "unionid").strip()
        if not remark and not unionid:
            return None
        return Profile(name=remark, proven=(union_key(unionid),) if unionid else ())

    async def typing(self, message: Outgoing) -> None:
        await wechat.show_typing(self._api, _openid(message))

    async def send(self, message: Outgoing) -> SendResult:
        openid = _openid(message)
        given = ""
        if message.template is not None:
            given = await prepared.send_prepared(
                self._api, self.settings.prepared_messages, openid, message, self.settings.kf_account
            )
        else:
            body = await messages.answer_body(self._api, self.manifest, openid, message)
            await wechat.send_custom(self._api, messages.by_service_account(body, self.settings.kf_account))
        return SendResult(external_id=given or f"out:{message.id}")

    async def check(self) -> Sequence[Finding]:
        encrypted = self.settings.mode != "plain"
        return [
            await wechat.check_credentials(self._api),
            Finding(
                name="Encryption of pushes",
                ok=encrypted,
                detail="unencrypted pushes are refused" if encrypted else "unencrypted pushes are taken",
                remedy=""
                if encrypted
                else "Choose Safe mode here and in the console: a seen signature can be reused.",
            ),
        ]


def _openid(message: Outgoing) -> str:
    if not message.to:
        raise Refused("nobody to send to")
    return openid_of(message.to[0])
