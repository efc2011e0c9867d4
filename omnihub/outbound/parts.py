"""One answer, as the messages that the channel can carry."""

from collections.abc import Sequence
from dataclasses import replace

from omnihub.connectors.contract import Template
from omnihub.model.documents import SenderDoc
from omnihub.model.errors import Invalid
from omnihub.model.ids import new_id
from omnihub.model.outgoing import TemplateUse
from omnihub.outbound import drafting
from omnihub.outbound.content import Content
from omnihub.outbound.drafting import Draft
from omnihub.outbound.routing import Route


def of(draft: Draft, route: Route) -> Sequence[Draft]:
    """Where a message is either a text or one file, the text goes first and each file follows by itself: each
    has a fate of its own, and counts against the window."""
    if not route.manifest.capabilities.one_part or not draft.files:
        return (draft,)
    nothing = Content(text="", html="")
    texts = [replace(draft, files=())] if draft.content.text else []
    files = [replace(draft, content=nothing, files=(file,)) for file in draft.files]
    drafts = [*texts, *files]
    if len(drafts) == 1:
        return drafts
    reply_id = new_id()
    return [replace(one, reply_id=reply_id) for one in drafts]


def of_template(used: TemplateUse, route: Route, sender: SenderDoc) -> Draft:
    """Raises Invalid for an unknown template or a blank that was left empty."""
    template = next((one for one in route.connector.templates() if one.id == used.id), None)
    if template is None:
        raise Invalid("this account has no such template", {"template": "does not exist"})
    values = {field.key: used.values.get(field.key, "").strip() for field in template.fields}
    missing = {f"template.values.{key}": "is empty" for key, value in values.items() if not value}
    if missing:
        raise Invalid("fill in every blank of the template", missing)
    return Draft(
        content=Content(text=_filled(template, values), html=""),
        sender=sender,
        subject="",
        rule="reply",
        template=TemplateUse(id=template.id, values=values),
        counts=template.within_window,
        undo_seconds=drafting.undo_seconds(route),
    )


def _filled(template: Template, values: dict[str, str]) -> str:
    text = template.text
    for key, value in values.items():
        text = text.replace("{" + key + "}", value)
    return text
