"""Records leave on a stick sealed and whole; what the centre sends back is taken once, verified."""

import io
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from gateway_support import (
    EPOCH_S,
    GATEWAY,
    a_fact,
    files_limited_to,
    install,
    opened,
)
from msgspec.structs import replace
from program_support import called

from gateway.bundles import LEAST_RECORD_BYTES, Exported, Own, export, import_bundle, lacking_room
from gateway.cli import main
from gateway.dispatch import Dispatch
from gateway.errors import CarryError
from gateway.facts import Fact, record_of
from gateway.journal_reader import JournalReader
from gateway.keys import DeviceKeys
from gateway.order_queue import Fate, Settle
from gateway.spool import EXPORTED, Spool, spool_folder
from messages.bundle import Bundle, Cargo, Part, opener_id
from messages.bundle_writer import BundleWriter
from messages.chain import GENESIS
from messages.keys import KEYS_VERSION, CentrePublic, encode_keys
from messages.model import AssuranceLevel, Credential
from messages.signing import trusted
from messages.topics import Leaf
from messages.wire import (
    MAX_EPOCHS,
    WIRE_VERSION,
    About,
    Ack,
    EpochAck,
    decode,
    decode_block,
    decode_record,
    encode,
    encode_record,
)

SITE = "north"
NOW_US = (EPOCH_S + 3_600) * 1_000_000
NAMED = f"{GATEWAY}-20231114T231320Z.records"  # date -u -d @1700003600
TOKEN = "00112233445566778899aabbccddeeff"
ABOUT = About(WIRE_VERSION, "liuhen", "Building 1", [])

DEVICE = DeviceKeys(
    Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
    X25519PrivateKey.from_private_bytes(bytes(range(1, 33))),
)
CENTRE_SIGNING = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
CENTRE_OPENING = X25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
CENTRE = CentrePublic(
    KEYS_VERSION,
    (CENTRE_SIGNING.public_key().public_bytes_raw().hex(),),
    (CENTRE_OPENING.public_key().public_bytes_raw().hex(),),
)
OWN = Own(SITE, GATEWAY, DEVICE, CENTRE)


def liuhen_gateway(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return called(main, *words)


def a_swipe() -> Fact:
    return replace(
        a_fact(), credential=Credential("id_card", TOKEN, AssuranceLevel.L3, "0000"), holder="H-17"
    )


def journal_of(folder: Path, count: int) -> Path:
    """A journal with its opening record and `count` passages."""
    path = folder / "journal.db"
    with opened(path) as journal:
        journal.append([a_swipe()] * count)
    return path


def exported(journal: Path, to: Path, *, now_us: int = NOW_US, everything: bool = False) -> Exported:
    with closing(JournalReader(journal)) as reader:
        return export(reader, to, OWN, ABOUT, now_us, everything=everything)


def carried(path: Path) -> Bundle:
    """As the centre opens it."""
    return Bundle(
        io.BytesIO(path.read_bytes()),
        lambda _: trusted(DEVICE.signing.public_key()),
        {opener_id(CENTRE_OPENING.public_key()): CENTRE_OPENING},
    )


def places(bundle: Bundle) -> list[tuple[int, int]]:
    """Epoch and number of each record."""
    blocks = [decode_block(payload) for part, payload in bundle.parts() if part is Part.BLOCK]
    return [(block.epoch, block.first + at) for block in blocks for at in range(block.count)]


def stored(journal: Path) -> list[bytes]:
    with closing(JournalReader(journal)) as reader:
        [head] = reader.epoch_heads()
        return [reader.joined(head.epoch, seq, seq)[0] for seq in range(1, head.head + 1)]


# --- out ---------------------------------------------------------------------------------------------------


def test_every_record_leaves_as_its_stored_bytes(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 250)
    done = exported(journal, tmp_path)
    bundle = carried(done.path)
    blocks = [decode_block(payload) for part, payload in bundle.parts() if part is Part.BLOCK]
    assert [bytes(raw) for block in blocks for raw in block.records] == stored(journal)
    assert (done.records, done.unreadable, done.path.name) == (251, 0, NAMED)
    assert bundle.closing.contents.records == 251
    assert (done.from_us, done.until_us) == (EPOCH_S * 1_000_000, EPOCH_S * 1_000_000)
    assert done.size == done.path.stat().st_size


def test_the_centre_sees_by_the_heads_how_far_the_journal_goes(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 3)
    bundle = carried(exported(journal, tmp_path).path)
    with closing(JournalReader(journal)) as reader:
        assert list(bundle.closing.contents.heads) == reader.epoch_heads()
    [about] = [payload for part, payload in bundle.parts() if part is Part.ABOUT]
    assert decode(about, About) == ABOUT


def test_only_what_is_not_acknowledged_is_carried_unless_all_is_wanted(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 9)
    with opened(path) as journal:
        epoch = journal.head.epoch
        journal.acknowledge(epoch, 6)
    assert places(carried(exported(path, tmp_path).path)) == [(epoch, seq) for seq in range(7, 11)]
    everything = exported(path, tmp_path / "all", everything=True)
    assert places(carried(everything.path)) == [(epoch, seq) for seq in range(1, 11)]


def test_a_journal_with_nothing_left_to_carry_still_says_so_to_the_centre(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 2)
    with opened(path) as journal:
        journal.acknowledge(journal.head.epoch, 3)
    done = exported(path, tmp_path)
    assert (done.records, done.from_us) == (0, None)
    assert carried(done.path).closing.contents.heads[0].head == 3


def test_records_are_carried_while_the_gateway_writes(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 50)
    with opened(path) as journal:
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                journal.append([a_swipe()])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            bundles = [carried(exported(path, tmp_path / f"b{n}").path) for n in range(5)]
        finally:
            stop.set()
            writer.join()
    for bundle in bundles:
        [head] = bundle.closing.contents.heads
        assert places(bundle) == [(head.epoch, seq) for seq in range(1, head.head + 1)]


def test_records_of_all_epochs_are_carried(tmp_path: Path) -> None:
    """More of them than a state message names; `put_in` adds what a salvage would."""
    path = journal_of(tmp_path, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for number in range(20):
            put_in(db, EPOCH_S + 1 + number, 4 + number)
    done = exported(path, tmp_path)
    assert places(carried(done.path)) == [
        *((EPOCH_S, seq) for seq in (1, 2, 3)),
        *((EPOCH_S + 1 + number, 1) for number in range(20)),
    ]
    assert len(carried(done.path).closing.contents.heads) == MAX_EPOCHS


def test_around_the_holes_of_a_salvaged_journal_blocks_stay_whole(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 399)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM records WHERE id BETWEEN 4 AND 250")
    bundle = carried(exported(path, tmp_path).path)
    assert [seq for _, seq in places(bundle)] == [*range(1, 4), *range(251, 401)]
    assert [part for part, _ in bundle.parts()] == [Part.ABOUT, Part.BLOCK, Part.BLOCK, Part.BLOCK]


def put_in(db: sqlite3.Connection, epoch: int, record_id: int) -> None:
    body = encode_record(record_of(a_swipe(), GATEWAY, "0" * 16, epoch=epoch, seq=1, prev=GENESIS))
    db.execute("INSERT INTO records (id, body) VALUES (?, ?)", (record_id, body))
    db.execute(
        "INSERT INTO epochs (epoch, first_id, opened_at_us, reason) VALUES (?, ?, 0, 'salvaged_journal')",
        (epoch, record_id),
    )


def test_a_damaged_record_is_carried_as_it_is_and_the_others_beside_it(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 5)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE records SET body = ? WHERE id = 3", (b"\xffnoise",))
        db.execute("DELETE FROM records WHERE id = 4")
    done = exported(path, tmp_path)
    assert (done.records, done.unreadable) == (5, 1)
    payloads = [payload for part, payload in carried(done.path).parts() if part is Part.BLOCK]
    assert payloads[2].endswith(b'"first":3,"count":1,"records":[\xffnoise]}')
    blocks = [decode_block(payload) for payload in payloads if b"noise" not in payload]
    readable = [decode_record(bytes(raw)).seq for block in blocks for raw in block.records]
    assert readable == [1, 2, 5, 6]


def test_nothing_on_the_stick_and_nothing_in_a_name_says_who_passed(tmp_path: Path) -> None:
    done = exported(journal_of(tmp_path, 30), tmp_path)
    data = done.path.read_bytes()
    for secret in (TOKEN.encode(), bytes.fromhex(TOKEN), b"H-17", b"lobby"):
        assert secret not in data
    assert done.path.name == NAMED
    assert done.path.stat().st_mode & 0o077 == 0


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 1)
    exported(journal, tmp_path)
    with pytest.raises(CarryError, match="is there already"):
        exported(journal, tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CarryError, match="No such file or directory"):
        exported(journal_of(tmp_path, 1), tmp_path / "stick" / "file")


def test_a_stick_that_fills_up_keeps_no_half_bundle(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2_000)
    stick = tmp_path / "stick"
    stick.mkdir()
    with files_limited_to(40_000), pytest.raises(CarryError, match="cannot be written"):
        exported(journal, stick)
    assert list(stick.iterdir()) == []


def test_a_stick_without_room_is_named_before_anything_is_written() -> None:
    assert lacking_room(4_000_000, 100_000) is None
    assert lacking_room(4_000_000, 100_001) == "4.0 MB are free, 4.0 MB at least are needed"
    assert lacking_room(0, 1_000_000) == "0.0 MB are free, 40.0 MB at least are needed"


def test_no_packed_record_is_shorter_than_is_reckoned(tmp_path: Path) -> None:
    done = exported(journal_of(tmp_path, 400), tmp_path)
    assert done.size > done.records * LEAST_RECORD_BYTES


# --- back --------------------------------------------------------------------------------------------------

THROUGH_2 = encode(Ack(WIRE_VERSION, [EpochAck(EPOCH_S, 2, "ab" * 32, 2, [])]))
RIGHTS = [(Part.SETTINGS, b'{"signed":"settings"}'), (Part.LIST, b'{"manifest":1}'), (Part.ACK, THROUGH_2)]


def a_packed(
    path: Path,
    parts: list[tuple[Part, bytes]] = RIGHTS,
    *,
    made_us: int = NOW_US,
    cargo: Cargo = Cargo.RIGHTS,
    gateway: str = GATEWAY,
    signer: Ed25519PrivateKey = CENTRE_SIGNING,
    receiver: X25519PrivateKey = DEVICE.opening,
) -> Path:
    with path.open("wb") as out:
        writer = BundleWriter(
            out, cargo, SITE, gateway, made_us, signer=signer, receiver=receiver.public_key()
        )
        for part, payload in parts:
            writer.put(part, payload)
        writer.close()
    return path


def waiting(spool: Spool) -> list[tuple[str, bytes]]:
    """Everything that the gateway is handed, in its order; then the spool is empty."""
    told: list[tuple[str, bytes]] = []

    def take(leaf: str, payload: bytes, settle: Settle) -> bool:
        told.append((leaf, payload))
        settle(Fate.FOR_GOOD)
        return True

    def exported(settle: Settle) -> None:
        take(EXPORTED, b"", settle)

    spool.take(take, exported)
    return told


def test_what_the_centre_sent_waits_for_the_gateway_as_it_would_come_by_mqtt(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    done = import_bundle(a_packed(tmp_path / "rights"), OWN, spool)
    assert (done.acknowledgements, done.lists, done.settings, done.made_us) == (1, 1, 1, NOW_US)
    names = sorted(path.name for path in (tmp_path / "spool").glob("*.json"))
    assert names == ["ack-0003.json", "list-0002.json", "settings-0001.json"]
    assert waiting(spool) == [
        (Leaf.SETTINGS, b'{"signed":"settings"}'),
        (Leaf.LIST, b'{"manifest":1}'),
        (Leaf.ACK, THROUGH_2),
    ]
    assert waiting(spool) == []


def test_only_the_gateway_can_read_what_waits(tmp_path: Path) -> None:
    import_bundle(a_packed(tmp_path / "rights"), OWN, Spool(tmp_path / "spool"))
    for path in [tmp_path / "spool", *(tmp_path / "spool").iterdir()]:
        if path.name != "lock":
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gateway": "east-2"}, "belongs to gateway east-2"),
        ({"signer": DEVICE.signing}, "which is not known here"),
        ({"receiver": CENTRE_OPENING}, "sealed for key"),
        ({"parts": [(Part.ACK, b"{}")]}, "ack"),
        ({"parts": [(Part.BLOCK, b"{}")], "cargo": Cargo.RECORDS}, "holds records for the centre"),
    ],
)
def test_what_is_not_for_this_gateway_is_refused_and_nothing_taken(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    spool = Spool(tmp_path / "spool")
    packed = a_packed(tmp_path / "rights", **changes)  # type: ignore[arg-type]
    with pytest.raises(CarryError, match=words):
        import_bundle(packed, OWN, spool)
    assert waiting(spool) == []


def test_a_cut_or_altered_bundle_is_refused_and_nothing_taken(tmp_path: Path) -> None:
    whole = a_packed(tmp_path / "rights").read_bytes()
    spool, broken = Spool(tmp_path / "spool"), tmp_path / "broken"
    for data in (whole[:-1], whole[: len(whole) // 2], whole[:300] + b"?" + whole[301:]):
        broken.write_bytes(data)
        with pytest.raises(CarryError, match="not taken"):
            import_bundle(broken, OWN, spool)
    assert waiting(spool) == []


def test_a_repeated_or_older_bundle_is_refused_unless_asked_for(tmp_path: Path) -> None:
    """An old acknowledgement would license the deletion of what a restored centre no longer has."""
    spool = Spool(tmp_path / "spool")
    newer = a_packed(tmp_path / "newer")
    older = a_packed(tmp_path / "older", made_us=NOW_US - 1)
    import_bundle(newer, OWN, spool)
    waiting(spool)
    for stale in (newer, older):
        with pytest.raises(CarryError, match="taken already"):
            import_bundle(stale, OWN, spool)
    assert waiting(spool) == []
    import_bundle(older, OWN, spool, again=True)
    assert len(waiting(spool)) == 3


def test_several_imports_wait_one_behind_the_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for number in (1, 2):
        part = (Part.LIST, b"%d" % number)
        import_bundle(a_packed(tmp_path / f"r{number}", [part], made_us=NOW_US + number), OWN, spool)
    assert waiting(spool) == [(Leaf.LIST, b"1"), (Leaf.LIST, b"2")]


def test_what_could_not_be_handed_over_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    import_bundle(a_packed(tmp_path / "rights"), OWN, spool)

    def fall(leaf: Leaf, _payload: bytes, settle: Settle) -> bool:
        if leaf is Leaf.LIST:
            raise RuntimeError("the gateway fell")
        settle(Fate.FOR_GOOD)
        return True

    with pytest.raises(RuntimeError):
        spool.take(fall, lambda _: None)
    assert [leaf for leaf, _ in waiting(spool)] == [Leaf.LIST, Leaf.ACK]


def test_other_files_in_the_spool_are_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put([("ack", b"1")])
    for name in ("command-0001.json", "list-1.json", "list-0001.part", "notes.txt"):
        (tmp_path / "spool" / name).write_text("{}")
    assert waiting(spool) == [("ack", b"1")]
    assert len(list((tmp_path / "spool").iterdir())) == 5


def test_a_spool_that_was_never_used_costs_nothing(tmp_path: Path) -> None:
    assert waiting(Spool(tmp_path / "spool")) == []
    assert not (tmp_path / "spool").exists()


def test_a_full_spool_takes_nothing_of_a_bundle(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    with files_limited_to(100), pytest.raises(CarryError, match="cannot be used"):
        spool.put([("ack", b"1"), ("list", bytes(200))], NOW_US)
    assert waiting(spool) == []
    assert spool.newest_us() == 0


def test_a_carried_acknowledgement_licenses_what_one_by_mqtt_would(tmp_path: Path) -> None:
    path = journal_of(tmp_path, 4)
    licences: list[tuple[int, int]] = []
    with closing(JournalReader(path)) as reader:
        [head] = reader.epoch_heads()
        dispatch = Dispatch(reader, lambda epoch, through: licences.append((epoch, through)))
        for digest in (head.hash, "00" * 32):
            ack = encode(Ack(WIRE_VERSION, [EpochAck(head.epoch, head.head, digest, head.head, [])]))
            spool = Spool(tmp_path / f"spool-{digest[:4]}")
            import_bundle(a_packed(tmp_path / digest, [(Part.ACK, ack)]), OWN, spool)
            [(_, payload)] = waiting(spool)
            dispatch.acknowledged(decode(payload, Ack), 1.0)
    assert licences == [(head.epoch, 5), (head.epoch, 0)]


# --- the programs ------------------------------------------------------------------------------------------


def installed(folder: Path) -> Path:
    """A gateway with keys that were made by its own program, and a journal."""
    settings = install(folder)
    (folder / "centre-keys.json").write_bytes(encode_keys(CENTRE))
    with settings.open("a", encoding="utf-8") as file:
        file.write('[keys]\ndevice_key_file = "device.key"\ncentre_keys_file = "centre-keys.json"\n')
    assert liuhen_gateway("keys", "make", "-s", settings).returncode == 0
    (folder / "data").mkdir()
    journal_of(folder / "data", 12)
    return settings


def test_the_program_says_what_it_wrote_and_what_to_do_with_it(tmp_path: Path) -> None:
    settings = installed(tmp_path)
    stick = tmp_path / "stick"
    stick.mkdir()
    done = liuhen_gateway("export", "-s", settings, "--to", stick)
    assert done.returncode == 0, done.stderr
    [path] = stick.iterdir()
    assert done.stdout.startswith(f"{path}: 13 records from 2023-11-14 22:13:20Z to 2023-11-14 22:13:20Z, ")
    assert "liuhen-central take" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    told = waiting(Spool(spool_folder(tmp_path / "data" / "journal.db")))
    assert told == [(EXPORTED, b"")]


def test_the_program_without_keys_says_how_to_get_them(tmp_path: Path) -> None:
    settings = install(tmp_path)
    done = liuhen_gateway("export", "-s", settings, "--to", tmp_path)
    assert done.returncode == 2
    assert "liuhen-gateway keys make" in done.stderr


def test_the_program_takes_in_what_the_centre_packed_and_refuses_a_foreign_file(tmp_path: Path) -> None:
    settings = installed(tmp_path)
    foreign = a_packed(tmp_path / "foreign")  # sealed for other keys than this gateway's
    done = liuhen_gateway("import", "-s", settings, foreign)
    assert done.returncode == 2
    assert "not taken: sealed for key" in done.stderr
    assert not (tmp_path / "data" / "spool").exists()
