"""Portions of the journal that are being written at this moment."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

# Many small transactions side by side cost the database more than they gain: only a backlog is worth it.
_WORTH_TWO = 40


@dataclass(slots=True, frozen=True, kw_only=True)
class _Portion:
    task: "asyncio.Task[None]"
    ids: frozenset[str]
    touched: frozenset[str]


class InFlight:
    """Two at once where much waits; but never two that touch the same people: the second would be written in
    vain and begin anew."""

    def __init__(self) -> None:
        self._portions: list[_Portion] = []

    @property
    def ids(self) -> frozenset[str]:
        return frozenset().union(*(portion.ids for portion in self._portions))

    async def room(self, count: int, touched: frozenset[str]) -> None:
        """Waits until a portion of so many events that touches these may begin. Raises what became of those
        before it."""
        most = 2 if count >= _WORTH_TWO else 1
        while self._full(most, touched):
            await self._wait(asyncio.FIRST_COMPLETED)
        self._reap()

    def _full(self, most: int, touched: frozenset[str]) -> bool:
        going_on = [portion for portion in self._portions if not portion.task.done()]
        return len(going_on) >= most or any(portion.touched & touched for portion in going_on)

    def begin(self, ids: frozenset[str], touched: frozenset[str], work: Coroutine[Any, Any, None]) -> None:
        self._portions.append(_Portion(task=asyncio.create_task(work), ids=ids, touched=touched))

    async def ended(self) -> None:
        """Waits for all, even when cancelled. Raises what became of them."""
        try:
            await self._wait(asyncio.ALL_COMPLETED)
        except asyncio.CancelledError:
            await self._wait(asyncio.ALL_COMPLETED)
            raise
        self._reap()

    async def _wait(self, how: str) -> None:
        if tasks := [portion.task for portion in self._portions if not portion.task.done()]:
            await asyncio.wait(tasks, return_when=how)

    def _reap(self) -> None:
        done = [portion.task for portion in self._portions if portion.task.done()]
        self._portions = [portion for portion in self._portions if not portion.task.done()]
        errors = [error for task in done if (error := task.exception()) is not None]
        if errors:
            raise errors[0]
