"""One key, one effect, the same answer."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.idempotency import InvalidKey, KeyInUse, KeyReused, do_once, intent, purge_answers


@pytest.fixture
async def database(module_database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    opened = await Database.connect(module_database_urls.app, connections_min=1, connections_max=8)
    yield opened
    await opened.close()


class Effect:
    """Appends an event each time it runs: what is seen in the log really happened."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.subject = new_id()

    async def __call__(self, connection: Connection) -> dict[str, str]:
        await append_event(connection, user_id=ANN, kind="test.made", subject=self.subject, payload={})
        return {"made": str(self.subject)}

    async def times(self) -> int:
        async with self.database.read() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM events WHERE subject = $1", self.subject))


ANN, BEN = UUID(int=1), UUID(int=2)


async def test_a_repeated_request_answers_the_same_and_does_nothing(database: Database) -> None:
    effect = Effect(database)
    wish = intent(ANN, "POST /things", str(new_id()), b'{"a": 1}')
    first = await do_once(database, wish, effect, status=201)
    again = await do_once(database, wish, effect, status=201)
    assert (first.status, first.replayed, again.status, again.replayed) == (201, False, 201, True)
    assert first.body == again.body
    assert await effect.times() == 1


async def test_another_body_under_the_same_key_is_refused(database: Database) -> None:
    effect, key = Effect(database), str(new_id())
    await do_once(database, intent(ANN, "POST /things", key, b"1"), effect)
    with pytest.raises(KeyReused):
        await do_once(database, intent(ANN, "POST /things", key, b"2"), effect)
    assert await effect.times() == 1


async def test_a_key_is_one_persons_and_one_addresss(database: Database) -> None:
    effect, key = Effect(database), str(new_id())
    for user, route in ((ANN, "POST /things/1"), (ANN, "POST /things/2"), (BEN, "POST /things/1")):
        assert not (await do_once(database, intent(user, route, key, b""), effect)).replayed
    assert await effect.times() == 3


async def test_a_request_that_is_still_running_is_not_run_again(database: Database) -> None:
    effect, wish = Effect(database), intent(ANN, "POST /things", str(new_id()), b"")
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow(connection: Connection) -> dict[str, str]:
        inside.set()
        await go_on.wait()
        return await effect(connection)

    running = asyncio.create_task(do_once(database, wish, slow))
    await inside.wait()
    with pytest.raises(KeyInUse):
        await do_once(database, wish, effect)
    go_on.set()
    assert not (await running).replayed
    assert (await do_once(database, wish, effect)).replayed
    assert await effect.times() == 1


async def test_of_fifty_at_once_one_has_an_effect(database: Database) -> None:
    effect, wish = Effect(database), intent(ANN, "POST /things", str(new_id()), b"")
    answers = await asyncio.gather(*(do_once(database, wish, effect) for _ in range(50)), return_exceptions=True)
    assert await effect.times() == 1
    assert all(isinstance(answer, KeyInUse) or not isinstance(answer, BaseException) for answer in answers)


async def test_a_refused_request_saves_nothing_and_may_be_repeated(database: Database) -> None:
    effect, wish = Effect(database), intent(ANN, "POST /things", str(new_id()), b"")

    async def refused(connection: Connection) -> None:
        await effect(connection)
        raise Conflict("Not now.")

    with pytest.raises(Conflict):
        await do_once(database, wish, refused)
    assert await effect.times() == 0
    assert not (await do_once(database, wish, effect)).replayed
    assert await effect.times() == 1


async def test_without_a_key_every_request_counts(database: Database) -> None:
    effect = Effect(database)
    for _ in range(2):
        assert not (await do_once(database, None, effect)).replayed
    assert await effect.times() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "ümlaut", "new\nline"])
def test_a_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(InvalidKey):
        intent(ANN, "POST /things", key, b"")


async def test_answers_are_forgotten_after_a_day(database: Database, module_database_urls: DatabaseUrls) -> None:
    effect = Effect(database)
    old, young = (intent(ANN, "POST /things", str(new_id()), b"") for _ in range(2))
    for wish in (old, young):
        await do_once(database, wish, effect)
    owner = await Database.connect(module_database_urls.owner, connections_min=1, connections_max=2)
    async with owner.transaction() as connection:
        await connection.execute(
            "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = $1", old.key
        )
    await owner.close()
    async with database.transaction() as connection:
        assert await purge_answers(connection) == 1
    assert not (await do_once(database, old, effect)).replayed
    assert (await do_once(database, young, effect)).replayed
