"""Demo accounts go with one command, and what they brought in stays."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from omnihub.connectors import registry
from omnihub.store.store import Store
from tests.api_client import Person
from tests.cli.conftest import Cli
from tests.hub_process import omnihub, running, until
from tests.mailbox import add_mailbox


async def add_demo_form(store: Store) -> str:
    settings = registry.plain(registry.read_settings("webform", {"title": "Demo [form]"}))
    account = await store.accounts.add(
        channel="webform", name="Demo [form]", settings=settings, secret_names=frozenset(), demo=True
    )
    return account.id


async def names(store: Store) -> list[str]:
    return [doc["name"] async for doc in store.db["accounts"].find({"deleted_at": None}).sort("_id", 1)]


async def test_without_a_yes_nothing_is_removed(cli: Cli, store: Store) -> None:
    await add_demo_form(store)
    answer = await cli("demo", "remove")
    assert answer.exit_code == 1
    assert "webform: Demo [form]" in answer.stdout
    assert "Nothing was removed" in answer.stderr
    assert "--yes" in answer.stderr
    assert await names(store) == ["Demo [form]"]


async def test_only_demo_accounts_are_removed_and_who_depends_on_them_is_named(cli: Cli, store: Store) -> None:
    own = await add_mailbox(store)
    form_id = await add_demo_form(store)
    await store.accounts.change(own.id, policy=replace(own.policy, reply_via=form_id))
    answer = await cli("demo", "remove", "--yes")
    assert answer.exit_code == 0, answer.output
    assert "One account is removed" in answer.stdout
    assert f"{own.name} answers through one of them" in answer.stdout
    assert await names(store) == [own.name]
    assert [doc["secrets"] async for doc in store.db["accounts"].find({"demo": True})] == [{}]
    told = [doc async for doc in store.db["events"].find({"type": "account.changed"})]
    assert [(one["data"]["account_id"], one["data"]["change"]) for one in told] == [(form_id, "removed")]
    again = await cli("demo", "remove", "--yes")
    assert (again.exit_code, again.stdout) == (0, "There are no demo accounts.\n")


async def test_beside_a_running_demo_the_doors_close_and_the_tickets_stay(tmp_path: Path) -> None:
    settings = {"storage.var": str(tmp_path / "var"), "server.port": "0"}
    async with running("up", "--demo", settings=settings) as hub, Person(hub.url) as admin:
        await admin.sign_in("admin@omnihub.local", hub.password)
        accounts = (await admin.get("/accounts"))["items"]
        assert accounts
        assert all(account["demo"] for account in accounts)
        assert f"{hub.url}/demo/" in hub.out
        shown = await (await hub.http.get(f"{hub.url}/demo/channels")).json()
        customer = {"channel": shown["channels"][0]["key"], "person": shown["channels"][0]["people"][0]["id"]}
        said = {**customer, "kind": "text", "text": "Will this stay?"}
        mark = {"X-Customers-Page": "1"}
        assert (await hub.http.post(f"{hub.url}/demo/say", json=said, headers=mark)).status == 202

        async def tickets() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await admin.get("/tickets?status=any"))["items"]
            return found

        (ticket,) = await until(tickets)

        removed = await omnihub("demo", "remove", "--yes", settings=settings)
        assert removed.code == 0, removed.err
        assert f"{len(accounts)} accounts are removed" in removed.out

        async def closed() -> bool:
            left = (await admin.get("/accounts"))["items"]
            doors = [account["urls"]["door"] for account in accounts if "door" in account["urls"]]
            return not left and all([(await hub.http.get(door)).status == 404 for door in doors])

        await until(closed)
        assert [one["id"] for one in await tickets()] == [ticket["id"]]
        timeline = await admin.get(f"/tickets/{ticket['id']}/timeline")
        (message,) = [item["message"] for item in timeline["items"] if item["kind"] == "message"]
        assert message["text"] == "Will this stay?"
        answer = {"text": "Too late.", "seen_inbound_id": message["id"]}
        status, told = await admin.post(f"/tickets/{ticket['id']}/replies", answer)
        assert (status, told["code"]) == (409, "refused")
        assert "was removed" in told["detail"]
        assert "Traceback" not in hub.err, hub.err
