"""PostgreSQL under root: it runs as another account, even below a folder that is closed to everybody else."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bitcurrent.launcher import account, addresses, scratch, spawn, wheels
from bitcurrent.launcher.postgres import Cluster, Passwords


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder with a space in its name below one that only its owner may enter, as /root is."""
    with tempfile.TemporaryDirectory() as closed:
        folder = Path(closed) / "a b"
        folder.mkdir()
        yield folder


def test_the_cluster_runs_below_a_closed_folder_and_leaves_its_parents_alone(closed_folder: Path) -> None:
    before = stat.S_IMODE(closed_folder.parent.stat().st_mode)
    chosen = account.account_for([closed_folder, wheels.postgres_home()])
    # A path longer than a Unix socket's address may be (107 bytes).
    home = closed_folder / ("long " * 25).strip() / ("longer " * 20).strip() / "postgres"
    home.parent.mkdir(parents=True)
    cluster = Cluster(home, addresses.free_port(), Passwords.fresh(), chosen, durable=False)
    cluster.create()
    process = scratch.start_postgres(cluster, closed_folder)
    try:
        cluster.establish()
        cluster.establish()  # it may be repeated
        assert cluster.sql("SELECT 1") == "1\n"
        assert psutil.Process(process.pid).uids().effective != 0
    finally:
        scratch.stop(process)
    assert stat.S_IMODE(closed_folder.parent.stat().st_mode) == before
    assert before == 0o700


def test_a_capability_is_kept_only_where_it_is_needed(closed_folder: Path) -> None:
    open_place = account.account_for([Path("/usr/lib")])
    closed_place = account.account_for([closed_folder])
    if os.geteuid() == 0:
        assert open_place is not None
        assert open_place.capability is None
        assert closed_place is not None
        assert closed_place.capability == account.CAP_DAC_READ_SEARCH
    else:
        assert (open_place, closed_place) == (None, None)


def test_a_lock_whose_number_is_now_another_programs_is_forgotten(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, 1, Passwords.fresh(), None)
    cluster.data.mkdir()
    stale = cluster.data / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n")
    cluster.forget_stale_lock()
    assert not stale.exists()


def test_the_account_sees_past_closed_folders_and_changes_nothing_there(closed_folder: Path) -> None:
    program = closed_folder / "program"
    program.touch(mode=0o755)
    chosen = account.account_for([closed_folder])
    # access() asks for the real user's rights: PostgreSQL looks for its own programs that way.
    assert spawn.run(["/usr/bin/test", "-x", program], account=chosen).returncode == 0
    if chosen is not None:
        assert spawn.run(["/usr/bin/touch", closed_folder / "new"], account=chosen).returncode != 0
        assert spawn.run(["/bin/cat", "/proc/self/status"], account=chosen).stdout.count("0000000000000004") == 4
