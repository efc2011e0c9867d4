from dataclasses import replace

from omnihub.model.ids import id_from
from omnihub.model.inbound import InboundAttachment, InboundMessage
from omnihub.store.attachments import NewAttachment, true_type

# A document in MongoDB ends at 16 MB; what a person reads ends long before.
_TEXT_LIMIT = 1_000_000
_HTML_LIMIT = 2_000_000


def bounded(message: InboundMessage) -> InboundMessage:
    """Keeps a message within what one document holds; what is cut stays whole as an attachment. Where a channel
    quotes nothing, all of the text is what was said."""
    if message.text and not message.visible_text:
        message = replace(message, visible_text=message.text)
    if len(message.text) <= _TEXT_LIMIT and len(message.html) <= _HTML_LIMIT:
        return message
    whole: list[InboundAttachment] = []
    for name, kind, content, limit in (
        ("message.txt", "text/plain", message.text, _TEXT_LIMIT),
        ("message.html", "text/html", message.html, _HTML_LIMIT),
    ):
        if len(content) > limit:
            data = content.encode("utf-8", "replace")
            whole.append(InboundAttachment(filename=name, content_type=kind, content=data, label="whole"))
    html = message.html if len(message.html) <= _HTML_LIMIT else ""
    return replace(
        message,
        text=message.text[:_TEXT_LIMIT],
        visible_text=message.visible_text[:_TEXT_LIMIT],
        quoted_text=message.quoted_text[:_TEXT_LIMIT],
        html=html,
        visible_html=message.visible_html if html and len(message.visible_html) <= _HTML_LIMIT else "",
        attachments=(*message.attachments, *whole),
        problems=(*message.problems, "too long to show: the whole is attached"),
    )


def new_attachments(account_id: str, message: InboundMessage) -> list[NewAttachment]:
    """With ids made from the message's own, so that a repeat stores nothing twice."""
    return [
        NewAttachment(
            id=id_from("attachment", account_id, message.external_id, message.fingerprint, str(index)),
            filename=file.filename,
            content_type=true_type(file.content, file.content_type),
            content=file.content,
            inline=file.inline,
            content_id=file.content_id,
            label=file.label,
        )
        for index, file in enumerate(message.attachments)
    ]
