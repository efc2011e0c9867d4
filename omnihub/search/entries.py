"""What each thing is found by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from omnihub.search.words import by_letter, normal, tokens
from omnihub.store.search import Entry, Kind

Doc = Mapping[str, Any]
Thing = tuple[Kind, str]
_LONGEST_HANDLE = 120


@dataclass(slots=True, frozen=True, kw_only=True)
class Draft:
    """An entry whose text is still to be cut; `also` are tokens that stand as they are: short texts, such as
    names, are found by each of their letters too."""

    kind: Kind
    id: str
    at: datetime
    ticket_id: str
    text: str
    also: Sequence[str] = ()

    def entry(self, cut: Sequence[str]) -> Entry:
        found = tuple(dict.fromkeys([*self.also, *cut]))
        return Entry(kind=self.kind, id=self.id, at=self.at, ticket_id=self.ticket_id, tokens=found)


def of_source(source: str, ids: Iterable[str], docs: Sequence[Doc]) -> tuple[list[Draft], list[Thing]]:
    """What is to be found of these documents, and what is no more, of those ids as well that have none."""
    drafts = [draft for doc in docs for draft in _MAKERS[source](doc)]
    made = {(draft.kind, draft.id) for draft in drafts}
    gone = [(kind, one) for one in ids for kind in _KINDS[source] if (kind, one) not in made]
    return drafts, gone


def _of_message(doc: Doc) -> list[Draft]:
    """What was taken back is not found any more, nor what belongs to no exchange."""
    if not doc["ticket_id"] or doc.get("extra", {}).get("recalled_at"):
        return []
    place: dict[str, Any] = {"id": doc["_id"], "at": doc["at"], "ticket_id": doc["ticket_id"]}
    note = doc.get("wrap_up", {}).get("note", "")
    text = "\n".join(filter(None, (doc["subject"], doc["visible_text"] or doc["text"], note)))
    drafts = [Draft(kind="messages", text=text, **place)] if text else []
    names = "\n".join(file["filename"] for file in doc["attachments"] if file["filename"])
    if names:
        drafts.append(Draft(kind="files", text=names, also=tokens(names, by_letter), **place))
    return drafts


def _of_ticket(doc: Doc) -> list[Draft]:
    """One that was merged leads to the other by its number."""
    place: dict[str, Any] = {"id": doc["_id"], "at": doc["created_at"]}
    number = str(doc["number"])
    if doc["merged_into"]:
        return [Draft(kind="tickets", ticket_id=doc["merged_into"], text="", also=(number,), **place)]
    tags = [normal(tag) for tag in doc["tags"]]
    letters = tokens("\n".join((doc["contact_name"], doc["subject"])), by_letter)
    text = "\n".join([doc["subject"], *doc["tags"]])
    return [Draft(kind="tickets", ticket_id=doc["_id"], text=text, also=(number, *tags, *letters), **place)]


def _of_contact(doc: Doc) -> list[Draft]:
    if doc["merged_into"]:
        return []
    handles = [unquote(key.rpartition(":")[2]) for key in doc["identities"]]
    found = dict.fromkeys(normal(handle)[:_LONGEST_HANDLE] for handle in handles)
    for text in (doc["name"], *handles):
        found |= dict.fromkeys(tokens(text, by_letter))
    found.pop("", None)
    return [Draft(kind="contacts", id=doc["_id"], at=doc["updated_at"], ticket_id="", text="", also=tuple(found))]


_MAKERS = {"messages": _of_message, "tickets": _of_ticket, "contacts": _of_contact}
_KINDS: Mapping[str, Sequence[Kind]] = {
    "messages": ("messages", "files"),
    "tickets": ("tickets",),
    "contacts": ("contacts",),
}
