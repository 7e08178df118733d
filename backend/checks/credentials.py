"""Credentials that were written into a file: detect-secrets over every file of the repository, run by `make check`.

What was looked at and is none (passwords of invented people, addresses in examples) stands in secrets.baseline, by
hash. `--accept` writes that file anew: look at its difference before committing it.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

from checks.house import TOP, tracked_files

BASELINE = Path(__file__).with_name("secrets.baseline")
NOT_LOOKED_AT = (".lock", "common_passwords.txt", ".baseline")
"""Hashes of packages, the list of passwords that nobody may have, and the baseline's own hashes."""

INVENTED = ("backend/tests/", "Secret Keyword")
"""Tests invent people with passwords: there a telling name beside a value says nothing. Every other kind counts."""

Found = dict[tuple[str, str], list[str]]


def search(paths: Iterable[Path]) -> Found:
    """What looks like a credential: its kind and hash, with every place where it stands."""
    found: Found = {}
    with default_settings():
        for path in paths:
            if path.name.endswith(NOT_LOOKED_AT) or not path.is_file():
                continue
            collection = SecretsCollection(root=str(path.parent))
            collection.scan_file(path.name)
            for _, secret in collection:
                place = f"{path.relative_to(TOP) if path.is_relative_to(TOP) else path}:{secret.line_number}"
                if place.startswith(INVENTED[0]) and secret.type == INVENTED[1]:
                    continue
                found.setdefault((secret.type, secret.secret_hash), []).append(place)
    return found


def accepted() -> set[tuple[str, str]]:
    """What somebody has looked at already."""
    return {(one["kind"], one["hash"]) for one in json.loads(BASELINE.read_text())}


def accept(found: Found) -> None:
    """Write down that all of this is no credential."""
    listed = [
        {"kind": kind, "hash": digest, "seen": places[0].partition(":")[0]} for (kind, digest), places in found.items()
    ]
    listed.sort(key=lambda one: (one["seen"], one["kind"], one["hash"]))
    BASELINE.write_text(json.dumps(listed, indent=1) + "\n")


def main(*arguments: str) -> int:
    """Look at every file of the repository."""
    paths = [TOP / path for path in tracked_files(everything=True)]
    found = search(paths)
    if "--accept" in arguments:
        accept(found)
    known = accepted()
    new = {what: places for what, places in found.items() if what not in known}
    for (kind, _), places in new.items():
        sys.stdout.write(f"{', '.join(places)}: {kind}\n")
    if new:
        sys.stdout.write("If that is none: backend/checks/credentials.py --accept, and look at the difference.\n")
    sys.stdout.write(f"credentials: {len(paths)} files, {len(found) - len(new)} accepted, {len(new)} new\n")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
