import asyncio
import re
import socket
from pathlib import Path

import aiohttp
import orjson
import pytest

from omnihub.cli import app
from omnihub.store.store import Store
from tests.api_client import Person
from tests.cli.conftest import Cli
from tests.conftest import Eventually
from tests.hub_process import Running, free_port, omnihub, running, until
from tests.mailbox import add_mailbox, mail


def commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [(command.callback.__name__.strip("_"),) for command in app.registered_commands]  # type: ignore[union-attr]
    names = {"import_history": "import"}
    found = [(names.get(name, name),) for (name,) in found]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        found.append((str(group.name),))
    return found


async def test_it_starts_from_the_repository_root() -> None:
    """The room `threading` must not shadow the standard library."""
    ended = await omnihub("--help", settings={})
    assert ended.code == 0, ended.err
    for command in ("up", "web", "worker", "listen", "doctor", "user", "account", "import", "inspect", "export",
                    "replay", "settings"):  # fmt: skip
        assert re.search(rf"\b{command}\b", ended.out), command


@pytest.mark.parametrize(
    "command",
    [
        *commands(),
        ("user", "add"), ("user", "list"), ("user", "reset"),
        ("account", "add"), ("account", "change"), ("account", "list"), ("account", "test"), ("account", "enable"),
        ("account", "disable"), ("inspect", "email"), ("export", "messages"), ("settings", "show"),
    ],
    ids=" ".join,
)  # fmt: skip
async def test_every_command_explains_itself(cli: Cli, command: tuple[str, ...]) -> None:
    answer = await cli(*command, "--help")
    assert answer.exit_code == 0, answer.output
    assert "Usage:" in answer.output
    said = answer.output.partition("Usage:")[2].splitlines()[2].strip()
    assert said, answer.output


async def test_up_tells_the_password_once_and_refuses_a_second_hub(tmp_path: Path) -> None:
    embedded = {"storage.var": str(tmp_path / "var"), "server.port": str(free_port())}
    async with running("up", settings=embedded) as hub:
        assert hub.password
        assert "admin@omnihub.local" in hub.out
        assert "no channel is connected yet" in hub.out
        async with Person(hub.url) as admin:
            await admin.sign_in("admin@omnihub.local", hub.password)
        # Beside a running hub, a command uses its engines.
        added = await omnihub("user", "add", "bea@desk.test", "--role", "agent", settings=embedded)
        assert added.code == 0, added.err
        second = await omnihub("up", settings={**embedded, "server.port": str(free_port())})
        assert second.code == 1
        assert f"Another hub is already running on {tmp_path / 'var'}: process {hub.process.pid}" in second.err
        assert "Stop that one first" in second.err
        assert "Traceback" not in second.err
        assert (await hub.http.get(f"{hub.url}/readyz")).status == 200
        assert await hub.stop() == 0
        assert "Traceback" not in hub.err, hub.err
    async with running("up", settings=embedded) as again:
        assert again.password == ""
        assert "first admin" not in again.out


async def test_web_worker_and_listen_are_processes_on_databases_elsewhere(
    external: dict[str, str], store: Store, eventually: Eventually
) -> None:
    account = await add_mailbox(store)
    settings = external | {"server.port": "0"}
    async with (
        running("web", settings=settings) as web,
        running("worker", settings=settings) as worker,
        running("listen", settings=settings) as listen,
    ):
        assert not (Path(external["storage.var"]) / "run").exists()  # no engines of our own were looked for
        assert "worker is ready" in worker.out
        assert "listen is ready" in listen.out
        address = f"{web.url}/in/email/{account.key}"
        async with web.http.post(
            address,
            data=mail("anna@customer.test", mid="a@c"),
            headers={"Authorization": "Bearer push-secret-for-tests"},
        ) as answer:
            assert answer.status == 200
        stored = await eventually(lambda: store.db["messages"].find_one({"external_id": "a@c"}))
        assert stored["placement"]["rule"]
        for process in (web, worker, listen):
            assert await process.stop() == 0
            assert "Traceback" not in process.err, process.err


async def test_processes_beside_a_hub_use_its_engines(tmp_path: Path) -> None:
    embedded = {"storage.var": str(tmp_path / "var"), "server.port": "0"}
    async with running("worker", settings=embedded) as worker:
        async with running("web", settings=embedded) as web:
            assert (await web.http.get(f"{web.url}/readyz")).status == 200
            added = await omnihub(
                *("account", "add", "email", "--name", "Desk", "--set", "address=desk@example.test"),
                *("--set", "receive=false", "--set", "push_secret=a-push-secret"),
                settings=embedded,
            )
            assert added.code == 0, added.err
            door = added.out.split()[-1]
            path = "/" + door.split("/", 3)[3]

            async def taken() -> bool:  # the web process reads the accounts again within a second
                headers = {"Authorization": "Bearer a-push-secret"}
                data = mail("anna@customer.test", mid="a@c")
                async with web.http.post(web.url + path, data=data, headers=headers) as answer:
                    return answer.status == 200

            await until(taken)

            async def exported() -> str:
                return (await omnihub("export", "messages", "--account", "Desk", settings=embedded)).out

            (line,) = (await until(exported)).splitlines()
            assert orjson.loads(line)["external_id"] == "a@c"
        assert await worker.stop() == 0


async def test_a_port_in_use_is_said_in_one_line(external: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = await omnihub("web", settings=external | {"server.port": str(port)})
    assert ended.code == 1
    assert f"port {port} of 127.0.0.1 is in use" in ended.err
    assert "server.port" in ended.err
    assert "Traceback" not in ended.err


async def test_the_default_port_gives_way_to_who_has_it(external: dict[str, str]) -> None:
    async with running("web", settings=external) as first, running("web", settings=external) as second:
        assert first.url != second.url
        for hub in (first, second):
            async with aiohttp.ClientSession() as http, http.get(f"{hub.url}/readyz") as answer:
                assert answer.status == 200


async def test_up_ends_at_once_when_it_is_interrupted_while_starting(tmp_path: Path) -> None:
    hub = await Running.start("up", settings={"storage.var": str(tmp_path / "var"), "server.port": "0"})
    try:
        await until(lambda: asyncio.sleep(0, (tmp_path / "var" / "run" / "mongod.sock").exists()))
        assert await hub.stop() == 0
        assert "Traceback" not in hub.err, hub.err
    finally:
        await hub.close()


# — settings —


async def test_settings_are_shown_with_their_secrets_masked(cli: Cli, external: dict[str, str]) -> None:
    answer = await cli("settings", "show")
    assert answer.exit_code == 0
    shown = orjson.loads(answer.stdout)
    assert shown["mongodb"]["database"] == external["mongodb.database"]
    assert shown["security"]["secret_key"] == "**********"
    assert external["security.secret_key"] not in answer.output
    assert external["mongodb.uri"] not in answer.output


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1\n", "server.prot"),
        ("[sever]\nport = 1\n", "sever"),
        ("[server]\nport = 'many'\n", "server.port"),
        ("[server\n", "settings.toml"),
    ],
)
async def test_what_no_setting_is_named_so_is_refused_by_name(
    cli: Cli, tmp_path: Path, text: str, named: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    answer = await cli("settings", "show", "--settings", str(file))
    assert answer.exit_code == 1
    assert named in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.output


async def test_an_unknown_environment_variable_is_refused_by_name(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIHUB_SERVER__PROT", "1")
    answer = await cli("settings", "show")
    assert answer.exit_code == 1
    assert "OMNIHUB_SERVER__PROT" in answer.stderr


async def test_a_missing_settings_file_is_said(cli: Cli) -> None:
    answer = await cli("settings", "show", "--settings", "nowhere.toml")
    assert answer.exit_code == 1
    assert "nowhere.toml" in answer.stderr
