"""The hub as a process, and what happens to it: nothing that a customer sent is lost or shown twice."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiosmtplib
import orjson
import pytest

from omnihub.connectors.email.simulator import Simulator
from omnihub.store.engines import record
from tests.api_client import Person
from tests.hub_process import Running, alive, omnihub, running, until, working_on
from tests.mailbox import mail

DESK = "desk@demo.omnihub.test"
SECRET = "a-push-secret"


def settings_of(var: Path) -> dict[str, str]:
    return {"storage.var": str(var), "server.port": "0", "intake.sweep_seconds": "0.5"}


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
async def hub(var: Path) -> AsyncIterator[Running]:
    async with running("up", "--demo", settings=settings_of(var)) as started:
        yield started


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Simulator]:
    """A mail server that outlives the hub."""
    simulator = Simulator(tmp_path / "provider")
    await simulator.start()
    yield simulator
    await simulator.stop()


async def admin(hub: Running) -> Person:
    return await Person(hub.url).sign_in("admin@omnihub.local", hub.password)


def smtp_port(listed: Sequence[dict[str, Any]]) -> int:
    (demo,) = [one for one in listed if one["name"] == "Demo mailbox"]
    return int(demo["settings"]["smtp_port"])


async def send(port: int, raw: bytes, to: Sequence[str] = (DESK,)) -> None:
    await aiosmtplib.send(
        raw, sender="anna@customer.test", recipients=list(to), hostname="127.0.0.1", port=port,
        username="anna@customer.test", password="demo", start_tls=False,
    )  # fmt: skip


async def tickets(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await person.get("/tickets?status=any&limit=100"))["items"]
    return found


async def messages(person: Person, ticket: dict[str, Any]) -> list[dict[str, Any]]:
    items = (await person.get(f"/tickets/{ticket['id']}/timeline?limit=100"))["items"]
    return [item["message"] for item in items if item["kind"] == "message"]


async def add_pushed_mailbox(settings: dict[str, str], name: str = "Desk") -> str:
    """The path of its door."""
    added = await omnihub(
        *("account", "add", "email", "--name", name, "--set", f"address={name.lower()}@example.test"),
        *("--set", "receive=false", "--set", f"push_secret={SECRET}"),
        settings=settings,
    )
    assert added.code == 0, added.err
    return re.sub(r"^http://[^/]+", "", added.out.split()[-1])


async def open_mailbox(person: Person, name: str, port: int) -> str:
    """A mailbox that is pushed to, and whose answers go out at once. The path of its door."""
    status, account = await person.post(
        "/accounts",
        {
            "channel": "email",
            "name": name,
            "settings": {
                "address": f"{name}@demo.omnihub.test",
                "receive": False,
                "push_secret": SECRET,
                "password": "demo",
                "smtp_host": "127.0.0.1",
                "smtp_port": port,
                "smtp_security": "none",
                "append_sent": False,
            },
            "policy": {"undo_seconds": 0},
        },
    )
    assert status == 201, account
    return f"/in/email/{account['key']}"


async def push(hub: Running, path: str, raw: bytes) -> int:
    async with hub.http.post(hub.url + path, data=raw, headers={"Authorization": f"Bearer {SECRET}"}) as answer:
        return answer.status


def engine_pids(var: Path) -> dict[str, int]:
    found = record.read(var / "run" / "engines.json")
    assert found is not None
    return {name: pid for name, pid in found.pids.items() if pid}


# — killed —


async def test_what_was_acknowledged_before_the_kill_is_taken_in_once(var: Path) -> None:
    """Without a worker a message stays between journal and intake, which is where the kill comes."""
    settings = settings_of(var)
    path = await add_pushed_mailbox(settings)
    raws = [mail(f"c{number}@customer.test", mid=f"{number}@c") for number in range(20)]
    async with running("web", settings=settings) as web:
        assert set(await asyncio.gather(*(push(web, path, raw) for raw in raws))) == {200}
        await web.kill()
    async with running("up", settings=settings) as hub, Person(hub.url) as person:
        await person.sign_in("admin@omnihub.local", web.password)
        found = await until(lambda: _as_many(person, 20))
        assert sorted(one["contact_name"] for one in found) == sorted(f"c{n}@customer.test" for n in range(20))
        # The provider, never having heard our answer, hands over again.
        assert set(await asyncio.gather(*(push(hub, path, raw) for raw in raws))) == {200}
        exported = await omnihub("export", "messages", "--account", "Desk", settings=settings)
        replayed = await omnihub("replay", "--all", settings=settings)
        assert replayed.code == 0, replayed.err
        again = await omnihub("export", "messages", "--account", "Desk", settings=settings)
        assert exported.out == again.out
        ids = [orjson.loads(line)["external_id"] for line in again.out.split("\n") if line]
        assert sorted(ids) == sorted(f"{number}@c" for number in range(20))
        assert len(await tickets(person)) == 20


async def _as_many(person: Person, count: int) -> list[dict[str, Any]]:
    found = await tickets(person)
    return found if len(found) == count else []


async def test_a_killed_hub_leaves_no_engines_and_starts_again_with_everything(var: Path) -> None:
    settings = settings_of(var)
    async with running("up", "--demo", settings=settings) as hub:
        async with await admin(hub) as person:
            port = smtp_port((await person.get("/accounts"))["items"])
            await send(port, mail("anna@customer.test", to=DESK, mid="a@c"))
            await until(lambda: _as_many(person, 1))
        pids = engine_pids(var)
        assert len(pids) == 2
        await hub.kill()
        await until(lambda: asyncio.sleep(0, not any(alive(pid) for pid in pids.values())), 20)
        assert working_on(var) == []
    async with running("up", "--demo", settings=settings) as again:
        async with await Person(again.url).sign_in("admin@omnihub.local", hub.password) as person:
            (ticket,) = await tickets(person)
            assert len(await messages(person, ticket)) == 1
        assert again.out.count("Demo mailbox") == hub.out.count("Demo mailbox")


async def test_a_hub_asked_to_stop_ends_well_and_leaves_nobody_behind(hub: Running, var: Path) -> None:
    pids = engine_pids(var)
    began = time.monotonic()
    assert await hub.stop() == 0
    assert time.monotonic() - began < 20
    assert not any(alive(pid) for pid in pids.values())
    assert working_on(var) == []
    assert "Traceback" not in hub.err, hub.err


# — engines —


async def test_a_killed_database_comes_back_and_the_hub_goes_on(hub: Running, var: Path) -> None:
    async with await admin(hub) as person:
        port = smtp_port((await person.get("/accounts"))["items"])
        path = await add_pushed_mailbox(settings_of(var))
        await until(lambda: _pushed(hub, path, mail("anna@customer.test", mid="before@c")))
        statuses: list[int] = []
        stop = asyncio.Event()

        async def keep_pushing() -> None:
            number = 0
            while not stop.is_set():
                status = await push(hub, path, mail("anna@customer.test", mid=f"{number}@c"))
                statuses.append(status)
                number += status == 200

        pushing = asyncio.create_task(keep_pushing())
        pids = engine_pids(var)
        os.kill(pids["mongod"], signal.SIGKILL)
        await send(port, mail("bob@customer.test", to=DESK, mid="meanwhile@c"))
        await until(lambda: _restarted(var, "mongod", pids["mongod"]))
        taken = statuses.count(200)
        await until(lambda: asyncio.sleep(0, statuses.count(200) > taken + 5))
        stop.set()
        await pushing
        assert set(statuses) <= {200, 503}
        wanted = statuses.count(200) + 2
        await until(lambda: _count_messages(person, wanted), 60)
        assert hub.process.returncode is None
        assert (await hub.http.get(f"{hub.url}/readyz")).status == 200


async def _pushed(hub: Running, path: str, raw: bytes) -> bool:
    return await push(hub, path, raw) == 200


async def _restarted(var: Path, engine: str, old: int) -> bool:
    found = record.read(var / "run" / "engines.json")
    return found is not None and found.pids.get(engine) not in (None, old)


async def _count_messages(person: Person, wanted: int) -> bool:
    count = sum(ticket["message_count"] for ticket in await tickets(person))
    assert count <= wanted, "something is there twice"
    return count == wanted


async def test_a_killed_and_flushed_redis_costs_nothing(hub: Running, var: Path) -> None:
    from redis.asyncio import Redis

    async with await admin(hub) as person:
        port = smtp_port((await person.get("/accounts"))["items"])
        await send(port, mail("anna@customer.test", to=DESK, mid="a@c"))
        await until(lambda: _as_many(person, 1))
        found = record.read(var / "run" / "engines.json")
        assert found is not None
        async with Redis.from_url(found.redis_url) as redis:
            await redis.flushall()
        await send(port, mail("bob@customer.test", to=DESK, mid="b@c"))
        await until(lambda: _as_many(person, 2))
        pid = engine_pids(var)["redis"]
        os.kill(pid, signal.SIGKILL)
        await send(port, mail("carl@customer.test", to=DESK, mid="c@c"))
        await until(lambda: _as_many(person, 3))
        await until(lambda: _restarted(var, "redis", pid))
        (ticket, *_) = await tickets(person)
        status, answer = await person.post(
            f"/tickets/{ticket['id']}/replies", {"text": "Here.", "seen_inbound_id": ticket["last_inbound_id"]}
        )
        assert status == 201, answer
        assert (await hub.http.get(f"{hub.url}/readyz")).status == 200


# — people —


async def test_of_two_agents_at_once_one_claims_and_one_answers(hub: Running, var: Path) -> None:
    agents = []
    for name in ("bea", "carl"):
        added = await omnihub(
            *("user", "add", f"{name}@desk.test", "--name", name.title(), "--password", "correct horse battery"),
            settings=settings_of(var),
        )
        assert added.code == 0, added.err
        agents.append(await Person(hub.url).sign_in(f"{name}@desk.test", "correct horse battery"))
    async with await admin(hub) as person, agents[0] as bea, agents[1] as carl:
        path = await open_mailbox(person, "sales", smtp_port((await person.get("/accounts"))["items"]))
        for number in range(5):
            raw = mail("anna@customer.test", mid=f"{number}@c", subject=f"Question {number}")
            await until(lambda raw=raw: _pushed(hub, path, raw))  # type: ignore[misc]
        for ticket in await until(lambda: _as_many(person, 5)):
            at = f"/tickets/{ticket['id']}"
            claims = await asyncio.gather(*(who.post(f"{at}/claim") for who in (bea, carl, bea, carl)))
            won = [answer["assignee_id"] for status, answer in claims if status == 200]
            lost = [answer for status, answer in claims if status == 409]
            # Who has it already may claim it again; the other one may not.
            assert len(set(won)) == 1
            assert len(won) + len(lost) == 4
            assert len(lost) >= 2
            assert {answer["code"] for answer in lost} == {"already_claimed"}
            reply = {"text": "It is on its way.", "seen_inbound_id": ticket["last_inbound_id"]}
            replies = await asyncio.gather(*(who.post(f"{at}/replies", reply) for who in (bea, carl)))
            assert sorted(status for status, _ in replies) == [201, 409]
            (stopped,) = [answer for status, answer in replies if status == 409]
            assert stopped["code"] == "stale_view"
            (unseen,) = stopped["details"]["messages"]
            assert unseen["text"] == "It is on its way."


async def test_one_mail_to_two_mailboxes_is_one_ticket_with_both(hub: Running) -> None:
    async with await admin(hub) as person:
        port = smtp_port((await person.get("/accounts"))["items"])
        paths = [await open_mailbox(person, name, port) for name in ("sales", "service")]
        raw = mail("anna@customer.test", to="sales@example.test, service@example.test", mid="both@c")
        for path in paths * 2:
            await until(lambda path=path: _pushed(hub, path, raw))  # type: ignore[misc]
        await until(lambda: _count_messages(person, 2))
        (ticket,) = await tickets(person)
        assert len(ticket["account_ids"]) == 2
        rules = [message["placement"]["rule"] for message in await messages(person, ticket)]
        assert sorted(rules) == ["new", "same_mail"]


async def test_an_answer_that_was_being_sent_when_the_hub_died_is_not_sent_twice(
    var: Path, provider: Simulator
) -> None:
    """Killed around the hand-over: either it was never handed over and goes out later, or somebody is asked."""
    settings = settings_of(var) | {"outbound.lease_seconds": "3", "outbound.send_timeout_seconds": "2"}

    def arrived() -> list[int]:
        return [len(provider.store.mailbox(f"c{number}@customer.test").inbox.mails) for number in range(6)]

    async with running("up", settings=settings) as hub:
        async with await admin(hub) as person:
            path = await open_mailbox(person, "sales", provider.smtp_port)
            for number in range(6):
                raw = mail(f"c{number}@customer.test", mid=f"{number}@c")
                await until(lambda raw=raw: _pushed(hub, path, raw))  # type: ignore[misc]
            for ticket in await until(lambda: _as_many(person, 6)):
                reply = {"text": "Answer.", "seen_inbound_id": ticket["last_inbound_id"]}
                status, told = await person.post(f"/tickets/{ticket['id']}/replies", reply)
                assert status == 201, told
            await until(lambda: asyncio.sleep(0, any(arrived())))
        await hub.kill()
    async with running("up", settings=settings) as again, Person(again.url) as person:
        await person.sign_in("admin@omnihub.local", hub.password)
        states = await until(lambda: _all_settled(person), 60)  # the dead hub held its conversations for a while
    assert max(arrived()) == 1, arrived()
    assert set(states) <= {"sent", "uncertain"}
    assert states.count("sent") <= sum(arrived())


async def _all_settled(person: Person) -> list[str]:
    states = [
        message["delivery"]["state"]
        for ticket in await tickets(person)
        for message in await messages(person, ticket)
        if message["direction"] == "outbound"
    ]
    return states if len(states) == 6 and not {"queued", "sending"} & set(states) else []


async def test_a_hundred_first_mails_of_one_sender_make_one_contact(hub: Running, var: Path) -> None:
    path = await add_pushed_mailbox(settings_of(var))
    await until(lambda: _pushed(hub, path, mail("first@customer.test", mid="first@c")))
    raws = [mail("Anna <Anna@Customer.test>", mid=f"{number}@c") for number in range(99)]
    assert set(await asyncio.gather(*(push(hub, path, raw) for raw in raws))) == {200}
    async with await admin(hub) as person:
        await until(lambda: _count_messages(person, 100))
        names = {ticket["contact_id"] for ticket in await tickets(person)}
        assert len(names) == 2
