"""`bitcurrent operators …`, and the examples in docs/api-keys.md."""

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from bitcurrent.cli import main
from bitcurrent.identity.key_signing import Approach, check_signature, check_time, read_proof
from bitcurrent.identity.operators_commands import EXIT_DONE, EXIT_NOT_ASKED, EXIT_REFUSED, add, disable, show
from bitcurrent.identity.recognition import hash_secret
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.settings import Settings
from tests.support.brokerage import settings_for

GOOD = "violet tractor nine moons"
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def settings(database_urls: DatabaseUrls, redis_url: str) -> Settings:
    return settings_for(database_urls, redis_url)


def rows(settings: Settings, query: str) -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(settings.database_url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(read())


def nobody_asks() -> str:
    raise AssertionError("the password of somebody known was asked for")


def test_the_first_operator_is_made_listed_changed_and_disabled(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(settings, "Olga@Example.Test", "admin", lambda: GOOD) == EXIT_DONE
    assert "olga@example.test is admin now" in capsys.readouterr().out
    assert rows(settings, "SELECT role, is_customer, status FROM users") == [
        {"role": "admin", "is_customer": False, "status": "active"}
    ]
    assert add(settings, "peter@example.test", "support", lambda: GOOD) == EXIT_DONE
    assert add(settings, "peter@example.test", "finance", nobody_asks) == EXIT_DONE
    assert add(settings, "peter@example.test", "finance", nobody_asks) == EXIT_REFUSED
    capsys.readouterr()
    assert show(settings) == EXIT_DONE
    shown = capsys.readouterr().out
    assert "olga" in shown
    assert "finance" in shown
    assert disable(settings, "peter@example.test") == EXIT_DONE
    assert disable(settings, "olga@example.test") == EXIT_REFUSED
    assert "last admin" in capsys.readouterr().out
    assert sorted(row["role"] for row in rows(settings, "SELECT role FROM users")) == ["admin", "customer"]
    acts = rows(settings, "SELECT action, actor_kind, after FROM audit_logs WHERE actor_kind = 'system' ORDER BY id")
    assert [act["action"] for act in acts if act["action"].startswith("operator.")] == [
        "operator.added",
        "operator.added",
        "operator.role_changed",
        "operator.role_changed",
    ]


@pytest.mark.parametrize("password", ["short", "password1234", "olga.example.test"])
def test_a_weak_password_makes_nobody(settings: Settings, capsys: pytest.CaptureFixture[str], password: str) -> None:
    assert add(settings, "olga.example.test@example.test", "admin", lambda: password) == EXIT_REFUSED
    assert capsys.readouterr().out.strip()
    assert rows(settings, "SELECT id FROM users") == []


def test_the_command_line_takes_the_password_from_standard_input_and_never_shows_it(settings: Settings) -> None:
    environ = {
        f"BITCURRENT_{name.upper()}": str(getattr(settings, name))
        for name in Settings.__struct_fields__
        if getattr(settings, name) not in ("", None)
    }
    arguments = ["operators", "add", "olga@example.test", "--role", "compliance", "--password-stdin"]
    answer = CliRunner().invoke(main, arguments, env=environ, input=GOOD + "\n")
    assert answer.exit_code == EXIT_DONE, answer.output
    assert GOOD not in answer.output
    assert rows(settings, "SELECT role FROM users") == [{"role": "compliance"}]


def test_a_role_that_there_is_not_is_refused_by_name() -> None:
    answer = CliRunner().invoke(main, ["operators", "add", "olga@example.test", "--role", "owner"])
    assert answer.exit_code == 2
    assert "owner" in answer.output


def test_without_a_database_the_command_says_so(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    import msgspec

    lost = msgspec.structs.replace(settings, database_url="postgresql://nobody@127.0.0.1:9/nothing")
    assert show(lost) == EXIT_NOT_ASKED
    assert "cannot be asked" in capsys.readouterr().out


async def test_the_example_in_the_docs_signs_what_we_accept() -> None:
    text = (DOCS / "api-keys.md").read_text()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    exec(example[1], names)
    body = b'{"symbol":"BTC/USD"}'
    headers = names["sign"]("BKEXAMPLE", "the secret", "POST", "/api/orders?x=1", body)

    async def sent() -> bytes:
        return body

    proof = read_proof([(name.lower().encode(), value.encode()) for name, value in headers.items()])
    assert proof is not None
    check_time(proof)
    await check_signature(proof, hash_secret("the secret"), Approach("127.0.0.1", "POST", "/api/orders?x=1", sent))


def test_the_table_of_roles_in_the_docs_is_the_code() -> None:
    from bitcurrent.identity.permissions import OPERATOR_ROLES, PERMISSIONS, ROLES

    lines = [line for line in (DOCS / "operators.md").read_text().splitlines() if line.startswith("| `")]
    told: set[str] = set()
    for line in lines:
        names, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        for permission in re.findall(r"`([a-z.]+)`", names):
            told.add(permission)
            holders = [role for role, cell in zip(OPERATOR_ROLES, cells, strict=True) if cell == "yes"]
            assert holders == [role for role in OPERATOR_ROLES if permission in ROLES[role]], permission
    assert told == PERMISSIONS
