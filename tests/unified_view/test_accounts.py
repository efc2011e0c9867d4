import asyncio

from omnihub.model.raw import RawRequest
from omnihub.settings import Settings
from omnihub.store.database import now
from tests.mailbox import PostOffice, mail
from tests.unified_view.browser import Browser, Hub

MAILBOX = {
    "address": "support@example.test",
    "receive": False,
    "smtp_host": "",
    "push_secret": "a push secret for tests",
}


async def test_every_channel_describes_itself(agent: Browser) -> None:
    channels = {one["key"]: one for one in (await agent.get("/channels")).json["items"]}
    assert {"email", "webform"} <= set(channels)
    email = channels["email"]
    assert email["label"]["zh"] == "电子邮件"
    secret = email["settings_schema"]["properties"]["push_secret"]
    assert (secret["format"], secret["writeOnly"]) == ("password", True)
    assert secret["title_zh"]


async def test_a_secret_goes_in_and_never_comes_out(hub: Hub, admin: Browser) -> None:
    made = await admin.post("/accounts", {"channel": "email", "name": "Support", "settings": MAILBOX})
    assert made.status == 201, made.content
    account = made.json
    assert account["settings"]["push_secret"] == {"set": True}
    assert account["settings"]["address"] == "support@example.test"
    assert account["urls"]["door"].endswith(f"/in/email/{account['key']}")
    changes = {"name": "Desk", "settings": {**account["settings"], "sender_name": "Desk"}}
    changed = await admin.patch(f"/accounts/{account['id']}", changes)
    assert changed.json["settings"]["sender_name"] == "Desk"
    stored = await hub.deps.store.accounts.get(account["id"])
    assert stored.settings["push_secret"] == "a push secret for tests"
    assert b"a push secret" not in made.content + changed.content + (await admin.get("/accounts")).content
    renewed = {"settings": {"push_secret": "another push secret, longer"}}
    await admin.patch(f"/accounts/{account['id']}", renewed)
    assert (await hub.deps.store.accounts.get(account["id"])).settings[
        "push_secret"
    ] == "another push secret, longer"
    cleared = await admin.patch(f"/accounts/{account['id']}", {"settings": {"push_secret": {"set": False}}})
    assert cleared.json["settings"]["push_secret"] == {"set": False}


async def test_a_policy_changes_one_line_at_a_time(admin: Browser) -> None:
    body = {"channel": "webform", "name": "Form", "settings": {}, "policy": {"undo_seconds": 5, "reopen_days": 3}}
    account = (await admin.post("/accounts", body)).json
    changed = (await admin.patch(f"/accounts/{account['id']}", {"policy": {"cross_channel": "join"}})).json
    assert changed["policy"]["cross_channel"] == "join"
    assert (changed["policy"]["undo_seconds"], changed["policy"]["reopen_days"]) == (5, 3)
    assert (await admin.post(f"/accounts/{account['id']}/disable")).json["health"]["state"] == "disabled"
    assert (await admin.post(f"/accounts/{account['id']}/enable")).json["enabled"] is True
    moved = await admin.patch(f"/accounts/{account['id']}", {"channel": "email"})
    assert list(moved.problem["fields"]) == ["channel"]
    unknown = await admin.post("/accounts", {"channel": "pigeon", "name": "x", "settings": {}})
    assert unknown.status == 404


async def test_a_changed_account_is_told_to_everybody(hub: Hub, admin: Browser) -> None:
    account = (await admin.post("/accounts", {"channel": "webform", "name": "Form", "settings": {}})).json
    await admin.post(f"/accounts/{account['id']}/disable")
    told = [doc["data"] async for doc in hub.deps.store.db["events"].find({"type": "account.changed"})]
    assert [one["change"] for one in told] == ["added", "disabled"]
    assert {one["account_id"] for one in told} == {account["id"]}


async def test_an_account_with_messages_cannot_be_deleted(post: PostOffice, admin: Browser) -> None:
    await post.deliver(mail("anna@customer.test", mid="a@c"))
    refused = await admin.delete(f"/accounts/{post.account.id}")
    assert (refused.status, refused.problem["code"]) == (409, "account_in_use")
    assert refused.problem["details"] == {"messages": 1}
    empty = (await admin.post("/accounts", {"channel": "webform", "name": "Form", "settings": {}})).json
    assert (await admin.delete(f"/accounts/{empty['id']}")).status == 204
    assert (await admin.get(f"/accounts/{empty['id']}")).status == 404


async def test_an_account_is_tested_before_and_after_saving(admin: Browser) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = {
        **MAILBOX, "receive": True, "imap_host": "127.0.0.1", "imap_port": port, "imap_security": "none",
        "password": "wrong",
    }  # fmt: skip
    async with server:
        draft = await admin.post("/accounts/test", {"channel": "email", "settings": settings})
        assert draft.status == 200, draft.content
        assert any(not finding["ok"] for finding in draft.json["findings"])
        body = {"channel": "email", "name": "Support", "settings": settings, "enabled": False}
        account = (await admin.post("/accounts", body)).json
        saved = await admin.post(f"/accounts/{account['id']}/test")
        assert [f["name"] for f in saved.json["findings"]] == [f["name"] for f in draft.json["findings"]]
        again = {"channel": "email", "settings": account["settings"], "account_id": account["id"]}
        assert (await admin.post("/accounts/test", again)).status == 200


async def test_a_health_line_says_how_an_account_fares(hub: Hub, post: PostOffice, agent: Browser) -> None:
    async def line() -> dict:  # type: ignore[type-arg]
        return (await agent.get("/accounts")).json["items"][0]["health"]

    accounts = hub.deps.store.accounts
    assert (await line())["state"] == "unknown"
    await accounts.note_health(post.account.id, ok=True, counts={"provider": 5, "stored": 5}, event=True)
    well = await line()
    assert (well["state"], well["counts"], well["lag_seconds"]) == ("ok", {"provider": 5, "stored": 5}, 0)
    await accounts.note_health(post.account.id, ok=False, detail="login refused")
    assert ((await line())["state"], (await line())["detail"]) == ("error", "login refused")
    await accounts.note_health(post.account.id, ok=True)
    old = now().replace(year=now().year - 1)
    await post.store.journal.append(post.account.id, RawRequest(source="test", body=b"x", received_at=old))
    late = await line()
    assert late["state"] == "warning"
    assert late["lag_seconds"] > 86_400


async def test_dead_letters_are_read_replayed_and_discarded(
    hub: Hub, post: PostOffice, settings: Settings
) -> None:
    supervisor = await hub.browser("supervisor")
    await post.deliver(b"  \r\n", b"\n\n")
    await post.deliver(*(b" " * n for n in range(1, 5)))
    first = (await supervisor.get("/dead-letters?limit=4")).json
    rest = (await supervisor.get(f"/dead-letters?limit=4&cursor={first['next']}")).json
    ids = [letter["id"] for letter in first["items"] + rest["items"]]
    assert len(set(ids)) == len(ids) == 6
    assert rest["next"] is None
    assert first["items"][0]["account_name"] == "desk@example.test"
    whole = (await supervisor.get(f"/dead-letters/{ids[0]}")).json
    assert whole["error"] == "the mail is empty"
    assert (await supervisor.post(f"/dead-letters/{ids[0]}/replay")).json == {"count": 1}
    assert (await supervisor.post(f"/dead-letters/{ids[0]}/replay")).status == 404
    assert (await supervisor.post(f"/dead-letters/{ids[1]}/discard")).json == {"count": 1}
    assert (await supervisor.get(f"/dead-letters/{ids[1]}")).status == 404
    assert (await supervisor.get("/status")).json["intake"]["dead"] == 4
    assert (await supervisor.post("/dead-letters/replay-all")).json == {"count": 4}
