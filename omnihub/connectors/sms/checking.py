"""The admin's "test connection"."""

from collections.abc import Sequence

from omnihub.connectors.contract import Finding
from omnihub.connectors.reading import Fields, inner, text_of
from omnihub.connectors.sms.api import Api
from omnihub.connectors.sms.numbers import is_short_code
from omnihub.connectors.sms.settings import Settings, is_local
from omnihub.model.errors import NotFound, OmnihubError

_CONSOLE = "Twilio console → Phone Numbers → Manage → Active numbers"
_SERVICES = "Twilio console → Messaging → Services"


async def check(api: Api, settings: Settings, door: str) -> Sequence[Finding]:
    findings = [address(door, settings)]
    try:
        account = await api.account()
    except OmnihubError as error:
        remedy = "Compare the account SID and the auth token with the first page of the Twilio console."
        return [*findings, Finding(name="Twilio account", ok=False, detail=str(error), remedy=remedy)]
    findings.append(_account(account))
    for number in settings.from_numbers:
        findings += await _number(api, settings, number, door)
    if settings.messaging_service_sid:
        findings += await _service(api, settings, door)
    return findings


def address(door: str, settings: Settings) -> Finding:
    name = "Address of this hub"
    if is_local(door) and not is_local(settings.api_base_url):
        remedy = (
            "Set server.public_url to an https address that the internet reaches. Until then Twilio brings no "
            "messages, states or files; received messages are found by the periodic look only."
        )
        return Finding(name=name, ok=False, detail=f"Twilio cannot reach {door}", remedy=remedy)
    if not door.startswith("https://") and not is_local(settings.api_base_url):
        remedy = "Put the hub behind https: messages, and the links to files, are readable on the way."
        return Finding(name=name, ok=False, detail=f"{door} is not encrypted", remedy=remedy)
    return Finding(name=name, ok=True, detail=door)


def _account(account: Fields) -> Finding:
    name, status = "Twilio account", text_of(account, "status")
    detail = f"{text_of(account, 'friendly_name')} ({status or 'active'})"
    if status in ("", "active"):
        return Finding(name=name, ok=True, detail=detail)
    return Finding(name=name, ok=False, detail=detail, remedy="The account is closed or suspended: ask Twilio.")


async def _number(api: Api, settings: Settings, number: str, door: str) -> Sequence[Finding]:
    name = f"Number {number}"
    if is_short_code(number):
        return [
            Finding(name=name, ok=True, detail="a short code: see in the console that its webhook is this door")
        ]
    try:
        found = await api.number(number)
    except OmnihubError as error:
        return [Finding(name=name, ok=False, detail=str(error), remedy="Try again later.")]
    if found is None:
        remedy = f"Choose one of the account's numbers: {_CONSOLE}."
        return [Finding(name=name, ok=False, detail="it is not in this account", remedy=remedy)]
    webhook = [] if settings.messaging_service_sid else [_webhook(name, found, "sms_url", "sms_method", door)]
    return [_can(name, found, settings), *webhook]


def _can(name: str, found: Fields, settings: Settings) -> Finding:
    can = inner(found, "capabilities")
    if can.get("sms") is False:
        return Finding(name=name, ok=False, detail="it cannot send text messages", remedy="Choose another number.")
    if settings.mms and can.get("mms") is False:
        remedy = "Switch “Send files as MMS” off; files then go out as links."
        return Finding(name=name, ok=False, detail="it cannot send MMS", remedy=remedy)
    return Finding(name=name, ok=True, detail="it can send what is wanted")


def _webhook(name: str, found: Fields, url_field: str, method_field: str, door: str) -> Finding:
    """A fragment after # sets Twilio's retries and is no part of the address."""
    title = f"Webhook of {name[0].lower()}{name[1:]}"
    url, method = text_of(found, url_field), text_of(found, method_field, "POST").upper()
    if url.partition("#")[0].rstrip("/") != door:
        where = _SERVICES if url_field == "inbound_request_url" else _CONSOLE
        remedy = f"{where}: set “A message comes in” to {door} with HTTP POST."
        return Finding(name=title, ok=False, detail=f"it is {url or 'not set'}", remedy=remedy)
    if method != "POST":
        return Finding(name=title, ok=False, detail=f"the method is {method}", remedy="Set it to HTTP POST.")
    return Finding(name=title, ok=True, detail=url)


async def _service(api: Api, settings: Settings, door: str) -> Sequence[Finding]:
    name = f"Messaging Service {settings.messaging_service_sid}"
    try:
        found = await api.service()
    except NotFound:
        remedy = f"Copy the SID again: {_SERVICES}."
        return [Finding(name=name, ok=False, detail="it is not in this account", remedy=remedy)]
    except OmnihubError as error:
        return [Finding(name=name, ok=False, detail=str(error), remedy="Try again later.")]
    findings = [Finding(name=name, ok=True, detail=text_of(found, "friendly_name"))]
    if found.get("use_inbound_webhook_on_number") is not True:
        return [*findings, _webhook(name, found, "inbound_request_url", "inbound_method", door)]
    for number in settings.from_numbers:
        own = await api.number(number)
        findings += [_webhook(f"Number {number}", own, "sms_url", "sms_method", door)] if own else []
    return findings
