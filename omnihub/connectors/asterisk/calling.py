"""Click-to-call: the agent's telephone rings; when it is picked up, the customer is dialled."""

import asyncio
from dataclasses import dataclass

from omnihub.connectors.asterisk.ami import connected
from omnihub.connectors.asterisk.frames import Frame
from omnihub.connectors.asterisk.reckoning import OURS
from omnihub.connectors.asterisk.settings import Settings
from omnihub.connectors.contract import Dialled
from omnihub.connectors.telephony.dialling import Order
from omnihub.model.errors import Refused, TryLater, Uncertain

_GRACE_SECONDS = 10.0
# Before a call id that does not begin like our channels do: by its beginning a channel is known as ours.
_WRAPPED = f"{OURS}-"
_REASONS = {
    "0": "there is no such telephone, or it is not connected",
    "1": "there is no such telephone, or it is not connected",
    "3": "the agent's telephone was not picked up",
    "5": "the agent's telephone is busy",
    "8": "the exchange is overloaded",
}


def channel_id(call_id: str) -> str:
    return call_id if call_id.startswith(OURS) and not call_id.startswith(_WRAPPED) else _WRAPPED + call_id


def call_id_of(channel_id: str) -> str:
    """The name under which we placed the call; any other call bears the exchange's."""
    return channel_id.removeprefix(_WRAPPED)


@dataclass(slots=True, frozen=True, kw_only=True)
class Wanted:
    channel: str
    exten: str
    context: str
    caller_id: str
    call_id: str
    seconds: int


def wanted(settings: Settings, order: Order) -> Wanted:
    inside = settings.rules().is_internal(order.number)
    return Wanted(
        channel=settings.agent_channel.replace("{extension}", order.extension),
        exten=order.number if inside else settings.dial_prefix + order.number,
        context=settings.dial_context,
        caller_id=settings.caller_id,
        call_id=order.call_id,
        seconds=settings.ring_seconds,
    )


async def dial(settings: Settings, call: Wanted) -> Dialled:
    """Waits for the agent's telephone. Raises Refused by the exchange's words, TryLater where nothing was
    handed over, Uncertain where the exchange fell silent afterwards."""
    result: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
    action_id = f"{channel_id(call.call_id)}-originate"

    rang = False

    def hear(frame: Frame) -> None:
        nonlocal rang
        rang = rang or (frame.event == "newchannel" and frame.get("Uniqueid") == channel_id(call.call_id))
        if frame.event == "originateresponse" and frame.action_id == action_id and not result.done():
            result.set_result(frame)

    handed_over = False
    try:
        async with connected(settings, hear, "call") as ami, asyncio.timeout(call.seconds + _GRACE_SECONDS):
            handed_over = True
            await ami.ask("Originate", *_fields(call), action_id=action_id)
            return _read(await result, call, rang=rang)
    except (TryLater, TimeoutError) as error:
        if not handed_over:
            raise
        raise Uncertain("the exchange fell silent; the agent's telephone may ring all the same") from error
    except Refused as error:
        raise Refused(f"the exchange refused the call: {error}") from error


def _fields(call: Wanted) -> tuple[tuple[str, str], ...]:
    caller_id = (("CallerID", call.caller_id),) if call.caller_id else ()
    return (
        ("Channel", call.channel),
        ("Context", call.context),
        ("Exten", call.exten),
        ("Priority", "1"),
        ("Timeout", str(call.seconds * 1000)),
        ("Async", "true"),
        ("ChannelId", channel_id(call.call_id)),
        *caller_id,
    )


def _read(frame: Frame, call: Wanted, *, rang: bool) -> Dialled:
    if frame.get("Response").lower() == "success":
        return Dialled(call_id=call.call_id, picked_up=True)
    reason = frame.get("Reason")
    if reason in ("0", "1") and rang:  # Asterisk says 0 of a busy telephone, too
        reason = "5"
    words = _REASONS.get(reason, f"the call was not set up (reason {reason or 'not given'})")
    return Dialled(call_id=call.call_id, picked_up=False, words=words)
