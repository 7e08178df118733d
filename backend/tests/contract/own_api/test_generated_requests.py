"""Requests that a machine thinks of: schemathesis over every operation of the running API, with all of its checks.

As nobody, as two customers and as an operator; the stateful phase (what one answer names is asked for by the next
request) really run each time, the longest one (every edge of every parameter) once over the customers' operations as a
customer and once over the back office as an operator.
The terminal's summary tells how much was asked, and the seed.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from bitcurrent.kernel.ids import UserId
from tests.support import books
from tests.support.customers import Person, create_key, enrol, register
from tests.support.own_api import Contract, Operation, read_contract
from tests.support.system import System, in_thread

SEED = int(os.environ.get("BITCURRENT_SCHEMATHESIS_SEED", str(int(time.time()))))
"""A new one for each run; BITCURRENT_SCHEMATHESIS_SEED repeats an old one."""
EXAMPLES = os.environ.get("BITCURRENT_SCHEMATHESIS_EXAMPLES", "3")
SECONDS_MAX = 600
CHAINED_MIN = 10
"""So many requests at least must have been about what an answer before them named."""
ENDS_THE_SESSION = ("logOut", "closeAccount", "askErasure", "endSession", "endOtherSessions")
"""Left to nobody: whoever is logged in would be nobody after it."""
OFFICE = "/api/admin/"
EDGES = {"ann": f"--exclude-path-regex=^{OFFICE}", "operator": f"--include-path-regex=^{OFFICE}"}
"""Over which operations somebody tries every edge of every parameter."""
CONFIGURATION = """
[checks]
# A right form can still break a rule of the market (422), and ask for what is not there.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "503"]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "429"]
missing_required_header.expected-statuses = ["401", "403", "404", "422"]

[phases.stateful]
generation.max-examples = 25

[[operations]]
# No account for texts is set here, and that is what they answer.
include-operation-id = ["beginPhone", "sendStepUpText", "sendLoginText"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]

[[operations]]
# Nobody can sign like the processor, or like who checks identities: every body is refused with 400, as they expect.
include-operation-id = ["takeProcessorEvent", "takeIdentityEvent"]
checks.positive_data_acceptance.expected-statuses = ["400", "413", "429"]
"""


@pytest.mark.parametrize("who", ["nobody", "ann", "ben", "operator"])
@pytest.mark.timeout(SECONDS_MAX + 60)
def test_no_request_breaks_the_api(system: System, tmp_path: Path, who: str) -> None:
    headers = {} if who == "nobody" else in_thread(_person(system, operator=who == "operator")).bearer
    contract = read_contract(system.url)
    events = _run(system, tmp_path, headers, "examples,fuzzing,stateful")
    if who in EDGES:
        events += _run(system, tmp_path, headers, "coverage", EDGES[who])
    operations, cases = _counts(events, contract)
    print(f"schemathesis as {who}, seed {SEED}: {len(operations)} operations, {dict(sorted(cases.items()))}")
    described = {operation.id for operation in contract.operations()} - set(ENDS_THE_SESSION if headers else ())
    assert described - operations == set(), "operations that were never asked"
    assert cases["fuzzing"] >= len(described)
    if who in EDGES:
        office = [one for one in contract.operations() if one.path.startswith(OFFICE)]
        assert cases["coverage"] >= (len(office) if who == "operator" else len(described) - len(office))
    # Nobody cannot make anything that the next request could be about.
    assert cases["stateful, following a link"] >= (CHAINED_MIN if who in {"ann", "ben"} else 0)


async def _person(system: System, *, operator: bool) -> Person:
    """Somebody with money, a confirmed address and a fresh second factor."""
    async with httpx.AsyncClient(base_url=system.url, timeout=20) as http:
        person = await register(http, database_url=system.database.app)
        await enrol(http, person)
        async with system.connection() as connection:
            await books.credit(connection, UserId(UUID(person.id)), "USD", Decimal(10_000))
        # Something to follow links to.
        order = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "quantity": "0.01", "limit_price": "20000"}
        placed = await http.post("/api/orders", json=order, headers=person.bearer)
        assert placed.status_code == 201, placed.text
        await create_key(http, person, "read")
    if operator:
        async with system.connection() as connection:
            await connection.execute("UPDATE users SET role = 'admin' WHERE id = $1", UUID(person.id))
    return person


def _counts(events: list[dict[str, Any]], contract: Contract) -> tuple[set[str], Counter[str]]:
    """The operations that were asked, and how many requests each phase has sent."""
    asked, cases = set(), Counter[str]()
    for event in events:
        finished = event.get("ScenarioFinished") or {}
        for case in finished.get("recorder", {}).get("cases", {}).values():
            cases[finished["phase"]] += 1
            cases["stateful, following a link"] += finished["phase"] == "stateful" and case["is_transition_applied"]
            asked.add((case["value"]["method"], case["value"]["path"]))
    return {one.id for one in contract.operations() if _place(one) in asked}, cases


def _place(operation: Operation) -> tuple[str, str]:
    return operation.method, operation.path


def _run(system: System, folder: Path, headers: dict[str, str], phases: str, *options: str) -> list[dict[str, Any]]:
    """One run over the API; fails with what schemathesis says."""
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    left_out = [] if not headers else [f"--exclude-operation-id={name}" for name in ENDS_THE_SESSION]
    answer = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(folder / "schemathesis.toml"),
            "run", f"{system.url}/api/openapi.json", "--checks=all", f"--max-examples={EXAMPLES}", f"--seed={SEED}",
            f"--phases={phases}", "--continue-on-failure", "--generation-database=none",
            "--suppress-health-check=all", "--no-color", "--no-shrink", "--report=ndjson",
            f"--report-ndjson-path={folder / 'events'}",
            *options, *left_out, *(f"--header={name}: {value}" for name, value in headers.items()),
        ],
        cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout[-20_000:] + answer.stderr
    return [json.loads(line) for line in (folder / "events").read_text().splitlines()]
