"""The form itself as HTML: one renderer for the hosted page, for the embedded form and for a form that
comes back with faults marked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape

from omnihub.connectors.webform import submission as names
from omnihub.connectors.webform.settings import FormField, Language, Settings, localised, option_words
from omnihub.connectors.webform.words import say

_AUTOCOMPLETE = {"name": "name", "email": "email", "phone": "tel"}
_INPUT_MODES = {"email": "email", "tel": "tel", "number": "decimal"}


@dataclass(slots=True, frozen=True, kw_only=True)
class Filled:
    """What the form shows besides its questions: earlier answers, faults, and its own hidden values."""

    hidden: Mapping[str, str]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    message: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class _Question:
    field: FormField
    language: Language
    values: tuple[str, ...]
    wrong: str
    settings: Settings

    @property
    def id(self) -> str:
        return f"omnihub-{self.field.key}"

    @property
    def label(self) -> str:
        return localised(self.field, "label", self.language)

    @property
    def help(self) -> str:
        own = localised(self.field, "help", self.language)
        if self.field.type != "file" or own:
            return own
        size = f"{self.settings.max_file_mb:g}"
        word = "file_note" if self.settings.max_files > 1 else "file_note_one"
        return say(self.language, word, count=self.settings.max_files, size=size)


def form_html(settings: Settings, language: Language, filled: Filled) -> str:
    parts = [
        '<form class="oh-form" method="post" enctype="multipart/form-data" accept-charset="UTF-8">',
        _alert(filled),
        *(_hidden(name, value) for name, value in filled.hidden.items()),
        _honeypot(language),
    ]
    for form_field in settings.fields:
        question = _Question(
            field=form_field,
            language=language,
            values=filled.values.get(form_field.key, ()),
            wrong=filled.wrong.get(form_field.key, ""),
            settings=settings,
        )
        parts.append(_row(question))
    if any(form_field.required for form_field in settings.fields):
        parts.append(f'<p class="oh-note">{escape(say(language, "required_note"))}</p>')
    if settings.captcha:
        parts.append(f'<noscript><p class="oh-alert">{escape(say(language, "no_script"))}</p></noscript>')
    parts.append(f'<button class="oh-send">{escape(settings.words("button", language))}</button>')
    parts.append('<p class="oh-state" role="status"></p></form>')
    return "\n".join(part for part in parts if part)


def _alert(filled: Filled) -> str:
    hidden = "" if filled.message else " hidden"
    return f'<p class="oh-alert" role="alert" tabindex="-1"{hidden}>{escape(filled.message)}</p>'


def _hidden(name: str, value: str) -> str:
    # Firefox would otherwise bring old values back on reload.
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}" autocomplete="off">'


def _honeypot(language: Language) -> str:
    label = escape(say(language, "honeypot"))
    return (
        f'<div class="oh-extra" aria-hidden="true"><label>{label}'
        f'<input name="{names.HONEYPOT}" tabindex="-1" autocomplete="off"></label></div>'
    )


def _row(question: _Question) -> str:
    if question.field.type == "hidden":
        value = question.values[0] if question.values else question.field.placeholder
        return _hidden(question.field.key, value)
    return _ROWS.get(question.field.type, _labelled)(question)


def _labelled(question: _Question) -> str:
    control = _CONTROLS.get(question.field.type, _input)(question)
    label = f'<label for="{question.id}">{_label_words(question)}</label>'
    return _wrap(question, "div", label + _help(question) + control)


def _single_check(question: _Question) -> str:
    checked = " checked" if question.values else ""
    control = (
        f'<label class="oh-choice"><input type="checkbox" value="on"{_common(question)}{checked}>'
        f"<span>{_label_words(question)}</span></label>"
    )
    return _wrap(question, "div", control + _help(question))


def _choice_group(question: _Question) -> str:
    kind = "radio" if question.field.type == "radio" else "checkbox"
    choices = []
    for number, option in enumerate(question.field.options):
        checked = " checked" if option in question.values else ""
        # A group of boxes cannot be `required` in HTML: each box would be.
        required = " required" if kind == "radio" and question.field.required else ""
        choices.append(
            f'<label class="oh-choice"><input type="{kind}" name="{question.field.key}" '
            f'id="{question.id}-{number}" value="{escape(option)}"{checked}{required}>'
            f"<span>{escape(option_words(question.field, option, question.language))}</span></label>"
        )
    legend = f"<legend>{_label_words(question)}</legend>"
    return _wrap(question, "fieldset", legend + _help(question) + "".join(choices))


def _label_words(question: _Question) -> str:
    mark = ' <span class="oh-star" aria-hidden="true">*</span>' if question.field.required else ""
    return escape(question.label) + mark


def _help(question: _Question) -> str:
    return f'<p class="oh-help" id="{question.id}-help">{escape(question.help)}</p>' if question.help else ""


def _wrap(question: _Question, tag: str, inner: str) -> str:
    hidden = "" if question.wrong else " hidden"
    error = f'<p class="oh-error" id="{question.id}-error"{hidden}>{escape(question.wrong)}</p>'
    described = f' aria-describedby="{_described_by(question)}"' if tag == "fieldset" else ""
    required = " data-required" if question.field.required else ""
    return (
        f'<{tag} class="oh-field" data-key="{question.field.key}" data-type="{question.field.type}"'
        f"{required}{described}>{inner}{error}</{tag}>"
    )


def _described_by(question: _Question) -> str:
    return (f"{question.id}-help " if question.help else "") + f"{question.id}-error"


def _common(question: _Question) -> str:
    form_field = question.field
    required = " required" if form_field.required else ""
    wrong = ' aria-invalid="true"' if question.wrong else ""
    return (
        f' id="{question.id}" name="{form_field.key}" aria-describedby="{_described_by(question)}"'
        f"{required}{wrong}"
    )


def _text_attributes(question: _Question) -> str:
    form_field = question.field
    hint = localised(form_field, "placeholder", question.language)
    autocomplete = _AUTOCOMPLETE.get(form_field.role, "")
    mode = _INPUT_MODES.get(form_field.type, "")
    return (
        f'{_common(question)} maxlength="{form_field.limit}"'
        + (f' placeholder="{escape(hint)}"' if hint else "")
        + (f' autocomplete="{autocomplete}"' if autocomplete else "")
        + (f' inputmode="{mode}"' if mode else "")
    )


def _input(question: _Question) -> str:
    value = question.values[0] if question.values else ""
    # type=number swallows what it cannot read; a text input keeps it, and the fault can be shown.
    kind = "text" if question.field.type == "number" else question.field.type
    return f'<input type="{kind}" value="{escape(value)}"{_text_attributes(question)}>'


def _textarea(question: _Question) -> str:
    value = question.values[0] if question.values else ""
    # A leading newline in a textarea is swallowed; one more keeps the person's own.
    return f'<textarea rows="6"{_text_attributes(question)}>\n{escape(value)}</textarea>'


def _select(question: _Question) -> str:
    options = [f'<option value="">{escape(say(question.language, "choose"))}</option>']
    for option in question.field.options:
        selected = " selected" if option in question.values else ""
        words = escape(option_words(question.field, option, question.language))
        options.append(f'<option value="{escape(option)}"{selected}>{words}</option>')
    return f"<select{_common(question)}>{''.join(options)}</select>"


def _file(question: _Question) -> str:
    endings = ",".join(f".{ending}" for ending in question.settings.allowed_file_types)
    several = " multiple" if question.settings.max_files > 1 else ""
    return f'<input type="file" accept="{endings}"{several}{_common(question)}>'


_CONTROLS: Mapping[str, Callable[[_Question], str]] = {
    "textarea": _textarea,
    "select": _select,
    "file": _file,
}
_ROWS: Mapping[str, Callable[[_Question], str]] = {
    "checkbox": _single_check,
    "radio": _choice_group,
    "checkboxes": _choice_group,
}
