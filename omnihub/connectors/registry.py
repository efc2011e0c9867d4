import importlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr, ValidationError

from omnihub.connectors.contract import (
    BaseConnector,
    ChannelSettings,
    Connector,
    Manifest,
    Simulator,
    Toolbox,
)
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, NotFound

_HERE = Path(__file__).parent


@cache
def manifests() -> dict[str, Manifest]:
    """Every channel found: a folder with a manifest is a channel."""
    found = (
        Manifest.model_validate(tomllib.loads(path.read_text("utf-8")) | {"key": path.parent.name})
        for path in sorted(_HERE.glob("*/manifest.toml"))
    )
    return {manifest.key: manifest for manifest in found}


def manifest(channel: str) -> Manifest:
    try:
        return manifests()[channel]
    except KeyError:
        raise NotFound(f"there is no channel named {channel!r}") from None


@cache
def connector_type(channel: str) -> type[BaseConnector[Any]]:
    module = importlib.import_module(f"omnihub.connectors.{manifest(channel).key}.connector")
    connector = cast("type[BaseConnector[Any]]", module.Connector)
    connector.manifest = manifest(channel)
    return connector


@cache
def settings_type(channel: str) -> type[ChannelSettings]:
    module = importlib.import_module(f"omnihub.connectors.{manifest(channel).key}.settings")
    return cast("type[ChannelSettings]", module.Settings)


def secret_names(channel: str) -> frozenset[str]:
    """The settings that are encrypted at rest and never returned."""
    fields = settings_type(channel).model_fields
    return frozenset(name for name, field in fields.items() if field.annotation is SecretStr)


def read_settings(channel: str, values: dict[str, Any]) -> ChannelSettings:
    """Raises Invalid naming each wrong field."""
    try:
        return settings_type(channel).model_validate(values)
    except ValidationError as error:
        fields = {".".join(map(str, e["loc"])) or "settings": e["msg"] for e in error.errors()}
        raise Invalid("the settings are not complete or not right", fields) from error


def plain(settings: ChannelSettings) -> dict[str, Any]:
    """The settings as they are stored, secrets in clear: only for the store, which seals them."""
    values = settings.model_dump(mode="json")
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            values[name] = value.get_secret_value()
    return values


def connect(account: Account, toolbox: Toolbox) -> Connector:
    settings = read_settings(account.channel, dict(account.settings))
    return connector_type(account.channel)(account, settings, toolbox)


@dataclass(slots=True, frozen=True, kw_only=True)
class DoorDocument:
    """What a channel whose door is programmed against adds to the OpenAPI document."""

    tag: Mapping[str, str]
    paths: Mapping[str, Any]
    webhooks: Mapping[str, Any]
    components: Mapping[str, Mapping[str, Any]]


def door_documents(server: str) -> Sequence[DoorDocument]:
    """Of the channels that have an `openapi.py`."""
    found = []
    for channel in manifests():
        if (_HERE / channel / "openapi.py").exists():
            module = importlib.import_module(f"omnihub.connectors.{channel}.openapi")
            found.append(
                DoorDocument(
                    tag=module.TAG,
                    paths=module.paths(server),
                    webhooks=module.webhooks(),
                    components=module.components(),
                )
            )
    return found


def simulator(channel: str, folder: Path) -> Simulator | None:
    try:
        module = importlib.import_module(f"omnihub.connectors.{manifest(channel).key}.simulator")
    except ModuleNotFoundError:
        return None
    return cast("Simulator", module.Simulator(folder))


class Connectors:
    """One live connector per account and version; a changed account gets a new one."""

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._live: dict[str, tuple[int, Connector]] = {}

    async def of(self, account: Account) -> Connector:
        known = self._live.get(account.id)
        if known and known[0] == account.version:
            return known[1]
        fresh = connect(account, self._toolbox)
        self._live[account.id] = (account.version, fresh)
        if known:
            await known[1].close()
        return fresh

    async def close(self) -> None:
        live, self._live = self._live, {}
        for _, connector in live.values():
            await connector.close()
