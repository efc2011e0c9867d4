"""settings.toml, the model and the environment say the same."""

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from omnihub.settings import Settings, SettingsError, load

ROOT = Path(__file__).parent.parent
FILE = ROOT / "settings.toml"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory without settings."""
    monkeypatch.chdir(tmp_path)


def plain(settings: Settings) -> dict[str, dict[str, Any]]:
    def shown(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return str(value) if isinstance(value, Path) else value

    return {
        section: {key: shown(getattr(getattr(settings, section), key)) for key in field.annotation.model_fields}
        for section, field in Settings.model_fields.items()
        if field.annotation is not None
    }


def test_the_file_names_every_key_with_its_default() -> None:
    assert tomllib.loads(FILE.read_text("utf-8")) == plain(Settings())


def test_the_file_can_be_used_as_it_is() -> None:
    assert plain(load(FILE)) == plain(Settings())


def test_every_key_is_commented() -> None:
    lines = FILE.read_text("utf-8").splitlines()
    pairs = pairwise(lines)
    assert [line for above, line in pairs if re.match(r"\w+ = ", line) and not above.startswith("# ")] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1", "server.prot"),
        ("[sever]\nport = 1", "sever"),
        ('[intake]\nbatch = "many"', "intake.batch"),
        ("[intake]\nbatch = 0", "intake.batch"),
        ("port = 1", "port"),
        ("[server\nport = 1", "wrong.toml"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(named)):
        load(path)


@pytest.mark.parametrize("name", ["OMNIHUB_SERVER__PROT", "OMNIHUB_SEVER__PORT", "OMNIHUB_PORT", "OMNIHUB_SERVER"])
def test_an_unknown_variable_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name):
        load()


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[server]\nport = 9000\nhost = "0.0.0.0"')
    monkeypatch.setenv("OMNIHUB_SERVER__PORT", "9001")
    monkeypatch.setenv("OMNIHUB_SERVER__TRUSTED_PROXIES", '["10.0.0.0/8"]')
    read = load(path).server
    assert (read.host, read.port, read.trusted_proxies) == ("0.0.0.0", 9001, ["10.0.0.0/8"])


def test_the_file_of_the_working_directory_is_read(tmp_path: Path) -> None:
    assert load().server.port == 8080
    (tmp_path / "settings.toml").write_text("[server]\nport = 9000")
    assert load().server.port == 9000


def test_another_file_can_be_named_and_has_to_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.toml"
    monkeypatch.setenv("OMNIHUB_SETTINGS", str(other))
    with pytest.raises(SettingsError, match=r"other\.toml"):
        load()
    with pytest.raises(SettingsError, match=r"third\.toml"):
        load(tmp_path / "third.toml")
    other.write_text("[server]\nport = 9000")
    assert load().server.port == 9000


def test_secrets_are_not_told_when_the_file_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('[mongodb]\nuri = "mongodb://user:tell-nobody@db"\npool = "tell-nobody"\nuri2 = "tell-nobody"')
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert "tell-nobody" not in f"{refused.value}"
    assert "tell-nobody" not in repr(Settings.model_validate({"mongodb": {"uri": "mongodb://u:tell-nobody@db"}}))


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "port": 9000}, "http://127.0.0.1:9000"),
        ({"public_url": "https://desk.example.com/"}, "https://desk.example.com"),
    ],
)
def test_the_public_address(server: dict[str, Any], url: str) -> None:
    assert Settings.model_validate({"server": server}).public_url == url
