"""One declaration per endpoint. Routing, validation, authorisation and the OpenAPI document are made from it.

The model of what is given is read from the handler's own annotation: `call: Call[NewTeam]`. It is the JSON
body, or the query string for GET. `Call[None]` takes nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args, get_type_hints

from aiohttp import web
from pydantic import BaseModel

from omnihub.model.documents import Role
from omnihub.unified_view.callers import Caller
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.languages import Language
from omnihub.unified_view.once import ONCE
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes.common import Scope

G = TypeVar("G")
PREFIX = "/api/v1"


@dataclass(slots=True, frozen=True, kw_only=True)
class Call(Generic[G]):
    deps: Deps
    request: web.Request
    who: Caller | None
    given: G
    language: Language

    @property
    def caller(self) -> Caller:
        if self.who is None:
            raise Problem("not_signed_in", headers={"WWW-Authenticate": "Bearer"})
        return self.who

    @property
    def once_key(self) -> str:
        """Names this deed, so that a repeat finds what the first attempt made; empty without Idempotency-Key."""
        return str(self.request.get(ONCE, ""))

    @property
    def id(self) -> str:
        return self.request.match_info["id"]


Handler = Callable[[Call[Any]], Awaitable[Any]]
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(slots=True, frozen=True, kw_only=True)
class Endpoint:
    """`role`: the least that may call; None for anybody. `answer` is None where nothing is answered.
    `once`: a repeat with the same Idempotency-Key gets the first answer again.
    `takes_file` and `gives_bytes`: the handler reads, or writes, the stream itself."""

    method: Method
    path: str
    name: str
    tag: str
    summary: tuple[str, str]
    notes: str
    handler: Handler
    role: Role | None
    given: type[BaseModel] | None
    answer: type[BaseModel] | None
    status: int
    errors: tuple[str, ...]
    once: bool
    takes_file: bool
    gives_bytes: bool

    @property
    def scope(self) -> Scope:
        if self.role == "admin":
            return "admin"
        return "read" if self.method == "GET" else "write"


class Api:
    """Gathers the endpoints of one module."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.endpoints: list[Endpoint] = []

    def declare(
        self,
        method: Method,
        path: str,
        summary: str,
        summary_zh: str,
        *,
        answer: type[BaseModel] | None = None,
        role: Role | Literal["", "anybody"] = "",
        status: int = 0,
        errors: tuple[str, ...] = (),
        once: bool = False,
        takes_file: bool = False,
        gives_bytes: bool = False,
    ) -> Callable[[H], H]:
        def keep(handler: H) -> H:
            (given,) = get_args(get_type_hints(handler)["call"])
            self.endpoints.append(
                Endpoint(
                    method=method,
                    path=path,
                    name=handler.__name__,
                    tag=self.tag,
                    summary=(summary, summary_zh),
                    notes=" ".join((handler.__doc__ or "").split()),
                    handler=handler,
                    role=_role(role, method),
                    given=None if given is type(None) else given,
                    answer=answer,
                    status=status or (200 if answer or gives_bytes else 204),
                    errors=errors,
                    once=once,
                    takes_file=takes_file,
                    gives_bytes=gives_bytes,
                )
            )
            return handler

        return keep

    def get(self, path: str, *summary: str, **options: Any) -> Callable[[H], H]:
        return self.declare("GET", path, *summary, **options)

    def post(self, path: str, *summary: str, **options: Any) -> Callable[[H], H]:
        return self.declare("POST", path, *summary, **options)

    def put(self, path: str, *summary: str, **options: Any) -> Callable[[H], H]:
        return self.declare("PUT", path, *summary, **options)

    def patch(self, path: str, *summary: str, **options: Any) -> Callable[[H], H]:
        return self.declare("PATCH", path, *summary, **options)

    def delete(self, path: str, *summary: str, **options: Any) -> Callable[[H], H]:
        return self.declare("DELETE", path, *summary, **options)


def _role(role: Role | Literal["", "anybody"], method: Method) -> Role | None:
    if role == "anybody":
        return None
    return role or ("readonly" if method == "GET" else "agent")
