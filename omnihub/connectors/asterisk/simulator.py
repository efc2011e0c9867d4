"""An Asterisk to call: its manager interface on loopback, and customers and agents to be played."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from omnihub.connectors.asterisk.frames import END, Frame, frame_of
from omnihub.connectors.asterisk.simulator_desk import StaffedExchange
from omnihub.connectors.asterisk.simulator_exchange import (
    DIRECT_LINE,
    QUEUE,
    QUEUE_LINE,
    UNKNOWN,
    Ongoing,
    Pairs,
)
from omnihub.connectors.asterisk.simulator_session import Session
from omnihub.connectors.asterisk.simulator_telephones import Telephones
from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.simulation import tone

_GREETING = b"Asterisk Call Manager/11.0.0\r\n"
_CLASSES = {
    "agentcalled": "agent", "agentconnect": "agent", "queuecallerjoin": "agent", "queuecallerleave": "agent",
    "queuecallerabandon": "agent", "cdr": "cdr", "varset": "dialplan",
}  # fmt: skip
_LONGEST_RECORDING = 30.0
_NOTICE = "This call is recorded to improve our service. 为提升服务质量，本次通话将被录音。"
_COMMANDS = ("CoreSettings", "CoreShowChannels", "Events", "ListCommands", "Originate", "Ping", "QueueStatus")


class Simulator:
    """`chunk`: bytes per write, 0 for whole frames. `agents_pick_up`: an agent's telephone that rings for a
    click-to-call is picked up at once."""

    def __init__(
        self, folder: Path, *, username: str = "omnihub", secret: str = "demo-secret", chunk: int = 0,
        agents: Sequence[str] = ("101", "102"), agents_pick_up: bool = True,
        clock: Callable[[], float] = time.time, port: int = 0,
    ) -> None:  # fmt: skip
        self._folder = folder / "recordings"
        self._username, self._secret = username, secret
        self._chunk = chunk
        self._agents_pick_up = agents_pick_up
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._pending: dict[str, Frame] = {}
        self._telephones = Telephones(self, clock)
        self.exchange = StaffedExchange(self._emit, agents, clock, self._telephones.ended)
        self._told = asyncio.Event()
        self.port = port
        self.logins = 0
        self.mute = False

    async def start(self) -> None:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._telephones.stop()
        for timer in self._timers:
            timer.cancel()
        if self._server is not None:
            self._server.close()
            await self.drop()
            await self._server.wait_closed()
            self._server = None

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": self._username,
            "secret": self._secret,
            "recordings": "folder",
            "recording_folder": str(self._folder.absolute()),
            "caller_id": "Service <4000>",
            "consent_notice": _NOTICE,
            "consent_version": "2026-11",
        }
        notes = {
            "en": "On the customers' page a customer rings the desk: 700 is a queue, 701 one desk. There, too, are"
            " the desk's telephones 101 (yours) and 102: answer, hold, transfer, hang up.",
            "zh": "在客户页面上由客户拨打电话：700 进入排队，701 直拨坐席。坐席话机 101（您的）和 102 也在"
            "该页面上，可接听、保持、转接和挂断。",
        }
        return (DemoAccount(name="Demo telephone / 演示电话", settings=settings, notes=notes),)

    def pages(self) -> web.Application | None:
        return None

    def telephones(self) -> Telephones:
        """From now on people are at them: nothing is picked up by itself, and recorded is who talks."""
        self._agents_pick_up = self.exchange.records_waiting = False
        self._telephones.staffed = True
        return self._telephones

    # — what customers and agents do —

    async def ring(self, number: str, *, name: str = "", line: str = QUEUE_LINE) -> str:
        """A customer calls; returns the call's id. 700: the queue; 701: one telephone; 703: busy."""
        call = self.exchange.ring(number, name, line)
        await self.settle()
        return call.id

    async def ring_directly(self, number: str, *, name: str = "") -> str:
        return await self.ring(number, name=name, line=DIRECT_LINE)

    async def rings(self, extension: str = "101") -> str:
        """Waits until it does; the call's id."""
        while (call := self._ringing(extension, "")) is None:
            self._told.clear()
            await self._told.wait()
        return call.id

    async def answer(self, extension: str = "101", call_id: str = "") -> None:
        """An agent picks up what rings there. Raises LookupError where nothing does."""
        call = self._ringing(extension, call_id)
        if call is None:
            raise LookupError(f"nothing rings at {extension}")
        if call.id in self._pending:
            self._agent_picks_up(call)
        else:
            self.exchange.answer(call, extension)
        await self.settle()

    async def customer_answers(self, call_id: str = "") -> None:
        self.exchange.customer_answers(self._call(call_id))
        await self.settle()

    async def hang_up(self, call_id: str = "") -> None:
        """While it rings or waits: the caller gives up."""
        call = self._call(call_id)
        await self._keep_recording(call)
        if call.id in self.exchange.calls:  # the other side may have been quicker
            self.exchange.hang_up(call)
        await self.settle()

    async def decline(self, extension: str, call_id: str) -> None:
        call = self._call(call_id)
        if call.id in self._pending:
            self._originated(self._pending.pop(call.id), call, "5")
        await self._keep_recording(call)
        self.exchange.decline(call, extension)
        await self.settle()

    async def _keep_recording(self, call: Ongoing) -> None:
        """Before the end is told: whoever hears of that looks for the file."""
        if call.recorded:
            talked = self._clock() - call.answered_at if call.answered_at else 0.0
            seconds = min(max(1.0, talked), _LONGEST_RECORDING)
            await asyncio.to_thread(self._record, call.id, seconds)

    def _record(self, call_id: str, seconds: float) -> None:
        (self._folder / f"{call_id}.wav").write_bytes(tone(seconds))

    async def nobody_answers(self, call_id: str = "") -> None:
        self.exchange.give_up(self._call(call_id))
        await self.settle()

    def _call(self, call_id: str) -> Ongoing:
        return self.exchange.calls[call_id] if call_id else next(reversed(self.exchange.calls.values()))

    def _ringing(self, extension: str, call_id: str) -> Ongoing | None:
        found = (
            call
            for call in self.exchange.calls.values()
            if extension in call.phones and call.id == (call_id or call.id) and call.phones[extension].state == "5"
        )
        return next(found, None)

    async def settle(self) -> None:
        """Until all that was told is on its way."""
        for session in list(self._sessions):
            await session.drain()

    async def drop(self) -> None:
        """All connections break."""
        sessions, self._sessions = self._sessions, {}
        for session, task in sessions.items():
            task.cancel()
            session.writer.close()
        await asyncio.gather(*sessions.values(), return_exceptions=True)
        for session in sessions:
            with suppress(OSError):
                await session.writer.wait_closed()

    # — the manager interface —

    def _emit(self, event: str, pairs: Pairs) -> None:
        self._told.set()
        self._telephones.tell()
        event_class = _CLASSES.get(event.lower(), "call")
        head = [("Event", event), ("Privilege", f"{event_class},all"), ("Timestamp", f"{self._clock():.6f}")]
        for session in self._sessions:
            if session.hears(event_class):
                session.say([*head, *pairs])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(writer, self._chunk)
        task = asyncio.current_task()
        assert task is not None
        self._sessions[session] = task
        writing = asyncio.create_task(session.write())
        session.put(_GREETING)
        try:
            while True:
                data = await reader.readuntil(END)
                lines = data.decode("utf-8", "replace").split("\r\n")
                action = frame_of(
                    (n, v.removeprefix(" ")) for n, _, v in (line.partition(":") for line in lines) if n
                )
                if not self.mute and not self._act(session, action):
                    await session.drain()
                    break
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, asyncio.CancelledError):
            self._sessions.pop(session, None)
        finally:
            writing.cancel()
            session.end()
            self._sessions.pop(session, None)
            writer.close()

    def _act(self, session: Session, action: Frame) -> bool:
        """False: the connection is over."""
        name = action.get("Action").lower()
        if name == "challenge":
            session.challenge = str(secrets.randbelow(10**9))
            self._answer(session, action, Challenge=session.challenge)
        elif name == "login":
            return self._login(session, action)
        elif not session.logged_in:
            self._answer(session, action, "Error", Message="Permission denied")
        elif name == "logoff":
            self._answer(session, action, "Goodbye", Message="Thanks for all the fish.")
            return False
        else:
            self._do(name, session, action)
        return True

    def _login(self, session: Session, action: Frame) -> bool:
        key = hashlib.md5((session.challenge + self._secret).encode(), usedforsecurity=False).hexdigest()
        by_key = bool(session.challenge) and secrets.compare_digest(action.get("Key"), key)
        if action.get("Username") != self._username or not (by_key or action.get("Secret") == self._secret):
            self._answer(session, action, "Error", Message="Authentication failed")
            return False
        session.logged_in = True
        self.logins += 1
        session.classes = frozenset(action.get("Events").split(","))
        self._answer(session, action, Message="Authentication accepted")
        session.say([("Event", "FullyBooted"), ("Privilege", "system,all"), ("Status", "Fully Booted")])
        return True

    def _answer(self, session: Session, action: Frame, response: str = "Success", **told: str) -> None:
        named = [("ActionID", action.action_id)] if action.action_id else []
        session.say([("Response", response), *named, *told.items()])

    def _do(self, name: str, session: Session, action: Frame) -> None:
        doing: Mapping[str, Callable[[Session, Frame], None]] = {
            "coreshowchannels": self._show_channels,
            "queuestatus": self._show_queues,
            "originate": self._originate,
            "listcommands": self._list_commands,
            "events": self._set_events,
        }
        if name in doing:
            doing[name](session, action)
        elif name == "ping":
            self._answer(session, action, Ping="Pong", Timestamp=f"{self._clock():.6f}")
        elif name == "coresettings":
            self._answer(session, action, AMIversion="11.0.0", AsteriskVersion="22.10.1")
        else:
            self._answer(session, action, "Error", Message="Invalid/unknown command")

    def _set_events(self, session: Session, action: Frame) -> None:
        session.classes = frozenset(action.get("EventMask").split(","))
        self._answer(session, action, Events="On")

    def _list_commands(self, session: Session, action: Frame) -> None:
        self._answer(session, action, **dict.fromkeys(_COMMANDS, "(Priv: call,reporting,all)"))

    def _list(self, session: Session, action: Frame, row: str, rows: Sequence[Pairs], end: str) -> None:
        self._answer(session, action, EventList="start", Message="A list will follow")
        named = ("ActionID", action.action_id)
        for pairs in rows:
            session.say([("Event", row), named, *pairs])
        session.say([("Event", end), named, ("EventList", "Complete"), ("ListItems", str(len(rows)))])

    def _show_channels(self, session: Session, action: Frame) -> None:
        rows = []
        for call in self.exchange.calls.values():
            for channel in call.channels:
                age = time.strftime("%H:%M:%S", time.gmtime(self._clock() - channel.created))
                rows.append([*channel.pairs(), ("Duration", age), ("BridgeId", channel.bridge)])
        self._list(session, action, "CoreShowChannel", rows, "CoreShowChannelsComplete")

    def _show_queues(self, session: Session, action: Frame) -> None:
        rows = [
            [
                ("Queue", QUEUE),
                ("Position", str(call.position)),
                ("Channel", call.caller.name),
                ("Uniqueid", call.id),
                ("CallerIDNum", call.caller.number),
                ("Wait", str(int(self._clock() - call.queued_at))),
            ]
            for call in self.exchange.calls.values()
            if call.queued_at
        ]
        self._list(session, action, "QueueEntry", rows, "QueueStatusComplete")

    # — click-to-call —

    def _originate(self, session: Session, action: Frame) -> None:
        extension = action.get("Channel").partition("/")[2]
        self._answer(session, action, Message="Originate successfully queued")
        if extension not in self.exchange.agents:
            self._originated(action, None, "0")
            return
        if self._telephones.staffed and extension not in self.exchange.free():
            self._originated(action, None, "5")
            return
        number = action.get("CallerID").rpartition("<")[2].rstrip(">")
        context, own_id = action.get("Context"), action.get("ChannelId")
        call = self.exchange.call_agent(extension, action.get("Exten"), number, context, own_id)
        self._pending[call.id] = action
        if self._agents_pick_up:
            self._agent_picks_up(call)
            return
        loop = asyncio.get_running_loop()
        patience = float(action.get("Timeout") or 30_000) / 1000
        self._timers.add(loop.call_later(patience, self._agent_is_away, call, action))

    def _agent_picks_up(self, call: Ongoing) -> None:
        self._telephones.expect(call.dialled)
        self._originated(self._pending.pop(call.id), call, "4")
        self.exchange.agent_answers(call)

    def _agent_is_away(self, call: Ongoing, action: Frame) -> None:
        if self._pending.pop(call.id, None) is not None and call.id in self.exchange.calls:
            self._originated(action, call, "3")
            self.exchange.hang_up(call)
            self._telephones.distribute()

    def _originated(self, action: Frame, call: Ongoing | None, reason: str) -> None:
        told = [
            ("ActionID", action.action_id),
            ("Response", "Success" if reason == "4" else "Failure"),
            ("Channel", call.caller.name if call else action.get("Channel")),
            ("Context", action.get("Context")),
            ("Exten", action.get("Exten")),
            ("Reason", reason),
            ("Uniqueid", call.id if call else UNKNOWN),
        ]
        self._emit("OriginateResponse", told)
