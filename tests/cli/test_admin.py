import re
from pathlib import Path

import pytest

from omnihub.connectors.email.simulator import Simulator
from omnihub.store.store import Store
from omnihub.unified_view import passwords
from tests.cli.conftest import Cli
from tests.hub_process import free_port, omnihub
from tests.mailbox import add_mailbox

MAILBOX = ("--set", "address=desk@example.test", "--set", "receive=false")


def shown_password(output: str) -> str:
    found = re.search(r"\(shown once\): (\S+)$", output.strip())
    assert found, output
    return found[1]


# — users —


async def test_a_user_is_added_listed_and_reset(cli: Cli, store: Store) -> None:
    added = await cli("user", "add", "Bea@Desk.test", "--name", "Bea [x]", "--role", "supervisor")
    assert added.exit_code == 0, added.output
    first = shown_password(added.stdout)
    user = await store.users.by_email("bea@desk.test")
    assert user is not None
    assert user["role"] == "supervisor"
    assert await passwords.matches(user["password_hash"], first)

    listed = await cli("user", "list")
    assert "Bea [x]" in listed.stdout
    assert first not in listed.stdout

    token, _ = await store.sessions.start(user["_id"], 1)
    reset = await cli("user", "reset", "bea@desk.test")
    second = shown_password(reset.stdout)
    changed = await store.users.by_email("bea@desk.test")
    assert changed is not None
    assert await passwords.matches(changed["password_hash"], second)
    assert not await passwords.matches(changed["password_hash"], first)
    assert await store.sessions.find(token) is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("user", "add", "bea@desk.test", "--role", "boss"), "boss"),
        (("user", "add", "bea"), "no email address"),
        (("user", "add", "bea@desk.test", "--password", "short"), "at least"),
        (("user", "reset", "nobody@desk.test"), "nobody@desk.test"),
        (("account", "test", "nothing"), "nothing"),
        (("account", "enable", "[/nothing]"), "[/nothing]"),
        (("account", "add", "pigeon", "--name", "P"), "pigeon"),
        (("account", "add", "email", "--name", "P", "--set", "nonsense"), "key=value"),
        (("account", "add", "email", "--name", "P", "--set", "no_such=1", *MAILBOX), "no_such"),
        (("account", "add", "email", "--name", "P"), "address"),
        (("account", "add", "email", "--name", "P", "--file", "nowhere.toml"), "nowhere.toml"),
        (("account", "add", "email", "--name", "P", *MAILBOX, "--set", "password=@nowhere"), "nowhere"),
        (("import", "pigeons", ".", "--account", "A"), "pigeons"),
        (("export", "messages", "--account", "nothing"), "nothing"),
        (("replay", "--account", "nothing"), "nothing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_cannot_be_done_is_said_in_words(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    answer = await cli(*arguments)
    assert answer.exit_code == 1, answer.output
    assert words in answer.stderr
    assert "Traceback" not in answer.output
    assert answer.stdout == ""


async def test_the_same_user_twice_is_refused(cli: Cli) -> None:
    assert (await cli("user", "add", "bea@desk.test")).exit_code == 0
    again = await cli("user", "add", "BEA@desk.test")
    assert again.exit_code == 1
    assert "Password" not in again.output


# — accounts —


async def test_an_account_is_added_listed_and_switched(cli: Cli, store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a push secret in a file\n")
    added = await cli(
        *("account", "add", "email", "--name", "Desk [/x]", *MAILBOX),
        *("--set", f"push_secret=@{secret}", "--set", "smtp_port=2525", "--set", "smtp_host=mail.example.test"),
    )
    assert added.exit_code == 0, added.output
    account = await store.accounts.by_name("Desk [/x]")
    assert account.settings["push_secret"] == "a push secret in a file"
    assert account.settings["smtp_port"] == 2525
    assert f"/in/email/{account.key}" in added.stdout
    assert "a push secret" not in added.output
    assert b"a push secret" not in repr(await store.db["accounts"].find_one()).encode()

    listed = (await cli("account", "list")).stdout
    assert account.id in listed
    assert "Desk [/x]" in listed
    assert "a push secret" not in listed
    off = await cli("account", "disable", "Desk [/x]")
    assert off.stdout == "Desk [/x] is disabled.\n"
    assert [one["enabled"] async for one in store.db["accounts"].find()] == [False]
    on = await cli("account", "enable", account.id)
    assert on.exit_code == 0
    assert [one["enabled"] async for one in store.db["accounts"].find()] == [True]


async def test_an_account_comes_from_a_file(cli: Cli, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "form.toml"
    file.write_text('title = "Write to us"\nallowed_origins = ["https://shop.example.test"]\n')
    added = await cli("account", "add", "webform", "--name", "Form", "--file", str(file))
    assert added.exit_code == 0, added.output
    assert (await store.accounts.by_name("Form")).settings["title"] == "Write to us"


async def test_a_list_is_given_as_toml(cli: Cli, store: Store) -> None:
    added = await cli(
        *("account", "add", "webform", "--name", "Form"),
        *("--set", 'allowed_origins=["https://shop.example.test"]', "--set", "captcha=true"),
    )
    assert added.exit_code == 0, added.output
    settings = (await store.accounts.by_name("Form")).settings
    assert settings["allowed_origins"] == ["https://shop.example.test"]
    assert settings["captcha"] is True


async def test_a_secret_is_renewed_and_the_old_one_kept_for_a_while(
    cli: Cli, store: Store, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("the-first-signing-secret\n")
    added = await cli("account", "add", "api", "--name", "App", "--set", f"signing_secret=@{key}")
    assert added.exit_code == 0, added.output
    key.write_text("the-second-signing-secret\n")
    changed = await cli(
        *("account", "change", "App", "--name", "Our app", "--set", f"signing_secret=@{key}"),
        *("--set", "previous_signing_secret=the-first-signing-secret"),
    )
    assert changed.exit_code == 0, changed.output
    [account] = await store.accounts.all()
    assert account.name == "Our app"
    assert account.settings["signing_secret"] == "the-second-signing-secret"
    assert account.settings["previous_signing_secret"] == "the-first-signing-secret"
    assert "signing-secret" not in changed.output
    cleared = await cli("account", "change", "Our app", "--clear", "previous_signing_secret")
    assert cleared.exit_code == 0, cleared.output
    await store.accounts._refresh()
    [account] = await store.accounts.all()
    assert not account.settings.get("previous_signing_secret")
    refused = await cli("account", "change", "Our app", "--set", "no_such_setting=1")
    assert refused.exit_code != 0
    assert "no_such_setting" in refused.output


async def test_of_two_accounts_of_one_name_the_id_is_asked(cli: Cli, store: Store) -> None:
    await add_mailbox(store)
    await add_mailbox(store)
    answer = await cli("account", "disable", "desk@example.test")
    assert answer.exit_code == 1
    assert "give the id" in answer.stderr


async def test_testing_an_account_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    simulator = Simulator(tmp_path)
    await simulator.start()
    try:
        (demo,) = simulator.accounts()
        given = [f"{name}={str(value).lower()}" for name, value in demo.settings.items() if name != "sender_name"]
        pairs = [part for pair in given for part in ("--set", pair)]
        assert (await cli("account", "add", "email", "--name", "Good", *pairs)).exit_code == 0
        wrong = [*pairs, "--set", f"smtp_port={free_port()}"]
        assert (await cli("account", "add", "email", "--name", "Bad", *wrong)).exit_code == 0
        good = await cli("account", "test", "Good")
        assert good.exit_code == 0, good.output
        assert "smtp_login" in good.stdout
        bad = await cli("account", "test", "Bad")
        assert bad.exit_code == 1
        assert "failed  smtp_tcp" in bad.stdout
        assert "→ Check the port" in bad.stdout
    finally:
        await simulator.stop()


# — doctor —


async def test_the_doctor_finds_a_healthy_hub_healthy(cli: Cli, store: Store) -> None:
    await cli("user", "add", "bea@desk.test", "--role", "admin")
    answer = await cli("doctor")
    assert answer.exit_code == 0, answer.output
    for name in ("settings", "disk", "mongodb", "redis", "indexes", "journal", "users"):
        assert f"ok      {name}: " in answer.stdout


@pytest.mark.own_database
async def test_the_doctor_says_what_to_do(cli: Cli, store: Store) -> None:
    await store.db["messages"].drop_index("external_id_1")
    port = free_port()
    await cli(
        *("account", "add", "email", "--name", "Broken", "--set", "address=desk@example.test"),
        *("--set", "imap_host=127.0.0.1", "--set", f"imap_port={port}", "--set", "imap_security=none"),
    )
    answer = await cli("doctor")
    assert answer.exit_code == 1
    told = answer.stdout
    assert "→ omnihub user add EMAIL --role admin" in told
    assert f"failed  account Broken, imap_tcp: 127.0.0.1:{port}" in told
    assert "→ Check the port" in told
    quick = await cli("doctor", "--no-network")
    assert "imap_tcp" not in quick.stdout


async def test_the_doctor_names_databases_that_do_not_answer(tmp_path: Path) -> None:
    away = {
        "mongodb.uri": f"mongodb://127.0.0.1:{free_port()}/?directConnection=true",
        "redis.url": f"redis://127.0.0.1:{free_port()}/0",
        "storage.var": str(tmp_path),
    }
    ended = await omnihub("doctor", settings=away)
    assert ended.code == 1
    assert "failed  mongodb" in ended.out
    assert "mongodb.uri" in ended.out
    assert "Traceback" not in ended.err


async def test_the_doctor_goes_on_where_redis_is_away(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIHUB_REDIS__URL", f"redis://127.0.0.1:{free_port()}/0")
    answer = await cli("doctor")
    assert answer.exit_code == 1
    assert "failed  redis" in answer.stdout
    assert "ok      indexes" in answer.stdout
