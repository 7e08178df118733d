"""`bitcurrent doctor`: a table of what this machine has and lacks, and how to mend it."""

import os
import sys

from rich.console import Console
from rich.table import Table

from bitcurrent.launcher.checks import Verdict, everything
from bitcurrent.launcher.layout import Copy

COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.BAD: "red"}
PLAIN_WIDTH = 160


def doctor(copy: Copy) -> int:
    """Print every finding; gives 1 when something stops a copy from running."""
    findings = everything(copy, os.environ)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    table = Table("check", "", "found", "what to do", box=None, padding=(0, 1))
    for finding in findings:
        verdict = f"[{COLOURS[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(finding.name, verdict, finding.what, finding.mend)
    console.print(table)
    count = {verdict: sum(f.verdict is verdict for f in findings) for verdict in Verdict}
    console.print(", ".join(f"{number} {verdict}" for verdict, number in count.items()))
    return 1 if count[Verdict.BAD] else 0
