from collections.abc import Sequence

from omnihub.connectors.contract import BaseConnector, Desk, Finding, ReplyWindow, Toolbox
from omnihub.connectors.reading import read_json, text_of
from omnihub.connectors.wecom_api import api, people, profiles
from omnihub.connectors.wecom_api import media as files
from omnihub.connectors.wecom_api.app_messages import KF_BELL, read_app_message
from omnihub.connectors.wecom_api.callbacks import EMPTY, CallbackDoor
from omnihub.connectors.wecom_kf.checking import findings
from omnihub.connectors.wecom_kf.customers import customer_profile
from omnihub.connectors.wecom_kf.parsing import parse_item, read_item
from omnihub.connectors.wecom_kf.pulling import PULLED, Bell, Puller
from omnihub.connectors.wecom_kf.sending import Sender, msgid_for
from omnihub.connectors.wecom_kf.settings import Settings
from omnihub.model.account import Account
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, Prepared, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply


class Connector(BaseConnector[Settings]):
    """The KF accounts of one app. Its door takes bells only, and what employees write to the app itself; what
    customers write is pulled, an item at a time."""

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
        self._sender = Sender(self._api, settings, self.manifest)

    # — the door —

    def challenge(self, request: RawRequest) -> Reply | None:
        return self._door.echo(request) if request.method in ("GET", "HEAD") else None

    def verify(self, request: RawRequest) -> None:
        if request.source == PULLED:  # no door marks its requests so
            read_json(request.body)
        else:
            self._door.open(request)

    def source_key(self, request: RawRequest) -> str:
        return request.source_key if request.source == PULLED else self._door.read(request).key

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        return EMPTY

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        request, corp_id = event.request, self.settings.corp_id
        if request.source == PULLED:
            return parse_item(read_item(request, corp_id))
        pushed = self._door.read(request)
        if text_of(pushed.fields, "Event").strip().lower() == KF_BELL:
            return ()
        return (read_app_message(pushed, corp_id),)

    # — pulling —

    async def listen(self, desk: Desk) -> None:
        puller = Puller(
            self._api, self.settings, desk, now=self.toolbox.now, bell=self._bell, since=self.account.created_at
        )
        await puller.run()

    def _bell(self, request: RawRequest) -> Bell | None:
        """None for what rings for nothing: an employee's message, or a bell sealed with a key of long ago."""
        try:
            fields = self._door.read(request).fields
        except Unreadable:
            return None
        open_kfid = text_of(fields, "OpenKfId").strip()
        if text_of(fields, "Event").strip().lower() != KF_BELL or not open_kfid:
            return None
        return Bell(open_kfid=open_kfid, token=text_of(fields, "Token").strip())

    # — reaching out —

    def reply_window(self) -> ReplyWindow:
        return ReplyWindow(hours=self.settings.window_hours, messages=self.settings.window_messages)

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await files.fetch(self._api, media)

    async def profile(self, handle: Handle) -> Profile | None:
        if handle.key.startswith(f"wecom_kf:{self.settings.corp_id}:"):
            return await customer_profile(self._api, people.id_of(handle))
        if handle.key.startswith(f"wecom:{self.settings.corp_id}:"):
            return await profiles.employee_profile(self._api, people.id_of(handle))
        return None

    def prepare(self, message: Outgoing) -> Prepared:
        return Prepared(external_id=msgid_for(message.id))

    async def send(self, message: Outgoing) -> SendResult:
        return await self._sender.send(message, self.toolbox.now())

    async def check(self) -> Sequence[Finding]:
        return await findings(self._api, self.settings)
