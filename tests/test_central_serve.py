"""The real program: killed at any moment it loses nothing, told to stop it stops, and says what is wrong."""

import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import plain_http
import pytest
import uvicorn
from central_support import (
    Broker,
    Central,
    a_block,
    a_broker,
    a_central,
    a_chain,
    a_gateway,
    a_state,
    command,
    free_port,
)
from central_web_support import a_filled
from fastapi import FastAPI
from program_support import called

from central.cli import main
from central.server import Server, signals_only_stop
from central.store.chains import Walked, in_short
from messages.chain import record_hash
from messages.model import Kind
from messages.topics import Leaf

WHOLE = "in short: 1 of 1 gateways whole"
STOPS_WITHIN_S = 10.0
"""Far above the second or two that it takes, so that a busy machine does not decide."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with a_broker(tmp_path) as started:
        yield started


def said(word: str, settings: Path) -> subprocess.CompletedProcess[str]:
    return called(main, word, "--settings", settings)


def stored(central: Central) -> list[int]:
    connection = sqlite3.connect(central.database)
    found = [seq for (seq,) in connection.execute("SELECT seq FROM record ORDER BY seq")]
    connection.close()
    return found


def test_killed_in_mid_stream_it_loses_nothing_and_takes_nothing_twice(
    tmp_path: Path, broker: Broker
) -> None:
    count, per_block = 4_000, 20
    chain = a_chain(count)
    chance = random.Random(20)
    with a_central(tmp_path, broker.port) as central, a_gateway(broker.port) as gateway:
        for _ in range(4):
            gateway.acks.clear()
            gateway.say(a_state(count, record_hash(chain[-1])))
            through = gateway.newest().through
            if through == count:
                break
            gateway.send(chain[through:], through + 1, per_block=per_block)
            gateway.acknowledged(min(count, through + chance.randrange(200, 1_300)))
            central.kill()
            claimed = gateway.newest()
            assert stored(central)[: claimed.through] == list(range(1, claimed.through + 1))
            central.start()
        gateway.say(a_state(count, record_hash(chain[-1])))
        through = gateway.newest().through
        gateway.send(chain[through:], through + 1)
        assert gateway.acknowledged(count).hash == record_hash(chain[-1])
        assert stored(central) == list(range(1, count + 1))
        central.stop()
    verified = said("verify", central.settings)
    assert (verified.returncode, verified.stdout) == (
        0,
        f"maple-court/east-1 epoch 1: 1-{count}; good\n{WHOLE}\n",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_also_while_someone_watches_the_events(
    tmp_path: Path, broker: Broker, number: signal.Signals
) -> None:
    with (
        a_central(tmp_path, broker.port) as central,
        plain_http.Client(base_url=central.address, headers=central.headers) as client,
    ):
        opened, ended = threading.Event(), threading.Event()

        def watch() -> None:
            with client.stream("GET", "/api/v1/live", timeout=60) as stream:
                opened.set()
                for _ in stream.iter_raw():
                    continue
            ended.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert opened.wait(30)
        started_s = time.monotonic()
        code = central.stop(number)
        assert code == 0
        assert time.monotonic() - started_s < STOPS_WITHIN_S
        watcher.join(30)
        assert ended.is_set()
    assert "Traceback" not in central.log()


def test_told_to_stop_before_it_serves_it_stops() -> None:
    """Whoever reads that it listens may tell it to stop at once, before uvicorn listens to signals."""
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(uvicorn.Config(FastAPI(), lifespan="off", log_config=None), stopping)
        with signals_only_stop(server):
            signal.raise_signal(signal.SIGTERM)
            server.run(sockets=[listener])
    assert stopping.is_set()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_check_says_whether_the_settings_can_be_used(tmp_path: Path) -> None:
    central = Central(tmp_path, free_port())
    good = said("check", central.settings)
    assert (good.returncode, good.stderr) == (0, "")
    assert not central.database.exists()
    central.settings.write_text("[listen]\nport = -1\n")
    bad = said("check", central.settings)
    assert bad.returncode == 2
    assert "[listen] port" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    central = Central(tmp_path, free_port())
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        central.settings.write_text(central.settings.read_text().replace("port = 0", f"port = {port}"))
        refused = subprocess.run(
            [*command("serve"), "--settings", str(central.settings)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert refused.returncode == 2
    assert f"[listen] 127.0.0.1:{port} cannot be listened to" in refused.stderr


def test_verify_finds_what_was_altered_and_ends_with_one(tmp_path: Path) -> None:
    central = Central(tmp_path, free_port())
    with a_filled(tmp_path) as filled:
        filled.take((Leaf.BACKLOG, a_block(a_chain(50))))
    connection = sqlite3.connect(central.database)
    connection.execute("UPDATE record SET kind = ? WHERE seq = 20", (Kind.ACCESS_DENIED,))
    connection.execute("DELETE FROM record WHERE seq = 40")
    connection.commit()
    connection.close()
    found = said("verify", central.settings)
    assert (found.returncode, found.stdout) == (
        1,
        (
            "maple-court/east-1 epoch 1: 1-50; altered 20; missing 40\n"
            "in short: 0 of 1 gateways whole; not whole: maple-court/east-1 (altered 20; missing 40)\n"
        ),
    )


def test_verify_says_in_short_which_gateways_are_not_whole_and_no_more_of_them_than_fit() -> None:
    walked = [Walked("a/1", "a/1 epoch 1", "1-5; ", ""), Walked("a/1", "a/1 epoch 2", "1-2; ", "lost 3")]
    walked += [Walked("a/2", "a/2 epoch 1", "1-9; ", ""), Walked(None, "centre", "", "1 noted, 2 certified")]
    assert in_short(walked) == "1 of 2 gateways whole; not whole: a/1 (lost 3); centre: 1 noted, 2 certified"
    many = [Walked(f"a/{number}", "", "", "lost 1") for number in range(25)]
    assert in_short(many).endswith("a/19 (lost 1), and 5 more")


def test_verify_of_a_demo_says_that_its_holes_belong_to_it(tmp_path: Path) -> None:
    central = Central(tmp_path, free_port())
    with a_filled(tmp_path) as filled:
        filled.take((Leaf.BACKLOG, a_block(a_chain(5), 2)))
    with central.settings.open("a", encoding="utf-8") as file:
        file.write('\n[console]\ndemo_accounts = "demo-accounts.json"\n')
    told = said("verify", central.settings).stdout.splitlines()
    assert told[-2].startswith("this is a demo: ")
    assert told[-1].startswith("in short: ")


def test_verify_of_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    central = Central(tmp_path, free_port())
    missing = said("verify", central.settings)
    assert missing.returncode == 2
    assert "database" in missing.stderr
    assert "Traceback" not in missing.stderr
