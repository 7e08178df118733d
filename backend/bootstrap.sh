#!/bin/sh
# Find a Python that can run BitCurrent, then let bootstrap.py make .venv what the lock file says.
# Plain sh: this runs on machines that have nothing yet. Usage: sh backend/bootstrap.sh LOCKFILE
set -eu

usable() { # 3.11 or newer
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}
makes_venvs() { # Debian ships this part in a package of its own
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

if [ -x .venv/bin/python ] && usable .venv/bin/python; then
    exec .venv/bin/python -I backend/bootstrap.py "$1"
fi

lame=""
# 3.12 and 3.11 first: every locked package has a wheel for them.
for candidate in "${PYTHON:-}" python3.12 python3.11 python3 python3.13 python3.14; do
    [ -n "$candidate" ] && usable "$candidate" || continue
    if makes_venvs "$candidate"; then
        exec "$candidate" -I backend/bootstrap.py "$1"
    fi
    lame=${lame:-$candidate}
done

if [ -n "$lame" ]; then
    version=$("$lame" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    echo "Python $version is here but cannot make virtual environments: apt install python$version-venv" >&2
elif command -v python3 >/dev/null 2>&1; then
    echo "BitCurrent needs Python 3.11 or newer, and python3 is $(python3 -V 2>&1 | cut -d' ' -f2): install a newer one, or name it: make up PYTHON=/path/to/python3.12" >&2
else
    echo "BitCurrent needs Python 3.11 or newer: apt install python3 python3-venv (or your system's like)" >&2
fi
exit 1
