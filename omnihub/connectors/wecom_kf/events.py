"""What happened in a chat: developer.work.weixin.qq.com/document/path/94670, read 2026-11. The ids of an event
stand within it, not beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from omnihub.connectors.reading import Fields, inner, text_of
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import Amendment, Receipt

ENTERED = "enter_session"

# fail_type of msg_send_fail. The names of 11 to 13 are from others' clients, not from the page itself.
_FAILED: Mapping[str, tuple[str, str]] = {
    "0": ("for an unknown reason", "未知原因"),
    "1": ("the KF account was deleted", "客服账号已删除"),
    "2": ("the app was closed", "应用已关闭"),
    "4": ("the customer's last message is more than 48 hours old", "会话已过期，超过48小时"),
    "5": ("the session was closed", "会话已关闭"),
    "6": ("more than 5 messages", "超过5条限制"),
    "7": ("no Channels account is bound", "未绑定视频号"),
    "8": ("the company is not verified", "主体未验证"),
    "10": ("the customer refuses messages", "用户拒收"),
    "11": ("nobody of the company has signed in to the WeCom app", "企业未有成员登录企业微信App"),
    "12": ("messages of this type are not allowed", "该消息类型被禁用"),
    "13": ("refused for security", "安全限制"),
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Notice:
    """`about`: the servicer, where it is about none of the customers."""

    text: str
    about: str = ""


def read_event(event: Fields, at: datetime | None) -> Notice | Receipt | Amendment | None:
    """None for an event that nobody has heard of. Raises Unreadable."""
    read = _EVENTS.get(text_of(event, "event_type"))
    return read(event, at) if read else None


def _entered(event: Fields, _: datetime | None) -> Notice:
    scene = text_of(event, "scene")[:200]
    shown = text_of(inner(event, "wechat_channels"), "nickname")[:200]
    where = ", ".join(filter(None, (scene, text_of(event, "scene_param")[:500], shown)))
    return Notice(text="Opened the chat" + (f" ({where})" if where else ""))


def _failed(event: Fields, at: datetime | None) -> Receipt:
    code = text_of(event, "fail_type") or "0"
    known = _FAILED.get(code)
    words = f"{known[1]} ({known[0]})" if known else "fail_type unknown"
    return Receipt(external_id=_named(event, "fail_msgid"), status="failed", at=at, words=words, code=code[:20])


def _recalled(event: Fields, at: datetime | None) -> Amendment:
    return Amendment(external_id=_named(event, "recall_msgid"), kind="recalled", at=at)


def _named(event: Fields, name: str) -> str:
    value = text_of(event, name).strip()
    if not value or len(value) > 256:
        raise Unreadable(f"the event names no {name}")
    return value


_CHANGED = {
    "1": "{new} took the conversation from the queue in the WeCom client",
    "2": "The conversation went from {old} to {new} in the WeCom client",
    "3": "{old} ended the conversation in the WeCom client",
    "4": "{new} took up the ended conversation again in the WeCom client",
}


def _session(event: Fields, _: datetime | None) -> Notice:
    template = _CHANGED.get(text_of(event, "change_type"), "The conversation changed hands in the WeCom client")
    names = {side: text_of(event, f"{side}_servicer_userid")[:128] or "somebody" for side in ("old", "new")}
    return Notice(text=template.format_map(names))


def _servicer(event: Fields, _: datetime | None) -> Notice:
    who = text_of(event, "servicer_userid")[:128]
    does = {"1": "attends to customers", "2": "stopped attending to customers"}
    change = does.get(text_of(event, "status"), "changed their status")
    return Notice(text=f"{who or 'Somebody'} {change} in the WeCom client", about=who or "sys")


def _rejecting(event: Fields, _: datetime | None) -> Notice:
    who = text_of(event, "servicer_userid")[:128] or "Somebody"
    refuses = text_of(event, "reject_switch") == "1"
    return Notice(text=f"{who} {'refuses' if refuses else 'takes'} this customer's messages in the WeCom client")


_EVENTS: Mapping[str, Callable[[Fields, datetime | None], Notice | Receipt | Amendment]] = {
    ENTERED: _entered,
    "msg_send_fail": _failed,
    "session_status_change": _session,
    "servicer_status_change": _servicer,
    "user_recall_msg": _recalled,
    "servicer_recall_msg": _recalled,
    "reject_customer_msg_switch_change": _rejecting,
}
