from omnihub.unified_view import views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.shapes import calls as shapes

api = Api("calls")


@api.get("/calls", "Telephone calls", "通话记录", answer=shapes.CallPage, errors=("invalid",))
async def list_calls(call: Call[shapes.CallList]) -> views.Doc:
    """Newest first. `state=active`: those that go on, for a board of who talks and who waits."""
    store, given = call.deps.store, call.given
    wanted = {"state": given.state, "outcome": given.outcome, "direction": given.direction}
    page, following = await store.messages.calls(wanted, given.cursor, given.limit)
    tickets = await store.tickets.get_many({message["ticket_id"] for message in page})
    rows = []
    for message in page:
        ticket = tickets.get(message["ticket_id"])
        shown = views.other_ticket(ticket) if ticket else None
        name = ticket["contact_name"] if ticket else message["sender"]["name"]
        rows.append({"message": views.message(message), "ticket": shown, "contact_name": name})
    return {"items": rows, "next": following}
