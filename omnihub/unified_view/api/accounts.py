import asyncio
from dataclasses import replace
from functools import cache
from typing import Any

from omnihub.connectors import registry
from omnihub.connectors.contract import Finding
from omnihub.model.account import Account, AccountPolicy, policy_of
from omnihub.model.errors import OmnihubError
from omnihub.store.events import event
from omnihub.unified_view import account_views, views
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes import accounts as shapes

api = Api("accounts")

_CHECK_SECONDS = 30.0


@cache
def _settings_schema(channel: str) -> dict[str, Any]:
    return registry.settings_type(channel).model_json_schema()


@api.get("/channels", "All channels that can be connected", "可接入的渠道", answer=shapes.Channels)
async def list_channels(call: Call[None]) -> views.Doc:
    found = registry.manifests().values()
    return {"items": [views.channel(manifest, _settings_schema(manifest.key)) for manifest in found]}


@api.get("/accounts", "All connected accounts", "账号列表", answer=shapes.Accounts)
async def list_accounts(call: Call[None]) -> views.Doc:
    """Settings, key and addresses are shown to admins only."""
    chosen = await call.deps.store.accounts.all()
    for_admin = call.caller.is_at_least("admin") and (call.caller.scopes is None or "admin" in call.caller.scopes)
    return {"items": await account_views.accounts(call.deps, chosen, for_admin=for_admin)}


@api.post(
    "/accounts",
    "Connect an account",
    "新增账号",
    role="admin",
    answer=shapes.Account,
    status=201,
    once=True,
    errors=("invalid", "not_found"),
)
async def add_account(call: Call[shapes.NewAccount]) -> views.Doc:
    given, accounts = call.given, call.deps.store.accounts
    account = await accounts.add(
        channel=given.channel,
        name=given.name,
        settings=account_views.stored_settings(given.channel, given.settings, {}),
        secret_names=registry.secret_names(given.channel),
        policy=policy_of(given.policy.model_dump(exclude_none=True)),
        enabled=given.enabled,
    )
    return await _told(call, account, "added")


@api.get("/accounts/{id}", "An account", "账号详情", role="admin", answer=shapes.Account, errors=("not_found",))
async def read_account(call: Call[None]) -> views.Doc:
    return await account_views.account(call.deps, await call.deps.store.accounts.get(call.id))


@api.patch(
    "/accounts/{id}",
    "Change an account",
    "修改账号",
    role="admin",
    answer=shapes.Account,
    errors=("invalid", "not_found"),
)
async def change_account(call: Call[shapes.AccountChange]) -> views.Doc:
    given, accounts = call.given, call.deps.store.accounts
    before = await accounts.get(call.id)
    if given.channel not in (None, before.channel):
        raise Problem("invalid", fields={"channel": {"en": "cannot change", "zh-CN": "不可更改"}[call.language]})
    settings = None
    if given.settings is not None:
        settings = account_views.stored_settings(before.channel, given.settings, before.settings)
    policy = None
    if given.policy is not None:
        policy = _changed(before.policy, given.policy)
    account = await accounts.change(
        call.id,
        name=given.name,
        enabled=given.enabled,
        policy=policy,
        settings=settings,
        secret_names=registry.secret_names(before.channel),
    )
    return await _told(call, account, "changed")


def _changed(before: AccountPolicy, given: shapes.PolicyChange) -> AccountPolicy:
    """Line by line, those about calls as well."""
    changes = given.model_dump(exclude_unset=True)
    calls = changes.pop("calls", None) or {}
    if "dispositions" in calls:
        calls["dispositions"] = tuple(calls["dispositions"])
    return replace(before, **changes, calls=replace(before.calls, **calls))


@api.delete(
    "/accounts/{id}",
    "Delete an account without messages",
    "删除没有消息的账号",
    role="admin",
    errors=("not_found", "account_in_use"),
)
async def remove_account(call: Call[None]) -> None:
    account = await call.deps.store.accounts.get(call.id)
    count = await call.deps.store.messages.count_of_account(call.id)
    if count:
        raise Problem("account_in_use", count=count, details={"messages": count})
    await call.deps.store.accounts.remove(call.id)
    await _tell(call, account, "removed")


@api.post(
    "/accounts/{id}/enable",
    "Enable an account",
    "启用账号",
    role="admin",
    answer=shapes.Account,
    errors=("not_found",),
)
async def enable_account(call: Call[None]) -> views.Doc:
    return await _told(call, await call.deps.store.accounts.change(call.id, enabled=True), "enabled")


@api.post(
    "/accounts/{id}/disable",
    "Disable an account",
    "停用账号",
    role="admin",
    answer=shapes.Account,
    errors=("not_found",),
)
async def disable_account(call: Call[None]) -> views.Doc:
    return await _told(call, await call.deps.store.accounts.change(call.id, enabled=False), "disabled")


async def _told(call: Call[Any], account: Account, what: str) -> views.Doc:
    await _tell(call, account, what)
    return await account_views.account(call.deps, account)


async def _tell(call: Call[Any], account: Account, what: str) -> None:
    data = {"account_id": account.id, "name": account.name, "channel": account.channel, "change": what}
    await call.deps.store.events.add([event("account.changed", "", actor=call.caller.actor, data=data)])


@api.post(
    "/accounts/{id}/test",
    "Test an account's connection",
    "测试账号连接",
    role="admin",
    answer=shapes.Findings,
    errors=("not_found", "invalid"),
)
async def test_account(call: Call[None]) -> views.Doc:
    return await _checked(call.deps, await call.deps.store.accounts.get(call.id))


@api.post(
    "/accounts/test",
    "Test settings before saving",
    "保存前测试连接",
    role="admin",
    answer=shapes.Findings,
    errors=("not_found", "invalid"),
)
async def test_draft(call: Call[shapes.AccountDraft]) -> views.Doc:
    given = call.given
    saved = await call.deps.store.accounts.get(given.account_id) if given.account_id else None
    if saved and saved.channel != given.channel:
        raise Problem("invalid", fields={"channel": {"en": "cannot change", "zh-CN": "不可更改"}[call.language]})
    settings = account_views.stored_settings(given.channel, given.settings, saved.settings if saved else {})
    draft = Account(
        id=saved.id if saved else "",
        key=saved.key if saved else "",
        channel=given.channel,
        name=saved.name if saved else "",
        enabled=False,
        settings=settings,
    )
    return await _checked(call.deps, draft)


async def _checked(deps: Deps, account: Account) -> views.Doc:
    connector = registry.connect(account, deps.toolbox)
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            found = await connector.check()
    except TimeoutError:
        found = [Finding(name="answer", ok=False, detail=f"no answer within {_CHECK_SECONDS:.0f} s")]
    except (OmnihubError, OSError) as error:
        found = [Finding(name="connection", ok=False, detail=str(error))]
    finally:
        await connector.close()
    return views.findings(found)
