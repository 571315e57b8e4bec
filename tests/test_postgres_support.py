"""What the tests' own databases leave in memory when their process is killed is swept by the next one."""

import subprocess
import sys
from pathlib import Path

from postgres_support import own_folder, sweep

_OWNS = """
import sys
from pathlib import Path
from postgres_support import own_folder
folder, owner = own_folder(Path(sys.argv[1]))
print(folder, flush=True)
sys.stdin.read()
"""


def test_a_folder_whose_owner_was_killed_is_swept_and_no_other(tmp_path: Path) -> None:
    mine, owner = own_folder(tmp_path)
    unsaid = tmp_path / "liuhen-pg-unsaid"
    unsaid.mkdir()
    program = [sys.executable, "-c", _OWNS, str(tmp_path)]
    here = Path(__file__).parent
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=here
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        sweep(tmp_path)
        assert theirs.is_dir()
        other.kill()
        other.wait()
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([mine, unsaid])
    owner.close()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [unsaid]


def test_what_a_server_still_uses_is_left(tmp_path: Path) -> None:
    """Where it is not ended with whoever began it."""
    folder, owner = own_folder(tmp_path)
    owner.close()
    (folder / "data").mkdir()
    program = [sys.executable, "-c", "print(flush=True); input()", str(folder)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()  # it runs under its own name by now
        (folder / "data/postmaster.pid").write_text(f"{server.pid}\n")
        sweep(tmp_path)
        assert folder.is_dir()
        server.kill()
    sweep(tmp_path)
    assert not folder.exists()
