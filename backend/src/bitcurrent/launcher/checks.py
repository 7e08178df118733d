"""What a machine must have before a copy can run on it, each check with the way to mend it."""

import os
import resource
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from bitcurrent.launcher import account, addresses, lock, wheels
from bitcurrent.launcher.errors import LaunchError
from bitcurrent.launcher.layout import PORTS, Copy

PYTHON_MIN = (3, 11)
DISK_BYTES_MIN = 500 * 1024**2
DISK_BYTES_GOOD = 2 * 1024**3
MEMORY_BYTES_MIN = 700 * 1024**2
MEMORY_BYTES_GOOD = 1024**3
FILES_MIN = 1024
FILES_GOOD = 4096
YEAR_OF_THIS_VERSION = 2025
CONNECT_SECONDS = 3


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome; `mend` is empty when there is nothing to do."""

    name: str
    verdict: Verdict
    what: str
    mend: str = ""


def before_up(copy: Copy) -> str:
    """Check what stops a copy from coming up; gives a line about this machine. Raises LaunchError."""
    for check in (python, database_program, cache_program, data_folder, disk, ports):
        for finding in check(copy):
            if finding.verdict is Verdict.BAD:
                raise LaunchError(finding.what, finding.mend)
    free = shutil.disk_usage(copy.data).free / 1024**3
    return f"ports {copy.port} to {copy.port + len(PORTS) - 1} are free, {free:.0f} GB of disk"


def everything(copy: Copy, environ: Mapping[str, str]) -> list[Finding]:
    """Make every check."""
    checks: tuple[Callable[[Copy], Iterator[Finding]], ...] = (
        python, packages, database_program, cache_program, ports, data_folder, disk, memory, open_files,
        locale, clock, root,
    )  # fmt: skip
    found = [finding for check in checks for finding in check(copy)]
    return [*found, *configured_servers(environ)]


def python(copy: Copy) -> Iterator[Finding]:
    """Check the version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        yield Finding("Python", Verdict.BAD, f"This is Python {version}.", "Install Python 3.11 or newer.")
    else:
        yield Finding("Python", Verdict.OK, version)


def packages(copy: Copy) -> Iterator[Finding]:
    """Check that what is installed is what is locked (a checkout's stamp beside its venv)."""
    stamp = Path(sys.prefix) / "installed.json"
    name = "Packages"
    if sys.prefix == sys.base_prefix:
        yield Finding(name, Verdict.WARN, "Not in a virtual environment.", "`make up` makes one.")
    elif not stamp.exists():
        yield Finding(name, Verdict.WARN, "Not installed by `make up`: versions may differ.", "Run `make up`.")
    else:
        yield Finding(name, Verdict.OK, "installed from the lock file, hashes checked")


def database_program(copy: Copy) -> Iterator[Finding]:
    """Check that the wheel's PostgreSQL runs here."""
    yield _program("PostgreSQL", lambda: wheels.postgres_program("postgres"))


def cache_program(copy: Copy) -> Iterator[Finding]:
    """Check that the wheel's Redis runs here."""
    yield _program("Redis", wheels.redis_program)


def _program(name: str, find: Callable[[], Path]) -> Finding:
    try:
        return Finding(name, Verdict.OK, wheels.version_of(find()))
    except LaunchError as error:
        return Finding(name, Verdict.BAD, error.what, error.mend)


def ports(copy: Copy) -> Iterator[Finding]:
    """Check each of the copy's ports; those that this copy itself holds are well."""
    own = _family_of(lock.holder(copy.data))
    for name in PORTS:
        port = copy.port_of(name)
        if addresses.is_free(port):
            yield Finding(f"Port {port}", Verdict.OK, f"free (for {name})")
            continue
        pid, who = _listener(port)
        if pid in own:
            yield Finding(f"Port {port}", Verdict.OK, f"held by this copy's {name}")
        else:
            yield Finding(
                f"Port {port}",
                Verdict.BAD,
                f"Port {port} (for {name}) is taken by {who}.",
                f"Stop that, or choose others: make up PORT={copy.port + 100} (each copy needs 7 in a row).",
            )


def _family_of(pid: int | None) -> set[int]:
    if pid is None or not psutil.pid_exists(pid):
        return set()
    supervisor = psutil.Process(pid)
    return {pid, *(child.pid for child in supervisor.children(recursive=True))}


def _listener(port: int) -> tuple[int | None, str]:
    """Find who listens on a port; another account's processes cannot always be seen."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        connections = []
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr
        if listens and listens.port == port and connection.pid:
            return connection.pid, f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None, "another account's program"


def data_folder(copy: Copy) -> Iterator[Finding]:
    """Check that DATA can be written, and that what is private in it is."""
    name = "Data folder"
    folder = next(path for path in (copy.data, *copy.data.parents) if path.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        who = account.account_name()
        yield Finding(name, Verdict.BAD, f"{who} may not write in {folder}.", "Choose another: make up DATA=...")
        return
    stranger = _owned_by_another(copy)
    if stranger is not None:
        yield Finding(
            name,
            Verdict.BAD,
            f"{stranger} belongs to another account than the one you are.",
            "Run as the account that started this copy first, or choose another DATA.",
        )
        return
    open_secrets = [path.name for path in copy.secrets.glob("*") if path.stat().st_mode & 0o077]
    if open_secrets:
        yield Finding(name, Verdict.WARN, f"Others may read {', '.join(open_secrets)}.", f"chmod 600 {copy.secrets}/*")
    else:
        yield Finding(name, Verdict.OK, str(copy.data))


def _owned_by_another(copy: Copy) -> Path | None:
    """Find what an earlier run under another account left (root may use anything)."""
    if account.running_as_root():
        return None
    for path in (copy.secrets, copy.data / "postgres"):
        if path.exists() and path.stat().st_uid != os.geteuid():
            return path
    return None


def disk(copy: Copy) -> Iterator[Finding]:
    """Check the room where the data lies."""
    folder = next(path for path in (copy.data, *copy.data.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    told = f"{free / 1024**3:.1f} GB free"
    if free < DISK_BYTES_MIN:
        yield Finding("Disk", Verdict.BAD, f"Only {told} for {copy.data}.", "Free 2 GB, or choose another DATA.")
    elif free < DISK_BYTES_GOOD:
        yield Finding("Disk", Verdict.WARN, f"Only {told}.", "Enough to look around; trading fills it.")
    else:
        yield Finding("Disk", Verdict.OK, told)


def memory(copy: Copy) -> Iterator[Finding]:
    """Check the memory that is there to be had."""
    available = psutil.virtual_memory().available
    told = f"{available / 1024**3:.1f} GB available"
    if available < MEMORY_BYTES_MIN:
        yield Finding("Memory", Verdict.BAD, f"Only {told}.", "A copy needs 700 MB: end something else.")
    elif available < MEMORY_BYTES_GOOD:
        yield Finding("Memory", Verdict.WARN, f"Only {told}.", "Enough for one copy and nothing else.")
    else:
        yield Finding("Memory", Verdict.OK, told)


def open_files(copy: Copy) -> Iterator[Finding]:
    """Check how many files (and so connections) one process may have open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        yield Finding("Open files", Verdict.OK, "no limit")
        return
    mend = "Raise it for many clients: ulimit -n 65536"
    if limit < FILES_MIN:
        yield Finding("Open files", Verdict.BAD, f"At most {limit} for a process.", mend)
    elif limit < FILES_GOOD:
        yield Finding("Open files", Verdict.WARN, f"At most {limit} for a process.", mend)
    else:
        yield Finding("Open files", Verdict.OK, f"at most {limit} for a process")


def locale(copy: Copy) -> Iterator[Finding]:
    """Check that texts can be read and written; the database brings its own locale and needs none."""
    encoding = sys.getfilesystemencoding()
    if encoding.lower().replace("-", "") != "utf8":
        yield Finding("Locale", Verdict.WARN, f"Texts are {encoding}.", "export LC_ALL=C.UTF-8")
    else:
        yield Finding("Locale", Verdict.OK, f"{encoding}; the database has its own (C.UTF-8)")


def clock(copy: Copy) -> Iterator[Finding]:
    """Check that the clock is about right: tokens, orders and certificates go by it."""
    now = time.gmtime()
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", now)
    if now.tm_year < YEAR_OF_THIS_VERSION:
        yield Finding("Clock", Verdict.BAD, f"It says {told}.", "Set it: timedatectl set-ntp true")
    elif copy.logs.exists() and copy.logs.stat().st_mtime > time.time() + 60:
        yield Finding("Clock", Verdict.WARN, f"It says {told}, but was later before.", "timedatectl set-ntp true")
    else:
        yield Finding("Clock", Verdict.OK, told)


def root(copy: Copy) -> Iterator[Finding]:
    """Tell what running as root means here; PostgreSQL itself never does."""
    name = "Account"
    if not account.running_as_root():
        yield Finding(name, Verdict.OK, f"an ordinary one ({account.account_name()})")
        return
    folder = next(path for path in (copy.data, *copy.data.parents) if path.exists())
    try:
        chosen = account.account_for([folder, wheels.postgres_home()])
    except LaunchError as error:
        yield Finding(name, Verdict.BAD, error.what, error.mend)
        return
    kept = " and may read past closed folders" if chosen and chosen.capability is not None else ""
    yield Finding(
        name,
        Verdict.WARN,
        f"You are root; PostgreSQL and Redis run as {chosen.name if chosen else 'you'}{kept}.",
        "Fine for a look; for good, run as an ordinary account.",
    )


def configured_servers(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check that the servers named by BITCURRENT_ settings can be reached, if there are any."""
    known = {"BITCURRENT_DATABASE_URL": 5432, "BITCURRENT_OWNER_DATABASE_URL": 5432, "BITCURRENT_REDIS_URL": 6379}
    for name, usual_port in known.items():
        if not environ.get(name):
            continue
        try:
            url = urlsplit(environ[name])
            host, port = url.hostname or addresses.HERE, url.port or usual_port
        except ValueError:
            yield Finding(name, Verdict.BAD, "It is not an address.", "See docs/settings.md.")
            continue
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            yield Finding(name, Verdict.BAD, f"{host}:{port} does not answer: {error}", "Start it or correct it.")
        else:
            yield Finding(name, Verdict.OK, f"{host}:{port} answers")
