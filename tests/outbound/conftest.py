import pytest
from outbound_scripted import ScriptedConnectors
from outbound_world import World

from omnihub.connectors.contract import Toolbox
from omnihub.settings import Outbound, Settings
from omnihub.store.store import Store


@pytest.fixture
def settings(settings: Settings) -> Settings:
    quick = Outbound(sweep_seconds=0.1, send_timeout_seconds=20, per_account=4, retry_seconds=[60, 300, 900])
    return settings.model_copy(update={"outbound": quick})


@pytest.fixture
def world(store: Store, toolbox: Toolbox, settings: Settings) -> World:
    return World(store, ScriptedConnectors(toolbox), settings)
