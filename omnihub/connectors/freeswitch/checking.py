"""The admin's test: each line that fails says what to do."""

from collections.abc import Sequence

from omnihub.connectors.contract import Finding
from omnihub.connectors.freeswitch.line import Line, opened
from omnihub.connectors.freeswitch.listening import read_rows
from omnihub.connectors.freeswitch.settings import Settings
from omnihub.model.errors import Refused, TryLater

_REACH = (
    "Load mod_event_socket, and let this machine in: listen-ip, apply-inbound-acl and the firewall. "
    "The socket is not encrypted; lead it through a tunnel."
)
_PASSWORD = "Use the password of event_socket.conf.xml, or user@domain of the directory with its own."


async def findings(settings: Settings) -> Sequence[Finding]:
    try:
        async with opened(settings.server) as line:
            return [Finding(name="Sign in", ok=True, detail="signed in"), *await _inside(line)]
    except TryLater as error:
        return [Finding(name="Connect", ok=False, detail=str(error), remedy=_REACH)]
    except Refused as error:
        remedy = _REACH if "address" in str(error) or "no FreeSWITCH" in str(error) else _PASSWORD
        return [Finding(name="Sign in", ok=False, detail=str(error), remedy=remedy)]


async def _inside(line: Line) -> list[Finding]:
    version = (await line.api("version")).strip()
    found = [Finding(name="FreeSWITCH", ok=not version.startswith("-ERR"), detail=version[:200])]
    try:
        await line.subscribe()
        found.append(Finding(name="Events", ok=True, detail="subscribed"))
    except Refused as error:
        found.append(Finding(name="Events", ok=False, detail=str(error), remedy=_RIGHTS))
    try:
        legs = read_rows(await line.api("show channels as json"))
        found.append(Finding(name="List of calls", ok=True, detail=f"{len(legs)} legs now"))
    except TryLater as error:
        found.append(Finding(name="List of calls", ok=False, detail=str(error), remedy=_RIGHTS))
    queues = (await line.api("module_exists mod_callcenter")).strip() == "true"
    words = "mod_callcenter is loaded" if queues else "mod_callcenter is not loaded: calls show no queue"
    return [*found, Finding(name="Queues", ok=True, detail=words)]


_RIGHTS = "A directory user needs esl-allowed-events and esl-allowed-api: show, uuid_dump, originate, version."
