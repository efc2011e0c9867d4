"""What goes out to employees: developer.work.weixin.qq.com/document/path 90236 (send), 90454 (rates),
read 2026-11."""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omnihub.connectors.contract import Manifest
from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.wecom.settings import Settings
from omnihub.connectors.wecom_api import media, people
from omnihub.connectors.wecom_api.api import post
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing, OutgoingAttachment, SendResult

TEXT_BYTES = 2048
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_PER_HOUR = 1000
_REMEMBERED = 2000


class Pace:
    """Keeps to the rates per person, beyond which messages are dropped without a word. Each process counts
    its own; the setting leaves room for a second one."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._sent: dict[str, deque[datetime]] = {}

    def take(self, userids: Sequence[str], at: datetime) -> None:
        """Raises TryLater, and then nothing is counted."""
        wait = max((self._wait(userid, at) for userid in userids), default=0.0)
        if wait > 0:
            raise TryLater("WeCom would drop more messages to this person in so short a time", after=wait)
        for userid in userids:
            self._sent.setdefault(userid, deque()).append(at)

    def _wait(self, userid: str, at: datetime) -> float:
        sent = self._sent.get(userid, deque())
        while sent and sent[0] <= at - _HOUR:
            sent.popleft()
        if not sent:
            self._sent.pop(userid, None)
        ends = [sent[-count] + span for count, span in self._rules if len(sent) >= count]
        return max((end - at).total_seconds() for end in ends) if ends else 0.0

    @property
    def _rules(self) -> Sequence[tuple[int, timedelta]]:
        return ((self._per_minute, _MINUTE), (_PER_HOUR, _HOUR))


class Repeats:
    """WeCom's duplicate check compares contents only: it would also drop an agent's second “OK” to the same
    person. It is therefore asked for only where no other message of the same content went out just now."""

    def __init__(self, seconds: int) -> None:
        self._span = timedelta(seconds=seconds)
        self._sent: dict[str, tuple[str, datetime]] = {}

    def check_for(self, message_id: str, content: str, at: datetime) -> bool:
        """Whether WeCom shall drop this if it has seen the same before."""
        if not self._span:
            return False
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        earlier, when = self._sent.pop(digest, (message_id, at))
        self._sent[digest] = (message_id, at)
        while len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]
        return earlier == message_id or at - when > self._span


class Sender:
    def __init__(self, api: ErrcodeApi, settings: Settings, manifest: Manifest) -> None:
        self._api = api
        self._settings = settings
        self._manifest = manifest
        self._pace = Pace(settings.per_member_minute)
        self._repeats = Repeats(settings.duplicate_check_seconds)

    async def send(self, message: Outgoing, at: datetime) -> SendResult:
        """Raises TryLater, Refused or Uncertain."""
        to = {people.id_of(handle): handle for handle in (*message.to, *message.cc) if handle.channel == "wecom"}
        if not to:
            raise Refused("the message names no member of this company")
        self._pace.take(list(to), at)
        said = await self._content(message)
        body = {
            "touser": "|".join(to), "agentid": self._settings.agent_id, "safe": 0, **said,
            **self._duplicate_check(message, "|".join(sorted(to)), at),
        }  # fmt: skip
        read = await self._api.call(post("/cgi-bin/message/send", body, handing_over=True))
        return _result(message, read, to)

    async def _content(self, message: Outgoing) -> Mapping[str, Any]:
        if message.attachments:
            file = message.attachments[0]
            kind = kind_of(self._manifest, file)
            return {"msgtype": kind, kind: {"media_id": await media.upload(self._api, kind, file)}}
        size = len(message.text.encode("utf-8"))
        if size > TEXT_BYTES:
            raise Refused(f"the text has {size} bytes; WeCom would cut it off after {TEXT_BYTES}")
        return {"msgtype": "text", "text": {"content": message.text}}

    def _duplicate_check(self, message: Outgoing, to: str, at: datetime) -> Mapping[str, int]:
        # A media_id is new at every upload, so that only texts can be told to be the same.
        wanted = not message.attachments and self._repeats.check_for(message.id, f"{to}\n{message.text}", at)
        if not wanted:
            return {"enable_duplicate_check": 0}
        seconds = self._settings.duplicate_check_seconds
        return {"enable_duplicate_check": 1, "duplicate_check_interval": seconds}


def kind_of(manifest: Manifest, file: OutgoingAttachment) -> str:
    """Raises Refused."""
    rule = manifest.media_rule(file.content_type, len(file.content))
    if rule is None:
        raise Refused(f"{file.filename}: this channel carries no file of {len(file.content)} bytes")
    return rule.kind


def _result(message: Outgoing, read: Fields, to: Mapping[str, Handle]) -> SendResult:
    """WeCom returns the receivers that it does not know in small letters."""
    known = {userid.lower(): handle for userid, handle in to.items()}
    refused = {
        known[name].key: f"{field}: {name}"
        for field in ("invaliduser", "unlicenseduser")
        for name in text_of(read, field).lower().split("|")
        if name in known
    }
    if len(refused) == len(known):
        raise Refused("; ".join(refused.values()))
    return SendResult(external_id=text_of(read, "msgid") or f"out:{message.id}", refused=refused)


async def recall(api: ErrcodeApi, message: Outgoing) -> None:
    """Within 24 hours. Raises TryLater, Refused or Uncertain."""
    if not message.external_id or message.external_id.startswith("out:"):
        raise Refused("WeCom gave this message no id")
    await api.call(post("/cgi-bin/message/recall", {"msgid": message.external_id}))
