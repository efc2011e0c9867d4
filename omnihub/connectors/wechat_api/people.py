"""Openids and unionids as handles."""

from urllib.parse import unquote

from omnihub.model.inbound import Handle


def handle(channel: str, appid: str, openid: str) -> Handle:
    return Handle(key=f"{channel}:{appid}:{escaped(openid)}")


def escaped(openid: str) -> str:
    """As it stands in a handle, where a colon separates. Real openids hold none."""
    return openid.replace("%", "%25").replace(":", "%3A")


def openid_of(handle: Handle) -> str:
    return unquote(handle.value)


def union_key(unionid: str) -> str:
    """The handle that all accounts bound to one Open Platform account share."""
    return f"wechat-union:{escaped(unionid)}"
