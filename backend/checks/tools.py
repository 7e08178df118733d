"""Tools whose own dependencies clash with ours live in .venv-tools, made from backend/requirements-tools.lock.

Does nothing when what is there is what the lock file says. Run by `make check`; tests call `ensure`.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
VENV = TOP / ".venv-tools"
LOCK = TOP / "backend" / "requirements-tools.lock"
STAMP = VENV / "installed"
INSTALL_SECONDS_MAX = 600


def ensure() -> Path:
    """Make or renew the environment when the lock file changed; gives its folder of programs."""
    wanted = f"{TOP} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}"
    descriptor = os.open(TOP / "backend" / "checks", os.O_RDONLY)
    try:
        # A check and a test that start side by side.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not STAMP.is_file() or STAMP.read_text() != wanted:
            _make()
            STAMP.write_text(wanted)
    finally:
        os.close(descriptor)
    return VENV / "bin"


def _make() -> None:
    sys.stderr.write("tools: making .venv-tools\n")
    shutil.rmtree(VENV, ignore_errors=True)
    # The Python of .venv: it is known to be able to make environments.
    subprocess.run([sys.executable, "-I", "-m", "venv", str(VENV)], check=True, timeout=INSTALL_SECONDS_MAX)
    pip = [str(VENV / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    installed = subprocess.run(
        [*pip, "install", "--require-hashes", "--requirement", str(LOCK)],
        capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False,
    )  # fmt: skip
    if installed.returncode:
        raise SystemExit(f"{installed.stderr[-3000:]}\npip could not install the tools: see its words above.")


if __name__ == "__main__":
    ensure()
