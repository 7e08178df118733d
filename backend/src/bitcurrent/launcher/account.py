"""Which account a database server runs under, and what it needs to reach its files.

PostgreSQL refuses to run as root. Started by root, its programs run as a system account of their own. When
checkout or DATA lie below a folder closed to that account (a clone in /root, on a fresh server), the folders
stay as they are: the server keeps one capability, to search and read, instead.
"""

import functools
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bitcurrent.launcher.errors import LaunchError

ACCOUNT = "bitcurrent-db"
LAST_RESORT = "nobody"
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account of this machine, and the one capability it keeps (or none)."""

    name: str
    user: int
    group: int
    capability: int | None = None


def running_as_root() -> bool:
    """Tell whether this process is root."""
    return os.geteuid() == 0


def account_for(paths: Iterable[Path]) -> Account | None:
    """Give the account for servers that must reach these paths; None means "just as we are".

    Raises LaunchError when root has no way to let another account reach them.
    """
    if not running_as_root():
        return None
    user, group, name = _system_account()
    closed = next((folder for path in paths for folder in _closed_folders(path, user, group)), None)
    if closed is None:
        return Account(name, user, group)
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if _holds(capability):
            return Account(name, user, group, capability)
    raise LaunchError(
        f"PostgreSQL may not run as root, and the account {name} cannot enter {closed}.",
        "Put the checkout and DATA where others may enter (for example /opt), or run as an ordinary user.",
    )


def hand_over(path: Path, account: Account | None, mode: int = 0o700) -> None:
    """Make a file or folder belong to the server's account, with this mode."""
    if account is not None:
        os.chown(path, account.user, account.group)
    path.chmod(mode)


@functools.cache
def _system_account() -> tuple[int, int, str]:
    """Find the servers' account, creating it the first time."""
    try:
        return _numbers(ACCOUNT)
    except KeyError:
        _create()
    try:
        return _numbers(ACCOUNT)
    except KeyError:
        return _numbers(LAST_RESORT)


def _numbers(name: str) -> tuple[int, int, str]:
    entry = pwd.getpwnam(name)
    return entry.pw_uid, entry.pw_gid, name


def _create() -> None:
    """Create the system account; a machine without useradd falls back to `nobody`."""
    program = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        return
    subprocess.run(
        [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
         "--shell", "/usr/sbin/nologin", ACCOUNT],
        check=False, capture_output=True, timeout=20,
    )  # fmt: skip


def _closed_folders(path: Path, user: int, group: int) -> list[Path]:
    """List the folders on the way to a path that this account may not enter."""
    resolved = path.resolve()
    folders = [folder for folder in (resolved, *resolved.parents) if folder.is_dir()]
    return [folder for folder in reversed(folders) if not _may_enter(folder.stat(), user, group)]


def _may_enter(status: os.stat_result, user: int, group: int) -> bool:
    if status.st_uid == user:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == group:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _holds(capability: int) -> bool:
    """Tell whether this process holds a capability now; always false where there are none."""
    status = Path("/proc/self/status")
    if not status.exists():
        return False
    for line in status.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> capability & 1)
    return False


def account_name() -> str:
    """Name the account this process runs under, or its number where it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
