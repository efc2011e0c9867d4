import hmac
from collections.abc import Sequence
from functools import cached_property

from omnihub.connectors.contract import BaseConnector, Desk, Finding
from omnihub.connectors.reading import Fields, items, read_json, text_of
from omnihub.connectors.telegram import checking
from omnihub.connectors.telegram.api import LARGEST_FILE, BotApi
from omnihub.connectors.telegram.listening import Poller, Webhook, keep_webhook
from omnihub.connectors.telegram.people import CHANNEL, id_in, name_of, whole
from omnihub.connectors.telegram.sending import Sender
from omnihub.connectors.telegram.settings import Settings
from omnihub.connectors.telegram.updates import Rules, read, update_key
from omnihub.model.errors import Refused, Unreadable, Unverified
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, LentMedia, Profile
from omnihub.model.outgoing import Outgoing, OutgoingAttachment, SendResult
from omnihub.model.raw import RawEvent, RawRequest

_SECRET_HEADER = "x-telegram-bot-api-secret-token"
_AVATAR_PIXELS = 160


class Connector(BaseConnector[Settings]):
    settings_type = Settings

    @cached_property
    def _api(self) -> BotApi:
        return BotApi(self.toolbox.http, self.settings)

    @cached_property
    def _sender(self) -> Sender:
        return Sender(self._api, self._kind_of)

    def own_handles(self) -> frozenset[str]:
        return frozenset({f"{CHANNEL}:{self.settings.bot_id}"})

    # — what comes in —

    def verify(self, request: RawRequest) -> None:
        given = next((value for name, value in request.headers.items() if name.lower() == _SECRET_HEADER), "")
        if not hmac.compare_digest(self.secret.encode(), given.encode("utf-8", "surrogatepass")):
            raise Unverified("the secret token is missing or wrong")
        # Refused is only what Telegram never sends: it would repeat it for a day and hold back all else of
        # that chat.
        if whole(read_json(request.body).get("update_id")) is None:
            raise Unreadable("this is no update: it has no update_id")

    def source_key(self, request: RawRequest) -> str:
        try:
            return update_key(read_json(request.body))
        except Unreadable:
            return ""

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        settings = self.settings
        rules = Rules(
            bot_id=settings.bot_id,
            username=settings.bot_username,
            groups=settings.groups,
            mention_only=settings.mention_only,
        )
        return read(read_json(event.request.body), rules)

    async def listen(self, desk: Desk) -> None:
        if self.settings.mode == "webhook":
            await keep_webhook(self._api, desk, Webhook(url=self._door, secret=self.secret), self.toolbox.now)
        await Poller(self._api, desk, self.settings.bot_id, self.toolbox.now).run()

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        if media.size > LARGEST_FILE:
            raise Refused("the file is larger than the 20 MB that Telegram lets a bot download")
        file_id = media.ref.get("file_id")
        if not isinstance(file_id, str):
            raise Refused("it is not said which file this is")
        _, answer = await self._api.download(file_id)
        # Telegram serves everything as a stream of bytes: name and type stay those of the message.
        return FetchedMedia(content=answer.body, filename=media.filename, content_type=media.content_type)

    async def profile(self, handle: Handle) -> Profile | None:
        person = id_in(handle.value) if handle.channel == CHANNEL else None
        if person is None or person < 0:
            return None
        try:
            chat = await self._api.call("getChat", chat_id=person)
        except Refused:  # somebody who never wrote to this bot is nobody to it
            return None
        name = name_of(chat) if isinstance(chat, dict) else ""
        return Profile(name=name, avatar=await self._avatar(person))

    async def _avatar(self, person: int) -> bytes:
        photos = await self._api.call("getUserProfilePhotos", user_id=person, limit=1)
        sizes = items(photos, "photos") if isinstance(photos, dict) else []
        newest = sizes[0] if sizes and isinstance(sizes[0], list) else []
        chosen = _avatar_size([one for one in newest if isinstance(one, dict)])
        if not chosen:
            return b""
        _, answer = await self._api.download(chosen)
        return answer.body

    # — what goes out —

    def reaches(self, handle: Handle) -> bool:
        """A bot cannot write first; those whose handle is known have written to it."""
        person = id_in(handle.value) if handle.channel == CHANNEL else None
        return person is not None and person > 0 and handle.key not in self.own_handles()

    async def send(self, message: Outgoing) -> SendResult:
        return await self._sender.send(message)

    async def typing(self, message: Outgoing) -> None:
        await self._sender.typing(message)

    async def recall(self, message: Outgoing) -> None:
        await self._sender.recall(message)

    async def check(self) -> Sequence[Finding]:
        return await checking.findings(self._api, self.settings, self._door)

    # — helpers —

    @property
    def _door(self) -> str:
        return f"{self.toolbox.public_url.rstrip('/')}/in/{CHANNEL}/{self.account.key}"

    @property
    def secret(self) -> str:
        """What Telegram shows with every push: ours alone, and another one for another bot."""
        return self.toolbox.sign("telegram-webhook", f"{self.account.id}:{self.settings.bot_id}".encode()).hex()

    def _kind_of(self, file: OutgoingAttachment) -> str | None:
        rule = self.manifest.media_rule(file.content_type, len(file.content))
        return rule.kind if rule else None


def _avatar_size(sizes: Sequence[Fields]) -> str:
    """The smallest that is not tiny."""
    big_enough = [one for one in sizes if (whole(one.get("width")) or 0) >= _AVATAR_PIXELS]
    chosen = min(big_enough or sizes, key=lambda one: whole(one.get("width")) or 0, default={})
    return text_of(chosen, "file_id")
