"""What people at an exchange's telephones do besides picking up: they decline, hold, transfer."""

from collections.abc import Callable, Sequence

from omnihub.connectors.asterisk.simulator_exchange import Channel, Emit, Exchange, Ongoing

# How long a queue leaves a telephone alone that has declined.
RETRY_SECONDS = 5.0
Ended = Callable[[Ongoing, str], None]


class StaffedExchange(Exchange):
    """`ended` is told every call that ends, with the code of its cause."""

    def __init__(self, emit: Emit, agents: Sequence[str], clock: Callable[[], float], ended: Ended) -> None:
        super().__init__(emit, agents, clock)
        self._ended = ended
        self._declined: dict[tuple[str, str], float] = {}

    def answer(self, call: Ongoing, extension: str) -> None:
        self._record(call)
        super().answer(call, extension)

    def customer_answers(self, call: Ongoing) -> None:
        self._record(call)
        super().customer_answers(call)

    def _record(self, call: Ongoing) -> None:
        if not (self.records_waiting or call.recorded):
            self.record(call)

    def decline(self, call: Ongoing, extension: str) -> None:
        phone = call.phones[extension]
        if phone is call.caller:
            self._dial("DialEnd", None, phone, "BUSY")
            self._cdr(call, "BUSY", "AppDial2")
            self._end(call, "21")
            return
        self._dial("DialEnd", call.caller, phone, "BUSY")
        self._hang_up(phone, "21")
        del call.phones[extension]
        if call.queued_at:
            self._declined[call.id, extension] = self._clock()
        elif call.answered_at:
            self._cdr(call, "ANSWERED", "Dial")
            self._end(call, "17")
        elif not call.phones:
            self.refuse(call)

    def customer_declines(self, call: Ongoing) -> None:
        assert call.customer is not None
        self._dial("DialEnd", call.caller, call.customer, "BUSY")
        self._hang_up(call.customer, "21")
        call.customer = None
        self._cdr(call, "BUSY", "Dial")
        self._end(call, "17")

    def hold(self, call: Ongoing, extension: str, *, on: bool) -> None:
        call.held, call.since = on, self._clock()
        music = [("MusicClass", "default")] if on else []
        self._emit("Hold" if on else "Unhold", [*call.phones[extension].pairs(), *music])

    def transfer(self, call: Ongoing, extension: str, to: str) -> None:
        """Without asking first; the agent is out at once."""
        phone, outer = call.phones.pop(extension), call.customer or call.caller
        self._emit("BlindTransfer", self._transferred(phone, outer, to))
        self._part(phone, outer)
        self._hang_up(phone, "16")
        call.caller, call.customer, call.talking_to, call.held = outer, None, "", False
        call.moves, call.since = call.moves + 1, self._clock()
        self._call_phone(call, to, by_queue=False)

    def _transferred(self, phone: Channel, outer: Channel, to: str) -> Sequence[tuple[str, str]]:
        told = [("Result", "Success"), *phone.pairs("Transferer"), *outer.pairs("Transferee")]
        where = [("IsExternal", "Yes"), ("Context", "from-internal"), ("Extension", to)]
        return [*told, ("BridgeUniqueid", phone.bridge), *where]

    def distribute(self) -> None:
        """The queue rings telephones that have become free, for who waits longest."""
        early = self._clock() - RETRY_SECONDS
        self._declined = {
            key: at for key, at in self._declined.items() if at > early and key[0] in self.calls
        }  # fmt: skip
        waiting = [call for call in self.calls.values() if call.queued_at]
        for call in sorted(waiting, key=lambda one: one.position):
            for extension in self.free():
                if (call.id, extension) not in self._declined:
                    self._call_phone(call, extension, by_queue=True)

    def _end(self, call: Ongoing, cause: str) -> None:
        super()._end(call, cause)
        self._ended(call, cause)
