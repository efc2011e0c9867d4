"""What customers send: developer.work.weixin.qq.com/document/path/94670, read 2026-11."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omnihub.connectors.reading import Fields, inner, items, read_json, text_of
from omnihub.connectors.wecom_api.app_messages import lines
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import LentMedia

# The page names these kinds, but not what stands in them.
HALF_KNOWN = frozenset({"meeting", "schedule", "note"})
_MERGED_DEPTH = 3
_MERGED_ITEMS = 100


@dataclass(slots=True, frozen=True, kw_only=True)
class Said:
    text: str = ""
    media: tuple[LentMedia, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_kind(kind: str, content: Fields, depth: int = 0) -> Said | None:
    """None for a kind that nobody has heard of. `content` is what stands under the kind's name."""
    if kind == "merged_msg":
        return _merged(content, depth)
    read = _KINDS.get(kind)
    return read(content) if read else None


def _text(content: Fields) -> Said:
    menu_id = text_of(content, "menu_id")
    return Said(text=text_of(content, "content"), extra={"menu_id": menu_id} if menu_id else {})


def _file(label: str, content_type: str, filename: str) -> Callable[[Fields], Said]:
    def read(content: Fields) -> Said:
        media_id = text_of(content, "media_id").strip()
        if not media_id:
            return Said(text=f"[{label} without a file]")
        name = text_of(content, "filename") or filename
        lent = LentMedia(ref={"media_id": media_id}, filename=name, content_type=content_type, label=label)
        return Said(media=(lent,))

    return read


def _location(content: Fields) -> Said:
    latitude, longitude = text_of(content, "latitude"), text_of(content, "longitude")
    place = {"latitude": latitude, "longitude": longitude, "label": text_of(content, "name")}
    text = lines("[location]", place["label"], text_of(content, "address"), f"{latitude}, {longitude}")
    return Said(text=text, extra={"location": place})


def _listed(title: str, *names: str) -> Callable[[Fields], Said]:
    """The title, then the named fields, a line each."""
    return lambda content: Said(text=lines(title, *(text_of(content, name) for name in names)))


def _product(content: Fields) -> Said:
    cents = text_of(content, "sales_price")
    price = f"¥{int(cents) / 100:.2f}" if cents.isascii() and cents.isdigit() and len(cents) < 12 else cents
    shop, number = text_of(content, "shop_nickname"), text_of(content, "product_id")
    return Said(text=lines("[product]", text_of(content, "title"), price, shop, number))


_CHANNELS = {"1": "[channels post]", "2": "[channels live]", "3": "[channels profile]"}


def _channels(content: Fields) -> Said:
    title = _CHANNELS.get(text_of(content, "sub_type"), "[channels]")
    return Said(text=lines(title, text_of(content, "nickname"), text_of(content, "title")))


def _menu(content: Fields) -> Said:
    choices = [_choice(entry) for entry in items(content, "list") if isinstance(entry, dict)]
    return Said(
        text=lines(text_of(content, "head_content"), *choices, text_of(content, "tail_content")) or "[menu]"
    )


def _choice(entry: Fields) -> str:
    chosen = inner(entry, text_of(entry, "type"))
    return "• " + (text_of(chosen, "content") or text_of(chosen, "url"))


def _merged(content: Fields, depth: int) -> Said:
    """A forwarded chat; each of its messages is JSON within a text, again."""
    listed = [entry for entry in items(content, "item") if isinstance(entry, dict)][:_MERGED_ITEMS]
    texts = [f"{text_of(entry, 'sender_name') or '?'}: {_merged_text(entry, depth)}" for entry in listed]
    return Said(text=lines("[forwarded chat]", text_of(content, "title"), *texts))


def _merged_text(entry: Fields, depth: int) -> str:
    raw = text_of(entry, "msg_content")
    try:
        told = read_json(raw.encode("utf-8", "surrogatepass"))
    except Unreadable:
        return raw
    kind = text_of(told, "msgtype") or text_of(entry, "msgtype")
    said = read_kind(kind, inner(told, kind), depth + 1) if depth < _MERGED_DEPTH else None
    if said is None:
        return raw
    return said.text or f"[{kind}]"


_KINDS: Mapping[str, Callable[[Fields], Said]] = {
    "text": _text,
    "image": _file("image", "image/jpeg", "image.jpg"),
    "voice": _file("voice", "audio/amr", "voice.amr"),
    "video": _file("video", "video/mp4", "video.mp4"),
    "file": _file("file", "", ""),
    "location": _location,
    "link": lambda content: Said(
        text=lines(*(text_of(content, name) for name in ("title", "desc", "url"))) or "[link]"
    ),
    "business_card": _listed("[business card]", "userid"),
    "miniprogram": _listed("[mini-program]", "title", "appid", "pagepath"),
    "msgmenu": _menu,
    "channels": _channels,
    "channels_shop_product": _product,
    "channels_shop_order": _listed(
        "[order]", "order_id", "product_titles", "price_wording", "state", "shop_nickname"
    ),
    "meeting": _listed("[meeting]", "title", "topic", "meeting_id", "meeting_code"),
    "schedule": _listed("[schedule]", "title", "summary", "schedule_id"),
    "note": _listed("[note: WeCom does not tell what stands in it]", "title", "content"),
}
