"""Calls as they go: each script does one thing after the other and yields the seconds in between."""

from omnihub.connectors.freeswitch.simulator_switch import Channel, Script, Switch

CUSTOMER, LINE = "+4930900155", "+4930555100"


def _rung(switch: Switch, caller: Channel, extension: str) -> Channel:
    return switch.ring(
        caller.number, extension, name=caller.name, context="default", out_of=caller, dialed_user=extension
    )


def _answered(switch: Switch, caller: Channel, leg: Channel) -> None:
    switch.answer(leg)
    if not caller.answered:
        switch.answer(caller)
    switch.bridge(caller, leg)


def _over(switch: Switch, first: Channel, second: Channel, cause: str = "NORMAL_CLEARING") -> None:
    switch.part(first, second)
    switch.hang_up(second, cause)
    switch.hang_up(first, cause)


def answered(
    switch: Switch, number: str = CUSTOMER, extension: str = "1001", *, waits: float = 6, talks: float = 65,
    name: str = "Anna Weber", recording: str = "",
) -> Script:  # fmt: skip
    caller = switch.ring(number, LINE, name=name)
    yield 0.2
    leg = _rung(switch, caller, extension)
    yield waits
    _answered(switch, caller, leg)
    yield talks
    if recording:
        switch.record(caller, recording)
    _over(switch, caller, leg)


def missed(switch: Switch, number: str = CUSTOMER) -> Script:
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 30
    switch.hang_up(leg, "NO_ANSWER")
    switch.hang_up(caller, "NO_ANSWER")


def given_up(switch: Switch, number: str = CUSTOMER) -> Script:
    """The caller hangs up while the telephone rings."""
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 9
    switch.hang_up(caller, "ORIGINATOR_CANCEL")
    switch.hang_up(leg, "ORIGINATOR_CANCEL")


def busy(switch: Switch, number: str = CUSTOMER) -> Script:
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 0.3
    switch.hang_up(leg, "USER_BUSY")
    switch.hang_up(caller, "USER_BUSY")


def turned_away(switch: Switch, number: str = CUSTOMER, cause: str = "CALL_REJECTED") -> Script:
    """By the dial plan, before anybody's telephone rang."""
    caller = switch.ring(number, LINE)
    yield 0.1
    switch.hang_up(caller, cause)


def group(switch: Switch, number: str = CUSTOMER) -> Script:
    """Three telephones ring, the second answers."""
    caller = switch.ring(number, LINE)
    yield 0.2
    legs = [_rung(switch, caller, extension) for extension in ("1001", "1002", "1003")]
    yield 7
    _answered(switch, caller, legs[1])
    for loser in (legs[0], legs[2]):
        switch.hang_up(loser, "LOSE_RACE")
    yield 40
    _over(switch, caller, legs[1])


def _queued(switch: Switch, number: str) -> Channel:
    caller = switch.ring(number, LINE)
    switch.answer(caller)
    switch.queue("member-queue-start", caller)
    return caller


def _offered(switch: Switch, caller: Channel, extension: str) -> Channel:
    """mod_callcenter rings its agents without naming the caller as the originator."""
    switch.queue("agent-offering", caller, CC_Agent=f"{extension}@default")
    return switch.ring(
        caller.number, extension, context="default", originated=True, dialed_user=extension,
        cc_side="agent", cc_agent=f"{extension}@default", cc_queue="support@default",
        cc_member_session_uuid=caller.id,
    )  # fmt: skip


def queue_answered(switch: Switch, number: str = CUSTOMER) -> Script:
    """The first agent does not pick up, the second does."""
    caller = _queued(switch, number)
    yield 3
    first = _offered(switch, caller, "1001")
    yield 10
    switch.hang_up(first, "NO_ANSWER")
    second = _offered(switch, caller, "1002")
    yield 4
    switch.answer(second)
    switch.bridge(caller, second)
    switch.queue("bridge-agent-start", caller, CC_Agent="1002@default")
    yield 80
    switch.part(caller, second)
    switch.queue("bridge-agent-end", caller, CC_Agent="1002@default")
    switch.hang_up(caller)
    switch.hang_up(second)
    switch.queue("member-queue-end", caller, CC_Cause="Terminated")


def queue_left(switch: Switch, number: str = CUSTOMER, reason: str = "BREAK_OUT") -> Script:
    """By hanging up, or sent out because nobody came in time."""
    caller = _queued(switch, number)
    yield 2
    leg = _offered(switch, caller, "1001")
    yield 21
    switch.queue("member-queue-end", caller, CC_Cause="Cancel", CC_Cancel_Reason=reason)
    switch.hang_up(caller)
    switch.hang_up(leg, "ORIGINATOR_CANCEL")


def held(switch: Switch, number: str = CUSTOMER) -> Script:
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 5
    _answered(switch, caller, leg)
    yield 10
    switch.hold(leg)
    yield 20
    switch.unhold(leg)
    yield 10
    _over(switch, caller, leg)


def blind(switch: Switch, number: str = CUSTOMER) -> Script:
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 5
    _answered(switch, caller, leg)
    yield 30
    switch.part(caller, leg)
    switch.hang_up(leg, "BLIND_TRANSFER", endpoint_disposition="BLIND_TRANSFER")
    caller.to = "1002"
    yield 0.2
    second = _rung(switch, caller, "1002")
    yield 6
    _answered(switch, caller, second)
    yield 50
    _over(switch, caller, second)


def attended(switch: Switch, number: str = CUSTOMER) -> Script:
    """The agent asks a colleague first, in a call of their own, then puts the two together."""
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 5
    _answered(switch, caller, leg)
    yield 15
    switch.hold(leg)
    asking = switch.ring("1001", "1002", name="Desk one", context="default")
    asked = _rung(switch, asking, "1002")
    yield 4
    _answered(switch, asking, asked)
    yield 12
    switch.part(asking, asked)
    switch.part(caller, leg)
    switch.bridge(caller, asked)
    switch.hang_up(asking, "ATTENDED_TRANSFER", endpoint_disposition="ATTENDED_TRANSFER")
    switch.hang_up(leg, "ATTENDED_TRANSFER", endpoint_disposition="ATTENDED_TRANSFER")
    yield 45
    _over(switch, caller, asked)


def parked(switch: Switch, number: str = CUSTOMER) -> Script:
    """Parked by one, fetched by another from their own telephone."""
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 5
    _answered(switch, caller, leg)
    yield 10
    switch.part(caller, leg)
    switch.park(caller)
    switch.hang_up(leg, "BLIND_TRANSFER")
    yield 25
    fetching = switch.ring("1003", "5901", name="Desk three", context="default")
    switch.answer(fetching)
    switch.bridge(fetching, caller)
    yield 30
    _over(switch, fetching, caller)


def voicemail(switch: Switch, number: str = CUSTOMER) -> Script:
    caller = switch.ring(number, LINE)
    yield 0.2
    leg = _rung(switch, caller, "1001")
    yield 20
    switch.hang_up(leg, "NO_ANSWER")
    switch.answer(caller)
    caller.variables["current_application"] = "voicemail"
    yield 15
    switch.hang_up(caller)


def outgoing(
    switch: Switch, number: str = CUSTOMER, *, cause: str = "NORMAL_CLEARING", picks_up: bool = True
) -> Script:
    """An agent dials 9 and the number; the dial plan takes the 9 off."""
    caller = switch.ring("1001", f"9{number}", name="Desk one", context="default")
    yield 0.3
    leg = switch.ring(LINE, number, context="default", out_of=caller)
    yield 8
    if picks_up:
        _answered(switch, caller, leg)
        yield 33
        switch.part(caller, leg)
    switch.hang_up(leg, cause)
    switch.hang_up(caller, cause)


def click_to_call(
    switch: Switch, number: str = CUSTOMER, extension: str = "1001", *, channel_id: str = "", picks_up: bool = True
) -> Script:
    """The agent's telephone rings first."""
    agent = switch.ring(
        number, extension, context="default", originated=True, channel_id=channel_id,
        dialed_user=extension, omnihub_customer=number,
    )  # fmt: skip
    yield 3
    if not picks_up:
        switch.hang_up(agent, "NO_ANSWER")
        return
    switch.answer(agent)
    yield 0.5
    leg = switch.ring(LINE, number, context="default", out_of=agent)
    yield 7
    switch.answer(leg)
    switch.bridge(agent, leg)
    yield 28
    _over(switch, agent, leg)


def internal(switch: Switch) -> Script:
    caller = switch.ring("1001", "1002", name="Desk one", context="default")
    yield 0.2
    leg = _rung(switch, caller, "1002")
    yield 2
    _answered(switch, caller, leg)
    yield 20
    _over(switch, caller, leg)
