"""Telephone numbers as everybody knows them."""

import phonenumbers

# What networks and exchanges write where a caller withholds the number; the digits spell the words.
_WITHHELD = frozenset(
    {"", "anonymous", "private", "restricted", "unavailable", "unknown", "<unknown>", "withheld", "blocked",
     "asterisk", "s", "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"}
)  # fmt: skip


def e164(number: str, region: str) -> str:
    """ "" where this is no telephone number of the public network. `region`: two letters, for numbers without
    a plus sign."""
    if is_withheld(number):
        return ""
    try:
        read = phonenumbers.parse(number[:40], region or None)
    except phonenumbers.NumberParseException:
        return ""
    # With a country code, numbers of a plan newer than the library's are taken; without one only known ones,
    # as an extension, a short code or a name may look like a number.
    known = phonenumbers.is_possible_number if number.startswith("+") else phonenumbers.is_valid_number
    return phonenumbers.format_number(read, phonenumbers.PhoneNumberFormat.E164) if known(read) else ""


def is_withheld(number: str) -> bool:
    return number.strip().lower() in _WITHHELD
