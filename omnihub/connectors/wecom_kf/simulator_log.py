"""What WeCom keeps for one KF account: the messages to pull, and the tokens that let pull them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from omnihub.connectors.wecom_api.platform import Complaint

TOKEN_SECONDS = 600
KEPT_SECONDS = 3 * 86_400
Item = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class KfLog:
    """`untokened_per_minute`: pulls without a token. `empty_pages`: before news comes a page that is empty and
    says that there is more. `page`: the most items of one page."""

    open_kfid: str
    clock: Callable[[], float]
    untokened_per_minute: int = 6
    empty_pages: bool = True
    page: int = 1000
    items: list[tuple[float, Item]] = field(default_factory=list)
    _tokens: dict[str, float] = field(default_factory=dict)
    _untokened: list[float] = field(default_factory=list)

    def add(self, item: Mapping[str, Any]) -> None:
        self.items.append((self.clock(), dict(item)))

    def ring(self) -> str:
        token = f"ENC{os.urandom(12).hex()}"
        self._tokens[token] = self.clock() + TOKEN_SECONDS
        return token

    def pull(self, cursor: str, token: str, limit: int) -> Mapping[str, Any]:
        self._admit(token)
        start, rested = self._place(cursor)
        if self.empty_pages and not rested and start < len(self.items):
            return {"next_cursor": f"{start}-rested", "has_more": 1, "msg_list": []}
        size = max(1, min(limit or self.page, self.page))
        end = min(start + size, len(self.items))
        listed = [item for _, item in self.items[start:end]]
        return {"next_cursor": str(end), "has_more": int(end < len(self.items)), "msg_list": listed}

    def _admit(self, token: str) -> None:
        now = self.clock()
        if token:
            if self._tokens.get(token, 0.0) <= now:
                raise Complaint(95007, "invalid msg token")
            return
        self._untokened = [at for at in self._untokened if now - at < 60]
        if len(self._untokened) >= self.untokened_per_minute:
            raise Complaint(45009, "api freq out of limit")
        self._untokened.append(now)

    def _place(self, cursor: str) -> tuple[int, bool]:
        """Without a cursor: the oldest of the last three days."""
        if not cursor:
            ends = self.clock() - KEPT_SECONDS
            return next((n for n, (at, _) in enumerate(self.items) if at >= ends), len(self.items)), False
        number, _, rested = cursor.partition("-")
        if not number.isdigit() or int(number) > len(self.items):
            raise Complaint(40058, "invalid Request Parameter, cursor")
        return int(number), bool(rested)


@dataclass(slots=True, kw_only=True)
class Session:
    """A customer with one KF account. `state`: 0 new, 1 API, 2 queue, 3 servicer, 4 over or not begun."""

    state: int = 4
    servicer: str = ""
    heard_at: float = float("-inf")
    sent_since: int = 0
    refuses: bool = False
    welcomes: dict[str, float] = field(default_factory=dict)
    last_msgid: str = ""


# From which state to which the API may move a conversation.
MOVES: Mapping[int, frozenset[int]] = {
    0: frozenset({1, 2, 3}),
    1: frozenset({2, 3}),
    2: frozenset({3}),
    3: frozenset({3, 4}),
    4: frozenset(),
}
