"""Layer B: seeded concurrent histories on a real PostgreSQL."""

import pytest

from bitcurrent.kernel.database import Database
from tests.chaos.counting import SCALE, SEED, Layer
from tests.chaos.histories import live_through
from tests.support import books

HISTORIES = 100 * SCALE
LAWS_EVERY = 50 * SCALE
"""All laws over all books; each history is compared with its own story anyway."""


@pytest.mark.timeout(60 + 30 * SCALE)
async def test_whatever_is_told_in_whatever_order_the_books_say_it(database: Database) -> None:
    layer = Layer("B concurrent histories", floor=HISTORIES)
    for number in range(HISTORIES):
        for what, count in (await live_through(database, SEED + number)).items():
            layer.note(what, count)
        layer.ran += 1
        if number % LAWS_EVERY == LAWS_EVERY - 1:
            async with database.read() as connection:
                assert await books.broken_laws(connection) == []
                assert await books.sequence_gaps(connection) == []
    layer.finish()
