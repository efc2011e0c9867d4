from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omnihub.connectors.contract import ReplyWindow
from omnihub.model.documents import MessageDoc
from omnihub.model.errors import WindowClosed

_NOT_COUNTED = ("failed", "cancelled")


@dataclass(slots=True, frozen=True, kw_only=True)
class Window:
    """What a provider's reply window still allows. `until` is None while the customer has not written."""

    until: datetime | None
    left: int
    allowed: int

    def check(self, at: datetime) -> None:
        """Raises WindowClosed."""
        if self.until is None:
            raise WindowClosed("this channel allows only answers, and the customer has not written here")
        if at >= self.until:
            raise WindowClosed(f"the reply window closed at {self.until:%Y-%m-%d %H:%M} UTC", until=self.until)
        if self.left <= 0:
            raise WindowClosed(
                f"all {self.allowed} answers to the customer's last message are used", until=self.until
            )


def window_of(rule: ReplyWindow, thread: Sequence[MessageDoc]) -> Window:
    """`thread` is the end of the conversation, oldest first."""
    places = [i for i, message in enumerate(thread) if message["direction"] == "inbound"]
    if not places:
        return Window(until=None, left=0, allowed=rule.messages)
    sent = [m for m in thread[places[-1] + 1 :] if m["delivery"] and m["delivery"]["state"] not in _NOT_COUNTED]
    until = thread[places[-1]]["at"] + timedelta(hours=rule.hours)
    return Window(until=until, left=max(0, rule.messages - len(sent)), allowed=rule.messages)
