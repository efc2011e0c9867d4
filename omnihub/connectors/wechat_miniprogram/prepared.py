"""Messages that the admin prepared: links, cards and subscribe messages.

Official pages: customer-message/send, subscribeMessage.send (read 2026-11).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

from omnihub.connectors.calls import Call, ask
from omnihub.connectors.contract import Template, TemplateField
from omnihub.connectors.errcode_api import ErrcodeApi, unsettled
from omnihub.connectors.wechat_api import messages
from omnihub.connectors.wechat_api.api import hand_over, send_custom, upload
from omnihub.connectors.wechat_miniprogram.settings import PreparedMessage
from omnihub.model.errors import Refused
from omnihub.model.outgoing import TemplateUse

_SUBSCRIBE_SEND = "/cgi-bin/message/subscribe/send"
_BLANK = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
_NOT_AGREED = "43101"
_PICTURE_SECONDS = 15.0
_PICTURE_BYTES = 2_097_152
_PICTURES = {b"\xff\xd8\xff": ("card.jpg", "image/jpeg"), b"\x89PN": ("card.png", "image/png")}
# A media_id lives three days.
_COVER_LIFE = timedelta(days=2)

Values = Mapping[str, str]


def templates(prepared: Sequence[PreparedMessage]) -> list[Template]:
    return [
        Template(
            id=one.id, name=one.name, text=preview(one),
            fields=[TemplateField(key=blank.key, label=blank.label) for blank in one.fields],
            within_window=one.kind != "subscribe",
        )
        for one in prepared
    ]  # fmt: skip


def preview(one: PreparedMessage) -> str:
    """All that the customer will read, with the blanks still open."""
    return "\n".join(line for line in (one.title, one.text, one.url) if line)


@dataclass(slots=True, kw_only=True)
class PreparedMessages:
    """Sends them. A card's picture is uploaded once, and again before the platform forgets it."""

    api: ErrcodeApi
    prepared: Sequence[PreparedMessage]
    now: Callable[[], datetime]
    _covers: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    async def send(self, openid: str, use: TemplateUse) -> None:
        """Raises Refused, WindowClosed, TryLater or Uncertain."""
        one = next((known for known in self.prepared if known.id == use.id), None)
        if one is None:
            raise Refused(f"there is no prepared message {use.id!r} any more")
        values = _values(one, use)
        match one.kind:
            case "link":
                await send_custom(self.api, _link(one, openid, values))
            case "mini_program":
                await self._send_card(one, openid, values)
            case "subscribe":
                await self._subscribe(one, openid, values)

    async def _send_card(self, one: PreparedMessage, openid: str, values: Values) -> None:
        title, page = filled(one.title, values), _filled_url(one.page, values)
        cover = await self._cover(_filled_url(one.picture_url, values))
        await send_custom(self.api, messages.mini_program_page(openid, title, page, cover))

    async def _subscribe(self, one: PreparedMessage, openid: str, values: Values) -> None:
        data = {key: {"value": value} for key, value in values.items()}
        body = {"touser": openid, "template_id": one.template_id, "data": data}
        page = {"page": _filled_url(one.page, values)} if one.page else {}
        try:
            await hand_over(self.api, _SUBSCRIBE_SEND, body | page)
        except Refused as error:
            if not str(error).startswith(_NOT_AGREED):
                raise
            raise Refused(f"{error} (the customer has not agreed to this message, or it was used up)") from error

    async def _cover(self, url: str) -> str:
        """The media_id of the card's picture. Raises TryLater or Refused: nothing has been sent yet."""
        media_id, until = self._covers.get(url, ("", self.now()))
        if media_id and self.now() < until:
            return media_id
        call = Call(method="GET", url=url, seconds=_PICTURE_SECONDS, max_bytes=_PICTURE_BYTES)
        answer = await ask(self.api.http, call)
        if answer.status >= 500 or answer.status in (408, 429):
            raise unsettled(answer, call)
        known = _PICTURES.get(answer.body[:3])
        if answer.status != 200 or known is None:
            raise Refused(f"there is no JPG or PNG at the picture's address of the card: HTTP {answer.status}")
        media_id = await upload(self.api, "image", *known, answer.body)
        self._covers[url] = (media_id, self.now() + _COVER_LIFE)
        return media_id


def _values(one: PreparedMessage, use: TemplateUse) -> Values:
    """Raises Refused where a blank is empty."""
    values = {blank.key: use.values.get(blank.key, "").strip() for blank in one.fields}
    empty = [blank.label for blank in one.fields if not values[blank.key]]
    if empty:
        raise Refused(f"these blanks are empty: {', '.join(empty)}")
    return values


def _link(one: PreparedMessage, openid: str, values: Values) -> messages.Body:
    return messages.link(
        openid, filled(one.title, values), filled(one.text, values), _filled_url(one.url, values),
        _filled_url(one.picture_url, values),
    )  # fmt: skip


def filled(text: str, values: Values) -> str:
    """What is no blank of this message stays as it is written."""
    return _BLANK.sub(lambda blank: values.get(blank[1], blank[0]), text)


def _filled_url(url: str, values: Values) -> str:
    return filled(url, {key: quote(value, safe="") for key, value in values.items()})
