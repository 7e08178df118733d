"""One PostgreSQL cluster of our own: made once, started as a child, given its roles and its database.

It listens on 127.0.0.1 only, has no Unix socket (a long DATA path would not fit in one) and asks everybody
for a password. `bitcurrent_owner` owns the database and is for migrations; the app's role owns nothing.
"""

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from bitcurrent.launcher import addresses, spawn, wheels
from bitcurrent.launcher.account import Account, hand_over
from bitcurrent.launcher.errors import LaunchError

DATABASE = "bitcurrent"
SUPERUSER = "postgres"
OWNER = "bitcurrent_owner"
APP = "bitcurrent_app"

# A small machine's settings; shared memory is for some hundred thousand orders, not for a data centre.
SETTINGS = {
    "shared_buffers": "64MB",
    "max_connections": "100",
    "wal_level": "replica",
    "max_wal_size": "512MB",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_lock_waits": "on",
    "idle_in_transaction_session_timeout": "60s",
    "password_encryption": "scram-sha-256",
}
# For data that may be lost: nothing waits for the disk.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_ROLES = """
\\set ON_ERROR_STOP on
SELECT format('CREATE ROLE %I LOGIN', role)
  FROM unnest(ARRAY['{owner}', '{app}']) AS role
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \\gexec
ALTER ROLE {owner} PASSWORD '{owner_password}' NOSUPERUSER NOCREATEDB NOCREATEROLE;
ALTER ROLE {app} PASSWORD '{app_password}' NOSUPERUSER NOCREATEDB NOCREATEROLE;
SELECT 'CREATE DATABASE {database} OWNER {owner}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {app};
"""


@dataclass(frozen=True, slots=True)
class Passwords:
    """The three passwords of a cluster; letters, digits, - and _ only, so they need no quoting."""

    superuser: str
    owner: str
    app: str

    @classmethod
    def fresh(cls) -> "Passwords":
        """Make three new ones of 192 bits each."""
        return cls(*(secrets.token_urlsafe(24) for _ in range(3)))


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL cluster in `home`, listening on `port`; `durable=False` only for data nobody needs."""

    home: Path
    port: int
    passwords: Passwords
    account: Account | None
    durable: bool = True

    @property
    def data(self) -> Path:
        """The data directory, named after the major version so that an upgrade finds both."""
        return self.home / str(wheels.POSTGRES_MAJOR)

    @property
    def exists(self) -> bool:
        """Whether the cluster has been made."""
        return (self.data / "PG_VERSION").exists()

    @property
    def owner_url(self) -> str:
        """For migrations only."""
        return self.url(OWNER, self.passwords.owner)

    @property
    def app_url(self) -> str:
        """For everything else."""
        return self.url(APP, self.passwords.app)

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        """Give the address of a database for one role."""
        return f"postgresql://{role}:{password}@{addresses.HERE}:{self.port}/{database}"

    def create(self) -> None:
        """Run initdb; made aside and renamed, so that an interrupted one leaves nothing half done."""
        self.home.mkdir(parents=True, exist_ok=True)
        hand_over(self.home, self.account)
        draft = self.home / f".new-{wheels.POSTGRES_MAJOR}"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.home / ".initial-password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.passwords.superuser)
        hand_over(password_file, self.account, 0o600)
        try:
            done = spawn.run(self._initdb(draft, password_file), account=self.account, timeout=120)
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise LaunchError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        (draft / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        draft.rename(self.data)

    def _initdb(self, folder: Path, password_file: Path) -> list[str | Path]:
        return [
            wheels.postgres_program("initdb"), "--pgdata", folder, "--username", SUPERUSER,
            "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "--data-checksums", "--auth=scram-sha-256", "--pwfile", password_file,
            *([] if self.durable else ["--no-sync"]),
        ]  # fmt: skip

    def command(self) -> list[str | Path]:
        """Give the command line of the server."""
        settings = {
            **SETTINGS,
            **({} if self.durable else CARELESS),
            "port": str(self.port),
            "listen_addresses": addresses.HERE,
            "unix_socket_directories": "",
        }
        pairs = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [wheels.postgres_program("postgres"), "-D", self.data, *pairs]

    def is_ready(self, pid: int) -> bool:
        """Tell whether the server with this process id accepts connections (it says so in its pid file)."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def forget_stale_lock(self) -> None:
        """Remove a pid file whose number now belongs to some other program.

        PostgreSQL itself copes with a number that belongs to nobody; a number used again by another
        process of the same account would make it refuse to start for ever.
        """
        lines = self._pid_file()
        if not lines or not lines[0].strip().isdigit():
            return
        pid = int(lines[0])
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return
        if name != "postgres":
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def establish(self) -> None:
        """Create the roles and the database where they are missing; the server must be ready."""
        self.sql(
            _ROLES.format(
                owner=OWNER,
                app=APP,
                database=DATABASE,
                owner_password=self.passwords.owner,
                app_password=self.passwords.app,
            )
        )

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run statements as the superuser and give what they print. Raises LaunchError."""
        environment = {**os.environ, "PGPASSWORD": self.passwords.superuser, "PGCONNECT_TIMEOUT": "5"}
        done = spawn.run(
            [wheels.postgres_program("psql"), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
             "--set=ON_ERROR_STOP=1", "--host", addresses.HERE, "--port", str(self.port),
             "--username", SUPERUSER, "--dbname", database, "--file=-"],
            environment=environment, text=text, account=self.account,
        )  # fmt: skip
        if done.returncode == 0:
            return done.stdout
        complaint = done.stderr.strip()
        if "password authentication failed" in complaint:
            raise LaunchError(
                f"The database in {self.home} does not know the password in DATA/secrets.",
                "Put back the secrets folder that belongs to it, or start anew with `make clean-data`.",
            )
        raise LaunchError(f"PostgreSQL refused to be set up: {complaint}")
