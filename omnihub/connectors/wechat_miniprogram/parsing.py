"""What a mini-program's customers do, as it is pushed, in XML or in JSON.

Official page: miniprogram/dev/framework/open-ability/customer-message/receive (read 2026-11).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.connectors.wechat_api.media import lent
from omnihub.connectors.wechat_api.people import escaped, handle
from omnihub.connectors.wechat_api.pushes import Push, push_id, said_at, sender_id
from omnihub.model.inbound import Allowance, Inbound, InboundAttachment, InboundMessage, LentMedia

# Openids are WeChat's, whichever kind of account they belong to; the AppID tells the accounts apart.
HANDLES = "wechat"
_SHOWN = 2000
_LINE = 500
_CHOICES = 20
_ENVELOPE = frozenset({"ToUserName", "FromUserName", "CreateTime", "MsgType", "Encrypt"})


@dataclass(slots=True, frozen=True, kw_only=True)
class Content:
    text: str = ""
    media: LentMedia | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True, kw_only=True)
class Happening:
    """`code` is what the web app translates by. `opens`: a few messages may be sent right away."""

    code: str
    text: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    opens: bool = False


def read_push(push: Push, appid: str, moment: Allowance) -> Sequence[Inbound]:
    """`moment`: what may be sent to somebody who just opened the chat. Raises Unreadable."""
    kind = text_of(push.fields, "MsgType").strip().lower()
    if kind == "event":
        return [_event(push, appid, moment)]
    if kind in _CONTENTS:
        return [_message(push, appid, _CONTENTS[kind](push.fields))]
    return [_unsupported(push, appid, f"message type {kind or '(none)'}")]


def _message(push: Push, appid: str, content: Content, **more: Any) -> InboundMessage:
    openid = sender_id(push.fields)
    return InboundMessage(
        external_id=push_id(push.fields),
        thread_key=escaped(openid),
        sender=handle(HANDLES, appid, openid),
        sent_at=said_at(push.fields),
        text=content.text,
        visible_text=content.text,
        media=(content.media,) if content.media else (),
        **{"extra": content.extra, **more},
    )


def _event(push: Push, appid: str, moment: Allowance) -> InboundMessage:
    name = text_of(push.fields, "Event").strip()[:60]
    read = _HAPPENINGS.get(name.lower())
    if read is None:
        return _unsupported(push, appid, f"event {name or '(none)'}")
    happening = read(push.fields)
    return _message(
        push, appid, Content(text=happening.text, extra={"notice": happening.code, **happening.extra}),
        kind="notice", silent=True, silent_reason="not a message",
        allowance=moment if happening.opens and moment.messages else None,
    )  # fmt: skip


def _unsupported(push: Push, appid: str, what: str) -> InboundMessage:
    raw = InboundAttachment(
        filename=f"event.{push.format}", content_type=f"application/{push.format}", content=push.body
    )
    said = "\n".join(f"{name}: {_value(value)}" for name, value in push.fields.items() if name not in _ENVELOPE)
    words = f"WeChat {what[:80]}, which cannot be shown here\n{said}"[:_SHOWN]
    return _message(push, appid, Content(text=words), kind="unsupported", attachments=(raw,))


def _value(value: Any) -> str:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)


def _text(fields: Fields) -> Content:
    return Content(text=text_of(fields, "Content"))


def _image(fields: Fields) -> Content:
    media = lent(fields, "image")
    return Content(media=media, text="" if media else "[image]")


def _page(fields: Fields) -> Content:
    """A card of one of the mini-program's pages, such as an order; its picture is lent like any other."""
    title, page = text_of(fields, "Title").strip()[:_LINE], text_of(fields, "PagePath").strip()[:_LINE]
    card = {"title": title, "app_id": text_of(fields, "AppId").strip()[:_LINE], "page": page}
    thumb = {"MediaId": text_of(fields, "ThumbMediaId"), "PicUrl": text_of(fields, "ThumbUrl")}
    text = "\n".join(line for line in (title, page) if line) or "[mini-program page]"
    return Content(text=text, media=lent(thumb, "image"), extra={"mini_program_page": card})


_CONTENTS: Mapping[str, Callable[[Fields], Content]] = {"text": _text, "image": _image, "miniprogrampage": _page}


def _entered(fields: Fields) -> Happening:
    """SessionFrom is what the mini-program's own page says of where the customer comes from."""
    session = text_of(fields, "SessionFrom").strip()[:_SHOWN]
    text = f"Opened the chat: {session[:_LINE]}" if session else "Opened the chat"
    return Happening(
        code="entered_chat", text=text, extra={"session_from": session} if session else {}, opens=True
    )


def _chosen(fields: Fields) -> Happening:
    """The customer's answers to a request for subscribe messages; XML nests them deeper than JSON."""
    choices = [
        {"template_id": text_of(one, "TemplateId")[:128], "choice": text_of(one, "SubscribeStatusString")[:40]}
        for one in _listed(fields)
    ]
    words = ", ".join(f"{one['choice']} {one['template_id']}" for one in choices)
    return Happening(
        code="subscribe_choice", text=f"Chose about subscribe messages: {words}", extra={"choices": choices}
    )


def _subscribe_sent(fields: Fields) -> Happening:
    results = [
        {
            "template_id": text_of(one, "TemplateId")[:128],
            "code": text_of(one, "ErrorCode")[:20],
            "status": text_of(one, "ErrorStatus")[:_LINE],
        }
        for one in _listed(fields)
    ]
    words = ", ".join(f"{one['status'] or one['code']} {one['template_id']}" for one in results)
    return Happening(
        code="subscribe_result", text=f"Result of a subscribe message: {words}", extra={"results": results}
    )


def _listed(fields: Fields) -> list[Fields]:
    nested = (inner(fields, f"SubscribeMsg{name}Event") for name in ("Popup", "Change", "Sent"))
    found = items(next((one for one in nested if one), fields), "List")
    return [one for one in found if isinstance(one, dict)][:_CHOICES]


_HAPPENINGS: Mapping[str, Callable[[Fields], Happening]] = {
    "user_enter_tempsession": _entered,
    "subscribe_msg_popup_event": _chosen,
    "subscribe_msg_change_event": _chosen,
    "subscribe_msg_sent_event": _subscribe_sent,
}
