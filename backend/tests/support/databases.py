"""One migrated template database, and fresh copies of it that cost some milliseconds each."""

import contextlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bitcurrent.launcher.scratch import DatabaseUrls, ScratchPostgres

TEMPLATE = "migrated"
_numbers = itertools.count(1)


def make_template(server: ScratchPostgres) -> str:
    """Make the template by running the real migrations as the owner; give its name."""
    from bitcurrent.migrate import upgrade

    urls = server.clone(TEMPLATE)
    # In a thread: migrations may run an event loop of their own.
    with ThreadPoolExecutor(max_workers=1) as pool:
        # Few months: each partition is files to copy for every test.
        pool.submit(partial(upgrade, urls.owner, months_ahead=3)).result(timeout=100)
    return TEMPLATE


@contextlib.contextmanager
def fresh_database(server: ScratchPostgres, template: str = "template0") -> Iterator[DatabaseUrls]:
    """Give a copy of a template for the length of a block."""
    name = f"test_{next(_numbers)}"
    urls = server.clone(name, template=template)
    try:
        yield urls
    finally:
        server.drop(name)
