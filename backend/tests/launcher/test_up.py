"""One whole copy, brought up by the real command: ready, mended, stopped, and there again with its data."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from bitcurrent.launcher.addresses import wait_until
from bitcurrent.launcher.layout import Copy
from tests.launcher.test_machine import some_copy

READY_SECONDS = 100
DONE = "Ctrl-C stops it"


class Up:
    """A running `bitcurrent up` and what it has printed."""

    def __init__(self, copy: Copy, printed: Path) -> None:
        self.copy = copy
        self._printed = printed
        command = [sys.executable, "-m", "bitcurrent.cli", "up", "--no-web"]
        with printed.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--port", str(copy.port), "--data", str(copy.data)],
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def text(self) -> str:
        return self._printed.read_text()

    def comes_up(self) -> bool:
        wait_until(lambda: DONE in self.text() or self.process.poll() is not None, seconds=READY_SECONDS)
        return DONE in self.text()

    def demo(self) -> dict[str, Any]:
        return dict(json.loads(self.copy.demo_file.read_text()))

    def child(self, words: str) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if words in " ".join(child.cmdline()))

    def stop(self, number: int = signal.SIGTERM) -> float:
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=20)
        return time.monotonic() - began


@contextlib.contextmanager
def running(copy: Copy, printed: Path) -> Iterator[Up]:
    up = Up(copy, printed)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.stop()


@pytest.mark.timeout(300)
def test_a_copy_comes_up_mends_itself_stops_and_is_there_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    copy = some_copy(tmp_path / "a b")
    with running(copy, tmp_path / "first.txt") as first:
        assert first.comes_up(), first.text()
        demo = first.demo()
        assert stat.S_IMODE(copy.demo_file.stat().st_mode) == 0o600
        assert set(demo["bot"]) == {"key_id", "secret_key"}
        assert demo["customer"]["password"] in first.text()
        ready = httpx.get(f"{demo['base_url']}/health/ready", timeout=5)
        assert ready.status_code == 200
        leave_a_mark(demo)

        first.child("cli serve").kill()
        assert wait_until(lambda: "api is back" in first.text(), seconds=40), first.text()
        assert httpx.get(f"{demo['base_url']}/health/ready", timeout=5).status_code == 200

        everything = psutil.Process(first.process.pid).children(recursive=True)
        assert first.stop() < 5.5  # five for the children, some for Python itself
        assert first.process.returncode == 0
        assert [process for process in everything if process.is_running()] == []

    with running(copy, tmp_path / "second.txt") as second:
        assert second.comes_up(), second.text()
        again = second.demo()
        assert again == demo  # the same addresses and the same logins
        assert marks_of(again) == 1
        assert second.stop(signal.SIGINT) < 5.5


def leave_a_mark(demo: dict[str, Any]) -> None:
    """Write something as the app's role that must be there after the next start."""
    with psycopg.connect(demo["database_url"]) as connection:
        connection.execute("INSERT INTO venue_cursors (name, value) VALUES ('mark', 'kept')")


def marks_of(demo: dict[str, Any]) -> int:
    with psycopg.connect(demo["database_url"]) as connection:
        found = connection.execute("SELECT count(*) FROM venue_cursors WHERE name = 'mark'").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.timeout(120)
def test_a_signal_on_the_way_up_stops_what_was_started(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    copy = some_copy(tmp_path / "var")
    with running(copy, tmp_path / "printed.txt") as up:
        assert wait_until((copy.data / "postgres").exists, seconds=20)
        os.kill(up.process.pid, signal.SIGINT)
        up.process.wait(timeout=20)
        assert "Stopped everything" in up.text()
    left = [p for p in psutil.process_iter(["cmdline"]) if str(copy.data) in " ".join(p.info["cmdline"] or ())]
    assert left == []
