"""Employees and customers as handles."""

from urllib.parse import unquote

from omnihub.model.inbound import Handle


def employee(corp_id: str, userid: str) -> Handle:
    return Handle(key=f"wecom:{corp_id}:{escaped(userid)}")


def customer(corp_id: str, external_userid: str) -> Handle:
    return Handle(key=f"wecom_kf:{corp_id}:{escaped(external_userid)}")


def id_of(handle: Handle) -> str:
    return unquote(handle.value)


def union_key(unionid: str) -> str:
    """Shared with the official accounts that are bound to the same Open Platform account."""
    return f"wechat-union:{escaped(unionid)}"


def escaped(value: str) -> str:
    """As it stands in a handle, where a colon separates."""
    return value.replace("%", "%25").replace(":", "%3A")
