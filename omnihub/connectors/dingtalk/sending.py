"""Answers: into the running session while it lasts, else by the robot's own calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from omnihub.connectors.calls import Call, ask
from omnihub.connectors.dingtalk import messages
from omnihub.connectors.dingtalk.addresses import is_allowed, is_safe
from omnihub.connectors.dingtalk.api import Api, read_classic
from omnihub.connectors.dingtalk.messages import Shaped
from omnihub.connectors.dingtalk.people import GROUP, staff_id
from omnihub.connectors.dingtalk.settings import Settings
from omnihub.connectors.reading import items, text_of
from omnihub.model.errors import Refused, TryLater, WindowClosed
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing, OutgoingAttachment, SendResult

SEND_SECONDS = 15.0
UPLOAD_SECONDS = 60.0
# A session that is about to end may have ended when the call arrives.
_MARGIN_SECONDS = 30.0
_FLOW_PAUSE = 60.0


@dataclass(slots=True, frozen=True, kw_only=True)
class Target:
    """Where an answer goes. `staff` is empty for people from outside; `session` where no session is open."""

    to: Handle
    staff: str
    group: str
    robot: str
    session: str


def target_of(message: Outgoing, settings: Settings, now: datetime) -> Target:
    """Raises Refused where it leads to nobody."""
    if not message.to:
        raise Refused("the answer is addressed to nobody")
    to, wire = message.to[0], message.answering
    group = message.thread_key.removeprefix(GROUP) if message.thread_key.startswith(GROUP) else ""
    return Target(
        to=to,
        staff=staff_id(to),
        group=group,
        robot=str(wire.get("robot") or settings.robot),
        session=_session(wire, to, group, settings, now),
    )


def _session(wire: Mapping[str, Any], to: Handle, group: str, settings: Settings, now: datetime) -> str:
    """The address to answer to, where it is still open, leads to this very person or group, and is one of
    DingTalk's own: the message that it came in is not signed."""
    address, expires = str(wire.get("webhook") or ""), wire.get("expires")
    ours = wire.get("group") == group if group else not wire.get("group") and wire.get("sender") == to.key
    lasts = isinstance(expires, int | float) and expires / 1000 > now.timestamp() + _MARGIN_SECONDS
    return address if ours and lasts and is_allowed(address, settings.session_hosts) else ""


class Sender:
    def __init__(self, api: Api, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._api = api
        self._settings = settings
        self._http = http

    async def send(self, message: Outgoing, now: datetime) -> SendResult:
        """Raises TryLater, Refused, WindowClosed or Uncertain."""
        target = target_of(message, self._settings, now)
        if message.attachments:
            if message.text.strip() or len(message.attachments) > 1:
                raise Refused("a DingTalk message is a text or one file, not both")
            return await self._send_file(message, message.attachments[0], target)
        if target.session:
            answered = await self._into_session(message, target)
            if answered is not None:
                return answered
        return await self._by_robot(message, messages.text(message.text), target)

    async def _into_session(self, message: Outgoing, target: Target) -> SendResult | None:
        """None where the session turned out to be over and the robot can write by itself."""
        mentioned = target.staff if target.group and self._settings.mention_author else ""
        body = messages.session_text(message.text, mentioned)
        call = Call(method="POST", url=target.session, json=body, seconds=SEND_SECONDS, handing_over=True)
        _, fault = read_classic(await ask(self._http, call), call)
        if fault is None:
            return SendResult(external_id=_own_name(message))
        error = fault.error()
        if isinstance(error, TryLater):
            raise error
        # By which code an ended session is refused is not documented. Whatever the refusal, nothing was said.
        if target.group or target.staff:
            return None
        raise error

    async def _send_file(self, message: Outgoing, file: OutgoingAttachment, target: Target) -> SendResult:
        _check_writable(target)
        if self._settings.pictures_by_link and file.content_type.startswith("image/") and is_safe(file.url):
            return await self._by_robot(message, messages.picture(file.url), target)
        media_id = await self._upload(file)
        return await self._by_robot(message, messages.of_media(file, media_id), target)

    async def _upload(self, file: OutgoingAttachment) -> str:
        """Uploading shows nobody anything: a failed one may be repeated."""
        form = aiohttp.FormData()
        kind = messages.upload_type(file)
        form.add_field("type", kind)
        form.add_field("media", file.content, filename=file.filename or "file", content_type=file.content_type)
        call = Call(method="POST", url="/media/upload", query={"type": kind}, data=form, seconds=UPLOAD_SECONDS)
        media_id = text_of(await self._api.classic(call), "media_id")
        if not media_id:
            raise Refused("DingTalk took the file but gave it no media_id")
        return media_id

    async def _by_robot(self, message: Outgoing, shaped: Shaped, target: Target) -> SendResult:
        _check_writable(target)
        path, whom = _ways(target)
        body = {"robotCode": target.robot, **whom, **shaped.body}
        call = Call(method="POST", url=path, json=body, seconds=SEND_SECONDS, handing_over=True)
        read = await self._api.modern(call)
        _check_taken(read, target)
        return SendResult(external_id=text_of(read, "processQueryKey") or _own_name(message))


def _ways(target: Target) -> tuple[str, dict[str, Any]]:
    if target.group:
        return "/v1.0/robot/groupMessages/send", {"openConversationId": target.group}
    return "/v1.0/robot/oToMessages/batchSend", {"userIds": [target.staff]}


def _check_writable(target: Target) -> None:
    if not (target.group or target.staff):
        raise WindowClosed(
            "this person is not a member of the organisation: the robot can answer them only in text, and only "
            "within about 90 minutes after they wrote"
        )


def _check_taken(read: Mapping[str, Any], target: Target) -> None:
    """The call succeeds even where it reached nobody."""
    fields = dict(read)
    if target.staff in items(fields, "flowControlledStaffIdList"):
        raise TryLater(f"flowControlledStaffIdList: {target.staff}", after=_FLOW_PAUSE)
    if target.staff in items(fields, "invalidStaffIdList"):
        raise Refused(f"invalidStaffIdList: {target.staff}")


def _own_name(message: Outgoing) -> str:
    """The session's address answers without naming what it took."""
    return f"out:{message.id}"
