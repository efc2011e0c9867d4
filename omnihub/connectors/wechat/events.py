"""Events: what a person or the platform did that is no message.

Official pages: Message_Management "receiving event pushes", Template_Message_Interface, subscribe message events,
customer-service sessions (read 2026-11).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.model.inbound import DeliveryReport, Handle, Receipt

Words = Callable[[Fields], str]
Extra = Callable[[Fields], Mapping[str, Any]]
_SCENE = "qrscene_"
_SHOWN = 500


def _nothing(fields: Fields) -> Mapping[str, Any]:
    return {}


@dataclass(slots=True, frozen=True, kw_only=True)
class Happening:
    """`code` is what the inbox translates. `moment`: the platform lets us write for a minute."""

    code: str
    words: Words
    extra: Extra = field(default=_nothing)
    moment: bool = False
    reachable: bool | None = None


def happening(fields: Fields) -> Happening | None:
    """None for an event that nobody has told us about."""
    return _HAPPENINGS.get(text_of(fields, "Event").strip().lower())


def entries(fields: Fields) -> list[Fields]:
    """The entries of a subscribe-message event: one or many, below an element of its own or not."""
    nested = next((value for value in fields.values() if isinstance(value, dict) and "List" in value), fields)
    return [entry for entry in items(nested, "List") if isinstance(entry, dict)]


def receipts(fields: Fields, person: Handle) -> list[Receipt]:
    """What an event says about messages that we sent."""
    event = text_of(fields, "Event").strip().lower()
    if event == "templatesendjobfinish":
        return _receipt("template", text_of(fields, "MsgID"), text_of(fields, "Status"), "", person)
    if event == "subscribe_msg_sent_event":
        return [receipt for entry in entries(fields) for receipt in _subscribe_receipt(entry, person)]
    return []


def _subscribe_receipt(entry: Fields, person: Handle) -> list[Receipt]:
    words, code = text_of(entry, "ErrorStatus"), text_of(entry, "ErrorCode")
    return _receipt("subscribe", text_of(entry, "MsgID"), words, code, person)


def _receipt(kind: str, message_id: str, words: str, code: str, person: Handle) -> list[Receipt]:
    if not message_id:
        return []
    status: DeliveryReport = "delivered" if words.strip().lower() == "success" or code == "0" else "failed"
    return [
        Receipt(
            external_id=f"{kind}:{message_id[:128]}", status=status, recipient=person.key, words=words[:_SHOWN],
            code=code[:40],
        )
    ]  # fmt: skip


def _short(fields: Fields, name: str) -> str:
    return text_of(fields, name).strip()[:_SHOWN]


def _says(words: str) -> Words:
    return lambda fields: words


def _says_key(words: str, name: str = "EventKey") -> Words:
    """The words, and what the platform named with them."""
    return lambda fields: f"{words}: {_short(fields, name)}" if _short(fields, name) else words


def _scene(fields: Fields) -> str:
    return _short(fields, "EventKey").removeprefix(_SCENE)


def _scene_extra(fields: Fields) -> Mapping[str, Any]:
    return {
        name: value for name, value in (("scene", _scene(fields)), ("ticket", _short(fields, "Ticket"))) if value
    }


def _followed(fields: Fields) -> str:
    scene = _scene(fields)
    return f"Followed the account by the QR code {scene}" if scene else "Followed the account"


def _place(fields: Fields) -> str:
    return f"Is at {_short(fields, 'Latitude')}, {_short(fields, 'Longitude')}"


def _scanned_in_menu(fields: Fields) -> str:
    return f"Scanned by the menu: {_short(inner(fields, 'ScanCodeInfo'), 'ScanResult')}"


def _pictures(fields: Fields) -> str:
    count = _short(inner(fields, "SendPicsInfo"), "Count")
    return f"Chose {count or 'some'} pictures by the menu; they follow as messages"


def _chosen_place(fields: Fields) -> str:
    place = inner(fields, "SendLocationInfo")
    spot = f"{_short(place, 'Location_X')}, {_short(place, 'Location_Y')}"
    return f"Chose a place by the menu: {_short(place, 'Label') or spot} ({spot})"


def _switched(fields: Fields) -> str:
    return (
        f"WeChat's own customer service handed over from {_short(fields, 'FromKfAccount')} "
        f"to {_short(fields, 'ToKfAccount')}"
    )


def _mass_sent(fields: Fields) -> str:
    counts = ", ".join(f"{name} {_short(fields, name)}" for name in _COUNTS if _short(fields, name))
    return f"A mass message is done: {_short(fields, 'Status')} ({counts})"


_COUNTS = ("TotalCount", "FilterCount", "SentCount", "ErrorCount")


def _subscriptions(words: str) -> Words:
    def told(fields: Fields) -> str:
        told = [
            f"{_short(one, 'TemplateId')} {_short(one, 'SubscribeStatusString')}" for one in entries(fields)[:20]
        ]
        return f"{words}: {'; '.join(told)}"

    return told


def _subscription_extra(fields: Fields) -> Mapping[str, Any]:
    return {
        "subscriptions": [
            {"template_id": _short(one, "TemplateId"), "status": _short(one, "SubscribeStatusString")}
            for one in entries(fields)[:20]
        ]
    }


def _subscribe_results(fields: Fields) -> str:
    told = [f"{_short(one, 'TemplateId')} {_short(one, 'ErrorStatus')}" for one in entries(fields)[:20]]
    return f"Result of a subscribe message: {'; '.join(told)}"


_HAPPENINGS: Mapping[str, Happening] = {
    "subscribe": Happening(code="followed", words=_followed, extra=_scene_extra, moment=True, reachable=True),
    "unsubscribe": Happening(code="unfollowed", words=_says("Unfollowed the account"), reachable=False),
    "scan": Happening(code="scanned", words=_says_key("Scanned the QR code"), extra=_scene_extra, moment=True),
    "click": Happening(code="menu_clicked", words=_says_key("Pressed the menu item"), moment=True),
    "view": Happening(code="menu_link_opened", words=_says_key("Opened a link of the menu")),
    "view_miniprogram": Happening(code="mini_program_opened", words=_says_key("Opened a mini-program")),
    "location": Happening(code="located", words=_place),
    "scancode_push": Happening(code="menu_scanned", words=_scanned_in_menu, moment=True),
    "scancode_waitmsg": Happening(code="menu_scanned", words=_scanned_in_menu, moment=True),
    "pic_sysphoto": Happening(code="menu_pictures", words=_pictures),
    "pic_photo_or_album": Happening(code="menu_pictures", words=_pictures),
    "pic_weixin": Happening(code="menu_pictures", words=_pictures),
    "location_select": Happening(code="menu_place", words=_chosen_place),
    "masssendjobfinish": Happening(code="mass_sent", words=_mass_sent),
    "kf_create_session": Happening(
        code="kf_session_opened", words=_says_key("WeChat's own customer service took over", "KfAccount")
    ),
    "kf_close_session": Happening(
        code="kf_session_closed", words=_says_key("WeChat's own customer service ended", "KfAccount")
    ),
    "kf_switch_session": Happening(code="kf_session_switched", words=_switched),
    "subscribe_msg_popup_event": Happening(
        code="subscribe_messages_chosen", words=_subscriptions("Chose on subscribe messages"),
        extra=_subscription_extra,
    ),
    "subscribe_msg_change_event": Happening(
        code="subscribe_messages_changed", words=_subscriptions("Changed subscribe messages"),
        extra=_subscription_extra,
    ),
    "subscribe_msg_sent_event": Happening(code="subscribe_message_result", words=_subscribe_results),
}  # fmt: skip
