"""The card of a call as the inbox keeps it."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from omnihub.inbox import going_on
from omnihub.model.documents import MessageDoc
from omnihub.model.inbound import Amendment


def folded(customer: str, amendments: Sequence[Amendment]) -> Mapping[str, Any]:
    """The card as the inbox keeps it, from these versions in this order."""
    first = amendments[0].message
    assert first is not None
    card: dict[str, Any] = {"channel": "twilio_voice", "account_id": "01account", "text": first.text}
    card |= {"sender": {"key": f"phone:{customer}"}, "extra": {"call": dict(first.extra["call"])}}
    for one in amendments:
        assert one.message is not None
        changes = going_on.news(cast("MessageDoc", card), one.message, one.sequence)
        for name, value in changes.items():
            *path, last = name.split(".")
            place = card
            for step in path:
                place = place.setdefault(step, {})
            place[last] = value
        card["extra"]["sequence"] = max(card["extra"].get("sequence", 0), one.sequence)
    return card
