"""Rules about texts that linters do not know: sizes, money, unfinished work, addresses that do not belong.

Prints each finding as path:line and ends with code 1 when there are any.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LINES_MAX = 500
LINES_WELCOME = 400
SELF = ("backend/checks/", "backend/tests/checks/")


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that may not stand in files whose path matches, and why."""

    pattern: re.Pattern[str]
    where: re.Pattern[str]
    why: str


def _rule(pattern: str, where: str, why: str) -> Rule:
    return Rule(re.compile(pattern), re.compile(where), why)


CODE = r"\.(py|sql|sh|ts|tsx|css)$|^Makefile$|^\.ci/"
RULES = (
    _rule(r"\bfloat\(", r"^backend/src/bitcurrent/.*\.py$", "money is Decimal: no float in the brokerage"),
    _rule(r"\b(TODO|FIXME|XXX|HACK)\b", CODE, "unfinished work does not go in"),
    _rule(r"\bNotImplementedError\b", r"\.py$", "what is not there is not offered"),
    _rule(r"pytest\.(mark\.)?(skip|skipif|xfail)\b", r"\.py$", "a test runs or goes"),
    _rule(r"\b(unittest\.mock|MagicMock|AsyncMock|monkeypatch\.setattr)\b", r"\.py$", "no mocks of our own code"),
    _rule(r"#\s*type:\s*ignore\[[^]]+\]\s*$", r"\.py$", "say why beside a type: ignore"),
    _rule(r"#\s*noqa(:\s*[A-Z0-9, ]+)?\s*$", r"\.py$", "say why beside a noqa"),
    _rule(r"\bx-access-token\b|BEGIN (RSA |EC )?PRIVATE KEY", r"", "no credentials"),
    _rule(r"(?<![\w./-])/(work|home|root/\w)[\w./-]*", CODE + r"|\.(md|toml|lock|json)$", "no path of one machine"),
    _rule(r"--(extra-)?index-url\s", r"\.(lock|toml|txt|sh)$|^Makefile$", "no registry's address"),
)


def findings(path: str, text: str) -> Iterator[str]:
    """Give what is wrong with one file, as path:line: reason."""
    lines = text.splitlines()
    if len(lines) > LINES_MAX and re.search(CODE, path):
        yield f"{path}:{LINES_MAX}: {len(lines)} lines; {LINES_WELCOME} already say: split me"
    for rule in RULES:
        if not rule.where.search(path):
            continue
        for number, line in enumerate(lines, 1):
            if rule.pattern.search(line):
                yield f"{path}:{number}: {rule.why}: {line.strip()[:80]}"


def tracked_files(*, everything: bool = False) -> list[str]:
    """List the files that git knows or would add; without those of the checks unless `everything`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=TOP, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [path for path in listed.stdout.split("\0") if path and (everything or not path.startswith(SELF))]


def main() -> int:
    """Look at every file of the repository."""
    looked = 0
    found: list[str] = []
    for path in tracked_files():
        file = TOP / path
        if not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures and the like
        looked += 1
        found += findings(path, text)
    for line in found:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"house rules: {looked} files, {len(RULES) + 1} rules, {len(found)} findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
