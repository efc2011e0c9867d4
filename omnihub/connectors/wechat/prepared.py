"""Messages that the admin prepared: what fills their blanks, and what they become on the wire.

Official pages: Template_Message_Interface, subscribe message bizsend, api_sendcustommessage (read 2026-11).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from omnihub.connectors.contract import Template, TemplateField
from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.wechat.settings import PreparedMessage
from omnihub.connectors.wechat_api import messages
from omnihub.connectors.wechat_api.api import hand_over, send_custom
from omnihub.model.errors import Refused
from omnihub.model.outgoing import Outgoing

_TEMPLATE_SEND = "/cgi-bin/message/template/send"
_SUBSCRIBE_SEND = "/cgi-bin/message/subscribe/bizsend"
_BLANK = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")

Values = Mapping[str, str]
Body = dict[str, Any]


def templates(prepared: Sequence[PreparedMessage]) -> list[Template]:
    return [
        Template(
            id=one.id,
            name=one.name,
            text=preview(one),
            fields=[TemplateField(key=blank.key, label=blank.label) for blank in one.fields],
            within_window=one.kind in _CUSTOM,
        )
        for one in prepared
    ]


def preview(one: PreparedMessage) -> str:
    """All that the customer will read, with the blanks still open."""
    choices = [f"[{choice}]" for choice in one.choices]
    return "\n".join(line for line in (one.title, one.text, *choices, one.closing, one.url) if line)


async def send_prepared(
    api: ErrcodeApi, prepared: Sequence[PreparedMessage], openid: str, message: Outgoing, kf_account: str
) -> str:
    """The id under which its result will be reported; empty where the platform gives none."""
    use = message.template
    assert use is not None
    one = next((known for known in prepared if known.id == use.id), None)
    if one is None:
        raise Refused(f"there is no prepared message {use.id!r} any more")
    values = {blank.key: use.values.get(blank.key, "").strip() for blank in one.fields}
    empty = [blank.label for blank in one.fields if not values[blank.key]]
    if empty:
        raise Refused(f"these blanks are empty: {', '.join(empty)}")
    if one.kind in _CUSTOM:
        await send_custom(api, messages.by_service_account(_CUSTOM[one.kind](one, openid, values), kf_account))
        return ""
    path, body = _APPROVED[one.kind](one, openid, values, message.id)
    given = (await hand_over(api, path, body)).get("msgid")
    return "" if given is None or isinstance(given, dict | list) else f"{one.kind}:{given}"


def _template(one: PreparedMessage, openid: str, values: Values, message_id: str) -> tuple[str, Body]:
    # client_msg_id: the platform sends one and the same only once within ten minutes.
    body = _named(one, openid, values) | {"client_msg_id": message_id[:32]}
    if one.mini_program_appid:
        body["miniprogram"] = {"appid": one.mini_program_appid, "pagepath": _filled_url(one.page, values)}
    return _TEMPLATE_SEND, body | ({"url": _filled_url(one.url, values)} if one.url else {})


def _subscribe(one: PreparedMessage, openid: str, values: Values, message_id: str) -> tuple[str, Body]:
    body = _named(one, openid, values) | ({"page": _filled_url(one.page, values)} if one.page else {})
    if one.mini_program_appid:
        body["miniprogram"] = {"appid": one.mini_program_appid, "pagepath": _filled_url(one.page, values)}
        body.pop("page", None)
    return _SUBSCRIBE_SEND, body


def _named(one: PreparedMessage, openid: str, values: Values) -> Body:
    data = {key: {"value": value} for key, value in values.items()}
    return {"touser": openid, "template_id": one.template_id, "data": data}


def _news(one: PreparedMessage, openid: str, values: Values) -> Body:
    return messages.news(
        openid, filled(one.title, values), filled(one.text, values), _filled_url(one.url, values), one.picture_url
    )


def _menu(one: PreparedMessage, openid: str, values: Values) -> Body:
    choices = {str(number): choice for number, choice in enumerate(one.choices, 101)}
    return messages.menu(openid, filled(one.text, values), choices, filled(one.closing, values))


def _mini_program(one: PreparedMessage, openid: str, values: Values) -> Body:
    return messages.mini_program_page(
        openid,
        filled(one.title, values),
        _filled_url(one.page, values),
        one.cover_media_id,
        one.mini_program_appid,
    )


_APPROVED: Mapping[str, Callable[[PreparedMessage, str, Values, str], tuple[str, Body]]] = {
    "template": _template,
    "subscribe": _subscribe,
}
_CUSTOM: Mapping[str, Callable[[PreparedMessage, str, Values], Body]] = {
    "news": _news,
    "menu": _menu,
    "mini_program": _mini_program,
}


def filled(text: str, values: Values) -> str:
    """What is no blank of this message stays as it is written."""
    return _BLANK.sub(lambda blank: values.get(blank[1], blank[0]), text)


def _filled_url(url: str, values: Values) -> str:
    return filled(url, {key: quote(value, safe="") for key, value in values.items()})
