"""A submission as a message: who wrote, what about, and what makes it look like spam."""

import re
from urllib.parse import urlsplit

from omnihub.connectors.webform.fields import Answer, email_address, person_name, phone_number
from omnihub.connectors.webform.proof import START_LIFE, Proofs, StartTokens
from omnihub.connectors.webform.settings import Language, Settings, localised
from omnihub.connectors.webform.submission import HONEYPOT, PAGE, PROOF, START, Submission, Upload
from omnihub.connectors.webform.uploads import file_kind, safe_filename
from omnihub.connectors.webform.words import say
from omnihub.model.inbound import Handle, InboundAttachment
from omnihub.model.raw import RawRequest

_SUBJECT = 150
# A name is greeted in the confirmation, which goes to an address that anyone may have typed.
_LOOKS_LIKE_ADVERT = re.compile(r"https?:|www\.|[/@<>\n]|\w\.\w", re.IGNORECASE)
_NAME_IN_GREETING = 60
_OPENING_COMMA = re.compile(r"^[\s,，:：]+")


def answer_for(role: str, found: list[Answer]) -> str:
    return next((a.value for a in found if a.field and a.field.role == role), "")


def sender(account_id: str, external_id: str, found: list[Answer], settings: Settings) -> Handle:
    """The address is typed, not proven: it makes a handle of this form's own and is only claimed."""
    email = email_address(answer_for("email", found)).lower()
    phone = phone_number(answer_for("phone", found), settings.phone_region)
    claims = (*([f"email:{email}"] if email else []), *([f"phone:{phone}"] if phone else []))
    own = email or phone or external_id.removeprefix("form:")
    return Handle(
        key=f"webform:{account_id}:{own}",
        name=person_name(answer_for("name", found)),
        claims=claims,
    )


def subject(found: list[Answer], settings: Settings, language: Language) -> str:
    first_line = answer_for("message", found).strip().split("\n", 1)[0]
    text = answer_for("subject", found) or first_line or settings.words("title", language)
    text = " ".join(text.split())
    return text if len(text) <= _SUBJECT else text[: _SUBJECT - 1] + "…"


def body_text(found: list[Answer], attachments: tuple[InboundAttachment, ...], language: Language) -> str:
    """The message first, then a line for each of the other answers."""
    message = answer_for("message", found)
    lines = [_line(a.label, a.value, language) for a in found if not (a.field and a.field.role == "message")]
    if attachments:
        lines.append(_line(say(language, "files_label"), ", ".join(a.filename for a in attachments), language))
    return "\n\n".join(filter(None, (message, "\n".join(lines))))


def attachments_of(
    uploads: tuple[Upload, ...], settings: Settings, language: Language
) -> tuple[tuple[InboundAttachment, ...], list[str]]:
    made: list[InboundAttachment] = []
    problems: list[str] = []
    taken: set[str] = set()
    labels = {f.key: localised(f, "label", language) for f in settings.fields if f.type == "file"}
    for number, upload in enumerate(uploads, 1):
        name = safe_filename(upload.filename, f"file-{number}")
        if not upload.content:
            problems.append(f"the file “{name}” was empty")
            continue
        kind = file_kind(upload.filename, upload.content)
        if kind and kind.ending and not name.lower().endswith(f".{kind.ending}"):
            name = _with_ending(name, kind.ending)
        name = _unlike(taken, name)
        content_type = kind.content_type if kind else "application/octet-stream"
        label = labels.get(upload.field, "")
        made.append(
            InboundAttachment(filename=name, content_type=content_type, content=upload.content, label=label)
        )
    return tuple(made), problems


def spam_signs(
    submission: Submission, request: RawRequest, settings: Settings, tokens: StartTokens, proofs: Proofs
) -> tuple[str, ...]:
    """Codes: honeypot, filled_too_fast, form_too_old, start_invalid, proof_missing, proof_invalid,
    proof_expired, proof_reused."""
    signs = ["honeypot"] if submission.system.get(HONEYPOT, "").strip() else []
    shown_at = tokens.read(submission.system.get(START, ""))
    if shown_at is None:
        signs.append("start_invalid")
    else:
        took = (request.received_at - shown_at).total_seconds()
        if took < settings.min_fill_seconds:
            signs.append("filled_too_fast")
        elif took > START_LIFE.total_seconds():
            signs.append("form_too_old")
    payload = submission.system.get(PROOF, "")
    if settings.captcha:
        fault = proofs.fault(payload, request.received_at) if payload else "proof_missing"
        signs.extend([fault] if fault else [])
        if request.meta.get("proof_reused"):
            signs.append("proof_reused")
    return tuple(signs)


def web_address(text: str) -> str:
    """An http(s) address, or empty; it becomes a link in the ticket."""
    text = text.strip()
    try:
        url = urlsplit(text)
    except ValueError:
        return ""
    plain = url.scheme in {"http", "https"} and url.netloc and not re.search(r"\s", text)
    return text if plain and len(text) <= 2000 else ""


def page_of(submission: Submission, referer: str) -> str:
    return web_address(submission.system.get(PAGE, "")) or web_address(referer)


def field_lines(found: list[Answer]) -> list[dict[str, str]]:
    return [{"key": a.key, "label": a.label, "value": a.value} for a in found]


def greeting(template: str, name: str, number: int) -> str:
    """The confirmation's text. A name that carries an advert is left out."""
    fits = name and len(name) <= _NAME_IN_GREETING and not _LOOKS_LIKE_ADVERT.search(name)
    text = template.replace("{number}", str(number))
    if fits:
        return text.replace("{name}", name)
    lines = [line.replace(" {name}", "{name}") for line in text.split("\n")]
    return "\n".join(
        _OPENING_COMMA.sub("", line.replace("{name}", "")) if "{name}" in line else line for line in lines
    )


def _line(label: str, value: str, language: Language) -> str:
    colon, space = ("：", "") if language == "zh-CN" else (":", " ")
    return f"{label}{colon}\n{value}" if "\n" in value else f"{label}{colon}{space}{value}"


def _with_ending(name: str, ending: str) -> str:
    stem, dot, old = name.rpartition(".")
    same_kind = {"jpg": {"jpeg"}, "jpeg": {"jpg"}}.get(ending, set())
    if old.lower() in same_kind:
        return name
    return f"{stem if dot and len(old) <= 10 else name}.{ending}"


def _unlike(taken: set[str], name: str) -> str:
    """Two photos from one phone are often both called image.jpg."""
    stem, dot, ending = name.rpartition(".")
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{stem}-{number}{dot}{ending}" if dot and stem else f"{name}-{number}"
    taken.add(candidate.lower())
    return candidate
