"""Click-to-call: the agent's telephone rings; when it is picked up, the dial plan rings the customer.

mod_commands, originate and bgapi (developer.signalwire.com/freeswitch, read 2026-11). The channel variables
in braces are separated by commas and the words by blanks, so that nothing but what is checked here goes in.
"""

import asyncio
import re
import uuid
from dataclasses import dataclass

from omnihub.connectors.freeswitch.line import Line, Server, opened
from omnihub.connectors.freeswitch.settings import Settings
from omnihub.connectors.freeswitch.wire import command
from omnihub.model.errors import Invalid, Refused, TryLater, Uncertain

# Beyond the ringing: for the job's own way.
SPARE_SECONDS = 10.0
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_EXTENSION = re.compile(r"[A-Za-z0-9_.+\-]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,80}")
_CALL_ID = re.compile(r"[A-Za-z0-9\-]{8,64}")
_CALLER_ID = re.compile(r"(\+?[0-9]{2,20})?")
_DECORATION = re.compile(r"[ \u00a0()./\-]")
# The agent's telephone could not be reached: that is an answer, not a refusal.
_NOT_PICKED_UP = frozenset(
    {"NO_ANSWER", "NO_USER_RESPONSE", "USER_BUSY", "CALL_REJECTED", "ORIGINATOR_CANCEL", "USER_NOT_REGISTERED",
     "SUBSCRIBER_ABSENT", "ALLOTTED_TIMEOUT", "PROGRESS_TIMEOUT"}
)  # fmt: skip


@dataclass(slots=True, frozen=True, kw_only=True)
class Originated:
    """`agent_answered` says nothing of the customer, who is rung only now: the call itself tells that, under
    `call_id`. `reason` is FreeSWITCH's word where the agent did not pick up."""

    call_id: str
    agent_answered: bool
    reason: str = ""
    words: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Wanted:
    call_id: str
    address: str
    customer: str
    dialled: str
    context: str
    caller_id: str
    seconds: int

    def words(self) -> str:
        variables = {
            "origination_uuid": self.call_id,
            "omnihub_customer": self.customer,
            "origination_caller_id_number": self.customer,
            # Without it the customer would be shown their own number.
            "effective_caller_id_number": self.caller_id,
            "ignore_early_media": "true",
            "originate_timeout": str(self.seconds),
        }
        braces = ",".join(f"{name}={value}" for name, value in variables.items() if value)
        return f"originate {{{braces}}}{self.address} {self.dialled} XML {self.context}"


def wanted(
    settings: Settings, extension: str, number: str, *, context: str, caller_id: str, call_id: str
) -> Wanted:
    """Raises Invalid: only what can be a telephone or a number may stand in a command."""
    bare = _DECORATION.sub("", number)
    own = call_id or str(uuid.uuid4())
    for name, value, shape in (
        ("channel", extension, _EXTENSION),
        ("exten", bare, _NUMBER),
        ("context", context or settings.dial_context, _WORD),
        ("caller_id", caller_id or settings.caller_id, _CALLER_ID),
        ("call_id", own, _CALL_ID),
    ):
        if not shape.fullmatch(value):
            raise Invalid(f"this cannot be called: {name}", {name: "letters, digits and . _ - only"})
    return Wanted(
        call_id=own,
        address=settings.phone_address.replace("{extension}", extension),
        customer=bare,
        dialled=settings.dial_prefix + bare,
        context=context or settings.dial_context,
        caller_id=caller_id or settings.caller_id,
        seconds=settings.ring_seconds,
    )


async def originate(server: Server, call: Wanted) -> Originated:
    """Waits for the agent's telephone. Raises Refused in FreeSWITCH's own words, TryLater where it was not
    asked, Uncertain where it was and then says nothing more."""
    job = str(uuid.uuid4())
    async with opened(server) as line:
        # Before the job begins, so that its end cannot be missed.
        await line.subscribe(("BACKGROUND_JOB",))
        try:
            taken = await line.ask(command(f"bgapi {call.words()}", Job_UUID=job))
        except TryLater as error:
            raise Uncertain(f"{error}; the agent's telephone may ring all the same") from error
        if not taken.reply.startswith("+OK"):
            raise Refused(f"FreeSWITCH refused the call: {taken.reply}")
        # A FreeSWITCH that does not take our name for the job tells its own.
        name = taken.headers.get("Job-UUID") or taken.reply.rpartition("Job-UUID:")[2].strip() or job
        try:
            async with asyncio.timeout(call.seconds + SPARE_SECONDS):
                return _read(await _result(line, name), call)
        except (TimeoutError, TryLater) as error:
            raise Uncertain("FreeSWITCH fell silent; the agent's telephone may ring all the same") from error


async def _result(line: Line, job: str) -> str:
    while True:
        for event in await line.batch(SPARE_SECONDS):
            if event.name == "BACKGROUND_JOB" and event.first("Job-UUID") == job:
                return event.body.strip()


def _read(result: str, call: Wanted) -> Originated:
    if result.startswith("+OK"):
        return Originated(call_id=result.removeprefix("+OK").strip() or call.call_id, agent_answered=True)
    reason = result.removeprefix("-ERR").strip()
    if reason not in _NOT_PICKED_UP:
        raise Refused(f"FreeSWITCH could not make the call: {reason}")
    words = f"the agent's telephone was not picked up: {reason}"
    return Originated(call_id=call.call_id, agent_answered=False, reason=reason, words=words)
