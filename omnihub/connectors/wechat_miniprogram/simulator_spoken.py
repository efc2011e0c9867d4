"""What a user does in the mini-program, as the fields that the platform pushes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omnihub.connectors.simulation import Action, Spoken
from omnihub.connectors.wechat_api.pushes import Format
from omnihub.connectors.wechat_api.simulator_shelf import MediaShelf
from omnihub.connectors.wechat_miniprogram.simulator_demo import APP_ID, COVER, TEMPLATE_ID

Fields = dict[str, Any]

KINDS = ("text", "image")
ACTIONS = (
    Action(key="enter", en="Open the customer service", zh="打开客服会话"),
    Action(key="card", en="Send the page of my order", zh="发送订单页面卡片"),
    Action(key="accept", en="Agree to a subscribe message", zh="同意接收订阅消息"),
    Action(key="tomorrow", en="Send a kind of message that nobody knows yet", zh="发送未知类型的消息"),
)
MESSAGES = frozenset({*KINDS, "card", "tomorrow"})


@dataclass(slots=True, frozen=True, kw_only=True)
class Phone:
    """Where files are put, under which address, and how the platform writes."""

    shelf: MediaShelf
    base_url: str
    format: Format


def said(spoken: Spoken, phone: Phone) -> Fields:
    """Raises KeyError for a kind that the mini-program does not have."""
    return _SAID[spoken.kind](spoken, phone)


def _text(spoken: Spoken, phone: Phone) -> Fields:
    return {"MsgType": "text", "Content": spoken.text}


def _image(spoken: Spoken, phone: Phone) -> Fields:
    content_type = spoken.content_type if spoken.content_type in ("image/jpeg", "image/png") else "image/jpeg"
    media_id = phone.shelf.put("image", spoken.content, content_type, "picture.jpg")
    return {"MsgType": "image", "PicUrl": f"{phone.base_url}/pictures/{media_id}", "MediaId": media_id}


def _card(spoken: Spoken, phone: Phone) -> Fields:
    thumb = phone.shelf.put("image", COVER, "image/png", "thumb.png")
    return {
        "MsgType": "miniprogrampage", "Title": spoken.text or "我的订单 20261120-0042", "AppId": APP_ID,
        "PagePath": "pages/order/detail?id=20261120-0042", "ThumbUrl": f"{phone.base_url}/pictures/{thumb}",
        "ThumbMediaId": thumb,
    }  # fmt: skip


def _enter(spoken: Spoken, phone: Phone) -> Fields:
    return {
        "MsgType": "event",
        "Event": "user_enter_tempsession",
        "SessionFrom": spoken.text or "pages/order/list",
    }


def _accept(spoken: Spoken, phone: Phone) -> Fields:
    """JSON has the list at the top, XML one level deeper."""
    chosen = {"TemplateId": TEMPLATE_ID, "SubscribeStatusString": "accept", "PopupScene": "0"}
    listed: Fields = {"List": [chosen]}
    if phone.format == "xml":
        listed = {"SubscribeMsgPopupEvent": listed}
    return {"MsgType": "event", "Event": "subscribe_msg_popup_event", **listed}


def _tomorrow(spoken: Spoken, phone: Phone) -> Fields:
    return {"MsgType": "of_tomorrow", "Hologram": spoken.text or "a message of tomorrow"}


_SAID: Mapping[str, Callable[[Spoken, Phone], Fields]] = {
    "text": _text,
    "image": _image,
    "card": _card,
    "enter": _enter,
    "accept": _accept,
    "tomorrow": _tomorrow,
}
