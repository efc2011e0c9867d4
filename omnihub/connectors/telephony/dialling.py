"""What a call that we place may be made of: nothing that could be a second command to an exchange."""

import re
from dataclasses import dataclass

from omnihub.model.errors import Invalid

_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
# Without * and #: those are orders to the exchange, such as to forward a line.
_NUMBER = re.compile(r"\+?[0-9]{2,32}")
_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
# What people write between the digits; line breaks are none of it.
_DECORATION = re.compile(r"[ \u00a0()./-]")


@dataclass(slots=True, frozen=True, kw_only=True)
class Order:
    """`number` without what people write between its digits."""

    extension: str
    number: str
    call_id: str


def checked(extension: str, number: str, call_id: str) -> Order:
    """Raises Invalid."""
    bare = _DECORATION.sub("", number)
    for name, value, shape, words in (
        ("extension", extension, _EXTENSION, "letters, digits and . _ + - only"),
        ("number", bare, _NUMBER, "digits only, with + before a country code"),
        ("call_id", call_id, _CALL_ID, "letters, digits and - only"),
    ):
        if not shape.fullmatch(value):
            raise Invalid(f"this cannot be called: {name}", {name: words})
    return Order(extension=extension, number=bare, call_id=call_id)


def is_call_id(value: str) -> bool:
    return bool(_CALL_ID.fullmatch(value))
