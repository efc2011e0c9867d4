"""Fields of a channel's settings, with what the admin's form shows of them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, SecretStr

from omnihub.connectors.sealed import decode_key


def shown(
    title: str,
    title_zh: str,
    group: str = "",
    help_en: str = "",
    help_zh: str = "",
    *,
    advanced: bool = False,
    widget: str = "",
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    shown_if: Mapping[str, str] | None = None,
    **more: Any,
) -> Any:
    """A field with its words; `more` goes to pydantic's Field."""
    extra: dict[str, JsonValue] = {"title_zh": title_zh, "description_zh": help_zh, "advanced": advanced}
    extra |= {"group": group} if group else {}
    extra |= {"widget": widget} if widget else {}
    extra |= {"shown_if": dict(shown_if)} if shown_if else {}
    extra |= {"presets": {key: dict(values) for key, values in presets.items()}} if presets else {}
    return Field(title=title, description=help_en, json_schema_extra=extra, **more)


def web_address(value: str) -> str:
    """Without a slash at its end. Raises ValueError."""
    value = value.strip().rstrip("/")
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ValueError("write it as https://api.example.com")
    return value


def host_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Raises ValueError."""
    hosts = tuple(value.strip().lower().lstrip(".") for value in values)
    if not all(host.isascii() and host.replace("-", "").replace(".", "").isalnum() for host in hosts):
        raise ValueError("write host names, such as example.com")
    return hosts


def aes_key(value: SecretStr) -> SecretStr:
    """An EncodingAESKey, or nothing. Raises ValueError."""
    if value.get_secret_value():
        decode_key(value.get_secret_value())
    return value


def keys_of(*keys: SecretStr) -> tuple[str, ...]:
    """Those that are set, in their order: the present one first."""
    return tuple(key.get_secret_value() for key in keys if key.get_secret_value())
