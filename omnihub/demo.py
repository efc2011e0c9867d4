"""Demo channels: each simulator runs inside the hub, with a marked account connected to it."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiohttp import web

from omnihub.connectors import registry
from omnihub.connectors.contract import DemoAccount, Simulator
from omnihub.model.account import Account, AccountPolicy
from omnihub.settings import Settings
from omnihub.store.store import Store


@dataclass(slots=True, frozen=True, kw_only=True)
class Demo:
    """`pages`: what customers see, by path prefix. `notes`: how to try each account, by account id."""

    pages: Mapping[str, web.Application] = field(default_factory=dict)
    notes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def demo_channels(store: Store, settings: Settings) -> AsyncIterator[Demo]:
    """Starts every simulator and connects its accounts."""
    async with contextlib.AsyncExitStack() as stack:
        pages: dict[str, web.Application] = {}
        connected: dict[str, Account] = {}
        wanted: list[tuple[str, DemoAccount]] = []
        for channel in registry.manifests():
            simulator = registry.simulator(channel, settings.storage.var / "demo" / channel)
            if simulator is None:
                continue
            await _start(simulator, stack)
            wanted += [(channel, account) for account in simulator.accounts()]
            page = simulator.pages()
            if page is not None:
                pages[f"/demo/{channel}/"] = page
        for channel, account in wanted:
            connected[channel] = await _connect(store, channel, account)
        for channel, account in wanted:
            if account.reply_via:
                await _reply_via(store, connected[channel], connected[account.reply_via])
        yield Demo(pages=pages, notes={connected[channel].id: account.notes for channel, account in wanted})


async def _start(simulator: Simulator, stack: contextlib.AsyncExitStack) -> None:
    await simulator.start()
    stack.push_async_callback(simulator.stop)


async def _connect(store: Store, channel: str, wanted: DemoAccount) -> Account:
    """The same account at every start; its settings follow the simulator's ports."""
    values = registry.plain(registry.read_settings(channel, dict(wanted.settings)))
    secrets = registry.secret_names(channel)
    for account in await store.accounts.all():
        if account.demo and account.channel == channel and account.name == wanted.name:
            if dict(account.settings) == {k: v for k, v in values.items() if v or k not in secrets}:
                return account
            return await store.accounts.change(account.id, settings=values, secret_names=secrets)
    return await store.accounts.add(
        channel=channel, name=wanted.name, settings=values, secret_names=secrets, demo=True
    )


async def _reply_via(store: Store, account: Account, via: Account) -> None:
    if account.policy.reply_via != via.id:
        policy: AccountPolicy = replace(account.policy, reply_via=via.id)
        await store.accounts.change(account.id, policy=policy)


def lines(demo: Demo, account: Account, public_url: str, language: str) -> Sequence[str]:
    """What a newcomer may try with this account, a line each."""
    found = [demo.notes[account.id][language]] if language in demo.notes.get(account.id, {}) else []
    if (
        "webhook" in registry.manifest(account.channel).arrives
        and not registry.manifest(account.channel).door.cors
    ):
        return found
    return [f"{public_url}/in/{account.channel}/{account.key}", *found]
