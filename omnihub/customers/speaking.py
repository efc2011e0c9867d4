import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from omnihub.connectors.simulation import Chats, Person, Spoken

log = structlog.get_logger("omnihub.customers")

_BROKEN = "演示平台出错，这条消息没有送出。The demo platform failed, and this was not delivered: {error}"


async def speak(chats: Chats, person: Person, spoken: Spoken) -> None:
    """A simulator that fails says so in the chat, where whoever tries it looks."""
    try:
        await chats.speak(person, spoken)
    except Exception as error:
        log.exception("customer.not_heard", kind=spoken.kind)
        words = f"{type(error).__name__} {error}".strip()
        await chats.show(person.id, "system", "text", _BROKEN.format(error=words))


class Speaking:
    """What customers are saying just now. Nobody waits for it: the platform may try for a while before it gives
    up on the hub, and all that it says stands in the chat."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
