"""Click-to-call: the agent's telephone rings; when it is picked up, the dial plan rings the customer.

mod_commands, originate and bgapi (developer.signalwire.com/freeswitch, read 2026-11). The channel variables
in braces are separated by commas and the words by blanks, so that nothing but what is checked here goes in.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from omnihub.connectors.contract import Dialled
from omnihub.connectors.freeswitch.line import Line, Server, opened
from omnihub.connectors.freeswitch.settings import Settings
from omnihub.connectors.freeswitch.wire import command
from omnihub.connectors.telephony.dialling import Order
from omnihub.model.errors import Refused, TryLater, Uncertain

# Beyond the ringing: for the job's own way.
SPARE_SECONDS = 10.0
# The agent's telephone could not be reached: that is an answer, not a refusal.
_AWAY, _BUSY, _GONE = (
    "the agent's telephone was not picked up",
    "the agent's telephone is busy",
    "there is no such telephone, or it is not connected",
)
_NOT_PICKED_UP: Mapping[str, str] = {
    "NO_ANSWER": _AWAY,
    "NO_USER_RESPONSE": _AWAY,
    "ORIGINATOR_CANCEL": _AWAY,
    "ALLOTTED_TIMEOUT": _AWAY,
    "PROGRESS_TIMEOUT": _AWAY,
    "CALL_REJECTED": _AWAY,
    "USER_BUSY": _BUSY,
    "USER_NOT_REGISTERED": _GONE,
    "SUBSCRIBER_ABSENT": _GONE,
}


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


def wanted(settings: Settings, order: Order) -> Wanted:
    """Nothing goes into the command but what was checked, here or with the settings."""
    return Wanted(
        call_id=order.call_id,
        address=settings.phone_address.replace("{extension}", order.extension),
        customer=order.number,
        dialled=order.number if settings.house.has(order.number) else settings.dial_prefix + order.number,
        context=settings.dial_context,
        caller_id=settings.caller_id,
        seconds=settings.ring_seconds,
    )


async def dial(server: Server, call: Wanted) -> Dialled:
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


def _read(result: str, call: Wanted) -> Dialled:
    if result.startswith("+OK"):
        # A dial string that leads to several telephones is told of under another id than ours.
        return Dialled(call_id=result.removeprefix("+OK").strip() or call.call_id, picked_up=True)
    reason = result.removeprefix("-ERR").strip()
    if reason not in _NOT_PICKED_UP:
        raise Refused(f"FreeSWITCH could not make the call: {reason}")
    return Dialled(call_id=call.call_id, picked_up=False, words=f"{_NOT_PICKED_UP[reason]} ({reason})")
