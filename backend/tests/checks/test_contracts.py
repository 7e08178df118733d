"""The checks can see: each rule is broken on purpose in a copy of the sources, and each is caught."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checks import house

BACKEND = Path(__file__).parents[2]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

BREACHES = {
    "a call upwards": ("ledger/model.py", "import bitcurrent.trading.ports", "Floors"),
    "a look into another room": ("trading/service.py", "import bitcurrent.ledger.repository", "are private"),
    "furniture upside down": ("trading/model.py", "import bitcurrent.trading.service", "Rooms: model <"),
    "a model with a database": ("ledger/model.py", "import sqlalchemy", "models and ports are pure"),
    "a vendor inside": ("trading/service.py", "import httpx", "only integrations talk"),
    "a folder without a floor": ("gossip/__init__.py", "", "Floors"),
    "the sandbox inside": ("kernel/money.py", "import bitcurrent_sandbox", "share no code"),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backend")
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("src", "checks"):
        shutil.copytree(BACKEND / name, folder / name, ignore=ignored)
    shutil.copy(BACKEND / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--config", "pyproject.toml", "--no-cache"],
        cwd=folder, capture_output=True, text=True, timeout=60,
        env={"PYTHONPATH": f"{folder / 'src'}:{folder}"},
    )  # fmt: skip


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_of_the_house_is_caught(sources: Path, breach: str) -> None:
    path, line, words = BREACHES[breach]
    file = sources / "src" / "bitcurrent" / path
    before = file.read_text() if file.exists() else None
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{before or ''}\n{line}\n")
    try:
        answer = lint(sources)
    finally:
        if before is None:
            shutil.rmtree(file.parent)
        else:
            file.write_text(before)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    broken = [told for told in answer.stdout.splitlines() if "BROKEN" in told or " -> " in told]
    assert any(words in told for told in broken), answer.stdout


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("backend/src/bitcurrent/trading/model.py", "price = float(text)"),
        ("backend/src/bitcurrent/trading/model.py", "# TODO: later"),
        ("backend/src/bitcurrent/trading/ports.py", "    raise NotImplementedError"),
        ("backend/tests/trading/test_it.py", "@pytest.mark.skip"),
        ("backend/tests/trading/test_it.py", "from unittest.mock import Mock"),
        ("backend/src/bitcurrent/app.py", "x = y  # type: ignore[misc]"),
        ("backend/src/bitcurrent/app.py", "x = y  # noqa: S606"),
        ("docs/start.md", "Look into /home/ann/bitcurrent for it."),
        ("backend/requirements.lock", "--index-url https://somewhere.example/simple"),
    ],
)
def test_a_breach_of_the_text_rules_is_caught(path: str, line: str) -> None:
    assert len(list(house.findings(path, f"fine\n{line}\n"))) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("backend/src/bitcurrent_sandbox/alpaca/book.py", "size = float(text)"),
        ("backend/src/bitcurrent/app.py", "x = y  # type: ignore[misc] - the library's type is wrong"),
        ("backend/src/bitcurrent/app.py", "x = y  # noqa: S606 - no shell is what we want"),
        ("docs/start.md", "See https://example.com/home/page and frontend/home/page.tsx."),
    ],
)
def test_what_is_allowed_stays_allowed(path: str, line: str) -> None:
    assert list(house.findings(path, line)) == []


def test_a_file_that_grew_too_long_is_named() -> None:
    (finding,) = house.findings("backend/src/bitcurrent/app.py", "x = 1\n" * 501)
    assert "501 lines" in finding
