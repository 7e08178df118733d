"""The security checks can see: every rule of ours finds its planted breach, and credentials are found in files."""

import base64
import json
import secrets
import string
import subprocess
import sys
from pathlib import Path

import pytest

from checks import credentials, patterns

BACKEND = Path(__file__).parents[2]
BREACHES = {
    # bandit's name for it: a line that it must not let through
    "B602": "import subprocess\nsubprocess.run(name, shell=True)\n",
    "B324": "import hashlib\nhashlib.md5(b'password')\n",
    "B501": "import httpx\nhttpx.get('https://example.test', verify=False, timeout=3)\n",
    "B506": "import yaml\nyaml.load(text)\n",
    "B104": "host = '0.0.0.0'\n",
}


@pytest.mark.timeout(600)  # The first run on a machine installs semgrep.
def test_every_rule_finds_its_breaches_and_nothing_beside_them() -> None:
    outcome = patterns.scan([patterns.FIXTURES.relative_to(patterns.TOP)])
    assert outcome.faults == []
    assert outcome.findings == patterns.expected()
    assert {one.rule for one in outcome.findings} == set(patterns.rules())
    assert len(patterns.rules()) >= 14


def test_a_breach_in_our_code_a_lost_fixture_and_a_blind_rule_are_complaints() -> None:
    seen = patterns.Outcome(findings={*patterns.expected(), patterns.Finding("backend/src/a.py", 3, "shell")})
    assert patterns.complaints(seen) == ["backend/src/a.py:3: shell"]
    blind = patterns.Outcome(findings={one for one in patterns.expected() if one.rule != "shell"})
    assert {told.rpartition(": ")[2] for told in patterns.complaints(blind)} == {"shell must be found here"}


def test_bandit_finds_what_it_is_there_for(tmp_path: Path) -> None:
    for name, text in BREACHES.items():
        (tmp_path / f"{name}.py").write_text(text)
    answer = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-ll", "-f", "json", "-c", BACKEND / "pyproject.toml", "-r", tmp_path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 1, answer.stderr
    found = {one["test_id"] for one in json.loads(answer.stdout)["results"]}
    assert found == set(BREACHES)


def _random(count: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(secrets.choice(letters) for _ in range(count))


def _token() -> str:
    head, body = (base64.urlsafe_b64encode(text).rstrip(b"=").decode() for text in (b'{"alg":"HS256"}', b'{"sub":"7"}'))
    return f"{head}.{body}.{_random(43)}"


HEX = "0123456789abcdef"
KINDS = {
    # Put together here, so that this file holds none: (what comes before, how many letters, of which)
    "aws": lambda: f'key = "AKIA{_random(16, string.ascii_uppercase)}"',
    "github": lambda: f'key = "ghp_{_random(36)}"',
    "slack": lambda: f'key = "xoxb-{_random(12, string.digits)}-{_random(12, string.digits)}-{_random(24)}"',
    "stripe": lambda: f'key = "sk_live_{_random(24)}"',
    "twilio": lambda: f'key = "SK{_random(32, HEX)}"',
    "a venue's key": lambda: f'APCA_API_SECRET_KEY: "{_random(40)}"',
    "a password": lambda: f'DATABASE_PASSWORD = "{_random(16)}"',
    "an address with a password": lambda: f'url = "postgresql://app:{_random(18)}@db.internal:5432/bitcurrent"',
    "a key in hex": lambda: f'signing = "{_random(64, HEX)}"',
    "a token": lambda: f'header = "{_token()}"',
    "a private key": lambda: "-----BEGIN " + f"PRIVATE KEY-----\n{_random(64)}\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_credential_in_a_file_is_found(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"harmless = 1\n{KINDS[kind]()}\n")
    found = credentials.search([file])
    assert found
    assert not set(found) & credentials.accepted()


def test_settings_without_a_credential_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text(
        'password = read("BITCURRENT_PASSWORD")\ntimeout = 30\nurl = "postgresql://127.0.0.1:5432/bitcurrent"\n'
    )
    assert credentials.search([file]) == {}
