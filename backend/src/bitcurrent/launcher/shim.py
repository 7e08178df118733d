"""The first moments of every child: tie it to its parent, drop its rights, then become the program.

Run as a script by path, isolated (`python -I -S shim.py {json} program argument ...`), so it imports only
the standard library and costs some 15 ms. It exists because `preexec_fn` is unsafe in a process with
threads, and because a change of user clears the parent-death signal: the order below matters.
"""

import ctypes
import json
import os
import sys
from typing import TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
EXIT_CANNOT_START = 126


class Orders(TypedDict):
    """What the parent asks for; written as JSON on the command line, so never a secret."""

    parent: int
    signal: int
    user: int | None
    group: int | None
    capability: int | None


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _drop_rights(libc: ctypes.CDLL, orders: Orders) -> None:
    """Become the unprivileged user, keeping at most one capability and only that."""
    user, group, capability = orders["user"], orders["group"], orders["capability"]
    if user is None or group is None:
        return
    if capability is not None:
        # Without this bit the kernel forgets capabilities in setresuid(), and again inside every access(),
        # by which PostgreSQL looks for its own programs. What is kept is cut down to one just below.
        _checked(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "keep capabilities")
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if capability is not None:
        header = _Header(CAPABILITY_VERSION_3, 0)
        words = (_Word * 2)()
        word, bit = divmod(capability, 32)
        words[word] = _Word(1 << bit, 1 << bit, 1 << bit)
        _checked(libc.capset(ctypes.byref(header), words), "set capabilities")
        _checked(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0), "ambient capability")


def main(arguments: list[str]) -> None:
    """Prepare this process and replace it by the program named in the arguments."""
    orders: Orders = json.loads(arguments[0])
    program = arguments[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        _drop_rights(libc, orders)
        _checked(libc.prctl(PR_SET_PDEATHSIG, orders["signal"], 0, 0, 0), "parent-death signal")
        # The parent may have died before the line above: nobody would ever tell us.
        if os.getppid() != orders["parent"]:
            raise ProcessLookupError("the parent is gone")
    elif orders["user"] is not None and orders["group"] is not None:
        os.setgroups([])
        os.setgid(orders["group"])
        os.setuid(orders["user"])
    os.execv(program[0], program)  # noqa: S606 - replacing ourselves without a shell is the point


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"cannot start {sys.argv[2] if len(sys.argv) > 2 else 'a child'}: {error}\n")
        sys.exit(EXIT_CANNOT_START)
