"""What Twilio says later about a message, and what its error codes mean (Twilio's error dictionary, read 2026-11;
21211, 21610 and 30034 from memory)."""

from omnihub.model.inbound import DeliveryReport

# Those before `sent` say nothing that the hub does not know.
_EARLY = frozenset({"accepted", "scheduled", "queued", "sending"})
INBOUND = frozenset({"receiving", "received"})
_REPORTS: dict[str, DeliveryReport] = {
    "sent": "sent",
    "delivered": "delivered",
    "partially_delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}
FINAL = frozenset({"delivered", "partially_delivered", "read", "undelivered", "failed", "canceled"})

MEANINGS: dict[str, str] = {
    "11200": "Twilio could not fetch the file from the hub",
    "12300": "Twilio did not understand the type of what the hub answered",
    "20003": "Twilio did not accept the account SID and auth token",
    "20404": "Twilio does not know this account, number or service",
    "20429": "too many calls to Twilio at once",
    "21211": "this is not a valid phone number",
    "21408": "sending to this country is not switched on in the Twilio account",
    "21603": "no number to send from",
    "21606": "the number to send from is not one of the account's, or cannot send this",
    "21608": "a trial account can only write to verified numbers",
    "21610": "the customer opted out by sending STOP; only their START ends that",
    "21611": "Twilio's queue for this number is full",
    "21612": "this number cannot be reached from the number to send from",
    "21614": "this is not a mobile number",
    "21617": "the text is longer than 1600 characters",
    "21620": "Twilio cannot use the address of the file",
    "30001": "Twilio's queue was full; the message waited too long",
    "30002": "the Twilio account is suspended",
    "30003": "the phone is switched off or out of reach",
    "30004": "the customer or the carrier blocks this message",
    "30005": "the number is unknown or no longer in use",
    "30006": "a landline, or a carrier that cannot be reached",
    "30007": "a carrier filtered the message as unwanted",
    "30008": "the carrier gave no reason",
    "30034": "the sending number is not registered for US traffic (A2P 10DLC)",
    "30036": "it could not be delivered before it expired",
    "63016": "WhatsApp's 24 hours since the customer's last message are over",
}


def report_of(status: str) -> DeliveryReport | None:
    """None for a status that changes nothing; one that nobody knows is no reason to think that it failed."""
    return None if status in _EARLY or status in INBOUND else _REPORTS.get(status, "delayed")


def words_for(code: str, said: str = "") -> str:
    """Twilio's own words, then what they mean."""
    meaning = MEANINGS.get(code, "")
    return ": ".join(part for part in (said, meaning) if part)
