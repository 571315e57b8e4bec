"""What a journal may lie on: mountinfo read as the kernel means it, judged in words; room and reserve."""

import errno
import subprocess
from pathlib import Path

import msgspec
import pytest
from gateway_support import install
from hypothesis import given
from hypothesis import strategies as st
from mounts_support import can_mount, ext4_image, in_a_namespace, tool
from typer.testing import CliRunner

from gateway.cli_app import app
from gateway.errors import JournalRefused
from gateway.storage import Mount, StorageRule, examine, mount_of, parse_mounts, refuse_unsafe, unsafe
from gateway.storage_space import MIB, Level, Reserve, Space, StorageWatch, level, space_of
from messages.commands import Command
from messages.model import Kind, Reason
from messages.site_settings import SiteSettings

# Lines as a kernel wrote them (proc(5), and a machine with each of these).
ROOT = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard"
DATA = "31 27 8:1 / /var/lib rw,noatime shared:5 master:2 - xfs /dev/sda1 rw,attr2,inode64"
OVER_DATA = "44 31 0:40 / /var/lib rw - tmpfs none rw,size=1024k"
UNDER_DATA = "40 31 8:2 / /var/lib/liuhen rw - btrfs /dev/sda2 rw"
SPACED = r"50 27 8:3 / /media/a\040disk\134x rw - vfat /dev/sdb1 rw"


def mount(kind: str, *options: str) -> Mount:
    return Mount(1, 0, "8:1", "/", kind, frozenset(options))


# The parser.


def test_a_line_is_read_with_and_without_its_optional_fields() -> None:
    assert parse_mounts(f"{ROOT}\n{DATA}\n") == [
        Mount(27, 1, "254:0", "/", "ext4", frozenset({"rw", "relatime", "discard"})),
        Mount(31, 27, "8:1", "/var/lib", "xfs", frozenset({"rw", "noatime", "attr2", "inode64"})),
    ]


def test_a_name_with_spaces_is_read_as_it_is_called() -> None:
    assert [m.point for m in parse_mounts(SPACED)] == ["/media/a disk\\x"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        " - ",
        "27 1 254:0 / / rw",
        "27 1 254:0 / / - ext4 /dev/vda rw",
        "x 1 254:0 / / rw - ext4 /dev/vda rw",
        "27 1 254 / / rw - ext4 /dev/vda rw",
        "27 1 254:0 / / rw - ",
        "27 \u0661 254:0 / / rw - ext4 /dev/vda rw",
    ],
)
def test_a_line_that_is_not_of_its_form_is_left_out(line: str) -> None:
    assert parse_mounts(f"{line}\n{ROOT}") == parse_mounts(ROOT)


@given(
    st.text(st.sampled_from("0127 :/-\\rwxtmpfsext4,=\n"), max_size=300) | st.text(max_size=300),
    st.text(max_size=50),
)
def test_no_text_hurts_the_parser(text: str, path: str) -> None:
    mounts = parse_mounts(f"{ROOT}\n{text}\n{DATA}\n{text}")
    assert {27, 31} <= {m.number for m in mounts}
    found = mount_of(path, mounts)
    assert found is None or found in mounts
    for each in mounts:
        unsafe(each, frozenset(text.split()))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from(["/", "/a", "/a/b"]))))
def test_mounts_that_hang_below_each_other_in_a_circle_end(lines: list[tuple[int, int, str]]) -> None:
    mounts = [Mount(number, parent, "0:1", point, "ext4", frozenset()) for number, parent, point in lines]
    mount_of("/a/b/c", mounts)


# Which mount a path lies on.


@pytest.mark.parametrize(
    ("lines", "path", "kind"),
    [
        pytest.param([ROOT], "/var/lib/journal.db", "ext4", id="the root"),
        pytest.param([ROOT, DATA], "/var/lib/journal.db", "xfs", id="a disk of its own"),
        pytest.param([ROOT, DATA], "/var/library/journal.db", "ext4", id="a name that only begins so"),
        pytest.param([ROOT, DATA, UNDER_DATA], "/var/lib/liuhen/j.db", "btrfs", id="a disk below a disk"),
        pytest.param([UNDER_DATA, DATA, ROOT], "/var/lib/liuhen/j.db", "btrfs", id="in any order"),
        pytest.param([ROOT, DATA, OVER_DATA], "/var/lib/j.db", "tmpfs", id="mounted over"),
        pytest.param([ROOT, SPACED], "/media/a disk\\x/j.db", "vfat", id="a name with a space"),
    ],
)
def test_a_path_lies_on_the_mount_that_the_kernel_would_find(lines: list[str], path: str, kind: str) -> None:
    found = mount_of(path, parse_mounts("\n".join(lines)))
    assert found is not None
    assert found.kind == kind


def test_a_mount_that_is_covered_does_not_count() -> None:
    """Below /var/lib a disk was mounted; then memory was mounted over /var/lib, and hides it."""
    lines = [ROOT, DATA, UNDER_DATA, OVER_DATA]
    found = mount_of("/var/lib/liuhen/j.db", parse_mounts("\n".join(lines)))
    assert found is not None
    assert found.kind == "tmpfs"


# The judgement.


@pytest.mark.parametrize("kind", ["ext4", "ext3", "xfs", "btrfs", "f2fs", "zfs", "ubifs"])
def test_a_local_file_system_with_a_journal_is_safe(kind: str) -> None:
    assert unsafe(mount(kind, "rw", "relatime")) is None


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("tmpfs", (), "is memory"),
        ("ramfs", (), "is memory"),
        ("overlay", (), "layer of a container"),
        ("nfs4", (), "network share"),
        ("cifs", (), "network share"),
        ("9p", (), "network share"),
        ("fuse.sshfs", (), "network share or another program"),
        ("fuseblk", (), "network share or another program"),
        ("vfat", (), "no journal of its own"),
        ("somefs", (), "not known to keep"),
        ("ext4", ("data=writeback",), "data=writeback"),
        ("ext4", ("barrier=0",), "without write barriers"),
        ("ext4", ("nobarrier",), "without write barriers"),
        ("btrfs", ("nobarrier",), "without write barriers"),
        ("f2fs", ("fsync_mode=nobarrier",), "without write barriers"),
    ],
)
def test_an_unsafe_storage_is_named_with_its_reason(kind: str, options: tuple[str, ...], words: str) -> None:
    found = unsafe(mount(kind, *options))
    assert found is not None
    assert words in found


@pytest.mark.parametrize(
    ("effective", "words"),
    [
        (frozenset({"rw", "barrier", "data=ordered"}), None),
        (frozenset({"rw", "barrier", "data=journal"}), None),
        (frozenset({"rw", "barrier", "data=writeback"}), "data=writeback"),
        (frozenset({"rw", "nobarrier", "data=ordered"}), "without write barriers"),
        (frozenset({"rw", "barrier"}), "was made without a journal"),
    ],
)
def test_what_ext4_really_works_with_counts_more_than_what_mountinfo_shows(
    effective: frozenset[str], words: str | None
) -> None:
    found = unsafe(mount("ext4", "rw"), effective)
    assert (found is None) if words is None else (found is not None and words in found)


# Real mounts.


_ASK = (
    "from pathlib import Path; import sys; from gateway.storage import examine;"
    " print(examine(Path(sys.argv[1]) / 'new' / 'journal.db'))"
)


def examined(mount_command: str, folder: Path) -> str:
    """What `examine` says of a file below `folder`, in a namespace where `mount_command` has run."""
    done = in_a_namespace(f'{mount_command}; exec python -c "$1" "$0"', folder, _ASK)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_real_memory_disk_is_refused(tmp_path: Path) -> None:
    if can_mount():
        assert "tmpfs is memory" in examined('mount -t tmpfs none "$0"', tmp_path)


def test_a_real_overlay_is_refused(tmp_path: Path) -> None:
    command = (
        'mount -t tmpfs none "$0"; mkdir "$0/l" "$0/u" "$0/w" "$0/o"; mount -t overlay'
        ' -o "lowerdir=$0/l,upperdir=$0/u,workdir=$0/w" none "$0/o"; mount --move "$0/o" "$0"'
    )
    if can_mount():
        assert "layer of a container" in examined(command, tmp_path)


@pytest.mark.parametrize(
    ("made", "mounted", "words"),
    [
        pytest.param((), "", "None", id="as it is made usually"),
        pytest.param((), ",data=writeback", "data=writeback", id="mounted with data=writeback"),
        pytest.param((), ",barrier=0", "without write barriers", id="mounted without barriers"),
        pytest.param(("-O", "^has_journal"), "", "without a journal", id="made without a journal"),
    ],
)
def test_a_real_ext4_is_judged_by_how_it_is_made_and_mounted(
    tmp_path: Path, made: tuple[str, ...], mounted: str, words: str
) -> None:
    if can_mount():
        image = ext4_image(tmp_path, *made)
        assert words in examined(f'mount -o "loop{mounted}" "{image}" "$0"', tmp_path)


def test_a_real_ext4_that_was_formatted_for_writeback_is_refused(tmp_path: Path) -> None:
    """Its mount options do not show it: only the kernel's own list does."""
    if can_mount():
        image = ext4_image(tmp_path)
        tune = tool("tune2fs", "e2fsprogs")
        subprocess.run([tune, "-o", "journal_data_writeback", image], check=True, capture_output=True)
        assert "data=writeback" in examined(f'mount -o loop "{image}" "$0"', tmp_path)


def test_the_rule_decides_whether_a_doubt_is_a_refusal() -> None:
    memory = Path("/dev/shm/nothing/journal.db")
    assert examine(memory) == "tmpfs is memory: everything on it is gone with the power"
    assert refuse_unsafe(memory, StorageRule.ANY) == examine(memory)
    with pytest.raises(JournalRefused, match=r"put \[journal\] path on a local disk with ext4"):
        refuse_unsafe(memory, StorageRule.SAFE_ONLY)


# Room.


@pytest.mark.parametrize(
    ("free", "former", "expected"),
    [
        (100, Level.ROOM, Level.ROOM),
        (21, Level.ROOM, Level.ROOM),
        (20, Level.ROOM, Level.NEARLY_FULL),
        (22, Level.NEARLY_FULL, Level.NEARLY_FULL),
        (24, Level.NEARLY_FULL, Level.ROOM),
        (10, Level.NEARLY_FULL, Level.ALMOST_FULL),
        (12, Level.ALMOST_FULL, Level.ALMOST_FULL),
        (14, Level.ALMOST_FULL, Level.NEARLY_FULL),
        (0, Level.ROOM, Level.FULL),
        (5, Level.FULL, Level.ALMOST_FULL),
        (50, Level.FULL, Level.ROOM),
    ],
)
def test_a_level_begins_at_80_and_90_percent_and_ends_a_little_below(
    free: int, former: Level, expected: Level
) -> None:
    assert level(Space(100 * MIB, free * MIB), former) is expected


def test_full_is_where_neither_a_mebibyte_nor_two_percent_is_left() -> None:
    assert Space(1_000 * MIB, MIB - 1).is_full
    assert not Space(1_000 * MIB, MIB).is_full
    assert Space(2 * MIB, 40_000).is_full
    assert not Space(2 * MIB, 50_000).is_full


class TurnedSpace:
    """As much room as the test says."""

    def __init__(self) -> None:
        self.free = {Path("/a"): 100, Path("/b"): 100}
        self.gone = False

    def __call__(self, path: Path) -> Space:
        if self.gone:
            raise OSError(errno.EIO, "Input/output error")
        return Space(100 * MIB, self.free[path] * MIB)


def test_the_watch_tells_changes_only_and_of_the_fullest_disk() -> None:
    space = TurnedSpace()
    watch = StorageWatch([Path("/a"), Path("/b")], space)
    assert watch.look() == []
    space.free[Path("/a")] = 15
    assert watch.look() == [(Kind.STORAGE_LOW, Reason.NEARLY_FULL)]
    assert watch.look() == []
    space.free[Path("/b")] = 0
    assert watch.look() == [(Kind.STORAGE_LOW, Reason.FULL)]
    space.free[Path("/a")] = 100
    assert watch.look() == []
    space.gone = True
    assert watch.look() == []
    space.gone, space.free[Path("/b")] = False, 8
    assert watch.look() == [(Kind.STORAGE_LOW, Reason.ALMOST_FULL)]
    space.free[Path("/b")] = 60
    assert watch.look() == [(Kind.STORAGE_RESTORED, None)]


def test_the_space_of_a_file_to_come_is_that_of_its_folder(tmp_path: Path) -> None:
    found = space_of(tmp_path / "not" / "yet" / "journal.db")
    assert found.total > 0
    assert 0 <= found.free <= found.total


# The reserve.


def test_the_reserve_holds_real_blocks_until_it_is_released(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "journal.db", 2 * MIB)
    assert not reserve.is_there
    assert reserve.restore()
    found = reserve.path.stat()
    assert (found.st_size, found.st_mode & 0o777) == (2 * MIB, 0o600)
    assert found.st_blocks * 512 >= 2 * MIB
    assert reserve.release()
    assert not reserve.path.exists()
    assert not reserve.release()
    assert reserve.restore()


def test_a_reserve_follows_its_setting(tmp_path: Path) -> None:
    assert Reserve(tmp_path / "journal.db", 3 * MIB).restore()
    smaller = Reserve(tmp_path / "journal.db", MIB)
    assert smaller.restore()
    assert smaller.path.stat().st_size == MIB
    assert Reserve(tmp_path / "journal.db", 0).restore()
    assert not smaller.path.exists()


def test_no_reserve_is_made_where_it_would_take_the_last_room(tmp_path: Path) -> None:
    more_than_there_is = space_of(tmp_path).free
    reserve = Reserve(tmp_path / "journal.db", more_than_there_is)
    assert not reserve.restore()
    assert not reserve.path.exists()


# The command, and the centre.


def test_check_refuses_what_a_start_would_and_warns_of_what_it_would_let_pass(tmp_path: Path) -> None:
    settings = install(tmp_path)
    on_memory = settings.read_text(encoding="utf-8").replace("data/journal.db", "/dev/shm/none/journal.db")
    settings.write_text(on_memory, encoding="utf-8")
    checked = CliRunner().invoke(app, ["check", "--settings", str(settings)])
    assert checked.exit_code == 0, checked.output
    assert "mind: /dev/shm/none/journal.db: tmpfs is memory" in checked.output
    settings.write_text(on_memory.replace('"any"', '"safe_only"'), encoding="utf-8")
    checked = CliRunner().invoke(app, ["check", "--settings", str(settings)])
    assert isinstance(checked.exception, JournalRefused)
    assert not Path("/dev/shm/none").exists()


def keys_of(schema: object) -> set[str]:
    """Every property's name, and every word of an enumeration, anywhere in a JSON schema."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= set(schema.get("properties", {})) | {str(word) for word in schema.get("enum", [])}
        found = found.union(*map(keys_of, schema.values()))
    if isinstance(schema, list):
        found = found.union(*map(keys_of, schema))
    return found


def test_nothing_that_the_centre_can_set_has_to_do_with_the_store() -> None:
    """What comes from afar can never recreate or move it (trust.md R-21): there is no word for that."""
    words = keys_of(msgspec.json.schema(SiteSettings)) | keys_of(msgspec.json.schema(Command))
    assert {"schedules", "release"} <= words
    forbidden = (
        "journal",
        "storage",
        "reserve",
        "path",
        "acknowledged",
        "prune",
        "file",
        "database",
        "epoch",
    )
    found = {word for word in words if any(part in word for part in forbidden)}
    assert found == {"epoch"}  # of the records that are to be sent again
