import ipaddress
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from omnihub.connectors.contract import BaseConnector, Limit
from omnihub.connectors.webform import page, reading
from omnihub.connectors.webform.fields import answers, email_address, wrong_fields
from omnihub.connectors.webform.inputs import Filled
from omnihub.connectors.webform.proof import Proofs, StartTokens
from omnihub.connectors.webform.settings import LANGUAGES, Language, Settings
from omnihub.connectors.webform.submission import (
    KEY,
    LANGUAGE,
    PAGE,
    PROOF,
    START,
    Submission,
    header,
    read_submission,
)
from omnihub.connectors.webform.words import say
from omnihub.model.errors import Invalid, NotFound, OmnihubError, TryLater, Unreadable, Unverified
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawEvent, RawRequest, Reply

# Showing a form costs little; this only stops a loop.
_SHOWN_PER_MINUTE = 120
_SHOWING = frozenset({"GET", "HEAD"})
# The status of a refusal and the word that explains it: by the error's code, else by its kind.
_REFUSED_BY_CODE = {
    "too_large": (413, "too_large"),
    "too_often": (429, "too_many"),
    "busy": (503, "failed"),
}
_REFUSED_BY_KIND: Mapping[type[OmnihubError], tuple[int, str]] = {
    Invalid: (422, ""),
    Unverified: (401, "expired"),
    Unreadable: (400, "unreadable"),
    TryLater: (503, "failed"),
    NotFound: (404, "expired"),
    OmnihubError: (400, "failed"),
}


class Connector(BaseConnector[Settings]):
    """One form. The door adds two things to a request before it is journaled: `source_key` from our
    `source_key`, and `meta["proof_reused"]` where `proof_key` was seen before under another source key."""

    settings_type = Settings

    def public_urls(self) -> Mapping[str, str]:
        door = f"{self.toolbox.public_url}/in/webform/{self.account.key}"
        return {"hosted": door, "embed": f"{door}/embed.js", "example": f"{door}/example"}

    # — before the journal —

    def cors_origin(self, request: RawRequest) -> str | None:
        """The exact origin to echo in Access-Control-Allow-Origin, or None."""
        origin = header(request, "origin")
        return origin if origin and self._welcome(origin, request) else None

    def limits(self, request: RawRequest) -> Sequence[Limit]:
        account, ip, settings = self.account.id, _network(request.remote), self.settings
        if request.method in _SHOWING:
            return (Limit(key=f"webform-shown:{account}:{ip}", count=_SHOWN_PER_MINUTE, seconds=60),)
        wanted = (
            Limit(key=f"webform-ip:{account}:{ip}", count=settings.per_ip_minute, seconds=60),
            Limit(key=f"webform-form:{account}", count=settings.per_form_minute, seconds=60),
        )
        return tuple(limit for limit in wanted if limit.count)

    def challenge(self, request: RawRequest) -> Reply | None:
        if request.method not in _SHOWING:
            return None
        language = self._language(request)
        match request.tail.strip("/"):
            case "":
                return page.hosted_page(self._shown(request, language))
            case "definition":
                return page.definition_reply(self._shown(request, language))
            case "embed.js":
                return page.embed_reply()
            case "example":
                return page.example_page(self.settings, language)
        raise NotFound("there is nothing at this address")

    def verify(self, request: RawRequest) -> None:
        if request.tail.strip("/"):
            raise NotFound("there is nothing at this address")
        origin = header(request, "origin")
        if origin and not self._welcome(origin, request):
            raise Unverified(f"the website {origin[:200]} may not use this form")
        submission = read_submission(request)
        language = self._language(request, submission)
        if self._tokens().read(submission.system.get(START, "")) is None:
            raise Unverified(say(language, "expired"))
        if self.settings.captcha and not submission.system.get(PROOF):
            words = say(language, "proof_missing")
            raise Invalid(words, {PROOF: words})
        wrong = wrong_fields(submission, self.settings, language)
        if wrong:
            raise Invalid(say(language, "look_again"), wrong)
        if not any(upload.content for upload in submission.uploads) and not any(
            value.strip() for values in submission.values.values() for value in values
        ):
            raise Invalid(say(language, "empty"))

    def source_key(self, request: RawRequest) -> str:
        """Names this hand-over, so that a repeat is journaled once: the Idempotency-Key and what was
        entered. Empty without a key. A key reused for other content is another hand-over: a visitor who
        goes back, changes the text and sends again must not be lost."""
        try:
            submission = read_submission(request)
        except Unreadable:
            return ""
        return f"{submission.key}:{submission.digest()[:32]}" if submission.key else ""

    def proof_key(self, request: RawRequest) -> str | None:
        """Names the challenge that a good proof solved; remember it for an hour. None: no good proof."""
        if not self.settings.captcha:
            return None
        try:
            payload = read_submission(request).system.get(PROOF, "")
        except Unreadable:
            return None
        proofs = self._proofs()
        return None if proofs.fault(payload, request.received_at) else proofs.key_of(payload)

    # — the answer —

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        language = self._language(request, _submission_or_none(request))
        number = reference(event_id)
        if _wants_html(request):
            return page.thank_you_page(self.settings, language, number)
        thanks = self.settings.words("thank_you", language)
        body = {"ok": True, "reference": number, "thank_you": thanks}
        return Reply(body=orjson.dumps(body), content_type="application/json")

    def refusal(self, request: RawRequest, error: OmnihubError) -> Reply:
        """What a visitor is shown instead of a thank-you: the form again with its faults marked for a
        browser without script, problem+json with `fields` for everything else."""
        submission = _submission_or_none(request)
        language = self._language(request, submission)
        status, word = _refused(error)
        words = say(language, word) if word else str(error)
        fields = dict(error.fields) if isinstance(error, Invalid) else {}
        if not _wants_html(request):
            body = {
                "type": f"/problems/{error.code}", "title": words, "status": status, "code": error.code,
                "detail": words, "fields": fields,
            }  # fmt: skip
            return Reply(status=status, body=orjson.dumps(body), content_type="application/problem+json")
        if submission is None:
            return page.message_page(self.settings, language, words, status)
        shown = self._shown(request, language, submission, Invalid(words, fields))
        return page.hosted_page(shown, status)

    # — behind the journal —

    def parse(self, event: RawEvent) -> Sequence[InboundMessage]:
        request, settings = event.request, self.settings
        submission = read_submission(request)
        language = self._language(request, submission)
        found = answers(submission, settings, language)
        attachments, problems = reading.attachments_of(submission.uploads, settings, language)
        external_id = f"form:{submission.key or event.id}"
        text = reading.body_text(found, attachments, language)
        extra: dict[str, Any] = {
            "fields": reading.field_lines(found),
            "page": reading.page_of(submission, header(request, "referer")),
            "locale": language,
            "contact_email": email_address(reading.answer_for("email", found)),
            "reference": reference(event.id),
        }
        message = InboundMessage(
            external_id=external_id,
            thread_key=external_id,
            sender=reading.sender(self.account.id, external_id, found, settings),
            fingerprint=submission.digest(),
            sent_at=request.received_at,
            subject=reading.subject(found, settings, language),
            text=text,
            visible_text=reading.answer_for("message", found) or text,
            attachments=attachments,
            spam=reading.spam_signs(submission, request, settings, self._tokens(), self._proofs()),
            problems=(*submission.problems, *problems),
            extra=extra,
        )
        return (message,)

    def confirmation(self, message: InboundMessage, ticket_number: int) -> tuple[str, str] | None:
        """Subject and text of the mail that confirms; None where none is to be sent."""
        address = message.extra.get("contact_email")
        if not self.settings.confirmation or not address or message.spam or message.silent:
            return None
        language: Language = "zh-CN" if message.extra.get("locale") == "zh-CN" else "en"
        name = message.sender.name
        title, text = (
            reading.greeting(self.settings.words(part, language), name, ticket_number)
            for part in ("confirmation_subject", "confirmation_text")
        )
        return " ".join(title.split()), text

    # — helpers —

    def _tokens(self) -> StartTokens:
        return StartTokens(self.toolbox.sign, self.account.id)

    def _proofs(self) -> Proofs:
        return Proofs(self.toolbox.sign, self.account.id)

    def _welcome(self, origin: str, request: RawRequest) -> bool:
        allowed = self.settings.allowed_origins
        if "*" in allowed or origin.lower() in allowed:
            return True
        own = "/".join(self.toolbox.public_url.split("/", 3)[:3]).lower()
        # Whatever name the hub is reached by, its own page may post to it.
        host = header(request, "host").lower()
        return origin.lower() == own or origin.lower().partition("://")[2] == (host or None)

    def _language(self, request: RawRequest, submission: Submission | None = None) -> Language:
        """Asked for in the address or by the form that was shown, else set by the admin, else the browser's."""
        said = request.query.get("lang", "") or (submission.system.get(LANGUAGE, "") if submission else "")
        if said:
            return _nearest(said)
        if self.settings.language != "auto":
            return self.settings.language
        return _nearest(header(request, "accept-language"))

    def _shown(
        self,
        request: RawRequest,
        language: Language,
        earlier: Submission | None = None,
        error: Invalid | None = None,
    ) -> page.Shown:
        now = self.toolbox.now()
        system = earlier.system if earlier else {}
        start = system.get(START, "")
        hidden = {
            # A form that comes back keeps its start: the person has been at it since then.
            START: start if start and self._tokens().read(start) else self._tokens().issue(now),
            KEY: (earlier.key if earlier else "") or str(uuid.uuid4()),
            LANGUAGE: language,
            PAGE: system.get(PAGE, "") or reading.web_address(header(request, "referer")),
        }
        filled = Filled(
            hidden=hidden,
            values=earlier.values if earlier else {},
            wrong=error.fields if error else {},
            message=str(error) if error else "",
        )
        challenge = None
        if self.settings.captcha:
            challenge = self._proofs().challenge(now, self.settings.captcha_difficulty)
        return page.Shown(settings=self.settings, language=language, filled=filled, challenge=challenge)


def reference(event_id: str) -> str:
    """What the visitor may quote: the random end of the event's id, in two groups."""
    tail = event_id[-8:].upper()
    return f"{tail[:4]}-{tail[4:]}"


def _refused(error: OmnihubError) -> tuple[int, str]:
    by_kind = next(known for kind, known in _REFUSED_BY_KIND.items() if isinstance(error, kind))
    return _REFUSED_BY_CODE.get(error.code, by_kind)


def _nearest(accepted: str) -> Language:
    """The first of the accepted languages that we speak (weights are rarely out of order)."""
    for part in accepted.lower().split(",")[:20]:
        if part.strip().startswith("zh"):
            return "zh-CN"
        if part.strip().startswith("en"):
            return "en"
    return LANGUAGES[0]


def _network(remote: str) -> str:
    """One household has one IPv4 address, or a whole /64 of IPv6."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network(f"{address.exploded}/64", strict=False))


def _wants_html(request: RawRequest) -> bool:
    return "text/html" in header(request, "accept").lower()


def _submission_or_none(request: RawRequest) -> Submission | None:
    """For side questions such as the language; `verify` is where an unreadable body is refused."""
    try:
        return read_submission(request)
    except Unreadable:
        return None
