"""How large a benchmark is run: tiny proves that it works, quick gives a hint, full is what is published."""

from dataclasses import dataclass, fields, replace
from typing import Any, Generic, Literal, TypeVar, cast

T = TypeVar("T")
Name = Literal["tiny", "quick", "full"]
NAMES: tuple[Name, ...] = ("tiny", "quick", "full")


class UnknownParameter(Exception):
    """The benchmark has no parameter of this name, or its value is of another type."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Size(Generic[T]):
    tiny: T
    quick: T
    full: T

    def chosen(self, name: Name, changes: dict[str, str]) -> T:
        """`changes` as given on the command line. Raises UnknownParameter."""
        size = getattr(self, name)
        known = {field.name: getattr(size, field.name) for field in fields(size)}
        try:
            return cast("T", replace(size, **{one: _like(known[one], text) for one, text in changes.items()}))
        except KeyError as error:
            raise UnknownParameter(f"there is no parameter {error}; there are {', '.join(known)}") from None
        except ValueError as error:
            raise UnknownParameter(str(error)) from None


def _like(present: Any, text: str) -> Any:
    if isinstance(present, tuple):
        kind = type(present[0]) if present else str
        return tuple(kind(part) for part in text.split(","))
    return type(present)(text)
