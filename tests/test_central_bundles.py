"""Carried records settle as those that come by MQTT do, however often; what is not trusted is not taken."""

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from central_support import (
    GATEWAY,
    SITE,
    a_block,
    a_broker,
    a_central,
    a_chain,
    a_gateway,
    topic,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from database_support import new_database
from program_support import called
from sqlalchemy import Engine, select

from central.cli import main
from central.cli_bundles import describe_taken
from central.cli_bundles import pack as pack_for
from central.errors import BundleRefused
from central.fleet.keys import CentreKeys, make_centre_keys, trust_gateway
from central.fleet.lists import note_list
from central.fleet.orders import note_settings
from central.fleet.packing import pack
from central.ingest.bundles import Taken, take_bundle
from central.ingest.intake import examine, take_in
from central.store.engine import writing
from central.store.tables import epoch_head, finding, gateway, quarantine, record
from messages.access_list import Entry, ListFile, decode_chunk, decode_manifest
from messages.bundle import Bundle, Cargo, Contents, Part, opener_id
from messages.bundle_writer import BundleWriter
from messages.chain import record_hash
from messages.keys import KEYS_VERSION, GatewayPublic, encode_keys
from messages.signing import Purpose, opened, sign, trusted
from messages.site_settings import decode_site_settings
from messages.topics import Leaf
from messages.wire import WIRE_VERSION, About, Ack, DoorAbout, EpochAck, EpochHead, decode, encode

NOW_US = 1_800_000_000_000_000
MADE_US = NOW_US - 86_400_000_000
CHAIN = a_chain(300)
SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OPENING = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
PUBLIC = GatewayPublic(
    KEYS_VERSION,
    SITE,
    GATEWAY,
    SIGNING.public_key().public_bytes_raw().hex(),
    OPENING.public_key().public_bytes_raw().hex(),
)
CENTRE = CentreKeys(
    (Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35))),),
    (X25519PrivateKey.from_private_bytes(bytes(range(4, 36))),),
)
ABOUT = About(WIRE_VERSION, "liuhen 1", "Building 1", [DoorAbout("door-1", "Lobby", ["reader-1"])])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    writer = new_database(tmp_path / "central.sqlite")
    yield writer
    writer.dispose()


def head(seq: int, *, oldest: int = 1, epoch: int = 1) -> EpochHead:
    return EpochHead(epoch, oldest, seq, record_hash(CHAIN[seq - 1]))


def a_carried(
    path: Path,
    *spans: tuple[int, int],
    heads: Sequence[EpochHead] = (),
    bodies: Sequence[bytes] = CHAIN,
    made_us: int = MADE_US,
    signer: Ed25519PrivateKey = SIGNING,
    name: str = GATEWAY,
    cargo: Cargo = Cargo.RECORDS,
    keys: CentreKeys = CENTRE,
    about: About | None = None,
) -> Path:
    """A bundle as a gateway writes it, with blocks of at most a hundred records."""
    receiver = keys.opening[0].public_key()
    with path.open("wb") as out:
        writer = BundleWriter(out, cargo, SITE, name, made_us, signer=signer, receiver=receiver)
        if about:
            writer.put(Part.ABOUT, encode(about))
        for first, last in spans:
            for at in range(first, last + 1, 100):
                writer.put(Part.BLOCK, a_block(bodies[at - 1 : min(at + 99, last)], at))
        records = sum(last - first + 1 for first, last in spans)
        writer.close(Contents(records, heads=tuple(heads)))
    return path


def keys_of(site: str, name: str) -> Mapping[str, Ed25519PublicKey] | None:
    return PUBLIC.signers() if (site, name) == (SITE, GATEWAY) else None


def taken(engine: Engine, path: Path, keys: CentreKeys = CENTRE) -> Taken:
    openers = {opener_id(key.public_key()): key for key in keys.opening}
    return take_bundle(engine, path, keys_of, openers, NOW_US)


def counts(done: Taken) -> tuple[int, int, int]:
    return done.stored, done.known, done.aside


def rows(engine: Engine, *columns: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))


def stored(engine: Engine) -> list[int]:
    return [seq for (seq,) in rows(engine, record.c.seq)]


def by_mqtt(engine: Engine, leaf: Leaf, payload: bytes) -> None:
    with writing(engine) as connection:
        take_in(connection, [examine(topic(leaf), payload)], NOW_US)


# --- in ----------------------------------------------------------------------------------------------------


def test_carried_records_are_stored_once_however_often_they_are_taken(engine: Engine, tmp_path: Path) -> None:
    path = a_carried(tmp_path / "b", (1, 250), heads=[head(250)])
    assert counts(taken(engine, path)) == (250, 0, 0)
    for _ in range(3):
        assert counts(taken(engine, path)) == (0, 250, 0)
    assert stored(engine) == list(range(1, 251))
    assert rows(engine, finding.c.kind) == []
    assert rows(engine, quarantine.c.id) == []


def test_what_came_by_the_line_meanwhile_is_known_already(engine: Engine, tmp_path: Path) -> None:
    by_mqtt(engine, Leaf.BACKLOG, a_block(CHAIN[50:120], 51))
    assert counts(taken(engine, a_carried(tmp_path / "b", (1, 100)))) == (50, 50, 0)
    assert stored(engine) == list(range(1, 121))


def test_sticks_may_come_in_any_order(engine: Engine, tmp_path: Path) -> None:
    later = a_carried(tmp_path / "later", (101, 200), heads=[head(200)], made_us=MADE_US + 1)
    earlier = a_carried(tmp_path / "earlier", (1, 100), heads=[head(100)])
    first = taken(engine, later)
    assert [(hole.first, hole.last) for hole in first.state.missing] == [(1, 100)]
    second = taken(engine, earlier)
    assert counts(second) == (100, 0, 0)
    assert second.state.complete
    assert rows(engine, epoch_head.c.head) == [(200,)]


def test_the_heads_tell_what_is_missing(engine: Engine, tmp_path: Path) -> None:
    done = taken(engine, a_carried(tmp_path / "b", (1, 90), heads=[head(120)]))
    assert [(hole.first, hole.last, hole.lost) for hole in done.state.missing] == [(91, 120, False)]
    assert "mind: missing are records 91 to 120 of epoch 1" in describe_taken(done)


def test_what_the_gateway_no_longer_has_counts_as_lost(engine: Engine, tmp_path: Path) -> None:
    done = taken(engine, a_carried(tmp_path / "b", (11, 20), heads=[head(20, oldest=11)]))
    assert [(hole.first, hole.last, hole.lost) for hole in done.state.missing] == [(1, 10, True)]
    assert "the gateway no longer has them" in describe_taken(done)


def test_a_carried_gateway_is_not_online_and_its_doors_have_names(engine: Engine, tmp_path: Path) -> None:
    done = taken(engine, a_carried(tmp_path / "b", (1, 3), heads=[head(3)], about=ABOUT))
    assert not done.state.online
    assert (done.state.label, done.state.door_label("door-1")) == ("Building 1", "Lobby")


def test_an_old_stick_does_not_rename_what_the_line_has_named_since(engine: Engine, tmp_path: Path) -> None:
    newer = About(WIRE_VERSION, "liuhen 2", "Building 1, east", [])
    by_mqtt(engine, Leaf.ABOUT, encode(newer))
    done = taken(engine, a_carried(tmp_path / "b", (1, 3), about=ABOUT))
    assert done.state.label == "Building 1, east"


def test_another_record_at_a_known_place_is_set_aside_and_never_written_over(
    engine: Engine, tmp_path: Path
) -> None:
    taken(engine, a_carried(tmp_path / "b", (1, 10)))
    other = a_chain(10, category="visitor")
    done = taken(engine, a_carried(tmp_path / "other", (1, 10), bodies=other))
    assert counts(done) == (0, 0, 10)
    assert rows(engine, record.c.hash, record.c.seq) == sorted(
        (bytes.fromhex(record_hash(body)), seq) for seq, body in enumerate(CHAIN[:10], 1)
    )


def test_a_record_that_nobody_understands_is_set_aside_at_its_place(engine: Engine, tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as out:
        receiver = CENTRE.opening[0].public_key()
        writer = BundleWriter(out, Cargo.RECORDS, SITE, GATEWAY, MADE_US, signer=SIGNING, receiver=receiver)
        writer.put(Part.BLOCK, a_block(CHAIN[:2]))
        writer.put(Part.BLOCK, b'{"v":1,"epoch":1,"first":3,"count":1,"records":[\xffnoise]}')
        writer.put(Part.BLOCK, a_block(CHAIN[3:5], 4))
        writer.close(Contents(5))
    assert counts(taken(engine, tmp_path / "b")) == (4, 0, 1)
    assert counts(taken(engine, tmp_path / "b")) == (0, 5, 0)
    assert rows(engine, quarantine.c.seq, quarantine.c.settled) == [(3, 1)]


def test_a_gateway_cannot_bring_another_ones_records(engine: Engine, tmp_path: Path) -> None:
    foreign = a_chain(5, gateway="east-2")
    assert counts(taken(engine, a_carried(tmp_path / "b", (1, 5), bodies=foreign))) == (0, 0, 5)
    assert stored(engine) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "east-2"}, "gateway east-2 of maple-court is not known here"),
        ({"signer": STRANGER}, "which is not known here"),
        ({"keys": CentreKeys(CENTRE.signing, (OPENING,))}, "sealed for key"),
    ],
)
def test_what_is_not_trusted_is_refused_and_nothing_taken(
    engine: Engine, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(BundleRefused, match=words):
        taken(engine, a_carried(tmp_path / "b", (1, 5), **changes))
    assert stored(engine) == []
    assert rows(engine, gateway.c.id) == []


def test_nothing_is_taken_of_a_bundle_that_is_cut_or_altered_anywhere(engine: Engine, tmp_path: Path) -> None:
    whole = a_carried(tmp_path / "b", (1, 300)).read_bytes()
    for data in (whole[:-1], whole[:5_000], whole[:-800] + b"?" + whole[-799:], b""):
        (tmp_path / "broken").write_bytes(data)
        with pytest.raises(BundleRefused, match="not taken"):
            taken(engine, tmp_path / "broken")
    assert stored(engine) == []


def test_what_was_meant_for_a_gateway_is_no_bundle_of_records(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="rights on their way to a gateway"):
        taken(engine, a_carried(tmp_path / "b", cargo=Cargo.RIGHTS))


# --- back --------------------------------------------------------------------------------------------------


def packed(engine: Engine, to: Path, *files: Path) -> list[tuple[Part, bytes]]:
    """What the gateway finds in its bundle."""
    done = pack(engine, to, CENTRE, PUBLIC, files=files, now_us=NOW_US)
    with done.path.open("rb") as source:
        centre = trusted(CENTRE.signing[0].public_key())
        bundle = Bundle(source, lambda _: centre, {opener_id(OPENING.public_key()): OPENING})
        assert (bundle.header.cargo, bundle.header.gateway) == (Cargo.RIGHTS, GATEWAY)
        return list(bundle.parts())


def test_the_answer_acknowledges_what_was_committed(engine: Engine, tmp_path: Path) -> None:
    taken(engine, a_carried(tmp_path / "b", (1, 40), (61, 80), heads=[head(80)]))
    [(part, payload)] = packed(engine, tmp_path)
    assert part is Part.ACK
    expected = EpochAck(1, 40, record_hash(CHAIN[39]), 80, [(41, 60)])
    assert decode(payload, Ack) == Ack(WIRE_VERSION, [expected])
    assert (tmp_path / "east-1-20270115T080000Z.rights").exists()  # date -u -d @1800000000


def test_of_a_gateway_that_nothing_came_from_nothing_is_acknowledged(engine: Engine, tmp_path: Path) -> None:
    assert packed(engine, tmp_path) == []


def test_signed_lists_and_settings_go_along_as_they_are(engine: Engine, tmp_path: Path) -> None:
    manifest = sign(CENTRE.signing[0], Purpose.LIST, SITE, GATEWAY, b'{"version":7}')
    settings = sign(CENTRE.signing[0], Purpose.SETTINGS, SITE, "*", b'{"revision":3}')
    chunk = b'{"v":1,"version":7,"index":0}'
    files = []
    for name, payload in (("manifest", manifest), ("chunk", chunk), ("settings", settings)):
        files.append(tmp_path / name)
        files[-1].write_bytes(payload)
    assert packed(engine, tmp_path / "out", *files) == [
        (Part.LIST, manifest),
        (Part.LIST, chunk),
        (Part.SETTINGS, settings),
    ]


def test_the_newest_list_and_settings_noted_for_the_gateway_go_along(engine: Engine, tmp_path: Path) -> None:
    """For it alone or for its site; another gateway's are not its business."""
    entry = Entry("0" * 32, "H-1", "resident", ("*",))
    with writing(engine) as connection:
        for name, version in (("*", 3), (GATEWAY, 4), ("east-2", 9)):
            note_list(connection, SITE, name, ListFile(1, version, NOW_US, (entry,)), NOW_US)
        note_settings(connection, SITE, "*", b'{"v":1,"revision":5,"issued_us":1}', NOW_US, by="test")
    parts = packed(engine, tmp_path)
    assert [part for part, _ in parts] == [Part.SETTINGS, Part.LIST, Part.LIST]
    signers = CENTRE.public().signers()
    settings = opened(parts[0][1], signers, Purpose.SETTINGS, SITE, GATEWAY)
    manifest = decode_manifest(opened(parts[1][1], signers, Purpose.LIST, SITE, GATEWAY))
    assert decode_site_settings(settings).revision == 5
    assert (manifest.version, manifest.base) == (4, None)
    assert decode_chunk(parts[2][1]).put == (entry,)


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        sign(STRANGER, Purpose.LIST, SITE, GATEWAY, b"{}"),
        sign(CENTRE.signing[0], Purpose.LIST, SITE, "east-2", b"{}"),
        sign(CENTRE.signing[0], Purpose.COMMAND, SITE, GATEWAY, b"{}"),
    ],
    ids=["unsigned", "a stranger's", "another gateway's", "a command"],
)
def test_what_the_gateway_would_refuse_is_not_packed(engine: Engine, tmp_path: Path, payload: bytes) -> None:
    (tmp_path / "list").write_bytes(payload)
    with pytest.raises(BundleRefused, match="neither a list nor settings"):
        packed(engine, tmp_path / "out", tmp_path / "list")
    assert not (tmp_path / "out").exists()


def test_packing_writes_over_nothing_and_leaves_no_half_file(engine: Engine, tmp_path: Path) -> None:
    packed(engine, tmp_path)
    with pytest.raises(BundleRefused, match="is there already"):
        packed(engine, tmp_path)
    with pytest.raises(BundleRefused, match="cannot be written"):
        packed(engine, tmp_path / "no" / "folder")
    assert [path.name for path in tmp_path.glob(".*")] == []


# --- the programs ------------------------------------------------------------------------------------------


def program(settings: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    word, *rest = words
    return called(main, word, "--settings", settings, *rest)


def equipped(folder: Path) -> CentreKeys:
    """The centre's keys beside its settings, and the one gateway that it trusts."""
    trust_gateway(folder / "gateway-keys", encode_keys(PUBLIC))
    return make_centre_keys(folder / "centre.key")


def test_bundles_are_taken_while_the_centre_serves_and_records_arrive(tmp_path: Path) -> None:
    keys = equipped(tmp_path)
    chain = a_chain(4_000)
    heads = [EpochHead(1, 1, 4_000, record_hash(chain[-1]))]
    carried = a_carried(tmp_path / "b", (1, 3_000), bodies=chain, heads=heads, keys=keys)
    with (
        a_broker(tmp_path) as broker,
        a_central(tmp_path, broker.port) as central,
        a_gateway(broker.port) as end,
    ):
        sender = threading.Thread(target=end.send, args=(chain[2_000:], 2_001))
        sender.start()
        done = program(central.settings, "take", carried)
        sender.join()
        assert done.returncode == 0, done.stderr
        assert "gateway east-1 of maple-court" in done.stdout
        end.send(chain[3_900:], 3_901)  # the centre answers only those who speak
        end.acknowledged(4_000)
        again = program(central.settings, "take", carried)
        assert "3000 records: 0 taken, 3000 known already, 0 set aside" in again.stdout
        checked = program(central.settings, "verify")
        assert checked.returncode == 0, checked.stdout


def test_a_bundle_is_taken_and_answered_without_a_serving_centre(tmp_path: Path) -> None:
    keys = equipped(tmp_path)
    settings = tmp_path / "central.toml"
    settings.write_text('[database]\npath = "central.sqlite"\n', encoding="utf-8")
    carried = a_carried(tmp_path / "b", (1, 300), heads=[head(300)], keys=keys)
    broken = tmp_path / "broken"
    broken.write_bytes(carried.read_bytes()[:-1])
    done = program(settings, "take", broken, carried)
    assert done.returncode == 1
    assert done.stderr == f"{broken}: not taken: cut short; copy it again\n"
    assert "300 records: 300 taken, 0 known already, 0 set aside" in done.stdout
    answer = tmp_path / "answer"
    done = program(settings, "pack", "--gateway", GATEWAY, "--to", answer)
    assert done.returncode == 0, done.stderr
    assert "epoch 1 up to record 300" in done.stdout
    assert answer.exists()


def test_settings_that_are_only_noted_are_packed_and_nothing_is_sent(tmp_path: Path) -> None:
    """There is no broker here: whoever wanted to send would fail."""
    settings = settled(tmp_path)
    file = tmp_path / "site.json"
    file.write_text('{"v":1,"revision":5,"issued_us":1}', encoding="utf-8")
    done = called(main, "send", "settings", file, "--site", SITE, "--only-note", "--settings", settings)
    assert done.returncode == 0, done.stderr
    done = program(settings, "pack", "--gateway", GATEWAY, "--to", tmp_path / "answer")
    assert "site settings" in done.stdout


def settled(folder: Path) -> Path:
    equipped(folder)
    settings = folder / "central.toml"
    settings.write_text('[database]\npath = "central.sqlite"\n', encoding="utf-8")
    return settings


def test_a_gateway_is_called_by_its_name_or_by_its_site_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settled(tmp_path)
    for named in (GATEWAY, f"{SITE}/{GATEWAY}"):
        pack_for(settings, named, tmp_path / named.replace("/", "-"))
        assert "for gateway east-1: no acknowledgement" in capsys.readouterr().out


@pytest.mark.parametrize("named", ["west-9", "north/east-1", "../east-1", "*", ""])
def test_a_gateway_that_is_not_trusted_gets_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    settings = settled(tmp_path)
    with pytest.raises(typer.Exit):
        pack_for(settings, named, tmp_path / "answer")
    assert "liuhen-central keys trust" in capsys.readouterr().err
    assert not (tmp_path / "answer").exists()


def test_of_gateways_with_one_name_the_site_must_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settled(tmp_path)
    elsewhere = msgspec.structs.replace(PUBLIC, site="oak-court")
    trust_gateway(tmp_path / "gateway-keys", encode_keys(elsewhere))
    with pytest.raises(typer.Exit):
        pack_for(settings, GATEWAY, tmp_path / "answer")
    assert "maple-court/east-1, oak-court/east-1; write SITE/NAME" in capsys.readouterr().err
