"""What a customer does in the app, as the fields that the platform pushes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omnihub.connectors.simulation import Action, Spoken, amr_note
from omnihub.connectors.wechat_api.simulator_shelf import MediaShelf

Fields = dict[str, Any]

ACTIONS = (
    Action(key="follow", en="Follow the account", zh="关注公众号"),
    Action(key="unfollow", en="Unfollow the account", zh="取消关注"),
    Action(key="menu", en="Press a menu item", zh="点击菜单"),
    Action(key="scan", en="Scan the QR code in the shop", zh="扫描门店二维码"),
    Action(key="location", en="Send where I am", zh="发送位置"),
    Action(key="accept", en="Accept a subscribe message", zh="同意接收订阅通知"),
    Action(key="tomorrow", en="Send a kind of message that nobody knows yet", zh="发送未知类型的消息"),
)
KINDS = ("text", "image", "voice", "video")
PLACE = ("31.224361", "121.469170", "上海市静安区南京西路 1266 号")
# The beginning of an MP4 file: enough to be told for one.
_MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(64)


@dataclass(slots=True, frozen=True, kw_only=True)
class Phone:
    """What is at hand when a customer's doing is told: where files are put, and under which address."""

    shelf: MediaShelf
    base_url: str
    subscribe_template: str


def said(spoken: Spoken, phone: Phone) -> Fields:
    """Raises KeyError for a kind that the app does not have."""
    return _SAID[spoken.kind](spoken, phone)


def _text(spoken: Spoken, phone: Phone) -> Fields:
    return {"MsgType": "text", "Content": spoken.text}


def _image(spoken: Spoken, phone: Phone) -> Fields:
    content_type = spoken.content_type if spoken.content_type in ("image/jpeg", "image/png") else "image/jpeg"
    media_id = phone.shelf.put("image", spoken.content, content_type, "picture.jpg")
    return {"MsgType": "image", "PicUrl": f"{phone.base_url}/pictures/{media_id}", "MediaId": media_id}


def _voice(spoken: Spoken, phone: Phone) -> Fields:
    """Recorded as AMR whatever the browser made; `text` is what recognition understands of it."""
    content = spoken.content if spoken.content.startswith(b"#!AMR") else amr_note()
    media_id = phone.shelf.put("voice", content, "audio/amr", "voice.amr")
    return {"MsgType": "voice", "MediaId": media_id, "Format": "amr", "Recognition": spoken.text}


def _video(spoken: Spoken, phone: Phone) -> Fields:
    media_id = phone.shelf.put("video", spoken.content or _MP4, "video/mp4", "video.mp4")
    thumb_id = phone.shelf.put("thumb", b"\xff\xd8\xff\xd9", "image/jpeg", "thumb.jpg")
    return {"MsgType": "video", "MediaId": media_id, "ThumbMediaId": thumb_id}


def _location(spoken: Spoken, phone: Phone) -> Fields:
    latitude, longitude, label = PLACE
    return {
        "MsgType": "location", "Location_X": latitude, "Location_Y": longitude, "Scale": 16,
        "Label": spoken.text or label,
    }  # fmt: skip


def _tomorrow(spoken: Spoken, phone: Phone) -> Fields:
    return {"MsgType": "of_tomorrow", "Hologram": spoken.text or "a message of tomorrow"}


def _event(**fields: Any) -> Callable[[Spoken, Phone], Fields]:
    return lambda spoken, phone: {"MsgType": "event", **fields}


def _accept(spoken: Spoken, phone: Phone) -> Fields:
    chosen = {"TemplateId": phone.subscribe_template, "SubscribeStatusString": "accept", "PopupScene": "2"}
    return {
        "MsgType": "event", "Event": "subscribe_msg_popup_event", "SubscribeMsgPopupEvent": {"List": [chosen]},
    }  # fmt: skip


_SAID: Mapping[str, Callable[[Spoken, Phone], Fields]] = {
    "text": _text,
    "image": _image,
    "voice": _voice,
    "video": _video,
    "location": _location,
    "tomorrow": _tomorrow,
    "follow": _event(Event="subscribe", EventKey=""),
    "unfollow": _event(Event="unsubscribe", EventKey=""),
    "menu": _event(Event="CLICK", EventKey="MENU_SERVICE"),
    "scan": _event(Event="SCAN", EventKey="1001", Ticket="gQH47joAAAAAAAAAASxodHRwOi8vdw"),
    "accept": _accept,
}
