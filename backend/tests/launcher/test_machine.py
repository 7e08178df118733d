"""Doctor, secrets, logs and the command line: what a person meets first."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bitcurrent.launcher import addresses, checks, credentials, lock, logs
from bitcurrent.launcher.checks import Verdict
from bitcurrent.launcher.errors import LaunchError
from bitcurrent.launcher.layout import PORTS, Copy

COMMAND = [sys.executable, "-m", "bitcurrent.cli"]


def some_copy(folder: Path) -> Copy:
    """A copy whose seven ports were free a moment ago."""
    while True:
        copy = Copy(addresses.free_port(), folder)
        if copy.port < 65000 and all(addresses.is_free(copy.port_of(name)) for name in PORTS):
            return copy


def bitcurrent(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )


def test_help_answers_at_once() -> None:
    began = time.monotonic()
    assert "doctor" in bitcurrent("--help").stdout
    assert time.monotonic() - began < 1  # 0.1 s on a quiet machine


def test_doctor_finds_a_healthy_machine_well(tmp_path: Path) -> None:
    copy = some_copy(tmp_path / "var")
    answer = bitcurrent("doctor", "--port", str(copy.port), "--data", str(copy.data))
    assert answer.returncode == 0, answer.stdout
    assert "PostgreSQL) 18" in answer.stdout
    assert "0 bad" in answer.stdout
    assert not copy.data.exists()  # looking changes nothing


def test_doctor_names_who_holds_a_port_and_what_to_do(tmp_path: Path) -> None:
    copy = some_copy(tmp_path)
    with socket.create_server((addresses.HERE, copy.port_of("redis"))):
        answer = bitcurrent("doctor", "--port", str(copy.port), "--data", str(copy.data))
        with pytest.raises(LaunchError, match=r"\(for redis\) is taken by") as stopped:
            checks.before_up(copy)
    assert answer.returncode == 1
    assert f"pid {os.getpid()}" in answer.stdout
    assert "PORT=" in stopped.value.mend


def test_doctor_asks_the_servers_that_are_configured() -> None:
    with socket.create_server((addresses.HERE, 0)) as server:
        there = f"redis://:secret@{addresses.HERE}:{server.getsockname()[1]}/0"
        gone = f"postgresql://app:secret@{addresses.HERE}:{addresses.free_port()}/x"
        found = list(checks.configured_servers({"BITCURRENT_REDIS_URL": there, "BITCURRENT_DATABASE_URL": gone}))
    assert [(f.name, f.verdict) for f in found] == [
        ("BITCURRENT_DATABASE_URL", Verdict.BAD),
        ("BITCURRENT_REDIS_URL", Verdict.OK),
    ]
    assert "secret" not in str(found)


def test_doctor_sees_secrets_that_others_may_read(tmp_path: Path) -> None:
    copy = Copy(8000, tmp_path)
    credentials.ensure(copy.secrets, cluster_exists=False)
    assert [f.verdict for f in checks.data_folder(copy)] == [Verdict.OK]
    (copy.secrets / "redis").chmod(0o644)
    assert [f.verdict for f in checks.data_folder(copy)] == [Verdict.WARN]


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    first, made = credentials.ensure(tmp_path / "secrets", cluster_exists=False)
    again, made_again = credentials.ensure(tmp_path / "secrets", cluster_exists=True)
    assert first == again
    assert (made, made_again) == (11, 0)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert min(len(first.secret_key), len(first.password_pepper)) >= 32


def test_a_lost_secret_of_an_existing_database_is_not_replaced(tmp_path: Path) -> None:
    credentials.ensure(tmp_path, cluster_exists=False)
    (tmp_path / "password_pepper").unlink()
    with pytest.raises(LaunchError, match="lacks password_pepper"):
        credentials.ensure(tmp_path, cluster_exists=True)
    assert not (tmp_path / "password_pepper").exists()


def test_a_secret_that_a_newer_version_adds_is_made_for_an_older_copy(tmp_path: Path) -> None:
    credentials.ensure(tmp_path, cluster_exists=False)
    for name in ("encryption_keys", "blind_index_key", "made"):  # a copy of the time before there were any
        (tmp_path / name).unlink()
    _, made = credentials.ensure(tmp_path, cluster_exists=True)
    assert made == 2
    (tmp_path / "encryption_keys").unlink()
    with pytest.raises(LaunchError, match="lacks encryption_keys"):
        credentials.ensure(tmp_path, cluster_exists=True)


def test_up_is_refused_in_production(tmp_path: Path) -> None:
    answer = bitcurrent("up", "--data", str(tmp_path / "var"), BITCURRENT_ENV="production")
    assert answer.returncode == 1
    assert "says production" in answer.stdout
    assert not (tmp_path / "var").exists()


def test_up_says_who_is_already_running(tmp_path: Path) -> None:
    with lock.held(tmp_path, "http://127.0.0.1:8000"):
        answer = bitcurrent("up", "--data", str(tmp_path))
    assert answer.returncode == 1
    assert f"Already running (pid {os.getpid()}, http://127.0.0.1:8000)" in answer.stdout
    assert lock.holder(tmp_path) is None


def test_up_in_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = bitcurrent("up", "--data", str(tmp_path / "file" / "var"))
    assert answer.returncode == 1
    assert "Not a directory" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr


def test_clean_data_removes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    data = tmp_path / "var"
    for name in ("postgres/18", "secrets", "holiday"):
        (data / name).mkdir(parents=True)
    (data / "demo.json").write_text("{}")
    with lock.held(data, "http://here"):
        assert "Already running" in bitcurrent("clean-data", "--data", str(data)).stderr
    assert (data / "demo.json").exists()
    assert "removed demo.json, postgres, secrets." in bitcurrent("clean-data", "--data", str(data)).stdout
    assert [path.name for path in data.iterdir()] == ["holiday"]
    (data / "holiday").rmdir()
    assert "holds no data" in bitcurrent("clean-data", "--data", str(data)).stdout


def test_logs_stay_small_and_can_be_followed(tmp_path: Path) -> None:
    follower = logs.Follower(tmp_path)
    log = tmp_path / "api.log"
    log.write_text("one\ntwo\nthr")
    assert follower.new_lines() == [("api", "one"), ("api", "two")]
    log.write_text("one\ntwo\nthree\n")
    assert follower.new_lines() == [("api", "three")]
    for _ in range(5):
        log.write_text("x" * 100 + "\n")
        logs.rotate(tmp_path, bytes_max=50)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api.log", "api.log.1", "api.log.2", "api.log.3"]
    assert log.read_text() == ""
    log.write_text("new\n")
    assert follower.new_lines() == [("api", "new")]


def test_a_stranger_in_the_lock_file_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text(json.dumps({"pid": 1, "address": "left by a crash"}))
    assert lock.holder(tmp_path) is None
    with lock.held(tmp_path, "http://mine"):
        assert lock.holder(tmp_path) == os.getpid()
