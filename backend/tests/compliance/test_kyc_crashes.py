"""The worker dies by SIGKILL while somebody is verified: one check, one approval, one letter, one webhook."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bitcurrent.kernel.ids import new_id
from tests.support.sandbox import HTTP
from tests.support.system import Customer, ProcessName, System, eventually, in_thread
from tests.support.verifying import profile

PATIENCE = 40


@pytest.fixture(autouse=True)
def _alive_afterwards(system: System) -> Iterator[None]:
    yield
    for name in ("api", "worker"):
        if name not in system.processes or system.processes[name].poll() is not None:
            system.processes.pop(name, None)
            system.start(name)


@pytest.mark.parametrize(
    ("process", "label"),
    [
        ("worker", ""),
        ("worker", "kyc.check_started"),
    ],
)
def test_somebody_is_verified_once_whoever_dies_at(system: System, process: ProcessName, label: str) -> None:
    ann = system.customer()
    assert ann.token
    _ask(system, ann, "PUT", "/api/profile", profile())
    wish = {"level": "basic", "nationality": "GB", "tax_residences": ["GB"]}
    draft = _ask(system, ann, "POST", "/api/kyc/submissions", wish)
    if label:
        system.kill(process)
        system.start(process, crash_at=label)
    doomed = system.processes[process].pid
    _ask(system, ann, "POST", f"/api/kyc/submissions/{draft['id']}/submit")
    if label:
        eventually(lambda: system.processes[process].pid != doomed or _revived(system, process), seconds=PATIENCE)
    eventually(lambda: _is_approved(system, ann), seconds=PATIENCE, pause=0.1)
    checks = HTTP.get(f"{system.sandbox.url}/sandbox/idcheck/checks", params={"reference": draft["id"]}).json()
    assert len(checks["checks"]) == 1
    assert _count(system, "SELECT count(*) FROM kyc_submissions WHERE user_id = $1::text::uuid", ann) == 1
    letters = "SELECT count(*) FROM mails WHERE user_id = $1::text::uuid AND template = 'kyc_approved'"
    assert _count(system, letters, ann) == 1
    told = (
        "SELECT count(*) FROM kyc_events e JOIN kyc_submissions s ON s.id = e.reference"
        " WHERE s.user_id = $1::text::uuid"
    )
    eventually(lambda: _count(system, told, ann) == 1)
    assert system.broken_laws() == []


def _revived(system: System, process: ProcessName) -> bool:
    """Whether it has died, and is started again, without the order to die."""
    if system.processes[process].poll() is None:
        return False
    system.processes.pop(process)
    system.start(process)
    return True


def _is_approved(system: System, ann: Customer) -> bool:
    return bool(_ask(system, ann, "GET", "/api/kyc")["level"] == "basic")


def _count(system: System, query: str, ann: Customer) -> int:
    async def read() -> int:
        async with system.connection() as connection:
            found: int = await connection.fetchval(query, str(ann.user_id))
            return found

    return in_thread(read())


def _ask(system: System, ann: Customer, method: str, path: str, body: Any = None) -> Any:
    """One request, with one key until it is answered; an API that died under it is started again."""
    headers = {"Authorization": f"Bearer {ann.token}", "Idempotency-Key": str(new_id())}
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, f"{method} {path} was never answered"
        try:
            answer = httpx.request(method, f"{system.url}{path}", json=body, headers=headers, timeout=10)
        except httpx.TransportError:
            if "api" in system.processes and system.processes["api"].poll() is not None:
                system.processes.pop("api")
                system.start("api")
            continue
        if answer.status_code not in {409, 503} or answer.json().get("code") not in {
            "idempotency_key_in_use",
            "unavailable",
        }:
            assert answer.is_success, answer.text
            return answer.json()
        time.sleep(0.1)
