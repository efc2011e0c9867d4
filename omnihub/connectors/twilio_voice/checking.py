"""The admin's "test connection"."""

from collections.abc import Sequence

import aiohttp

from omnihub.connectors.calls import Call, ask
from omnihub.connectors.contract import Finding
from omnihub.connectors.reading import Fields, inner, items, read_json, text_of
from omnihub.connectors.twilio_voice.recordings import credentials
from omnihub.connectors.twilio_voice.settings import Settings, is_local
from omnihub.model.errors import OmnihubError, Refused, TryLater, Unreadable

READ_SECONDS = 20.0
_CONSOLE = "Twilio console → Phone Numbers → Manage → Active numbers → your number → Voice"


async def check(http: aiohttp.ClientSession, settings: Settings, door: str) -> Sequence[Finding]:
    findings = [address(door, settings)]
    try:
        account = await _get(http, settings, ".json")
    except OmnihubError as error:
        remedy = "Compare the account SID and the auth token with the first page of the Twilio console."
        return [*findings, Finding(name="Twilio account", ok=False, detail=str(error), remedy=remedy)]
    findings.append(_account(account))
    for number in settings.numbers:
        findings += await _number(http, settings, number, door)
    if not settings.agents and not settings.voicemail:
        remedy = "Enter whom calls ring, or switch the voicemail on."
        findings.append(Finding(name="Ringing", ok=False, detail="nobody is rung", remedy=remedy))
    return findings


def address(door: str, settings: Settings) -> Finding:
    name = "Address of this hub"
    if is_local(door) and not is_local(settings.api_base_url):
        remedy = "Set server.public_url to an https address that the internet reaches: calls cannot come in."
        return Finding(name=name, ok=False, detail=f"Twilio cannot reach {door}", remedy=remedy)
    if not door.startswith("https://") and not is_local(settings.api_base_url):
        remedy = "Put the hub behind https: who calls whom is readable on the way."
        return Finding(name=name, ok=False, detail=f"{door} is not encrypted", remedy=remedy)
    return Finding(name=name, ok=True, detail=door)


async def _get(http: aiohttp.ClientSession, settings: Settings, path: str, **query: str) -> Fields:
    """Raises TryLater or Refused."""
    url = f"{settings.api_base_url}/2010-04-01/Accounts/{settings.account_sid}{path}"
    call = Call(method="GET", url=url, query=query, headers=credentials(settings), seconds=READ_SECONDS)
    answer = await ask(http, call)
    try:
        said = read_json(answer.body)
    except Unreadable as error:
        raise TryLater(f"Twilio's answer cannot be read (HTTP {answer.status})") from error
    if answer.status != 200:
        raise Refused(text_of(said, "message") or f"HTTP {answer.status}")
    return said


def _account(account: Fields) -> Finding:
    name, status = "Twilio account", text_of(account, "status") or "active"
    detail = f"{text_of(account, 'friendly_name')} ({status})"
    remedy = "" if status == "active" else "The account is closed or suspended: ask Twilio."
    return Finding(name=name, ok=status == "active", detail=detail, remedy=remedy)


async def _number(http: aiohttp.ClientSession, settings: Settings, number: str, door: str) -> Sequence[Finding]:
    name = f"Number {number}"
    try:
        page = await _get(http, settings, "/IncomingPhoneNumbers.json", PhoneNumber=number)
    except OmnihubError as error:
        return [Finding(name=name, ok=False, detail=str(error), remedy="Try again later.")]
    owned = [one for one in items(page, "incoming_phone_numbers") if isinstance(one, dict)]
    found = next((one for one in owned if text_of(one, "phone_number") == number), None)
    if found is None:
        remedy = "Choose one of the account's numbers."
        return [Finding(name=name, ok=False, detail="it is not in this account", remedy=remedy)]
    if inner(found, "capabilities").get("voice") is False:
        return [Finding(name=name, ok=False, detail="it cannot take calls", remedy="Choose another number.")]
    if text_of(found, "voice_application_sid"):
        detail = "a TwiML application answers it: see there that its addresses are the ones below"
        return [Finding(name=name, ok=True, detail=detail)]
    return [
        _webhook(name, found, "voice_url", "voice_method", door, "“A call comes in”"),
        _webhook(
            name, found, "status_callback", "status_callback_method", f"{door}/status", "“Call status changes”"
        ),
    ]


def _webhook(name: str, found: Fields, url_field: str, method_field: str, wanted: str, where: str) -> Finding:
    """A fragment after # sets Twilio's retries and is no part of the address."""
    title = f"{name}: {where}"
    url, method = text_of(found, url_field), (text_of(found, method_field) or "POST").upper()
    if url.partition("#")[0].rstrip("/") != wanted:
        remedy = f"{_CONSOLE}: set {where} to {wanted} with HTTP POST."
        return Finding(name=title, ok=False, detail=f"it is {url or 'not set'}", remedy=remedy)
    if method != "POST":
        return Finding(name=title, ok=False, detail=f"the method is {method}", remedy="Set it to HTTP POST.")
    return Finding(name=title, ok=True, detail=url)
