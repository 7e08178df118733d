"""What somebody who steals a database sees, and every obvious form in which a text may lie in it."""

import base64
import subprocess

from bitcurrent.launcher import wheels


def dump(owner_url: str) -> bytes:
    """Everything in a database, as pg_dump writes it for its owner."""
    command = [str(wheels.postgres_program("pg_dump")), "--dbname", owner_url]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def found_in(haystack: bytes, *texts: str) -> list[str]:
    """Which texts lie open in some bytes: plain, UTF-16, hexadecimal, base64 at any offset, in any case."""
    small = haystack.lower()
    return [f"{text} as {form}" for text in texts for form, needle in _forms(text) if needle.lower() in small]


def _forms(text: str) -> list[tuple[str, bytes]]:
    forms = []
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        plain = text.encode(encoding)
        forms += [(encoding, plain), (f"{encoding} in hex", plain.hex().encode())]
        for offset in range(3):
            # What stands before it shifts base64 by some bits: only the middle is always the same.
            inner = base64.b64encode(b"\0" * offset + plain)[4 if offset else 0 : -4]
            forms += [
                (f"{encoding} in base64", inner),
                (f"{encoding} in base64url", inner.replace(b"+", b"-").replace(b"/", b"_")),
            ]
    return forms
