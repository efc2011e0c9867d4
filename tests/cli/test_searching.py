"""`omnihub search rebuild`, as it is typed, with and without a worker that runs."""

import asyncio

from omnihub.connectors.registry import Connectors
from omnihub.search.asking import Question, search
from omnihub.search.feeder import Feeder
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.cli.conftest import Cli
from tests.conftest import Eventually
from tests.hub_process import omnihub
from tests.mailbox import PostOffice, mail, open_post_office


async def count(store: Store, words: str) -> int:
    return (await search(store, Question(words=words, kinds=("messages",)))).groups[0].count


async def stored(store: Store, connectors: Connectors, settings: Settings, number: int) -> PostOffice:
    post = await open_post_office(store, connectors, settings)
    await post.deliver(*(mail(f"p{n}@x.test", mid=f"{n}@x", text=f"pelican {n} 鹈鹕") for n in range(number)))
    return post


async def test_without_a_worker_the_command_does_the_work(
    cli: Cli, store: Store, connectors: Connectors, settings: Settings
) -> None:
    await stored(store, connectors, settings, 12)
    assert await count(store, "pelican") == 0
    done = await cli("search", "rebuild")
    assert done.exit_code == 0, done.output
    assert "36 tickets, contacts and messages indexed" in done.stdout
    assert await count(store, "pelican") == await count(store, "鹈鹕") == 12
    again = await cli("search", "rebuild")
    assert again.exit_code == 0
    assert await count(store, "pelican") == 12


async def test_with_a_worker_the_worker_does_it(
    external: dict[str, str], store: Store, connectors: Connectors, settings: Settings, eventually: Eventually
) -> None:
    await stored(store, connectors, settings, 3)
    worker = asyncio.create_task(Feeder(store).run())

    async def all_found() -> bool:
        return await count(store, "pelican") == 3

    await eventually(all_found)
    await store.db["search"].delete_many({})
    # In a process of its own: it would leave our worker a log that is closed.
    asked = await omnihub("search", "rebuild", "--no-wait", settings=external)
    assert "was asked for" in asked.out
    await eventually(all_found)
    worker.cancel()
    await asyncio.wait([worker])
