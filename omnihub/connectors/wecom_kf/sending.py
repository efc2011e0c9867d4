"""What goes out to customers: developer.work.weixin.qq.com/document/path 96427 and 94677, read 2026-11."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from omnihub.connectors.contract import Manifest
from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.reading import text_of
from omnihub.connectors.wecom_api import media, people
from omnihub.connectors.wecom_api.api import code_of, post
from omnihub.connectors.wecom_kf.settings import Settings
from omnihub.model.errors import OmnihubError, Refused, WindowClosed
from omnihub.model.outgoing import Outgoing, SendResult

TEXT_BYTES = 2048
_MSGID = re.compile(r"[0-9A-Za-z_-]{1,32}")
_BAD_PARAMETER, _ENDED, _WRONG_STATE = 40058, 95013, 95018
NEW, HUB, QUEUED, SERVICED, OVER = "0", "1", "2", "3", "4"
_KEPT = timedelta(minutes=30)
_REMEMBERED = 5000


def msgid_for(message_id: str) -> str:
    """At most 32 of [0-9a-zA-Z_-], the same for the same message."""
    if _MSGID.fullmatch(message_id):
        return message_id
    return hashlib.sha256(message_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Sender:
    def __init__(self, api: ErrcodeApi, settings: Settings, manifest: Manifest) -> None:
        self._api = api
        self._settings = settings
        self._manifest = manifest
        self._kept: dict[str, datetime] = {}

    async def send(self, message: Outgoing, at: datetime) -> SendResult:
        """Raises TryLater, Refused, WindowClosed or Uncertain."""
        chat = _chat(message)
        said = await self._content(message)
        if self._settings.keep_session:
            await self._keep(chat, at)
        msgid = message.external_id or msgid_for(message.id)
        body = {"touser": chat["external_userid"], "open_kfid": chat["open_kfid"], "msgid": msgid, **said}
        try:
            read = await self._api.call(post("/cgi-bin/kf/send_msg", body, handing_over=True))
        except Refused as error:
            if _was_taken(error):
                return SendResult(external_id=msgid, words=str(error))
            if code_of(error) in (_ENDED, _WRONG_STATE):
                raise await self._why(chat, error) from error
            raise
        answered = text_of(read, "msgid") or msgid
        return SendResult(external_id=msgid, aliases=(answered,) if answered != msgid else ())

    async def _content(self, message: Outgoing) -> Mapping[str, Any]:
        if message.attachments:
            file = message.attachments[0]
            rule = self._manifest.media_rule(file.content_type, len(file.content))
            if rule is None:
                raise Refused(f"{file.filename}: this channel carries no file of {len(file.content)} bytes")
            media_id = await media.upload(self._api, rule.kind, file)
            return {"msgtype": rule.kind, rule.kind: {"media_id": media_id}}
        size = len(message.text.encode("utf-8"))
        if size > TEXT_BYTES:
            raise Refused(f"the text has {size} bytes; 微信客服 takes {TEXT_BYTES}")
        return {"msgtype": "text", "text": {"content": message.text}}

    async def _keep(self, chat: Mapping[str, str], at: datetime) -> None:
        """Tells WeCom that the hub attends to a new conversation, before it gives it to somebody else."""
        name = "/".join(chat.values())
        if name in self._kept and at - self._kept[name] < _KEPT:
            return
        try:
            if await self._state(chat) == NEW:
                await self._move(chat, HUB)
        except Refused:
            return  # sending shows what is the matter, in words about sending
        self._kept.pop(name, None)
        self._kept[name] = at
        while len(self._kept) > _REMEMBERED:
            del self._kept[next(iter(self._kept))]

    async def _why(self, chat: Mapping[str, str], error: OmnihubError) -> OmnihubError:
        """In what state WeCom does not let the hub answer."""
        try:
            read = await self._api.call(post("/cgi-bin/kf/service_state/get", chat))
        except Refused:
            return WindowClosed(str(error)) if code_of(error) == _ENDED else error
        state, who = text_of(read, "service_state"), text_of(read, "servicer_userid") or "somebody"
        self._kept.pop("/".join(chat.values()), None)
        if state == SERVICED:
            return Refused(
                f"{error} — {who} attends to this customer in the WeCom client. Answer there, or end the "
                "conversation there: the customer's next message can be answered here again."
            )
        if state == QUEUED:
            return Refused(
                f"{error} — this customer waits in the queue of the WeCom client. Take the conversation there "
                "and end it: the customer's next message can be answered here again."
            )
        return WindowClosed(f"{error} — it can be answered again after the customer's next message.")

    async def _state(self, chat: Mapping[str, str]) -> str:
        return text_of(await self._api.call(post("/cgi-bin/kf/service_state/get", chat)), "service_state")

    async def _move(self, chat: Mapping[str, str], state: str) -> None:
        body = {**chat, "service_state": int(state)}
        await self._api.call(post("/cgi-bin/kf/service_state/trans", body))


def _chat(message: Outgoing) -> Mapping[str, str]:
    """Raises Refused where this is no customer's chat."""
    to = message.to[0] if message.to else None
    if to is not None and to.channel == "wecom":
        raise Refused("an employee wrote to the app itself: connect it as a WeCom app to answer")
    open_kfid, slash, external_userid = message.thread_key.partition("/")
    if to is None or to.channel != "wecom_kf" or not slash or not open_kfid:
        raise Refused("the conversation names no customer of 微信客服")
    if unquote(external_userid) != people.id_of(to):
        raise Refused("the conversation is another customer's")
    return {"open_kfid": unquote(open_kfid), "external_userid": people.id_of(to)}


def _was_taken(error: Refused) -> bool:
    """Ours is always of the right form, so that a complaint about it can only mean that it was used before: by
    an earlier attempt, whose answer was lost."""
    return code_of(error) == _BAD_PARAMETER and "msgid" in str(error).lower()
