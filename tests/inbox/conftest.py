import pytest

from omnihub.connectors.contract import Toolbox
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.inbox.spoken import Desk


@pytest.fixture
def desk(store: Store, toolbox: Toolbox, settings: Settings) -> Desk:
    return Desk(store, toolbox, settings)
