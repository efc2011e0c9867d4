"""The admin's "test connection"."""

from collections.abc import Mapping, Sequence
from typing import Any

from omnihub.connectors.contract import Finding
from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.telegram.api import BotApi
from omnihub.connectors.telegram.listening import waiting
from omnihub.connectors.telegram.settings import Settings
from omnihub.model.errors import OmnihubError

_PORTS = "Telegram calls https addresses only, on port 443, 80, 88 or 8443, with a certificate it can check"


async def findings(api: BotApi, settings: Settings, door: str) -> Sequence[Finding]:
    try:
        me = await _object(api, "getMe")
        info = await _object(api, "getWebhookInfo")
    except OmnihubError as error:
        remedy = "Copy the token again from BotFather, and see that this machine reaches the Bot API"
        return (Finding(name="Bot token", ok=False, detail=str(error), remedy=remedy),)
    found = [
        Finding(name="Bot token", ok=True, detail=f"{text_of(me, 'first_name')} (@{text_of(me, 'username')})"),
        _arrival(info, settings, door),
    ]
    if settings.groups:
        found.append(_groups(me))
    if settings.bot_username:
        found.append(_username(me, settings.bot_username))
    return found


async def _object(api: BotApi, method: str) -> Fields:
    read = await api.call(method)
    return read if isinstance(read, dict) else {}


def _arrival(info: Mapping[str, Any], settings: Settings, door: str) -> Finding:
    url = text_of(dict(info), "url")
    if settings.mode == "poll":
        detail = f"polling; {waiting(info)} updates waiting"
        if url:
            detail = "polling; the webhook that is set now is removed when the account is switched on"
        return Finding(name="Arrival", ok=True, detail=detail)
    failed = text_of(dict(info), "last_error_message")
    if not door.startswith("https://"):
        return Finding(name="Arrival", ok=False, detail=f"the address of this hub is {door}", remedy=_PORTS)
    if url == door and failed and waiting(info):
        return Finding(name="Arrival", ok=False, detail=f"Telegram could not deliver: {failed}", remedy=_PORTS)
    where = "registered" if url == door else "not registered yet; done when the account is switched on"
    return Finding(name="Arrival", ok=True, detail=f"webhook, {where}; {waiting(info)} updates waiting")


def _groups(me: Fields) -> Finding:
    if me.get("can_join_groups") is False:
        remedy = "Send BotFather /setjoingroups and choose Enable, or switch groups off here"
        return Finding(name="Groups", ok=False, detail="the bot may not be added to groups", remedy=remedy)
    if me.get("can_read_all_group_messages") is True:
        return Finding(
            name="Groups", ok=True, detail="privacy mode is off: the bot sees all messages of its groups"
        )
    detail = "privacy mode is on: in groups the bot sees only commands and answers to its own messages"
    return Finding(name="Groups", ok=True, detail=f"{detail}. To change it: BotFather, /setprivacy, Disable")


def _username(me: Fields, entered: str) -> Finding:
    real = text_of(me, "username")
    same = real.lower() == entered.lower()
    remedy = "" if same else f"Enter {real} as the bot's user name"
    return Finding(name="User name", ok=same, detail=f"the bot is @{real}", remedy=remedy)
