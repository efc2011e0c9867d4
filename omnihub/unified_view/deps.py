from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.settings import Settings
from omnihub.store.store import Store

if TYPE_CHECKING:
    from omnihub.inbox.contacts import ContactDesk
    from omnihub.inbox.rearranging import Rearranging
    from omnihub.inbox.tickets import TicketDesk
    from omnihub.outbound.gestures import Gestures
    from omnihub.outbound.options import Options
    from omnihub.outbound.submit import Submit


@dataclass(slots=True, frozen=True, kw_only=True)
class Deps:
    """`toolbox` serves the test of an account that is not saved yet."""

    store: Store
    settings: Settings
    connectors: Connectors
    toolbox: Toolbox
    tickets: "TicketDesk"
    rearranging: "Rearranging"
    contacts: "ContactDesk"
    submit: "Submit"
    options: "Options"
    gestures: "Gestures"
