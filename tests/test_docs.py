"""What people read is true: links lead somewhere, commands and settings exist, examples run."""

import importlib
import re
import struct
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from omnihub import connectors
from omnihub.cli import app
from omnihub.connectors.contract import Manifest, Toolbox
from omnihub.model.account import Account
from omnihub.model.errors import Unverified
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawEvent
from omnihub.settings import Settings
from omnihub.threading import placement

ROOT = Path(__file__).parent.parent
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
PAGES = [*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name).resolve() if name else page
        if not (file.exists() and file.is_relative_to(ROOT) and (not anchor or anchor in anchors(file))):
            lost.append(target)
    assert lost == []


@every_page
def test_no_page_is_alone(page: Path) -> None:
    """Every page can be reached by links from the README."""
    seen, waiting = set[Path](), [READMES[0]]
    while waiting:
        current = waiting.pop()
        if current in seen or current.suffix != ".md" or not current.is_file():
            continue
        seen.add(current)
        waiting += [(current.parent / t.partition("#")[0]).resolve() for t in LINK.findall(prose(current))]
    assert page in seen


@pytest.mark.parametrize("image", sorted((ROOT / "docs" / "images").glob("*")), ids=lambda image: image.name)
def test_images_are_shown_and_small(image: Path) -> None:
    data = image.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert struct.unpack(">II", data[16:24]) == (1440, 900)
    assert len(data) < 300_000
    assert any(image.name in page.read_text("utf-8") for page in READMES)


def test_both_readmes_tell_the_same() -> None:
    english, chinese = (page.read_text("utf-8") for page in READMES)

    def shape(text: str) -> list[str]:
        return re.findall(r"^#+", text, re.MULTILINE)

    def pictures(text: str) -> list[str]:
        return [name.replace(".zh-CN", "") for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)]

    assert shape(FENCE.sub("", english)) == shape(FENCE.sub("", chinese))
    assert pictures(english) == pictures(chinese)
    assert commands_in(english) == commands_in(chinese)
    assert len(FENCE.findall(english)) == len(FENCE.findall(chinese))


# — commands —


def commands() -> set[str]:
    """Every command with its sub-commands, as typed."""

    def walk(group: TyperGroup, before: str) -> Iterator[str]:
        for name, command in group.commands.items():
            yield f"{before}{name}"
            if isinstance(command, TyperGroup):
                yield from walk(command, f"{before}{name} ")

    return set(walk(cast("TyperGroup", get_command(app)), ""))


def options(command: str) -> set[str]:
    found: Any = get_command(app)
    for name in command.split():
        found = found.commands[name]
    return {"--help", *(flag for param in found.params for flag in [*param.opts, *param.secondary_opts])}


def commands_in(text: str) -> set[str]:
    """What is typed after `omnihub`, in code: words up to the first option, name or value."""
    typed = [
        *CODE.findall(FENCE.sub("", text)),
        *(line for _, body in FENCE.findall(text) for line in body.splitlines()),
    ]
    found = set()
    for line in typed:
        for words in re.findall(r"(?:^|\s|/)omnihub ((?:[a-z-]+ ?)+)", line):
            found.add(words.strip())
    return found


def known_part(words: str, known: set[str]) -> str:
    """The longest beginning of the words that is a command, '' when none is."""
    parts = words.split()
    return next((" ".join(parts[:n]) for n in range(len(parts), 0, -1) if " ".join(parts[:n]) in known), "")


@every_page
def test_every_command_exists(page: Path) -> None:
    known = commands()
    for words in commands_in(page.read_text("utf-8")):
        assert known_part(words, known), f"omnihub {words}"


@every_page
def test_every_option_exists(page: Path) -> None:
    known = commands()
    typed = [
        *CODE.findall(prose(page)),
        *(line for _, body in FENCE.findall(page.read_text("utf-8")) for line in body.splitlines()),
    ]
    for line in typed:
        for words, rest in re.findall(r"(?:^|\s|/)omnihub ((?:[a-z]+ ?)+)([^|#>]*)", line):
            command = known_part(words, known)
            for flag in re.findall(r"(?:^|\s)(--[a-z][a-z-]+)", f" {rest}"):
                assert flag in options(command), f"omnihub {command} {flag}"


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_readme_names_every_command(page: Path) -> None:
    told = {known_part(words, commands()) for words in commands_in(page.read_text("utf-8"))}
    groups = {name.split()[0] for name in commands() if " " in name}
    # What is imported is an argument and not a command of its own.
    assert told >= commands() - groups


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = page.read_text("utf-8")
    fenced = "\n".join(body for _, body in FENCE.findall(text))
    named = set(re.findall(r"`make ([a-z-]+)`", text)) | set(re.findall(r"^make ([a-z-]+)", fenced, re.MULTILINE))
    assert named <= targets


# — settings —


@every_page
def test_every_setting_exists(page: Path) -> None:
    sections = {
        name: set(field.annotation.model_fields)
        for name, field in Settings.model_fields.items()
        if field.annotation is not None
    }
    wrong = []
    for code in CODE.findall(prose(page)):
        named = re.match(r"(" + "|".join(sections) + r")\.([a-z_]+)( = .*)?$", code)
        # Rooms and settings share words: inbox.intake is code, intake.batch a setting, outbound.submit code.
        if (
            named
            and named[2] not in sections[named[1]]
            and not (ROOT / "omnihub" / named[1] / f"{named[2]}.py").exists()
        ):
            wrong.append(code)
    for section, key in re.findall(r"OMNIHUB_([A-Z]+)__([A-Z_]+)", page.read_text("utf-8")):
        if key.lower() not in sections.get(section.lower(), set()):
            wrong.append(f"OMNIHUB_{section}__{key}")
    assert wrong == []


@every_page
def test_settings_in_examples_are_accepted(page: Path) -> None:
    for language, body in FENCE.findall(page.read_text("utf-8")):
        if language == "toml" and body.startswith("["):
            Settings.model_validate(tomllib.loads(body))


# — what is said about the code —


@every_page
def test_named_files_exist(page: Path) -> None:
    roots = (ROOT, ROOT / "omnihub")
    named = [
        code
        for code in CODE.findall(prose(page))
        if re.fullmatch(r"[\w./-]+\.(py|toml|yml|lock)", code) and "/" in code
    ]
    lost = [code for code in named if "notes" not in code and not any((root / code).exists() for root in roots)]
    assert lost == []


def test_the_architecture_page_tells_every_placement_rule() -> None:
    source = Path(placement.__file__).read_text("utf-8")
    rules = set(re.findall(r'rule="(\w+)"', source))
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert {rule for rule in rules if f"`{rule}`" not in text} == set()


def test_the_channel_table_is_current() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "tools" / "channel-table"], capture_output=True, check=True, timeout=60
    )
    assert made.stdout.decode() == (ROOT / "docs" / "channels.md").read_text("utf-8")


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example channel of docs/adding-a-channel.md, put together from its code blocks."""
    text = (ROOT / "docs" / "adding-a-channel.md").read_text("utf-8")
    for _, body in FENCE.findall(text):
        named = re.match(r"# omnihub/connectors/(\S+)\n", body)
        if named:
            file = tmp_path / named[1]
            file.parent.mkdir(exist_ok=True)
            file.write_text(body, "utf-8")
    monkeypatch.setattr(connectors, "__path__", [*connectors.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield tmp_path / "notes"
    for name in [name for name in sys.modules if name.startswith("omnihub.connectors.notes")]:
        del sys.modules[name]


def test_the_example_channel_works(notes: Path) -> None:
    manifest = Manifest.model_validate(
        tomllib.loads((notes / "manifest.toml").read_text("utf-8")) | {"key": "notes"}
    )
    kinds = {
        name: importlib.import_module(f"omnihub.connectors.notes.{name}")
        for name in ("connector", "settings", "sample")
    }
    connector_type, sample_type = kinds["connector"].Connector, kinds["sample"].Sample
    connector_type.manifest = manifest
    account = Account(id="1", key="k", channel="notes", name="Notes", enabled=True)
    toolbox = Toolbox(
        http=cast("Any", None), public_url="", sign=lambda *_: b"", now=lambda: datetime(2026, 1, 1, tzinfo=UTC)
    )
    connector = connector_type(account, kinds["settings"].Settings(**sample_type.settings), toolbox)
    sample = sample_type(connector)
    for number in (1, 2):
        connector.verify(sample.genuine(number))
        (read,) = connector.parse(RawEvent(id="1", account_id="1", request=sample.genuine(number)))
        assert isinstance(read, InboundMessage)
        assert sample.said(number).words in read.text
    for forged in sample.forged():
        with pytest.raises(Unverified):
            connector.verify(forged)


# — what must not be said —

HOSTS = re.compile(
    r"127\.0\.0\.1(:\d+)?|localhost(:\d+)?|host:port|([\w-]+\.)*example\.com|keepachangelog\.com|semver\.org"
)


@every_page
def test_pages_point_to_no_place_of_their_making(page: Path) -> None:
    text = page.read_text("utf-8")
    named = re.findall(r"https?://([^\s/)>;\"'`]+)", text)
    assert [host for host in named if not HOSTS.fullmatch(host)] == []
    assert re.findall(r"(?<![\w.])/(?:home|root|Users|tmp|mnt)/\S*", text) == []
