from collections.abc import Sequence

from omnihub.connectors.contract import BaseConnector, Finding, ReplyWindow, Template, Toolbox
from omnihub.connectors.wechat_api import api as wechat
from omnihub.connectors.wechat_api import messages
from omnihub.connectors.wechat_api.media import download
from omnihub.connectors.wechat_api.people import openid_of
from omnihub.connectors.wechat_api.pushes import SUCCESS, PushDoor, source_key
from omnihub.connectors.wechat_miniprogram import prepared
from omnihub.connectors.wechat_miniprogram.parsing import read_push
from omnihub.connectors.wechat_miniprogram.settings import Settings
from omnihub.model.account import Account
from omnihub.model.errors import Refused
from omnihub.model.inbound import Allowance, FetchedMedia, Inbound, LentMedia
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply


class Connector(BaseConnector[Settings]):
    """One mini-program. All answers are customer-service messages: the door only ever says `success`."""

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
        self._prepared = prepared.PreparedMessages(
            api=self._api, prepared=settings.prepared_messages, now=toolbox.now
        )

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
        return await download(self._api, media, self.settings.picture_hosts)

    async def typing(self, message: Outgoing) -> None:
        await wechat.show_typing(self._api, _openid(message), path=self.settings.typing_path)

    async def send(self, message: Outgoing) -> SendResult:
        """The provider names none of its messages."""
        openid = _openid(message)
        if message.template is not None:
            await self._prepared.send(openid, message.template)
        else:
            await wechat.send_custom(
                self._api, await messages.answer_body(self._api, self.manifest, openid, message)
            )
        return SendResult(external_id=f"out:{message.id}")

    async def check(self) -> Sequence[Finding]:
        return [await wechat.check_credentials(self._api), self._encryption()]

    def _encryption(self) -> Finding:
        if self.settings.mode != "plain":
            return Finding(name="Encryption of pushes", ok=True, detail="unencrypted pushes are refused")
        remedy = "Choose Safe mode here and in the console: a seen signature can be reused."
        return Finding(name="Encryption of pushes", ok=False, detail="unencrypted pushes are taken", remedy=remedy)


def _openid(message: Outgoing) -> str:
    """Raises Refused."""
    if not message.to:
        raise Refused("nobody to send to")
    return openid_of(message.to[0])
