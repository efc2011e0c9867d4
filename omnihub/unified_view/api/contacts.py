from omnihub.unified_view import call_views, people_views, views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.shapes import calls
from omnihub.unified_view.shapes import contacts as shapes
from omnihub.unified_view.shapes.common import Shown
from omnihub.unified_view.shapes.tickets import Operation

api = Api("contacts")


class MergedContact(Shown):
    contact: shapes.Contact
    operation: Operation


@api.get("/contacts", "A page of contacts", "联系人列表", answer=shapes.ContactPage, errors=("invalid",))
async def list_contacts(call: Call[shapes.ContactList]) -> views.Doc:
    """Most recently seen first."""
    given, store = call.given, call.deps.store
    page, following = await store.contacts.page(given.q, given.cursor, given.limit)
    return {"items": await people_views.contact_rows(store, page), "next": following}


@api.get(
    "/contacts/by-number",
    "Whose telephone number it is",
    "按电话号码查找联系人",
    answer=calls.NumberOwners,
    errors=("invalid",),
)
async def read_owners_of_number(call: Call[calls.NumberQuery]) -> views.Doc:
    """The contact that the number belongs to, and everybody who gave it as theirs."""
    return await call_views.owners_of(call.deps.store, call.given.number)


@api.get("/contacts/{id}", "A contact", "联系人", answer=shapes.Contact, errors=("not_found",))
async def read_contact(call: Call[None]) -> views.Doc:
    return await people_views.contact(call.deps.store, call.id)


@api.patch(
    "/contacts/{id}", "Rename a contact", "修改联系人", answer=shapes.Contact, errors=("not_found", "invalid")
)
async def rename_contact(call: Call[shapes.ContactChange]) -> views.Doc:
    await call.deps.contacts.rename(call.id, call.given.name, call.caller.actor)
    return await people_views.contact(call.deps.store, call.id)


@api.post(
    "/contacts/{id}/merge",
    "Merge a contact into another",
    "合并联系人",
    answer=MergedContact,
    once=True,
    errors=("not_found", "conflict"),
)
async def merge_contact(call: Call[shapes.ContactMerge]) -> views.Doc:
    """The answer's contact is the one that remains. It can be taken back by the operation's undo."""
    given = call.given
    contact, operation = await call.deps.contacts.merge(call.id, given.into, call.caller.actor, given.reason)
    shown = await people_views.contact(call.deps.store, contact["_id"])
    return {"contact": shown, "operation": views.operation(operation)}
