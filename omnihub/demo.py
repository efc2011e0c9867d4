"""Demo channels: each simulator runs inside the hub, with a marked account connected to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import structlog
from aiohttp import web

from omnihub.connectors import registry
from omnihub.connectors.contract import DemoAccount, Simulator
from omnihub.connectors.simulation import Chats
from omnihub.connectors.telephony.playing import Telephones
from omnihub.customers.channels import ChatChannel, OtherPage
from omnihub.customers.page import make_page
from omnihub.customers.telephones import TelephoneChannel
from omnihub.model.account import Account, AccountPolicy
from omnihub.settings import Settings
from omnihub.store.events import event
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.demo")

CUSTOMERS = "/demo/"
_ATTACH_SECONDS = 15.0
_NOT_ATTACHED = (
    "演示平台没有接上客服系统，消息可能送不到。The demo platform could not be connected to the hub, messages may"
    " not arrive: {error}"
)


@runtime_checkable
class _Chatting(Protocol):
    chats: Chats


@runtime_checkable
class _Attached(Protocol):
    async def attach(self, doors: Mapping[str, str]) -> None: ...


@runtime_checkable
class _Telephoning(Protocol):
    def telephones(self) -> Telephones: ...


@dataclass(slots=True, frozen=True, kw_only=True)
class Joined:
    """A demo account and the simulator that it is connected to."""

    channel: str
    simulator: Simulator
    wanted: DemoAccount
    account: Account

    @property
    def door(self) -> str:
        return f"/in/{self.channel}/{self.account.key}"


@dataclass(slots=True, frozen=True, kw_only=True)
class Demo:
    """`pages`: what customers see, by path prefix. `telephones` of the desk, which somebody has to answer."""

    pages: Mapping[str, web.Application] = field(default_factory=dict)
    joined: Sequence[Joined] = ()
    telephones: Sequence[TelephoneChannel] = ()
    store: Store | None = None

    async def attach(self, hub_url: str) -> None:
        """Tells every simulator that asks for it where its accounts' doors are. `hub_url` is how this machine
        reaches the hub, whatever its public address is."""
        doors: dict[str, dict[str, str]] = {}
        for one in self.joined:
            doors.setdefault(one.channel, {})[one.wanted.name] = hub_url + one.door
        simulators = {one.channel: one.simulator for one in self.joined}
        await asyncio.gather(*(_attach(channel, simulators[channel], doors[channel]) for channel in doors))
        if self.store is not None:
            await _hand_out(self.store, self.telephones)

    def notes(self, account: Account, public_url: str, language: str) -> Sequence[str]:
        """What a newcomer may try with this account, a line each."""
        for one in self.joined:
            if one.account.id == account.id:
                hosted = [f"{public_url}{one.door}"] if _is_hosted(one.channel) else []
                return [*hosted, *([one.wanted.notes[language]] if language in one.wanted.notes else [])]
        return ()


@contextlib.asynccontextmanager
async def demo_channels(store: Store, settings: Settings) -> AsyncIterator[Demo]:
    """Starts every simulator and connects its accounts."""
    async with contextlib.AsyncExitStack() as stack:
        joined: list[Joined] = []
        for channel, simulator in (await _started(settings.storage.var / "demo", stack)).items():
            for wanted in simulator.accounts():
                account = await _connect(store, channel, wanted)
                joined.append(Joined(channel=channel, simulator=simulator, wanted=wanted, account=account))
        await _join_replies(store, joined)
        telephones = _telephones(joined)
        yield Demo(pages=_pages(joined, telephones), joined=joined, telephones=telephones, store=store)


async def _started(folder: Path, stack: contextlib.AsyncExitStack) -> Mapping[str, Simulator]:
    found: dict[str, Simulator] = {}
    for channel in registry.manifests():
        simulator = registry.simulator(channel, folder / channel)
        if simulator is not None:
            await simulator.start()
            stack.push_async_callback(simulator.stop)
            found[channel] = simulator
    return found


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


async def _join_replies(store: Store, joined: Sequence[Joined]) -> None:
    by_channel = {one.channel: one.account for one in joined}
    for one in joined:
        via = by_channel[one.wanted.reply_via].id if one.wanted.reply_via else ""
        if via and one.account.policy.reply_via != via:
            policy: AccountPolicy = replace(one.account.policy, reply_via=via)
            await store.accounts.change(one.account.id, policy=policy)


def _telephones(joined: Sequence[Joined]) -> Sequence[TelephoneChannel]:
    return [
        TelephoneChannel(
            manifest=registry.manifest(one.channel),
            account=one.wanted.name,
            telephones=one.simulator.telephones(),
        )
        for one in joined
        if isinstance(one.simulator, _Telephoning)
    ]


async def _hand_out(store: Store, channels: Sequence[TelephoneChannel]) -> None:
    """The first telephone of the desk to the first admin, so that a call is somebody's, unless an admin has
    shared them out already."""
    users = await store.users.all()
    for channel in channels:
        extensions = channel.telephones.extensions
        if any(set(extensions) & set(user.get("extensions", ())) for user in users):
            continue
        admins = [user for user in users if user["role"] == "admin" and user["active"]]
        first = min(admins, key=lambda user: user["created_at"], default=None)
        if first is not None and not first.get("extensions"):
            await store.users.change(first["_id"], {"extensions": list(extensions[:1])})


def _pages(joined: Sequence[Joined], telephones: Sequence[TelephoneChannel]) -> Mapping[str, web.Application]:
    pages: dict[str, web.Application] = {}
    chats: dict[str, ChatChannel] = {}
    others: dict[str, OtherPage] = {}
    for one in joined:
        manifest, prefix = registry.manifest(one.channel), f"{CUSTOMERS}{one.channel}/"
        if isinstance(one.simulator, _Chatting):
            chats[one.channel] = ChatChannel(manifest=manifest, account=one.wanted.name, chats=one.simulator.chats)
        elif (page := None if prefix in pages else one.simulator.pages()) is not None:
            pages[prefix] = page
            others[one.channel] = OtherPage(manifest=manifest, path=prefix)
        elif _is_hosted(one.channel):
            others[one.channel] = OtherPage(manifest=manifest, path=one.door)
    return {**pages, CUSTOMERS: make_page(list(chats.values()), list(others.values()), telephones=telephones)}


def _is_hosted(channel: str) -> bool:
    """Whether people open the channel's door in a browser."""
    return registry.manifest(channel).door.cors


async def _attach(channel: str, simulator: Simulator, doors: Mapping[str, str]) -> None:
    """The hub runs without it, too: whoever tries the channel reads in the chat what is wrong."""
    if not isinstance(simulator, _Attached):
        return
    try:
        async with asyncio.timeout(_ATTACH_SECONDS):
            await simulator.attach(doors)
    except Exception as error:
        log.exception("demo.not_attached", channel=channel)
        if isinstance(simulator, _Chatting):
            words = _NOT_ATTACHED.format(error=f"{type(error).__name__} {error}".strip())
            for person in simulator.chats.people:
                await simulator.chats.show(person.id, "system", "text", words)


async def accounts_of(store: Store) -> Sequence[Account]:
    return [account for account in await store.accounts.all() if account.demo]


async def answering_through(store: Store, gone: Sequence[Account]) -> Sequence[Account]:
    """Accounts that stay, but whose replies these carry."""
    ids = {account.id for account in gone}
    return [one for one in await store.accounts.all() if one.id not in ids and one.policy.reply_via in ids]


async def remove(store: Store, accounts: Sequence[Account]) -> None:
    """What they brought in stays: tickets, messages and contacts."""
    for account in accounts:
        await store.accounts.remove(account.id)
    changed = [
        {"account_id": one.id, "name": one.name, "channel": one.channel, "change": "removed"} for one in accounts
    ]
    await store.events.add([event("account.changed", "", data=data) for data in changed])
