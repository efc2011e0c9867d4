"""A message in one line, as lists show it."""

from omnihub.model.documents import LastMessage, MessageDoc

_PREVIEW = 160


def preview(text: str) -> str:
    return " ".join(text.split())[:_PREVIEW]


def last_message(message: MessageDoc) -> LastMessage:
    """Of our own files their names stand for them; of a customer's, whose names say nothing, the browser says
    what they are."""
    ours = message["direction"] == "outbound"
    files = ", ".join(file["filename"] for file in message["attachments"]) if ours else ""
    return LastMessage(
        id=message["_id"],
        direction=message["direction"],
        channel=message["channel"],
        preview=preview(message["visible_text"]) or files,
        author=message["sender"]["name"] or message["sender"]["key"].rpartition(":")[2],
        at=message["at"],
    )
