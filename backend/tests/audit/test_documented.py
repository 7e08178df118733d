"""The program in docs/audit.md, which shares nothing with ours, comes to the same verdict."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from bitcurrent.audit.heads import public_text
from tests.audit.conftest import AuditLog

DOCUMENT = Path(__file__).parents[3] / "docs" / "audit.md"


async def judge(log: AuditLog) -> tuple[int, str]:
    """Run the documented program as an auditor does."""
    (program,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    command = [sys.executable, "-c", program, log.urls.app, str(log.heads), public_text(log.signer.public_key)]
    ended = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr


async def test_the_documented_program_agrees_with_ours(log: AuditLog) -> None:
    await log.sealed(3)
    await log.acts(4, ключ="значение", control="a\tb\n\u007f\u0001")
    assert await log.keeper.seal() == 4
    await log.sealed(1)
    assert await judge(log) == (0, "8 acts are sound\n")
    assert (await log.verify())[0] == 0


async def test_it_sees_an_edit_and_a_cut(log: AuditLog) -> None:
    await log.sealed(5)
    await log.tamper("UPDATE audit_logs SET address = NULL WHERE id = 2")
    assert await judge(log) == (1, "broken at place 2\n")
    await log.tamper("DELETE FROM audit_logs", "DELETE FROM audit_seals")
    assert await judge(log) == (1, "cut off: heads saw place 5, the chain ends at 0\n")
