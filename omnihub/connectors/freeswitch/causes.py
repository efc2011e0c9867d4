"""Hangup causes in the words of the call log. FreeSWITCH names them after Q.850 and adds its own;
developer.signalwire.com/freeswitch, hangup cause code table (read 2026-11)."""

from collections.abc import Mapping

from omnihub.connectors.telephony.call import Outcome

BLIND, ATTENDED = "BLIND_TRANSFER", "ATTENDED_TRANSFER"

# A call that nobody answered, as the one who rang sees it.
_OURS: Mapping[str, Outcome] = {
    "USER_BUSY": "busy",
    "NO_ANSWER": "no_answer",
    "NO_USER_RESPONSE": "no_answer",
    "ORIGINATOR_CANCEL": "no_answer",
    "ALLOTTED_TIMEOUT": "no_answer",
    "PROGRESS_TIMEOUT": "no_answer",
    "MEDIA_TIMEOUT": "no_answer",
    "NORMAL_CLEARING": "no_answer",
    "SUBSCRIBER_ABSENT": "no_answer",
    "CALL_REJECTED": "rejected",
    "DECLINE": "rejected",
    "": "no_answer",
}
# What only a call that rang nobody's telephone can end with: the exchange itself turned it away.
_TURNED_AWAY: Mapping[str, Outcome] = {
    "CALL_REJECTED": "rejected",
    "INCOMING_CALL_BARRED": "rejected",
    "USER_BUSY": "busy",
    "UNALLOCATED_NUMBER": "failed",
    "NO_ROUTE_DESTINATION": "failed",
    "INVALID_NUMBER_FORMAT": "failed",
    "DESTINATION_OUT_OF_ORDER": "failed",
    "NETWORK_OUT_OF_ORDER": "failed",
    "NORMAL_TEMPORARY_FAILURE": "failed",
    "RECOVERY_ON_TIMER_EXPIRE": "failed",
    "INCOMPATIBLE_DESTINATION": "failed",
    "BEARERCAPABILITY_NOTIMPL": "failed",
    "SERVICE_UNAVAILABLE": "failed",
}


def outgoing(cause: str) -> Outcome:
    return _OURS.get(cause, "failed")


def incoming(cause: str, *, rang: bool, queued: bool, gave_up: bool) -> Outcome:
    """`rang`: somebody's telephone rang. `gave_up`: the caller left the queue by hanging up."""
    if queued:
        return "abandoned" if gave_up else "missed"
    if rang:
        return "busy" if cause == "USER_BUSY" else "missed"
    return _TURNED_AWAY.get(cause, "missed")
