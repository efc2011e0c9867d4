from collections.abc import Callable
from dataclasses import dataclass

from omnihub.connectors.wechat_api.simulator_errors import ApiFault


@dataclass(slots=True, kw_only=True)
class _Grant:
    kind: str
    until: float
    left: int


class Quota:
    """What may be sent to whom: so many messages within so many seconds after each thing a person did. Doing
    the same again starts anew. What ends first is used up first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grants: dict[str, list[_Grant]] = {}

    def grant(self, openid: str, kind: str, *, seconds: float, messages: int) -> None:
        others = [one for one in self._grants.get(openid, []) if one.kind != kind]
        fresh = _Grant(kind=kind, until=self._clock() + seconds, left=messages)
        self._grants[openid] = sorted([*others, fresh], key=lambda one: one.until)

    def forget(self, openid: str) -> None:
        self._grants.pop(openid, None)

    def use(self, openid: str) -> None:
        """Raises ApiFault 45015 where the time is over, 45047 where only the count is."""
        running = [one for one in self._grants.get(openid, []) if one.until > self._clock()]
        if not running:
            raise ApiFault(45015, "response out of time limit or subscription is canceled")
        usable = next((one for one in running if one.left), None)
        if usable is None:
            raise ApiFault(45047, "out of response count limit")
        usable.left -= 1
