from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from omnihub.model.errors import (
    Invalid,
    OmnihubError,
    Refused,
    TryLater,
    Uncertain,
)
from omnihub.unified_view import views
from omnihub.unified_view.field_words import fields_of
from omnihub.unified_view.inner_words import in_chinese
from omnihub.unified_view.languages import Language
from omnihub.unified_view.words import CATALOGUE, words_of


class Problem(Exception):
    """A refusal with its code in the catalogue; `values` fill its words."""

    def __init__(
        self,
        code: str,
        *,
        fields: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.fields = dict(fields or {})
        self.details = dict(details or {})
        self.headers = dict(headers or {})
        self.values = values


@dataclass(slots=True, kw_only=True)
class Told:
    """A problem in words, ready to be answered."""

    code: str
    status: int
    title: str
    detail: str
    fields: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        body |= {"fields": self.fields} if self.fields else {}
        body |= {"details": self.details} if self.details else {}
        return web.Response(
            body=views.dumps(body),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers | {"Cache-Control": "no-store"},
        )


def told(problem: Problem, language: Language) -> Told:
    title, detail = words_of(problem.code, language)
    return Told(
        code=problem.code,
        status=CATALOGUE[problem.code].status,
        title=title,
        detail=detail.format_map(problem.values),
        fields=problem.fields,
        details=problem.details,
        headers=problem.headers,
    )


def told_of_validation(error: ValidationError, language: Language) -> Told:
    return told(Problem("invalid", fields=fields_of(error, language)), language)


def told_of_error(error: OmnihubError, language: Language) -> Told:
    """What an inner room refused. A provider's own words are passed on untranslated."""
    code = str(error.details.get("code") or error.code)
    known = code if code in CATALOGUE else _family(error)
    answer = told(Problem(known), language)
    answer.code = code
    answer.detail = _detail(error, answer.detail, language)
    answer.details = views.plain({name: value for name, value in error.details.items() if name != "code"})
    if isinstance(error, Invalid):
        answer.fields = _fields(error, language)
    if isinstance(error, TryLater) and error.after:
        answer.headers["Retry-After"] = str(round(error.after))
    return answer


def _family(error: OmnihubError) -> str:
    codes = (str(getattr(kind, "code", "")) for kind in type(error).__mro__)
    return next((code for code in codes if code in CATALOGUE), "bad_request")


def _detail(error: OmnihubError, default: str, language: Language) -> str:
    words = str(error)
    if not words or words == error.code:
        return default
    if language == "en":
        return words
    # What a provider said stays as it is; what we say ourselves is known.
    said_by_provider = isinstance(error, Refused | Uncertain | TryLater)
    return in_chinese(words) or (words if said_by_provider else default)


def _fields(error: Invalid, language: Language) -> dict[str, str]:
    if isinstance(error.__cause__, ValidationError):
        return fields_of(error.__cause__, language)
    if language == "en":
        return dict(error.fields)
    return {name: in_chinese(words) or words for name, words in error.fields.items()}
