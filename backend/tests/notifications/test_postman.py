"""A letter is sent when its act is committed, again until it is taken, and is forgotten when it is."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import asyncpg
import pytest

from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.notifications.model import Mail, pause_before
from bitcurrent.notifications.ports import NotDelivered
from tests.notifications.conftest import BASE_URL, Bag, Office

LATER = NotDelivered("451 later")
NEVER = NotDelivered("550 no such mailbox", for_good=True)


async def test_a_letter_goes_to_the_address_of_its_customer(office: Office) -> None:
    user_id, bag = await office.customer("ann@example.test"), Bag()
    await office.queue(user_id)
    assert await office.postman(bag).carry_due() == 1
    (mail,) = bag.mails
    assert (mail.to, mail.subject) == ("ann@example.test", "You have an account already")
    assert await office.states(user_id) == [("sent", 1)]
    assert await office.postman(bag).carry_due() == 0


async def test_what_is_rolled_back_is_never_sent(office: Office) -> None:
    user_id, bag = await office.customer(), Bag()

    async def act() -> None:
        async with office.database.transaction() as connection:
            await office.mails.queue(connection, user_id=user_id, template="already_registered", values={})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await act()
    assert await office.postman(bag).carry_due() == 0
    assert await office.states(user_id) == []


async def test_a_template_or_value_that_is_missing_is_noticed_when_it_is_queued(office: Office) -> None:
    user_id = await office.customer()
    for template, values in (("no_such_letter", {}), ("password_changed", {"when": "now"})):
        with pytest.raises(KeyError):
            await office.queue(user_id, template, **values)
    assert await office.states(user_id) == []


async def test_a_failure_is_tried_again_and_the_letter_keeps_its_id(office: Office) -> None:
    user_id, bag = await office.customer(), Bag([LATER, LATER])
    await office.queue(user_id)
    postman = office.postman(bag)
    for _ in range(3):
        assert await postman.carry_due() == 1
    assert await office.states(user_id) == [("sent", 3)]
    assert len(bag.mails) == 1
    assert (office.counts["mails_postponed"], office.counts["mails_sent"]) == (2, 1)


async def test_after_so_many_failures_a_letter_is_dead_and_counted(office: Office) -> None:
    user_id, bag = await office.customer(), Bag([LATER] * 5)
    await office.queue(user_id)
    postman = office.postman(bag, attempts_max=2)
    while await postman.carry_due():
        continue
    assert await office.states(user_id) == [("dead", 2)]
    assert office.counts["mails_dead"] == 1


async def test_what_is_refused_for_good_is_not_tried_again(office: Office) -> None:
    user_id, bag = await office.customer(), Bag([NEVER])
    await office.queue(user_id)
    assert await office.postman(bag).carry_due() == 1
    assert await office.states(user_id) == [("dead", 1)]
    async with office.database.read() as connection:
        row = await connection.fetchrow("SELECT trouble, data_key, recipient, content FROM mails")
    assert tuple(row or ()) == ("550 no such mailbox", None, None, None)


async def test_a_carrier_that_breaks_keeps_no_other_letter_back_and_has_an_end(office: Office) -> None:
    class Breaks:
        def __init__(self, bag: Bag) -> None:
            self.bag = bag

        async def carry(self, mail: Mail) -> None:
            if mail.to == "poison@example.test":
                raise RuntimeError("no such thing was thought of")
            await self.bag.carry(mail)

    poison, other, bag = await office.customer("poison@example.test"), await office.customer(), Bag()
    await office.queue(poison)
    await office.queue(other)
    postman = office.postman(Breaks(bag), attempts_max=2)
    while await postman.carry_due():
        continue
    assert await office.states(poison) == [("dead", 2)]
    assert await office.states(other) == [("sent", 1)]


async def test_a_letter_that_cannot_be_read_any_more_is_dead(office: Office, database_urls: DatabaseUrls) -> None:
    user_id, bag = await office.customer(), Bag()
    await office.queue(user_id)
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute("UPDATE mails SET content = content || '\\x00'")
    await owner.close()
    assert await office.postman(bag).carry_due() == 1
    assert await office.states(user_id) == [("dead", 1)]


async def test_two_postmen_never_carry_the_same_letter(office: Office) -> None:
    user_id, bag = await office.customer(), Bag()
    for _ in range(60):
        await office.queue(user_id)
    postmen = [office.postman(bag) for _ in range(3)]
    while sum(await asyncio.gather(*(postman.carry_due() for postman in postmen))):
        continue
    assert len(bag.mails) == len({mail.id for mail in bag.mails}) == 60


async def test_a_postman_who_dies_leaves_the_letter_to_the_next(office: Office, database_urls: DatabaseUrls) -> None:
    took = asyncio.Event()

    class Hangs:
        async def carry(self, mail: Mail) -> None:
            took.set()
            await asyncio.Event().wait()

    user_id, bag = await office.customer(), Bag()
    await office.queue(user_id)
    carrying = asyncio.create_task(office.postman(Hangs()).carry_due())
    await took.wait()
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    assert await office.postman(bag).carry_due() == 0  # his lease is not over
    await _let_leases_end(database_urls)
    assert await office.postman(bag).carry_due() == 1
    assert await office.states(user_id) == [("sent", 2)]


async def test_waiting_letters_are_unreadable_in_the_database(office: Office) -> None:
    user_id = await office.customer("canary.reader@example.test")
    await office.queue(user_id, "verify_email", token="canary-token", hours="24")
    async with office.database.read() as connection:
        row = await connection.fetchrow("SELECT recipient, content, data_key FROM mails")
    assert row is not None
    assert all(b"canary" not in value for value in row)
    bag = Bag()
    await office.postman(bag).carry_due()
    assert f"{BASE_URL}/account/link#verify_email=canary-token" in bag.mails[0].text


async def test_whoever_was_erased_gets_no_letter(office: Office, database_urls: DatabaseUrls) -> None:
    user_id = await office.customer()
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute(
        "UPDATE users SET email_index = NULL, data_key = NULL, email_encrypted = NULL, display_name_encrypted = NULL"
    )
    await owner.close()
    await office.queue(user_id)
    assert await office.states(user_id) == []


async def test_the_postman_runs_until_told_to_stop_and_counts_what_waits(office: Office) -> None:
    user_id, bag = await office.customer(), Bag()
    postman = office.postman(bag)
    running = asyncio.create_task(postman.run())
    await office.queue(user_id)
    await _until(lambda: office.counts["mails_sent"] == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    without = office.postman(None)
    await office.queue(user_id)
    running = asyncio.create_task(without.run())
    await _until(lambda: without.waiting == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(bag.mails) == 1


async def test_old_letters_are_forgotten(office: Office, database_urls: DatabaseUrls) -> None:
    user_id, bag = await office.customer(), Bag()
    await office.queue(user_id)
    postman = office.postman(bag)
    await postman.carry_due()
    await postman.purge()
    assert len(await office.states(user_id)) == 1
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute("UPDATE mails SET ended_at = now() - interval '91 days'")
    await owner.close()
    await postman.purge()
    assert await office.states(user_id) == []


def test_pauses_grow_differ_and_have_an_end() -> None:
    seconds = [pause_before(attempt).total_seconds() for attempt in range(1, 11)]
    assert 11 < seconds[0] < 19
    assert all(later > earlier for earlier, later in pairwise(seconds[:6]))
    assert max(seconds) <= 6 * 3600 * 1.25
    assert len({pause_before(3) for _ in range(20)}) > 1


async def _until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not in ten seconds")


async def _let_leases_end(database_urls: DatabaseUrls) -> None:
    owner = await asyncpg.connect(database_urls.owner)
    await owner.execute("UPDATE mails SET next_at = now()")
    await owner.close()
