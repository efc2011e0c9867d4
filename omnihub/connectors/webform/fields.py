"""Answers to the form's questions: whether they will do, and how they read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

import phonenumbers

from omnihub.connectors.webform.settings import CHOICES, FormField, Language, Settings, localised, option_words
from omnihub.connectors.webform.submission import Submission, Upload
from omnihub.connectors.webform.uploads import allowed, file_kind, safe_filename
from omnihub.connectors.webform.words import say

_EMAIL = re.compile(r"[^\s@<>\"'(),:;\\\[\]]{1,64}@[^\s@<>\"'(),:;\\\[\]]{1,180}\.[^\s@<>\"'(),:;\\\[\].]{2,63}")
_BIDI = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
MAX_UNKNOWN = 20

Judge = Callable[[FormField, str, Language, Settings], str]


@dataclass(slots=True, frozen=True, kw_only=True)
class Answer:
    """`value` as people read it. `known` is False where the form has no such question (any more)."""

    key: str
    label: str
    value: str
    field: FormField | None = None

    @property
    def known(self) -> bool:
        return self.field is not None


def email_address(text: str) -> str:
    """The address, or empty where it is none. The local part keeps its capitals."""
    text = text.strip()
    fits = len(text) <= 254 and ".." not in text and _EMAIL.fullmatch(text)
    return text if fits and not _BIDI.search(text) else ""


def phone_number(text: str, region: str) -> str:
    """E.164, or empty where it is no possible number."""
    try:
        number = phonenumbers.parse(text[:40], region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def person_name(text: str) -> str:
    return " ".join(_BIDI.sub("", text).split())[:100]


def values_of(form_field: FormField, submission: Submission) -> tuple[str, ...]:
    """What was entered, blanks left out. Several answers to one plain question become one."""
    given = tuple(value.strip() for value in submission.values.get(form_field.key, ()) if value.strip())
    if form_field.type in CHOICES or len(given) < 2:
        return given
    return ("\n".join(given) if form_field.type == "textarea" else ", ".join(given),)


def wrong_fields(submission: Submission, settings: Settings, language: Language) -> dict[str, str]:
    """Field key → what is wrong with it, in words; empty when all is well."""
    wrong: dict[str, str] = {}
    for form_field in settings.fields:
        if form_field.type == "file":
            continue
        fault = _fault(form_field, values_of(form_field, submission), language, settings)
        if fault:
            wrong[form_field.key] = fault
    wrong |= _wrong_uploads(submission.uploads, settings, language)
    return wrong


def answers(submission: Submission, settings: Settings, language: Language) -> list[Answer]:
    """In the form's order; what the form does not ask (any more) comes last, so that nothing is lost."""
    found = [
        Answer(
            key=form_field.key,
            label=localised(form_field, "label", language),
            value=_readable(form_field, values, language),
            field=form_field,
        )
        for form_field in settings.fields
        if form_field.type != "file" and (values := values_of(form_field, submission))
    ]
    asked = {form_field.key for form_field in settings.fields if form_field.type != "file"}
    unknown = [
        Answer(key=name, label=person_name(name), value=value)
        for name, values in submission.values.items()
        if name not in asked and person_name(name) and (value := ", ".join(values).strip())
    ]
    return found + unknown[:MAX_UNKNOWN]


def _readable(form_field: FormField, values: tuple[str, ...], language: Language) -> str:
    if form_field.type == "checkbox":
        return say(language, "yes")
    return ", ".join(option_words(form_field, value, language) for value in values)


def _fault(form_field: FormField, values: tuple[str, ...], language: Language, settings: Settings) -> str:
    if not values:
        return say(language, _missing_word(form_field)) if form_field.required else ""
    if form_field.type in CHOICES:
        if any(value not in form_field.options for value in values):
            return say(language, "option")
        several = len(values) > 1 and form_field.type != "checkboxes"
        return say(language, "one_option") if several else ""
    text = values[0]
    if len(text) > form_field.limit:
        return say(language, "too_long", limit=form_field.limit, count=len(text))
    judge = _JUDGES.get(form_field.type)
    return judge(form_field, text, language, settings) if judge else ""


def _missing_word(form_field: FormField) -> str:
    if form_field.type in CHOICES:
        return "required_choice"
    return "required_check" if form_field.type == "checkbox" else "required"


def _judge_email(_: FormField, text: str, language: Language, settings: Settings) -> str:
    return "" if email_address(text) else say(language, "email")


def _judge_phone(_: FormField, text: str, language: Language, settings: Settings) -> str:
    return "" if phone_number(text, settings.phone_region) else say(language, "tel")


def _judge_number(_: FormField, text: str, language: Language, settings: Settings) -> str:
    try:
        return "" if Decimal(text).is_finite() else say(language, "number")
    except InvalidOperation:
        return say(language, "number")


def _judge_date(_: FormField, text: str, language: Language, settings: Settings) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        return say(language, "date")
    return ""


_JUDGES: Mapping[str, Judge] = {
    "email": _judge_email,
    "tel": _judge_phone,
    "number": _judge_number,
    "date": _judge_date,
}


def _wrong_uploads(uploads: tuple[Upload, ...], settings: Settings, language: Language) -> dict[str, str]:
    file_fields = [form_field for form_field in settings.fields if form_field.type == "file"]
    kept = [upload for upload in uploads if upload.content]
    wrong = {
        form_field.key: say(language, "required_file")
        for form_field in file_fields
        if form_field.required and not any(upload.field == form_field.key for upload in kept)
    }
    if not kept:
        return wrong
    keys = [form_field.key for form_field in file_fields]
    fallback = keys[0] if keys else kept[0].field
    if not keys:
        return {fallback: say(language, "no_files")}
    if len(kept) > settings.max_files:
        wrong[_key_of(kept[-1], keys)] = say(language, "file_count", limit=settings.max_files, count=len(kept))
    for upload in kept:
        fault = _upload_fault(upload, settings, language)
        if fault:
            wrong.setdefault(_key_of(upload, keys), fault)
    return wrong


def _key_of(upload: Upload, keys: list[str]) -> str:
    return upload.field if upload.field in keys else keys[0]


def _upload_fault(upload: Upload, settings: Settings, language: Language) -> str:
    name = safe_filename(upload.filename, upload.field)
    if len(upload.content) > settings.max_file_mb * 1_000_000:
        return say(language, "file_size", name=name, limit=f"{settings.max_file_mb:g}")
    if not allowed(file_kind(upload.filename, upload.content), settings.allowed_file_types):
        return say(language, "file_type", name=name, types=", ".join(settings.allowed_file_types))
    return ""
