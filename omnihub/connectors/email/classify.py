"""Which mail was written by a program. Kept like any other, but answered by nobody."""

import re
from collections.abc import Callable
from typing import Literal

from omnihub.connectors.email.bounces import is_daemon
from omnihub.connectors.email.headers import Headers

Kind = Literal["message", "auto_reply", "bounce", "list"]

_AUTO_SUBJECT = re.compile(
    r"^\s*\[?(?:自动回复|自動回覆|自动答复|自動応答|自動返信|不在通知|外出自动回复|Abwesend:"
    r"|(?:Automatic reply|Auto(?:matic)?[ -]?(?:reply|response)|Autoreply|Out of (?:the )?office"
    r"|Automatische Antwort|Abwesenheitsnotiz|Réponse automatique|Respuesta automática"
    r"|Resposta automática|Risposta automatica|Automatisch antwoord)\b)",
    re.IGNORECASE,
)
_NO_REPLY = re.compile(r"^(?:no|do[._-]?not|never)[._-]?reply(?:[+._-].*)?@", re.IGNORECASE)


def _auto_submitted(headers: Headers) -> str:
    value = headers.raw("auto-submitted").split(";")[0].strip().lower()
    return f"Auto-Submitted: {value}" if value and value != "no" else ""


def _precedence(words: tuple[str, ...]) -> Callable[[Headers], str]:
    def rule(headers: Headers) -> str:
        value = headers.raw("precedence").strip().lower()
        return f"Precedence: {value}" if value in words else ""

    return rule


def _present(*names: str) -> Callable[[Headers], str]:
    def rule(headers: Headers) -> str:
        return next((f"header {name}" for name in names if headers.raw(name).lower() not in ("", "no")), "")

    return rule


def _subject(headers: Headers) -> str:
    return "subject of an automatic reply" if _AUTO_SUBJECT.match(headers.text("subject")) else ""


def _receipt(headers: Headers) -> str:
    value = headers.raw("content-type").lower()
    return "read receipt" if "disposition-notification" in value and "multipart/report" in value else ""


def _report(headers: Headers) -> str:
    return "machine report" if headers.raw("content-type").lower().startswith("multipart/report") else ""


AUTOMATIC: tuple[Callable[[Headers], str], ...] = (
    _auto_submitted,
    _receipt,
    _report,
    _precedence(("auto_reply", "auto-reply", "junk")),
    _present("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-auto-reply-from"),
    _present("x-loop"),
    _subject,
)
LISTED: tuple[Callable[[Headers], str], ...] = (
    _present("list-id", "list-unsubscribe", "list-post"),
    _precedence(("bulk", "list")),
)


def classify(headers: Headers, sender: str, empty_envelope: bool, bounced: bool) -> tuple[Kind, tuple[str, ...]]:
    """The kind and, in plain words, everything that speaks for a program as the author."""
    automatic = [reason for rule in AUTOMATIC if (reason := rule(headers))]
    listed = [reason for rule in LISTED if (reason := rule(headers))]
    # Lists mark their mail with X-Loop too, against loops of their own.
    if listed and automatic == ["header x-loop"]:
        automatic, listed = [], [*listed, *automatic]
    if empty_envelope:
        automatic.append("empty envelope sender")
    if is_daemon(sender):
        automatic.append(f"sent by {sender.partition('@')[0]}")
    if bounced:
        return "bounce", ("delivery report", *automatic, *listed)
    if automatic:
        return "auto_reply", (*automatic, *listed)
    return ("list", tuple(listed)) if listed else ("message", ())


def withholds_answer(headers: Headers, sender: str) -> bool:
    """Ordinary mail whose sender still asks for no automatic answer.

    Exchange puts X-Auto-Response-Suppress on mail of people too, so it proves no automation."""
    wanted = {word.strip().lower() for word in headers.raw("x-auto-response-suppress").split(",")}
    return bool(wanted & {"all", "oof", "autoreply"}) or _NO_REPLY.match(sender) is not None
