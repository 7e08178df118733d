"""The children's output: plain files that stay of bounded size, and can be followed.

Children write to their files themselves (appending), not through a pipe: a supervisor that is busy or dead can
then neither block them nor break them. Rotation copies a file and cuts the original to nothing; a line written
between the two is lost, which is the price.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

BYTES_MAX = 10 * 1024 * 1024
GENERATIONS = 3
FOLLOW_BYTES_MAX = 64 * 1024


def open_log(folder: Path, name: str) -> int:
    """Open a child's log for appending; the caller closes the descriptor."""
    return os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def rotate(folder: Path, bytes_max: int = BYTES_MAX) -> None:
    """Move what has grown too large into `name.log.1`, and so on up to GENERATIONS."""
    for log in folder.glob("*.log"):
        if log.stat().st_size <= bytes_max:
            continue
        for number in range(GENERATIONS, 1, -1):
            older = log.with_name(f"{log.name}.{number - 1}")
            if older.exists():
                older.rename(log.with_name(f"{log.name}.{number}"))
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        log.with_name(f"{log.name}.1").chmod(0o600)
        os.truncate(log, 0)


def last_lines(folder: Path, name: str, count: int = 12) -> str:
    """Give the end of a child's log, for an error message."""
    path = folder / f"{name}.log"
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - FOLLOW_BYTES_MAX))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-count:])


@dataclass(slots=True)
class Follower:
    """Reads what is new in every log of a folder since it last looked."""

    folder: Path
    _seen: dict[Path, int] = field(default_factory=dict)

    def skip_old(self) -> None:
        """Begin at the end of what is there now."""
        self._seen = {log: log.stat().st_size for log in self.folder.glob("*.log")}

    def new_lines(self) -> list[tuple[str, str]]:
        """Give (child, line) for whole new lines; at most FOLLOW_BYTES_MAX a child a time."""
        return [(log.stem, line) for log in sorted(self.folder.glob("*.log")) for line in self._read(log)]

    def _read(self, log: Path) -> list[str]:
        size, start = log.stat().st_size, self._seen.get(log, 0)
        if size < start:  # it was rotated
            start = 0
        if size == start:
            return []
        with log.open("rb") as file:
            file.seek(start)
            block = file.read(FOLLOW_BYTES_MAX)
        end = block.rfind(b"\n") + 1
        if end == 0 and len(block) == FOLLOW_BYTES_MAX:  # one enormous line: show it in pieces
            end = len(block)
        self._seen[log] = start + end
        return block[:end].decode(errors="replace").splitlines()
