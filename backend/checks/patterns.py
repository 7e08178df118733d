"""Our own semgrep rules over the code, and over fixtures that break each of them on purpose: run by `make check`.

A rule `x` lies in semgrep/*.yaml; in semgrep/fixtures `# ruleid: x` stands above a line that it must find and
`# ok: x` above one that it must not. A finding in our code that is right all the same carries
`# nosemgrep: x` and the reason. No rules come from a registry, and nothing is told to anybody.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from checks import tools

TOP = Path(__file__).resolve().parents[2]
RULES = TOP / "backend" / "checks" / "semgrep"
FIXTURES = RULES / "fixtures"
LOOKED_AT = ("backend/src", "backend/migrations", "bench")
SECONDS_MAX = 240
_EXPECTATION = re.compile(r"^\s*# (ruleid|ok): ([a-z-]+)$")
_SUPPRESSION = re.compile(r"#\s*nosemgrep(?::\s*([\w-]+))?(.*)$")


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A rule matched a line."""

    path: str
    line: int
    rule: str


@dataclass(slots=True)
class Outcome:
    """What one run saw; `files` were read."""

    findings: set[Finding] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    files: int = 0


def rules() -> list[str]:
    """The names of all our rules."""
    return sorted(rule["id"] for file in RULES.glob("*.yaml") for rule in yaml.safe_load(file.read_text())["rules"])


def scan(paths: Iterable[str | Path]) -> Outcome:
    """Run semgrep over files and folders, relative to the top."""
    programs = tools.ensure()
    with tempfile.TemporaryDirectory(prefix="bitcurrent-semgrep-") as folder:
        environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "SEMGREP_SETTINGS_FILE": f"{folder}/settings.yml",
            "SEMGREP_LOG_FILE": f"{folder}/log",
            "SEMGREP_VERSION_CACHE_PATH": f"{folder}/version",
        }
        options = ["--metrics=off", "--disable-version-check", "--oss-only", "--no-git-ignore", "--json", "--quiet"]
        answer = subprocess.run(
            [str(programs / "semgrep"), "scan", "--config", str(RULES), *options, *map(str, paths)],
            cwd=TOP, env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
        )  # fmt: skip
    if not answer.stdout:
        return Outcome(faults=[f"semgrep ended with {answer.returncode}: {answer.stderr[-2000:]}"])
    told = json.loads(answer.stdout)
    return Outcome(
        findings={
            Finding(one["path"], one["start"]["line"], one["check_id"].rpartition(".")[2]) for one in told["results"]
        },
        faults=[f"{error.get('path', '')}: {error['message'][:500]}" for error in told["errors"]],
        files=len(told["paths"]["scanned"]),
    )


def expected(folder: Path = FIXTURES) -> set[Finding]:
    """What the fixtures say must be found in them."""
    return {
        Finding(str(file.relative_to(TOP)), number + 1, match[2])
        for file in sorted(folder.glob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if (match := _EXPECTATION.match(line)) and match[1] == "ruleid"
    }


def unexplained(paths: Sequence[str] = LOOKED_AT) -> list[str]:
    """Suppressions that name no rule or give no reason."""
    found = []
    for path in paths:
        for file in sorted((TOP / path).rglob("*.py")):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                match = _SUPPRESSION.search(line)
                if match and (match[1] is None or not re.search(r"\w{3}", match[2])):
                    found.append(f"{file.relative_to(TOP)}:{number}: name the rule and say why: {line.strip()[:80]}")
    return found


def complaints(outcome: Outcome) -> list[str]:
    """Everything that is wrong: findings in our code, fixtures that were not seen, rules without a fixture."""
    inside = str(FIXTURES.relative_to(TOP))
    in_fixtures = {one for one in outcome.findings if one.path.startswith(inside)}
    wanted = expected()
    lines = [f"{one.path}:{one.line}: {one.rule}" for one in sorted(outcome.findings - in_fixtures)]
    lines += [f"{one.path}:{one.line}: {one.rule} must be found here" for one in sorted(wanted - in_fixtures)]
    lines += [f"{one.path}:{one.line}: {one.rule} must not be found here" for one in sorted(in_fixtures - wanted)]
    lines += [f"{rule} has no fixture" for rule in rules() if rule not in {one.rule for one in wanted}]
    return [*outcome.faults, *lines, *unexplained()]


def main() -> int:
    """Look at our code and at the fixtures in one run."""
    outcome = scan([*LOOKED_AT, FIXTURES.relative_to(TOP)])
    wrong = complaints(outcome)
    for line in wrong:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(
        f"semgrep: {outcome.files} files, {len(rules())} rules, "
        f"{len(expected())} planted breaches, {len(wrong)} complaints\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
