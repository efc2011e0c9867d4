"""Updates as the hub's messages. Read by hand and not by `Update.de_json`, which raises whatever comes to
its mind on odd types, drops what it does not know and needs fields that an older or newer server leaves out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.connectors.telegram.content import Content, content_of
from omnihub.connectors.telegram.entities import mentions
from omnihub.connectors.telegram.people import (
    CHANNEL,
    about,
    author_of,
    handle_of,
    is_private,
    moment,
    name_of,
    needed,
    whole,
)
from omnihub.model.inbound import (
    Amendment,
    Evidence,
    Handle,
    Inbound,
    InboundAttachment,
    InboundMessage,
    Participant,
)

# Asked for by name: without a list Telegram remembers the last one that anybody gave.
ALLOWED_UPDATES: Sequence[str] = ("message", "edited_message", "my_chat_member", "callback_query")
_QUOTE = 1_000
_SHOWN = 4_000
_PRESENT = frozenset({"member", "administrator", "creator", "restricted"})
# Fields that say nothing about what kind of message it is.
_FRAME = frozenset(
    {
        "message_id", "from", "sender_chat", "chat", "date", "edit_date", "message_thread_id", "is_topic_message",
        "reply_to_message", "quote", "external_reply", "forward_origin", "media_group_id", "author_signature",
        "has_protected_content", "via_bot", "reply_markup", "sender_boost_count", "sender_business_bot",
        "business_connection_id", "is_automatic_forward", "is_from_offline", "effect_id",
    }
)  # fmt: skip


@dataclass(slots=True, frozen=True, kw_only=True)
class Rules:
    """Who we are, and what of groups is ours to answer."""

    bot_id: int
    username: str = ""
    groups: bool = True
    mention_only: bool = False


Read = Callable[[Fields, Fields, Rules], Sequence[Inbound]]


def read(update: Fields, rules: Rules) -> Sequence[Inbound]:
    """Raises Unreadable where it names no chat or no message."""
    for kind, reader in _KINDS.items():
        if isinstance(update.get(kind), dict):
            return reader(update[kind], update, rules)
    return _unknown(update)


def update_key(update: Fields) -> str:
    """Names one hand-over. Ids start anew at random after a quiet week, so that an old id may come again
    for something else: what it says is part of the name."""
    said = hashlib.sha256(orjson.dumps(update, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]
    return f"{whole(update.get('update_id'))}:{said}"


# — messages —


def _message(message: Fields, update: Fields, rules: Rules) -> Sequence[Inbound]:
    return (_read_message(message, update, rules),)


def _edited(message: Fields, update: Fields, rules: Rules) -> Sequence[Inbound]:
    new = _read_message(message, update, rules)
    at = moment(message.get("edit_date"))
    return (Amendment(external_id=new.external_id, kind="edited", at=at, message=new),)


def _read_message(message: Fields, update: Fields, rules: Rules) -> InboundMessage:
    chat, author = inner(message, "chat"), author_of(message)
    chat_id, message_id = needed(chat, "id"), needed(message, "message_id")
    content = content_of(message) or Content()
    album = text_of(message, "media_group_id")
    sender = handle_of(author, content.proven)
    read = InboundMessage(
        external_id=f"{chat_id}:{message_id}",
        thread_key=str(chat_id),
        sender=sender,
        # Another bot, entered later, numbers its messages from the beginning again.
        fingerprint=_digest(f"{rules.bot_id}:{whole(message.get('date'))}"),
        participants=(Participant(handle=sender, role="from"),),
        sent_at=moment(message.get("date")),
        text=content.text,
        visible_text=content.text,
        quoted_text=_quoted(message),
        attachments=content.attachments,
        media=content.media,
        part_of=f"album:{album[:100]}" if album else "",
        wire=_wire(message, chat_id, message_id),
        evidence=Evidence(references=_references(message, chat_id)),
        extra={**about(author), **_extra(message, chat), **content.extra},
    )
    if content.notice:
        return _notice_read(read, content, private=is_private(chat))
    if not (read.text or read.media or read.attachments):
        read = _unsupported(read, message, update)
    return _within(rules, read, message)


def _notice_read(read: InboundMessage, content: Content, *, private: bool) -> InboundMessage:
    reachable = content.reachable if private else None
    return replace(_as_notice(read, content.notice, content.text), reachable=reachable)


def _as_notice(read: InboundMessage, code: str, why: str) -> InboundMessage:
    extra = {**read.extra, "notice": code}
    return replace(read, kind="notice", silent=True, silent_reason=why, extra=extra)


def _within(rules: Rules, read: InboundMessage, message: Fields) -> InboundMessage:
    """What nobody here is to answer is kept as a notice, so that it can be read as context."""
    chat = inner(message, "chat")
    if is_private(chat):
        return read
    if text_of(chat, "type") == "channel":
        return _as_notice(read, "channel_post", "what a channel says to everybody is nobody's question")
    if not rules.groups:
        return _as_notice(read, "group_off", "messages of groups are switched off")
    if rules.mention_only and not mentions(message, rules.bot_id, rules.username):
        return _as_notice(read, "group_talk", "not said to the bot")
    if inner(message, "from").get("is_bot") is True and not inner(message, "sender_chat"):
        return replace(read, silent=True, silent_reason="written by a bot")
    return read


def _unsupported(read: InboundMessage, message: Fields, update: Fields) -> InboundMessage:
    kinds = sorted(str(name)[:60] for name in set(message) - _FRAME)[:10]
    words = _words_of(message)
    text = f"A Telegram message of a kind that cannot be shown here: {', '.join(kinds) or 'empty'}"
    text = f"{text}\n{words}" if words else text
    return replace(
        read, kind="unsupported", text=text, visible_text=text, attachments=(*read.attachments, _whole(update))
    )


def _words_of(message: Fields) -> str:
    """What can be read of a poll or a die; the rest is in the attached event."""
    poll, dice = inner(message, "poll"), inner(message, "dice")
    if poll:
        options = [text_of(one, "text") for one in items(poll, "options")[:20] if isinstance(one, dict)]
        return "\n".join([text_of(poll, "question"), *(f"- {option}" for option in options)])[:_SHOWN]
    if dice:
        return f"{text_of(dice, 'emoji')} {text_of(dice, 'value')}"[:40]
    return ""


def _whole(update: Fields) -> InboundAttachment:
    content = orjson.dumps(update, option=orjson.OPT_INDENT_2)
    return InboundAttachment(filename="event.json", content_type="application/json", content=content)


def _wire(message: Fields, chat_id: int, message_id: int) -> Mapping[str, Any]:
    wire = {"chat_id": chat_id, "message_id": message_id}
    topic = whole(message.get("message_thread_id"))
    if topic and message.get("is_topic_message") is True:
        wire["topic_id"] = topic
    return wire


def _references(message: Fields, chat_id: int) -> tuple[str, ...]:
    answered = inner(message, "reply_to_message")
    there = whole(inner(answered, "chat").get("id"))
    answered_id = whole(answered.get("message_id"))
    if answered_id is None:
        return ()
    return (f"{chat_id if there is None else there}:{answered_id}",)


def _quoted(message: Fields) -> str:
    """What the answer is to: the piece that was marked, else the whole."""
    answered = inner(message, "reply_to_message")
    said = text_of(inner(message, "quote"), "text") or text_of(answered, "text") or text_of(answered, "caption")
    return said[:_QUOTE]


def _extra(message: Fields, chat: Fields) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if not is_private(chat):
        extra["group"] = name_of(chat)
    origin = inner(message, "forward_origin")
    if origin:
        source = inner(origin, "sender_user") or inner(origin, "sender_chat") or inner(origin, "chat")
        extra["forwarded_from"] = (name_of(source) or text_of(origin, "sender_user_name"))[:200]
    return extra


# — other things that people do —


def _my_member(change: Fields, update: Fields, rules: Rules) -> Sequence[Inbound]:
    """In a private chat: the bot was blocked or let in again. In a group: it was put in or thrown out."""
    chat, person = inner(change, "chat"), inner(change, "from")
    present = text_of(inner(change, "new_chat_member"), "status") in _PRESENT
    private = is_private(chat)
    code = {
        (True, True): ("unblocked", "Unblocked the bot"),
        (True, False): ("blocked", "Blocked the bot"),
        (False, True): ("added_to_group", "The bot is in the group"),
        (False, False): ("removed_from_group", "The bot was removed from the group"),
    }[private, present]
    notice = InboundMessage(
        external_id=f"{needed(chat, 'id')}:update:{needed(update, 'update_id')}",
        thread_key=str(needed(chat, "id")),
        sender=handle_of(person or chat),
        fingerprint=_digest(f"{rules.bot_id}:{whole(change.get('date'))}"),
        sent_at=moment(change.get("date")),
        text=code[1],
        visible_text=code[1],
        wire={"chat_id": needed(chat, "id")},
        reachable=present if private else None,
        extra={**about(person), **_extra({}, chat)},
    )
    return (_as_notice(notice, code[0], code[1]),)


def _button(pressed: Fields, update: Fields, rules: Rules) -> Sequence[Inbound]:
    """A button below one of the bot's messages; this hub sends none, other programs of the same bot may."""
    person, message = inner(pressed, "from"), inner(pressed, "message")
    chat = inner(message, "chat") or person
    text = f"Pressed the button “{text_of(pressed, 'data')[:200]}”"
    notice = InboundMessage(
        external_id=f"button:{text_of(pressed, 'id')[:100] or needed(update, 'update_id')}",
        thread_key=str(needed(chat, "id")),
        sender=handle_of(person),
        text=text,
        visible_text=text,
        wire={"chat_id": needed(chat, "id")},
        extra=about(person),
    )
    return (_as_notice(notice, "button", "a button was pressed"),)


def _unknown(update: Fields) -> Sequence[Inbound]:
    """Nothing authentic may vanish: the update itself is kept, with the person in it where it names one."""
    update_id = needed(update, "update_id")
    kind = next((name for name in update if name != "update_id"), "empty")
    person, chat = _people_in(update.get(kind))
    sender = handle_of(person) if person else Handle(key=f"{CHANNEL}:unknown", name="Telegram")
    text = f"A Telegram event of a kind that is not known here: {kind[:60]}"
    message = InboundMessage(
        external_id=f"update:{update_id}",
        thread_key=str(whole(chat.get("id")) or sender.value),
        sender=sender,
        fingerprint=_digest(update_key(update)),
        kind="unsupported",
        text=text,
        visible_text=text,
        attachments=(_whole(update),),
        silent=not person,
        silent_reason="" if person else "it names nobody",
    )
    return (message,)


def _people_in(value: Any) -> tuple[Fields, Fields]:
    """Who did it and in which chat, as far as an unknown event says so."""
    if not isinstance(value, dict):
        return {}, {}
    chat = inner(value, "chat")
    people = (inner(value, name) for name in ("from", "user", "sender_chat", "chat"))
    return next((one for one in people if whole(one.get("id")) is not None), {}), chat


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_KINDS: Mapping[str, Read] = {
    "message": _message,
    "edited_message": _edited,
    "channel_post": _message,
    "edited_channel_post": _edited,
    "my_chat_member": _my_member,
    "callback_query": _button,
}
