from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

import orjson

from omnihub.connectors.api import bodies, reading, replies, signing
from omnihub.connectors.api.outside import Outside, words_of
from omnihub.connectors.api.settings import Settings
from omnihub.connectors.calls import Answer, Call
from omnihub.connectors.contract import BaseConnector, Finding, Toolbox
from omnihub.connectors.errcode_api import retry_after, unsettled
from omnihub.model.account import Account
from omnihub.model.errors import NotFound, OmnihubError, Refused, TryLater, Unverified
from omnihub.model.ids import id_from
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, LentMedia
from omnihub.model.outgoing import Outgoing, Prepared, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply

ANSWER_SECONDS = 15.0
FETCH_SECONDS = 60.0
_FILE_BYTES = 26_214_400
_LATER = frozenset({408, 425, 429, 503})
_GONE = frozenset({400, 401, 403, 404, 405, 406, 410, 451})


class Connector(BaseConnector[Settings]):
    """One outside system. Its messages come to the account's address, receipts to …/receipts, edits to
    …/edits; replies go to the address in the settings."""

    settings_type = Settings

    def __init__(self, account: Account, settings: Settings, toolbox: Toolbox) -> None:
        super().__init__(account, settings, toolbox)
        self._outside = Outside(toolbox.http, allow_private=settings.allow_private_address)

    def public_urls(self) -> Mapping[str, str]:
        door = f"{self.toolbox.public_url}/in/api/{self.account.key}"
        return {"messages": door, "receipts": f"{door}/receipts", "edits": f"{door}/edits"}

    def verify(self, request: RawRequest) -> None:
        self._authenticate(request)
        _read(request)

    def _authenticate(self, request: RawRequest) -> None:
        """By signature or by fixed token. The token has the header that the door never journals."""
        headers = request.headers
        given = headers.get(signing.SIGNATURE.lower(), "")
        if given:
            timestamp = headers.get(signing.TIMESTAMP.lower(), "")
            secrets = self.settings.signing_secrets
            signing.verify(secrets, timestamp, given, request.body, request.received_at)
            return
        kind, _, token = headers.get("authorization", "").partition(" ")
        if not self.settings.token_allowed or kind.lower() != "bearer":
            raise Unverified("the call is not signed")
        if not signing.same(token.strip(), self.settings.api_token.get_secret_value()):
            raise Unverified("the token is wrong")

    def source_key(self, request: RawRequest) -> str:
        """An edit without a time has none: the same words may come back after others."""
        match _read(request):
            case bodies.ApiMessage() as message:
                return f"message:{message.id}:{reading.fingerprint(message)[:32]}"
            case bodies.ApiReceipt() as receipt:
                return f"receipt:{receipt.message_id}:{id_from(receipt.model_dump_json())}"
            case bodies.ApiEdit() as edit if edit.at is not None:
                return f"edit:{edit.id}:{id_from(edit.model_dump_json())}"
        return ""

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        read = _read(request)
        named = read.message_id if isinstance(read, bodies.ApiReceipt) else read.id
        accepted = bodies.ApiAccepted(id=named, event=event_id)
        return Reply(body=orjson.dumps(accepted.model_dump()), content_type="application/json")

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        match _read(event.request):
            case bodies.ApiMessage() as message:
                return (reading.inbound(message, self.account.id, self.settings),)
            case bodies.ApiReceipt() as receipt:
                return (reading.receipt(receipt),)
            case bodies.ApiEdit() as edit:
                return (reading.amendment(edit, self.account.id, self.settings),)

    def reaches(self, handle: Handle) -> bool:
        return bool(self.settings.reply_url) and handle.key.startswith(f"api:{self.account.id}:")

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        url = str(media.ref.get("url", ""))
        answer = await self._outside.ask(Call(method="GET", url=url, seconds=FETCH_SECONDS, max_bytes=_FILE_BYTES))
        if answer.status in _GONE:
            raise Refused(words_of(answer))
        if answer.status != 200:
            raise TryLater(words_of(answer), after=retry_after(answer))
        named = unquote(urlsplit(url).path.rpartition("/")[2])
        return FetchedMedia(
            content=answer.body,
            filename=named if media.filename in ("", "file") else "",
            content_type=answer.content_type,
        )

    def prepare(self, message: Outgoing) -> Prepared:
        return Prepared(external_id=message.id)

    async def send(self, message: Outgoing) -> SendResult:
        answer = await self._post(replies.body(message), message.id)
        if answer.status in _LATER:
            raise TryLater(words_of(answer), after=retry_after(answer))
        if answer.status >= 500:
            raise unsettled(answer, Call(method="POST", url="", handing_over=True))
        if not 200 <= answer.status < 300:
            raise Refused(words_of(answer))
        named = _own_id(answer)
        return SendResult(external_id=message.id, aliases=(named,) if named not in ("", message.id) else ())

    async def _post(self, body: bytes, key: str) -> Answer:
        if not self.settings.reply_url:
            raise Refused("no address for replies is set: this account only receives")
        signed = signing.sign(self.settings.signing_secrets[0], body, self.toolbox.now())
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, **signed}
        return await self._outside.ask(
            Call(
                method="POST", url=self.settings.reply_url, headers=headers, data=body, seconds=ANSWER_SECONDS,
                handing_over=True,
            )
        )  # fmt: skip

    async def check(self) -> Sequence[Finding]:
        if not self.settings.reply_url:
            return (Finding(name="Replies", ok=True, detail="No address is set: messages come in only."),)
        now = self.toolbox.now()
        ping = bodies.ApiPing(id=id_from("ping", self.account.id, now.isoformat()), created_at=now)
        try:
            answer = await self._post(ping.model_dump_json().encode(), ping.id)
        except OmnihubError as error:
            remedy = "See that the address is right and that this machine can reach it."
            return (Finding(name="Replies", ok=False, detail=str(error), remedy=remedy),)
        if 200 <= answer.status < 300:
            return (Finding(name="Replies", ok=True, detail=f"The ping was answered with HTTP {answer.status}."),)
        remedy = "The other system must check the signature with this secret and answer 2xx, also to a ping."
        return (Finding(name="Replies", ok=False, detail=words_of(answer), remedy=remedy),)

    async def close(self) -> None:
        await self._outside.close()


_Read = bodies.ApiMessage | bodies.ApiReceipt | bodies.ApiEdit
_READERS: Mapping[str, Callable[[bytes], _Read]] = {
    "": bodies.read_message,
    "receipts": lambda body: bodies.read(body, bodies.ApiReceipt),
    "edits": bodies.read_edit,
}


def _read(request: RawRequest) -> _Read:
    """Raises NotFound for another address, Unreadable or Invalid for a wrong body."""
    reader = _READERS.get(request.tail.strip("/"))
    if reader is None:
        raise NotFound("there is nothing at this address")
    return reader(request.body)


def _own_id(answer: Answer) -> str:
    """What came back besides 2xx is the other system's affair, as long as it took the reply."""
    try:
        said = answer.json().get("id", "")
    except ValueError:
        return ""
    return said[:200] if isinstance(said, str) else ""
