from collections.abc import Sequence
from typing import TypeVar

from omnihub.connectors.contract import BaseConnector, Finding, ReplyWindow, Toolbox
from omnihub.connectors.wechat_api.api import check_credentials, wechat_api
from omnihub.connectors.wechat_api.people import openid_of
from omnihub.connectors.wechat_api.pushes import SUCCESS, PushDoor, source_key
from omnihub.connectors.wechat_api.settings import PushSettings
from omnihub.model.account import Account
from omnihub.model.errors import Refused
from omnihub.model.inbound import Allowance
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest, Reply

P = TypeVar("P", bound=PushSettings)


class PushConnector(BaseConnector[P]):
    """What an Official Account and a mini-program do alike. All answers are customer-service messages: the door
    only ever says `success`."""

    def __init__(self, account: Account, settings: P, toolbox: Toolbox) -> None:
        super().__init__(account, settings, toolbox)
        self.door = PushDoor(
            token=settings.token.get_secret_value(), keys=settings.keys, appid=settings.app_id, mode=settings.mode
        )
        self.api = wechat_api(
            toolbox.http, toolbox.tokens, base_url=settings.base_url, appid=settings.app_id,
            secret=settings.app_secret.get_secret_value(),
        )  # fmt: skip

    def challenge(self, request: RawRequest) -> Reply | None:
        return self.door.echo(request) if request.method in ("GET", "HEAD") else None

    def verify(self, request: RawRequest) -> None:
        self.door.open(request)

    def source_key(self, request: RawRequest) -> str:
        return source_key(self.door.read(request).fields)

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        return SUCCESS

    def moment(self) -> Allowance:
        """What may be answered to a deed that is no message."""
        return Allowance(seconds=self.settings.moment_seconds, messages=self.settings.moment_messages)

    def reply_window(self) -> ReplyWindow:
        return ReplyWindow(hours=self.settings.window_hours, messages=self.settings.window_messages)

    async def check(self) -> Sequence[Finding]:
        return [await check_credentials(self.api), self._encryption()]

    def _encryption(self) -> Finding:
        if self.settings.mode != "plain":
            return Finding(name="Encryption of pushes", ok=True, detail="unencrypted pushes are refused")
        remedy = "Choose Safe mode here and in the console: a seen signature can be reused."
        return Finding(name="Encryption of pushes", ok=False, detail="unencrypted pushes are taken", remedy=remedy)


def openid_to(message: Outgoing) -> str:
    """Raises Refused."""
    if not message.to:
        raise Refused("nobody to send to")
    return openid_of(message.to[0])
