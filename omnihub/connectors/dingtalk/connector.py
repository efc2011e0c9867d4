import asyncio
from collections.abc import Mapping, Sequence

from omnihub.connectors.contract import BaseConnector, Desk, Finding, Toolbox
from omnihub.connectors.dingtalk import files, parsing, profiles
from omnihub.connectors.dingtalk.api import Api
from omnihub.connectors.dingtalk.door import CHECK, EventDoor, RobotDoor, is_event
from omnihub.connectors.dingtalk.frames import MESSAGES, Frame, read_frame
from omnihub.connectors.dingtalk.people import CHANNEL, scope, staff_id
from omnihub.connectors.dingtalk.sending import Sender
from omnihub.connectors.dingtalk.settings import Settings
from omnihub.connectors.dingtalk.stream import SOURCE, Stream, wanted
from omnihub.connectors.reading import read_json, text_of
from omnihub.model.account import Account
from omnihub.model.errors import OmnihubError
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, InboundMessage, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply


class Connector(BaseConnector[Settings]):
    """One robot of an app. Its door takes signed calls whatever the mode: moving from one mode to the other
    loses nothing."""

    settings_type = Settings

    def __init__(self, account: Account, settings: Settings, toolbox: Toolbox) -> None:
        super().__init__(account, settings, toolbox)
        self._robot_door = RobotDoor(settings)
        self._event_door = EventDoor(settings)
        self._api = Api(
            http=toolbox.http,
            tokens=toolbox.tokens,
            api_url=settings.api_url,
            oapi_url=settings.oapi_url,
            client_id=settings.client_id,
            client_secret=settings.client_secret.get_secret_value(),
        )
        self._sender = Sender(self._api, settings, toolbox.http)

    def public_urls(self) -> Mapping[str, str]:
        door = f"{self.toolbox.public_url}/in/{CHANNEL}/{self.account.key}"
        return {"events": f"{door}/events"}

    # — the door —

    def verify(self, request: RawRequest) -> None:
        if is_event(request):
            self._event_door.open(request)
            return
        self._robot_door.verify(request)
        parsing.check_shape(read_json(request.body))

    def challenge(self, request: RawRequest) -> Reply | None:
        """DingTalk asks with an event like any other whether the address is ours."""
        if request.method != "POST" or not is_event(request):
            return None
        asked = parsing.event_kind(self._event_door.open(request))
        return self._event_door.answer(request) if asked == CHECK else None

    def source_key(self, request: RawRequest) -> str:
        """The message's own id: a repeat differs in its session address, an event's in its cipher text."""
        try:
            return self._name(request)
        except OmnihubError:
            return ""

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        return self._event_door.answer(request) if is_event(request) else self._robot_door.answer()

    # — behind the journal —

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        request = event.request
        if request.source == SOURCE:
            return (self._framed(read_frame(request.body)),)
        if is_event(request):
            said = self._event_door.open(request)
            return (parsing.notice(said, external_id=parsing.event_identity(said)),)
        said = read_json(request.body)
        return (parsing.message(said, self.settings.robot, parsing.identity(said)),)

    def _framed(self, frame: Frame) -> InboundMessage:
        """Raises Unreadable."""
        said = frame.content()
        if frame.topic == MESSAGES:
            return parsing.message(said, self.settings.robot, parsing.identity(said, frame.id))
        return parsing.notice(
            said,
            kind=text_of(frame.headers, "eventType") or f"{frame.type} {frame.topic}".strip(),
            corp=text_of(frame.headers, "eventCorpId"),
            external_id=parsing.event_identity(said, text_of(frame.headers, "eventId") or frame.id),
            at=parsing.at_millis(frame.headers.get("eventBornTime")),
        )

    def _name(self, request: RawRequest) -> str:
        """Raises Unreadable or Unverified."""
        if is_event(request) and request.source != SOURCE:
            return parsing.event_identity(self._event_door.open(request))
        if request.source != SOURCE:
            return f"message:{parsing.identity(read_json(request.body))}"
        frame = read_frame(request.body)
        if frame.topic == MESSAGES:
            return f"message:{parsing.identity(frame.content(), frame.id)}"
        return parsing.event_identity({}, text_of(frame.headers, "eventId") or frame.id) if frame.id else ""

    # — out —

    def reaches(self, handle: Handle) -> bool:
        ours = bool(self.settings.corp_id) and scope(handle) == self.settings.corp_id
        return handle.channel == CHANNEL and ours and bool(staff_id(handle))

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await files.fetch(self._api, self.toolbox.http, media, self.settings.robot)

    async def profile(self, handle: Handle) -> Profile | None:
        return await profiles.profile(self._api, self.toolbox.http, handle)

    async def send(self, message: Outgoing) -> SendResult:
        return await self._sender.send(message, self.toolbox.now())

    async def listen(self, desk: Desk) -> None:
        if self.settings.mode != "stream":
            await asyncio.Event().wait()  # the door listens; this one has nothing to do until it is cancelled
        await Stream(
            desk,
            self._api,
            self.toolbox.http,
            connections=self.settings.stream_connections,
            now=self.toolbox.now,
            key=self.source_key,
        ).run()

    async def check(self) -> Sequence[Finding]:
        findings = [await self._check_credentials()]
        if findings[0].ok and self.settings.mode == "stream":
            findings.append(await self._check_stream())
        if self.settings.mode == "http":
            words = "the messages' signature is checked with the Client Secret; write to the robot to try it"
            findings.append(Finding(name="Messages by HTTP", ok=True, detail=words))
        return findings

    async def _check_credentials(self) -> Finding:
        name = "Client ID and Client Secret"
        try:
            await self._api.token()
        except OmnihubError as error:
            remedy = "Copy both from the app's page “Credentials” (凭证与基础信息) on open-dev.dingtalk.com."
            return Finding(name=name, ok=False, detail=str(error), remedy=remedy)
        return Finding(name=name, ok=True, detail="DingTalk gave an access token")

    async def _check_stream(self) -> Finding:
        """Asks for a connection without using it: its ticket ends by itself."""
        name = "Stream connection"
        try:
            opened = await self._api.open_connection(wanted(self._api))
        except OmnihubError as error:
            remedy = "Choose Stream mode on the robot's page, and publish a version of the app."
            return Finding(name=name, ok=False, detail=str(error), remedy=remedy)
        if not text_of(opened, "ticket"):
            return Finding(name=name, ok=False, detail="DingTalk gave no ticket", remedy="Try again in a minute.")
        return Finding(name=name, ok=True, detail="DingTalk offers a connection")
