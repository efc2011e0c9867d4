import base64

import orjson

from omnihub.connectors.api.bodies import ApiPerson, ApiReply, ApiReplyAttachment
from omnihub.connectors.api.reading import person_id, thread_of
from omnihub.model.outgoing import Outgoing, OutgoingAttachment


def body(message: Outgoing) -> bytes:
    """What is empty is left out. A later attempt says the same; only the signed addresses may be others."""
    reply = ApiReply(
        id=message.id,
        thread=thread_of(message.thread_key),
        to=tuple(ApiPerson(id=person_id(one), name=one.name) for one in message.to),
        in_reply_to=message.answered_id,
        subject=message.subject,
        text=message.text,
        html=message.html,
        attachments=tuple(_attachment(one) for one in message.attachments),
        author=message.author,
        automatic=message.automatic,
        ticket_number=message.ticket_number,
        created_at=message.created_at,
    )
    return orjson.dumps({"type": reply.type, **reply.model_dump(mode="json", exclude_defaults=True)})


def _attachment(file: OutgoingAttachment) -> ApiReplyAttachment:
    return ApiReplyAttachment(
        filename=file.filename,
        content_type=file.content_type,
        size=len(file.content),
        url=file.url,
        content_base64="" if file.url else base64.b64encode(file.content).decode(),
    )
