"""Customer-service messages (api_sendcustommessage, read 2026-11): what an answer becomes on the wire."""

from collections.abc import Mapping
from typing import Any

from omnihub.connectors.contract import Manifest
from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.wechat_api.api import upload
from omnihub.model.errors import Refused
from omnihub.model.outgoing import Outgoing, OutgoingAttachment

Body = dict[str, Any]

_ENDINGS = {
    "image/jpeg": "jpg", "image/png": "png", "audio/amr": "amr", "audio/mpeg": "mp3", "audio/mp3": "mp3",
    "video/mp4": "mp4",
}  # fmt: skip


def text(openid: str, content: str) -> Body:
    return {"touser": openid, "msgtype": "text", "text": {"content": content}}


def media(openid: str, kind: str, media_id: str) -> Body:
    """`kind`: image, voice or video."""
    return {"touser": openid, "msgtype": kind, kind: {"media_id": media_id}}


def link(openid: str, title: str, description: str, url: str, thumb_url: str) -> Body:
    """Mini-programs only."""
    shown = {"title": title, "description": description, "url": url, "thumb_url": thumb_url}
    return {"touser": openid, "msgtype": "link", "link": shown}


def news(openid: str, title: str, description: str, url: str, pic_url: str) -> Body:
    """Official accounts only, and one article only (45008)."""
    article = {"title": title, "description": description, "url": url, "picurl": pic_url}
    return {"touser": openid, "msgtype": "news", "news": {"articles": [article]}}


def menu(openid: str, head: str, choices: Mapping[str, str], tail: str) -> Body:
    """Official accounts only. `choices`: words by id; what is pressed comes back as a text with bizmsgmenuid."""
    shown = [{"id": key, "content": words} for key, words in choices.items()]
    return {"touser": openid, "msgtype": "msgmenu",
            "msgmenu": {"head_content": head, "list": shown, "tail_content": tail}}  # fmt: skip


def mini_program_page(openid: str, title: str, page: str, thumb_media_id: str, appid: str = "") -> Body:
    """A card; `appid` only where the sender is an official account."""
    shown = {"title": title, "pagepath": page, "thumb_media_id": thumb_media_id}
    return {"touser": openid, "msgtype": "miniprogrampage", "miniprogrampage": {**shown, **_named(appid)}}


def _named(appid: str) -> dict[str, str]:
    return {"appid": appid} if appid else {}


def by_service_account(body: Body, kf_account: str) -> Body:
    """Shown as written by this customer-service account, where one is named."""
    return {**body, "customservice": {"kf_account": kf_account}} if kf_account else body


async def answer_body(api: ErrcodeApi, manifest: Manifest, openid: str, message: Outgoing) -> Body:
    """A text, or its one file, uploaded. Raises Refused or TryLater: nothing has been sent yet."""
    if not message.attachments:
        if not message.text.strip():
            raise Refused("an empty message cannot be sent")
        return text(openid, message.text)
    (file, *more) = message.attachments
    if more or message.text.strip():
        raise Refused("the channel carries a text or one file in a message")
    kind = _kind_of(manifest, file)
    filename = f"{kind}.{_ENDINGS.get(file.content_type, 'bin')}"
    return media(openid, kind, await upload(api, kind, filename, file.content_type, file.content))


def _kind_of(manifest: Manifest, file: OutgoingAttachment) -> str:
    rule = manifest.media_rule(file.content_type, len(file.content))
    if rule is None:
        raise Refused(f"the channel does not carry such a file: {file.content_type}, {len(file.content)} bytes")
    return rule.kind
