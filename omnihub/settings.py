import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class SettingsError(Exception):
    """The settings cannot be used; the text names each wrong key and where it stands."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Server(_Section):
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    trusted_proxies: list[str] = []
    max_inflight_bytes: int = Field(default=268_435_456, ge=1_048_576)


class Storage(_Section):
    var: Path = Path("var")
    attachment_limit_bytes: int = 52_428_800
    free_megabytes: int = Field(default=512, ge=0)


class MongoDB(_Section):
    uri: SecretStr = SecretStr("")
    database: str = "omnihub"
    pool: int = 50


class RedisSettings(_Section):
    url: SecretStr = SecretStr("")
    prefix: str = "omnihub:"


class Security(_Section):
    secret_key: SecretStr = SecretStr("")
    session_hours: float = 24 * 14
    login_attempts: int = 8
    login_window_seconds: int = 900


class Intake(_Section):
    batch: int = Field(default=200, ge=1, le=1000)
    sweep_seconds: float = 15
    attempts: int = 5
    backlog_megabytes: int = Field(default=8192, ge=0)


class Outbound(_Section):
    sweep_seconds: float = 2
    lease_seconds: float = 120
    send_timeout_seconds: float = 90
    per_account: int = 8
    retry_seconds: list[float] = [5, 15, 60, 300, 900, 3600]
    give_up_hours: float = 24
    link_days: float = 30


class Tickets(_Section):
    number_start: int = 1001
    auto_replies_per_hour: int = 3


class Progress(_Section):
    enabled: bool = True
    words: list[str] = ["进度", "查询", "查进度", "查询进度", "status"]


class Retention(_Section):
    raw_event_days: int = 90
    dead_letter_days: int = 365


class Logging(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(BaseSettings):
    """Read from settings.toml, overridden by OMNIHUB_<SECTION>__<KEY>. Unknown keys are refused by name."""

    model_config = SettingsConfigDict(
        env_prefix="OMNIHUB_", env_nested_delimiter="__", extra="forbid", frozen=True, toml_file=None
    )
    toml_path: ClassVar[Path | None] = None

    server: Server = Server()
    storage: Storage = Storage()
    mongodb: MongoDB = MongoDB()
    redis: RedisSettings = RedisSettings()
    security: Security = Security()
    intake: Intake = Intake()
    outbound: Outbound = Outbound()
    tickets: Tickets = Tickets()
    progress: Progress = Progress()
    retention: Retention = Retention()
    logging: Logging = Logging()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        if cls.toml_path is None:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, cls.toml_path)

    @property
    def public_url(self) -> str:
        """Without a trailing slash; what customers' and providers' systems use to reach the hub."""
        host = "127.0.0.1" if self.server.host in {"0.0.0.0", "::"} else self.server.host
        return (self.server.public_url or f"http://{host}:{self.server.port}").rstrip("/")


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Raises SettingsError. Without a path: $OMNIHUB_SETTINGS, else ./settings.toml where it exists."""
    named = path or (Path(os.environ["OMNIHUB_SETTINGS"]) if os.environ.get("OMNIHUB_SETTINGS") else None)
    if named is not None and not named.exists():
        raise SettingsError(f"the settings file {named} does not exist")
    chosen = named or Path("settings.toml")

    class _Loaded(Settings):
        toml_path: ClassVar[Path | None] = chosen if chosen.exists() else None

    _refuse_unknown_environment()
    try:
        return _Loaded(**overrides)
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{chosen}: " + "; ".join(lines)) from error
    except ValueError as error:
        raise SettingsError(f"{chosen}: {error}") from error


def _refuse_unknown_environment() -> None:
    for name in os.environ:
        if not name.startswith("OMNIHUB_") or name == "OMNIHUB_SETTINGS":
            continue
        section, _, key = name.removeprefix("OMNIHUB_").lower().partition("__")
        field = Settings.model_fields.get(section)
        kind = field.annotation if field else None
        if not isinstance(kind, type) or not issubclass(kind, _Section) or key not in kind.model_fields:
            raise SettingsError(f"the environment variable {name} names no setting")
