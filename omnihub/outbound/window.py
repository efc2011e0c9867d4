from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omnihub.connectors.contract import ReplyWindow
from omnihub.model.documents import MessageDoc
from omnihub.model.errors import WindowClosed

_NOT_COUNTED = ("failed", "cancelled")


@dataclass(slots=True, frozen=True, kw_only=True)
class Window:
    """What a provider's reply window still allows. `until` is None while the customer has not written.
    `gone`: the customer left, and cannot be written to until they come back."""

    until: datetime | None
    left: int
    allowed: int
    gone: bool = False

    def check(self, at: datetime, count: int = 1) -> None:
        """Raises WindowClosed."""
        if self.gone:
            raise WindowClosed("the customer has left this channel and cannot be written to")
        if self.until is None:
            raise WindowClosed("this channel allows only answers, and the customer has not written here")
        if at >= self.until:
            raise WindowClosed(f"the reply window closed at {self.until:%Y-%m-%d %H:%M} UTC", until=self.until)
        if self.left <= 0:
            raise WindowClosed(
                f"all {self.allowed} answers to the customer's last message are used", until=self.until
            )
        if self.left < count:
            raise WindowClosed(
                f"this answer goes out as {count} messages, and only {self.left} may still go", until=self.until
            )


@dataclass(slots=True)
class _Opening:
    """One message or deed of the customer that lets us answer."""

    until: datetime
    left: int
    allowed: int


def window_of(rule: ReplyWindow | None, thread: Sequence[MessageDoc], at: datetime) -> Window | None:
    """`thread` is the end of the conversation, oldest first. None where nothing limits what we send.

    The customer's latest message opens the window anew; a deed such as a pressed menu opens a small one of its
    own. A message of ours uses what ends first."""
    gone = _is_gone(thread)
    if rule is None:
        return Window(until=None, left=0, allowed=0, gone=True) if gone else None
    written: _Opening | None = None
    deeds: list[_Opening] = []
    for message in thread:
        if message["direction"] == "inbound":
            granted = _granted(message, rule)
            if granted is not None and message["kind"] == "notice":
                deeds.append(granted)
            elif granted is not None:
                written = granted
        elif _is_taken(message) and counts(message):
            _use([*deeds, *([written] if written else [])], message["at"])
    openings = [*deeds, *([written] if written else [])]
    valid = [one for one in openings if one.until > at]
    chosen = valid or openings
    return Window(
        until=max((one.until for one in chosen), default=None),
        left=sum(one.left for one in valid),
        allowed=sum(one.allowed for one in chosen) or rule.messages,
        gone=gone,
    )


def _granted(message: MessageDoc, rule: ReplyWindow) -> _Opening | None:
    own = message["extra"].get("allowance")
    if own:
        until = _written_at(message) + timedelta(seconds=own["seconds"])
        return _Opening(until=until, left=int(own["messages"]), allowed=int(own["messages"]))
    if message["kind"] == "notice":
        return None
    until = _written_at(message) + timedelta(hours=rule.hours)
    return _Opening(until=until, left=rule.messages, allowed=rule.messages)


def _written_at(message: MessageDoc) -> datetime:
    """The provider counts from there, however late it reached us."""
    return min(message["at"], message["sent_at"] or message["at"])


def counts(message: MessageDoc) -> bool:
    """Whether it uses up the window where it is sent."""
    return bool(message["extra"].get("template", {}).get("counts", True))


def _is_taken(message: MessageDoc) -> bool:
    """What people sent in the provider's own app counts as ours does; what was never taken does not."""
    return message["delivery"] is None or message["delivery"]["state"] not in _NOT_COUNTED


def _use(openings: Sequence[_Opening], at: datetime) -> None:
    usable = [one for one in openings if one.until > at and one.left > 0]
    if usable:
        min(usable, key=lambda one: one.until).left -= 1


def _is_gone(thread: Sequence[MessageDoc]) -> bool:
    """By the last word on it; whoever writes is there."""
    gone = False
    for message in thread:
        told = message["extra"].get("reachable")
        if told is not None:
            gone = not told
        elif message["direction"] == "inbound" and message["kind"] != "notice":
            gone = False
    return gone
