from collections.abc import Sequence

from omnihub.connectors.contract import BaseConnector, Finding, Toolbox
from omnihub.connectors.wecom import sending
from omnihub.connectors.wecom.settings import Settings
from omnihub.connectors.wecom_api import api, people, profiles
from omnihub.connectors.wecom_api import media as files
from omnihub.connectors.wecom_api.app_messages import read_app_message
from omnihub.connectors.wecom_api.callbacks import EMPTY, CallbackDoor
from omnihub.model.account import Account
from omnihub.model.errors import OmnihubError
from omnihub.model.inbound import FetchedMedia, Handle, InboundMessage, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply


class Connector(BaseConnector[Settings]):
    """One app of a company's WeCom, to which its employees write."""

    settings_type = Settings

    def __init__(self, account: Account, settings: Settings, toolbox: Toolbox) -> None:
        super().__init__(account, settings, toolbox)
        self._door = CallbackDoor(
            corp_id=settings.corp_id, token=settings.token.get_secret_value(), keys=settings.keys
        )
        self._api = api.wecom_api(
            toolbox.http, toolbox.tokens, base_url=settings.base_url, corp_id=settings.corp_id,
            secret=settings.secret.get_secret_value(),
        )  # fmt: skip
        self._sender = sending.Sender(self._api, settings, self.manifest)

    # — the door —

    def challenge(self, request: RawRequest) -> Reply | None:
        return self._door.echo(request) if request.method in ("GET", "HEAD") else None

    def verify(self, request: RawRequest) -> None:
        self._door.open(request)

    def source_key(self, request: RawRequest) -> str:
        return self._door.read(request).key

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        return EMPTY

    def parse(self, event: RawEvent) -> Sequence[InboundMessage]:
        return (read_app_message(self._door.read(event.request), self.settings.corp_id),)

    # — reaching out —

    def reaches(self, handle: Handle) -> bool:
        """An app may write first to whoever is in its visible range."""
        return handle.key.startswith(f"wecom:{self.settings.corp_id}:")

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await files.fetch(self._api, media)

    async def profile(self, handle: Handle) -> Profile | None:
        return await profiles.employee_profile(self._api, people.id_of(handle)) if self.reaches(handle) else None

    async def send(self, message: Outgoing) -> SendResult:
        return await self._sender.send(message, self.toolbox.now())

    async def recall(self, message: Outgoing) -> None:
        await sending.recall(self._api, message)

    async def check(self) -> Sequence[Finding]:
        credentials = await api.check_credentials(self._api)
        return (credentials, await self._check_app()) if credentials.ok else (credentials,)

    async def _check_app(self) -> Finding:
        call = api.get("/cgi-bin/agent/get", {"agentid": str(self.settings.agent_id)})
        try:
            read = await self._api.call(call)
        except OmnihubError as error:
            return Finding(name="AgentId", ok=False, detail=str(error), remedy=api.remedy(error))
        return Finding(name="AgentId", ok=True, detail=str(read.get("name", "")))
