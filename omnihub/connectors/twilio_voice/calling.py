"""Click-to-call: Twilio rings the agent's telephone; once it is picked up, it asks the hub whom to ring next.

Calls resource, "Create a Call" and "Fetch a Call" (twilio.com/docs/voice/api/call-resource, read 2026-11)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.connectors.contract import Dialled
from omnihub.connectors.numbers import e164
from omnihub.connectors.reading import Fields, read_json, text_of
from omnihub.connectors.telephony.dialling import Order
from omnihub.connectors.twilio_voice.recordings import credentials
from omnihub.connectors.twilio_voice.settings import Settings
from omnihub.connectors.twilio_voice.twiml import LEG_EVENTS, Caller, Script
from omnihub.model.errors import Invalid, OmnihubError, Refused, TryLater, Uncertain, Unreadable

PLACE_SECONDS = 15.0
LOOK_SECONDS = 10.0
# Whether the agent picked up is asked so often; the callbacks may arrive at another process.
PAUSE_SECONDS = 1.0
# Beyond the ringing: for Twilio's own way.
SPARE_SECONDS = 15.0
# Wrong credentials are the account's fault: once an admin has mended them, the call can be placed.
_SIGN_IN_RETRY = 300.0
_PICKED_UP = frozenset({"in-progress", "completed"})
_NOT_PICKED_UP: Mapping[str, str] = {
    "busy": "the agent's telephone is busy",
    "no-answer": "the agent's telephone was not picked up",
    "canceled": "the agent's telephone was not picked up",
    "failed": "the agent's telephone cannot be reached",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Wanted:
    """`address`: the agent's telephone, as Twilio writes it."""

    caller: Caller
    address: str


def wanted(settings: Settings, order: Order) -> Wanted:
    """Raises Invalid."""
    address = settings.address_of(order.extension)
    if not address:
        raise Invalid("no telephone is entered for this extension", {"extension": "not among the telephones"})
    line = settings.shown_number
    number = e164(order.number, settings.lines_told.region_of(line))
    if not number:
        raise Invalid("this cannot be called: number", {"number": "a number of the public network"})
    caller = Caller(customer=number, line=line, placed=order.call_id, agent=order.extension)
    return Wanted(caller=caller, address=address)


async def dial(http: aiohttp.ClientSession, settings: Settings, script: Script, call: Wanted) -> Dialled:
    """Waits for the agent's telephone. Raises Refused in Twilio's words, TryLater where nothing was handed
    over, Uncertain where Twilio took the call and then falls silent."""
    sid = await _place(http, settings, script, call)
    try:
        async with asyncio.timeout(settings.ring_seconds + SPARE_SECONDS):
            status = await _decided(http, settings, sid)
    except TimeoutError:
        raise Uncertain("Twilio fell silent; the agent's telephone may ring all the same") from None
    if status in _PICKED_UP:
        return Dialled(call_id=call.caller.placed, picked_up=True)
    return Dialled(call_id=call.caller.placed, picked_up=False, words=_NOT_PICKED_UP[status])


async def _place(http: aiohttp.ClientSession, settings: Settings, script: Script, call: Wanted) -> str:
    pairs = [
        ("To", call.address),
        ("From", call.caller.line),
        ("Url", script.placed("connect", call.caller)),
        ("Method", "POST"),
        ("StatusCallback", script.placed("placed", call.caller)),
        ("StatusCallbackMethod", "POST"),
        ("Timeout", str(settings.ring_seconds)),
        *(("StatusCallbackEvent", event) for event in LEG_EVENTS.split()),
    ]
    asked = Call(
        method="POST",
        url=f"{_calls(settings)}.json",
        headers={"Content-Type": "application/x-www-form-urlencoded", **credentials(settings)},
        data=urlencode(pairs).encode(),
        seconds=PLACE_SECONDS,
        handing_over=True,
    )
    answer = await ask(http, asked)
    if answer.status >= 500:
        # Twilio promises to have taken nothing for 429 only.
        raise Uncertain(f"Twilio answered {answer.status}; the agent's telephone may ring all the same")
    if not 200 <= answer.status < 300:
        raise _refusal(answer)
    sid = text_of(_fields(answer), "sid")
    if not sid.isalnum() or len(sid) > 64:
        raise Uncertain("Twilio took the call, but its answer cannot be read")
    return sid


async def _decided(http: aiohttp.ClientSession, settings: Settings, sid: str) -> str:
    """The call's status, once the agent has picked up or will not. What fails to answer is asked again."""
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        asked = Call(
            method="GET", url=f"{_calls(settings)}/{sid}.json", headers=credentials(settings), seconds=LOOK_SECONDS
        )
        try:
            status = text_of(_fields(await ask(http, asked)), "status")
        except (TryLater, Refused):
            continue
        if status in _PICKED_UP or status in _NOT_PICKED_UP:
            return status


def _calls(settings: Settings) -> str:
    return f"{settings.api_base_url}/2010-04-01/Accounts/{settings.account_sid}/Calls"


def _fields(answer: Answer) -> Fields:
    try:
        return read_json(answer.body)
    except Unreadable:
        return {}


def _refusal(answer: Answer) -> OmnihubError:
    said = _fields(answer)
    code = text_of(said, "code")
    words = f"{text_of(said, 'message') or answer.start} ({code or answer.status})"
    if answer.status == 429:
        return TryLater(words)
    if answer.status == 401:
        return TryLater(words, after=_SIGN_IN_RETRY)
    return Refused(words, provider_code=code)
