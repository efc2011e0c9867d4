from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog

from omnihub.connectors import registry
from omnihub.model.account import Account
from omnihub.model.errors import NotFound, OmnihubError
from omnihub.store.database import now
from omnihub.unified_view import views
from omnihub.unified_view.deps import Deps

log = structlog.get_logger("omnihub.unified_view")

_LAGGING_SECONDS = 60.0
_SILENT = timedelta(minutes=15)


async def accounts(deps: Deps, chosen: list[Account], *, for_admin: bool) -> list[views.Doc]:
    """Settings, key and addresses are what an account's security rests on: they are for admins."""
    health = await deps.store.accounts.health()
    waiting = await deps.store.journal.oldest_waiting()
    return [
        _row(one, health.get(one.id, {}), waiting.get(one.id))
        | (await _secured(deps, one) if for_admin else {"key": "", "settings": {}, "urls": {}})
        for one in chosen
    ]


def _row(account: Account, line: Mapping[str, Any], waiting_since: datetime | None) -> views.Doc:
    return {
        "id": account.id,
        "channel": account.channel,
        "name": account.name,
        "enabled": account.enabled,
        "demo": account.demo,
        "policy": asdict(account.policy),
        "health": _health(account, line, waiting_since),
        "created_at": account.created_at,
    }


async def _secured(deps: Deps, account: Account) -> views.Doc:
    return {"key": account.key, "settings": shown_settings(account), "urls": await _urls(deps, account)}


async def account(deps: Deps, chosen: Account, *, for_admin: bool = True) -> views.Doc:
    return (await accounts(deps, [chosen], for_admin=for_admin))[0]


def shown_settings(account: Account) -> views.Doc:
    """With today's defaults filled in; of a secret only whether it is there."""
    try:
        secret = registry.secret_names(account.channel)
        known = registry.read_settings(account.channel, dict(account.settings)).model_dump(mode="json")
    except NotFound:  # the channel's folder is gone, and with it what says which of these are secret
        return {}
    except OmnihubError:
        known = dict(account.settings)
    return {
        name: {"set": bool(account.settings.get(name))} if name in secret else value
        for name, value in known.items()
    }


def stored_settings(channel: str, given: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What to store: `before` with what was given laid over it; a secret shown as {"set": true} stays, and
    {"set": false} removes it. Raises Invalid or NotFound."""
    secret = registry.secret_names(channel)
    merged = {**before}
    for name, value in given.items():
        if name not in secret:
            merged[name] = value
        elif value == {"set": True}:
            continue
        elif value in ("", None, {"set": False}):
            merged.pop(name, None)
        else:
            merged[name] = value
    return registry.plain(registry.read_settings(channel, merged))


async def _urls(deps: Deps, account: Account) -> dict[str, str]:
    urls: dict[str, str] = {}
    try:
        if "webhook" in registry.manifest(account.channel).arrives:
            urls["door"] = f"{deps.settings.public_url}/in/{account.channel}/{account.key}"
        urls |= (await deps.connectors.of(account)).public_urls()
    except OmnihubError as error:  # its settings are not complete; the health line says so
        log.info("account.unusable", account_id=account.id, error=str(error))
    return urls


def _health(account: Account, line: Mapping[str, Any], waiting_since: datetime | None) -> views.Doc:
    lag = max(0.0, (now() - waiting_since).total_seconds()) if waiting_since else 0.0
    state, detail = _state(account, line, lag)
    return {
        "state": state,
        "detail": detail,
        "last_event_at": line.get("last_event_at"),
        "last_ok_at": line.get("last_ok_at"),
        "lag_seconds": round(lag, 1),
        "counts": {name: int(value) for name, value in line.get("counts", {}).items()},
    }


def _state(account: Account, line: Mapping[str, Any], lag: float) -> tuple[str, str]:
    detail = str(line.get("detail", ""))
    if not account.enabled:
        return "disabled", detail
    if line.get("state") == "error":
        return "error", detail
    if lag > _LAGGING_SECONDS:
        return "warning", detail or f"the oldest message has waited {lag:.0f} s to be taken in"
    last_ok = line.get("last_ok_at")
    if last_ok and _reaches_out(account) and now() - last_ok > _SILENT:
        return "warning", detail or "has not been reached for more than 15 minutes"
    if line.get("state") == "ok" or line.get("last_event_at"):
        return "ok", detail
    return "unknown", detail


def _reaches_out(account: Account) -> bool:
    try:
        return registry.manifest(account.channel).arrives[0] != "webhook"
    except NotFound:
        return False
