"""`bitcurrent clean-data`: throw away what one copy holds, and nothing else that lies in the folder."""

import shutil
from pathlib import Path

from bitcurrent.launcher import lock
from bitcurrent.launcher.layout import Copy

FOLDERS = ("postgres", "redis", "sandbox", "logs", "secrets")
FILES = ("demo.json", ".demo.json.new")


def clean_data(copy: Copy) -> list[str]:
    """Remove the copy's data; gives the names of what was there.

    Only what we make is removed, by name: DATA may have been set to a folder that holds other things. Secrets
    go last, so that an interrupted cleaning is never a database without its passwords. Raises
    LaunchError while the copy runs, OSError for what may not be removed.
    """
    if not copy.data.exists():
        return []
    with lock.held(copy.data, copy.base_url):
        removed = [name for name in (*FILES, *FOLDERS) if _remove(copy.data / name)]
        for name in (".lock", ".leftovers"):
            (copy.data / name).unlink(missing_ok=True)
        if not any(copy.data.iterdir()):
            copy.data.rmdir()
    return removed


def _remove(path: Path) -> bool:
    """Remove a file, a folder or a link (never what a link points to); tell whether there was one."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        return False
    return True
