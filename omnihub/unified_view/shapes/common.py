from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Locale = Literal["en", "zh-CN"]
Scope = Literal["read", "write", "admin"]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
IdOrNumber = Annotated[int, Field(ge=1, lt=10**14)] | Id
LongText = Annotated[str, StringConstraints(max_length=500_000)]


class Given(BaseModel):
    """What a caller sends: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Shown(BaseModel):
    """What a caller gets. Answers are written from the stored documents; the tests hold them against these."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class Listing(Given):
    cursor: str = Field("", max_length=600, description="`next` of the page before")
    limit: int = Field(50, ge=1, le=200)


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `title` and `detail` are in the caller's language."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    code: str
    fields: dict[str, str] = Field({}, description="what is wrong, by the name of the field")
    details: dict[str, object] = {}


class Actor(Shown):
    kind: Literal["user", "contact", "system"]
    id: str
    name: str


class Count(Shown):
    count: int
