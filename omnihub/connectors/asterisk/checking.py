"""The admin's "test connection"."""

from collections.abc import Sequence
from pathlib import Path

from omnihub.connectors.asterisk.ami import Ami, connected
from omnihub.connectors.asterisk.settings import Settings
from omnihub.connectors.contract import Finding
from omnihub.model.errors import OmnihubError, Refused, TryLater, Unreadable

_NEEDED = {"coreshowchannels": "Show channels", "queuestatus": "Show queues", "originate": "Click-to-call"}


async def findings(settings: Settings) -> Sequence[Finding]:
    found: list[Finding] = []
    try:
        async with connected(settings) as ami:
            found = [Finding(name="Connection", ok=True, detail=ami.greeting), Finding(name="Login", ok=True)]
            found += await _version(ami)
            found += await _permissions(ami)
            found += await _events(settings, ami)
    except OmnihubError as error:
        found.append(_failed(error, connected_before=bool(found)))
    return [*found, *_recordings(settings)]


def _failed(error: OmnihubError, *, connected_before: bool) -> Finding:
    if connected_before:
        return Finding(name="Connection", ok=False, detail=str(error), remedy="Try again in a moment.")
    if isinstance(error, Refused):
        remedy = (
            "Compare user and secret with manager.conf, and see that its permit= lets this machine in; "
            "then run “manager reload”."
        )
        return Finding(name="Login", ok=False, detail=str(error), remedy=remedy)
    remedies = {
        Unreadable: "Check the port: the manager interface is at 5038, or 5039 with TLS.",
        TryLater: "Check server and port, enabled=yes and bindaddr in manager.conf, and the firewall.",
    }
    return Finding(name="Connection", ok=False, detail=str(error), remedy=remedies.get(type(error), ""))


async def _version(ami: Ami) -> Sequence[Finding]:
    try:
        answer = await ami.ask("CoreSettings")
    except Refused as error:
        return [
            Finding(name="Version", ok=True, detail=f"not told: {error}"),
        ]
    return [Finding(name="Version", ok=True, detail=f"Asterisk {answer.get('AsteriskVersion')}".strip())]


async def _permissions(ami: Ami) -> Sequence[Finding]:
    """ListCommands names only what this user may do."""
    allowed = await ami.ask("ListCommands")
    return [
        Finding(
            name=label,
            ok=bool(allowed.all(command)),
            remedy="" if allowed.all(command) else "Add write = call,agent,originate,reporting for this user.",
        )
        for command, label in _NEEDED.items()
    ]


async def _events(settings: Settings, ami: Ami) -> Sequence[Finding]:
    remedy = f"Add read = {settings.event_classes} for this user in manager.conf."
    try:
        await ami.ask("Events", ("EventMask", settings.event_classes))
    except Refused as error:
        return [Finding(name="Events", ok=False, detail=str(error), remedy=remedy)]
    return [Finding(name="Events", ok=True, detail=f"asked for {settings.event_classes}")]


def _recordings(settings: Settings) -> Sequence[Finding]:
    if settings.recordings != "folder":
        return ()
    there = Path(settings.recording_folder).is_dir()
    remedy = "" if there else "Mount the exchange's folder of recordings here, readable for this program."
    return [Finding(name="Recordings", ok=there, detail=settings.recording_folder, remedy=remedy)]
