"""Click-to-call: the agent's telephone rings; when it is picked up, the customer is dialled."""

import asyncio
import re
import secrets
from dataclasses import dataclass

from omnihub.connectors.asterisk.ami import connected
from omnihub.connectors.asterisk.frames import Frame
from omnihub.connectors.asterisk.reckoning import OURS
from omnihub.connectors.asterisk.settings import Settings
from omnihub.model.errors import Invalid, Refused, TryLater, Uncertain

_GRACE_SECONDS = 10.0
_CHANNEL = re.compile(r"[A-Za-z][A-Za-z0-9]{1,15}/[A-Za-z0-9_.@/-]{1,100}")
_EXTENSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_CALL_ID = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_REASONS = {
    "0": "there is no such telephone, or it is not connected",
    "1": "there is no such telephone, or it is not connected",
    "3": "the agent's telephone was not picked up",
    "5": "the agent's telephone is busy",
    "8": "the exchange is overloaded",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Originated:
    """`agent_answered` says nothing of the customer, who is dialled only now: the call itself tells that,
    under `call_id`."""

    call_id: str
    agent_answered: bool
    reason: str = ""
    words: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Wanted:
    channel: str
    exten: str
    context: str
    caller_id: str
    call_id: str
    seconds: int


def wanted(settings: Settings, channel: str, exten: str, *, context: str, caller_id: str, call_id: str) -> Wanted:
    """Raises Invalid: only what can be a telephone or a number may stand in a command."""
    named = channel if "/" in channel else _filled(settings.agent_channel, channel)
    bare = re.sub(r"[\s()./-]", "", exten)
    own = call_id or secrets.token_hex(12)
    for name, value, shape in (
        ("channel", named, _CHANNEL),
        ("exten", bare, _NUMBER),
        ("context", context or settings.dial_context, _EXTENSION),
        ("call_id", own, _CALL_ID),
    ):
        if not shape.fullmatch(value):
            raise Invalid(f"this cannot be called: {name}", {name: "letters, digits and . _ - only"})
    return Wanted(
        channel=named,
        exten=bare if bare.startswith("+") or not settings.dial_prefix else settings.dial_prefix + bare,
        context=context or settings.dial_context,
        caller_id=caller_id or settings.caller_id,
        call_id=own if own.startswith(OURS) else OURS + own,
        seconds=settings.ring_seconds,
    )


def _filled(pattern: str, extension: str) -> str:
    if not _EXTENSION.fullmatch(extension):
        raise Invalid("this is no extension", {"channel": "letters, digits and . _ - only"})
    return pattern.replace("{extension}", extension)


async def originate(settings: Settings, call: Wanted) -> Originated:
    """Waits for the agent's telephone. Raises Refused by the exchange's words, TryLater where nothing was
    handed over, Uncertain where the exchange fell silent afterwards."""
    result: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
    action_id = f"{call.call_id}-originate"

    def hear(frame: Frame) -> None:
        if frame.event == "originateresponse" and frame.action_id == action_id and not result.done():
            result.set_result(frame)

    handed_over = False
    try:
        async with connected(settings, hear, "call") as ami, asyncio.timeout(call.seconds + _GRACE_SECONDS):
            handed_over = True
            await ami.ask("Originate", *_fields(call), action_id=action_id)
            return _read(await result, call)
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
        ("ChannelId", call.call_id),
        *caller_id,
    )


def _read(frame: Frame, call: Wanted) -> Originated:
    reason = frame.get("Reason")
    answered = frame.get("Response").lower() == "success"
    words = "" if answered else _REASONS.get(reason, f"the call was not set up (reason {reason or 'not given'})")
    return Originated(call_id=call.call_id, agent_answered=answered, reason=reason, words=words)
