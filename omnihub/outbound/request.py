from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

from omnihub.connectors.contract import Connector
from omnihub.model.account import Account
from omnihub.model.documents import ActorDoc, Status
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import TemplateUse


class LiveConnectors(Protocol):
    """What this room needs of `connectors.registry.Connectors`."""

    async def of(self, account: Account) -> Connector: ...


@dataclass(slots=True, frozen=True, kw_only=True)
class ReplyRequest:
    """`seen_inbound_id`: the customer's last message on the agent's screen, None where there was none.
    `seen_message_id`: the last message of any direction on the screen; without it a colleague's answer to
    the same message counts as not seen. `force` sends whatever came in between.
    `cc` and `bcc`: handles, their keys, or bare addresses of the channel's kind.
    `account_id` and `to_key`: by another way than the conversation's, to another handle of the same person.
    `template`: one of the account's prepared messages instead of a text. `as_links`: what the channel does not
    carry goes out as the address of a file. `once_key`: the same request may come again under it."""

    ticket_id: str
    actor: ActorDoc
    text: str
    seen_inbound_id: str | None
    html: str = ""
    conversation_id: str = ""
    answering_id: str = ""
    seen_message_id: str = ""
    attachment_ids: tuple[str, ...] = ()
    cc: tuple[Handle | str, ...] = ()
    bcc: tuple[Handle | str, ...] = ()
    status: Status | None = None
    force: bool = False
    account_id: str = ""
    to_key: str = ""
    template: TemplateUse | None = None
    as_links: bool = False
    once_key: str = ""


class Addressee(TypedDict):
    key: str
    name: str


class WindowState(TypedDict):
    """`until`: ISO 8601; None while the customer has not written. `left`: messages that may still go.
    `gone`: the customer left, and nothing reaches them, templates included."""

    until: str | None
    left: int
    allowed: int
    gone: bool


class TemplateOption(TypedDict):
    id: str
    name: str
    text: str
    fields: list[dict[str, str]]
    within_window: bool


class ReplyOption(TypedDict):
    """One way to answer. `account_id` and `channel` are those that carry the answer, which for a channel
    that cannot send are not the conversation's own. Without `conversation_id` it is another way to the same
    person, to be asked for by `account_id` and the one key in `to`."""

    conversation_id: str
    account_id: str
    account_name: str
    channel: str
    can_reply: bool
    reason: str
    to: list[Addressee]
    capabilities: dict[str, Any]
    undo_seconds: int
    window: WindowState | None
    templates: list[TemplateOption]
