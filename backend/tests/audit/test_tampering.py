"""Whatever the owner of the database does to the log with its guards switched off, the proof sees and names it."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from bitcurrent.audit.heads import Signer
from bitcurrent.audit.model import Act, chain
from bitcurrent.audit.repository import _ACT
from bitcurrent.launcher.credentials import _token
from tests.audit.conftest import AuditLog


@pytest.fixture
async def life(log: AuditLog) -> AuditLog:
    """Twelve sealed acts; heads were signed behind 5, 10 and 12."""
    for count in (5, 5, 2):
        await log.sealed(count)
    return log


async def test_a_log_left_alone_is_sound(life: AuditLog) -> None:
    code, text = await life.verify()
    assert code == 0
    assert text.count("sound") == 6
    assert "12 acts are sealed, 0 wait" in text
    assert "vouches for 12 of them" in text


EDITS = {
    "id": "13",
    "transaction_id": "'3'::xid8",
    "created_at": "created_at - interval '1 microsecond'",
    "actor_kind": "'system'",
    "actor_id": "NULL",
    "actor_role": "'support'",
    "action": "'market.opened'",
    "subject": "'market:9'",
    "address": "'203.0.113.8'",
    "reason": "NULL",
    "details": 'details || \'{"list": ["a", "b"]}\'',
    "before": "'{\"halted\": true}'",
    "after": "NULL",
}


async def test_every_column_is_known_to_the_test_and_each_edit_is_seen(life: AuditLog) -> None:
    columns = await life.owner.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'audit_logs'"
    )
    assert {row["column_name"] for row in columns} == set(EDITS)
    await life.owner.execute("CREATE TABLE kept AS SELECT * FROM audit_logs")
    names = ", ".join(f'"{name}"' for name in EDITS if name != "id")
    for column, value in EDITS.items():
        if column == "id":
            await life.tamper(
                "ALTER TABLE audit_logs ALTER id DROP IDENTITY", "UPDATE audit_logs SET id = 13 WHERE id = 7"
            )
        else:
            await life.tamper(f'UPDATE audit_logs SET "{column}" = {value} WHERE id = 7')
        code, text = await life.verify()
        assert code == 1, column
        assert "act 7 at place 7" in text, column
        await life.tamper("DELETE FROM audit_logs WHERE id IN (7, 13)")
        await life.tamper(f"INSERT INTO audit_logs (id, {names}) SELECT id, {names} FROM kept WHERE id = 7")
        assert (await life.verify())[0] == 0, column


ACT = "INSERT INTO audit_logs (id, transaction_id, actor_kind, action, subject) OVERRIDING SYSTEM VALUE "


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        # Edit.
        (("UPDATE audit_logs SET action = 'nothing.much' WHERE id = 3",), "act 3 at place 3 (nothing.much"),
        (("UPDATE audit_seals SET hash = sha256('x') WHERE sequence = 3",), "act 3 at place 3"),
        # Delete, with and without its seal, and with those behind it moved up.
        (("DELETE FROM audit_logs WHERE id = 3",), "act 3 at place 3 was deleted"),
        (
            ("DELETE FROM audit_logs WHERE id = 3", "DELETE FROM audit_seals WHERE audit_id = 3"),
            "place 3 is missing: after 2 comes 4",
        ),
        (
            (
                "DELETE FROM audit_logs WHERE id = 3",
                "DELETE FROM audit_seals WHERE audit_id = 3",
                "UPDATE audit_seals SET sequence = -sequence + 1000 WHERE sequence > 3",
                "UPDATE audit_seals SET sequence = 1000 - sequence - 1 WHERE sequence > 500",
            ),
            "act 4 at place 3",
        ),
        (("DELETE FROM audit_seals WHERE sequence = 3",), "place 3 is missing"),
        (("DELETE FROM audit_seals WHERE sequence = 1",), "place 1 is missing"),
        # Insert: behind the seals, and with a seal in the middle.
        (
            (ACT + "SELECT 99, transaction_id, 'user', 'forged', 'user:1' FROM audit_logs WHERE id = 3",),
            "act 99 has no seal, but acts that came after it have one",
        ),
        (
            (
                ACT + "SELECT 99, transaction_id, 'user', 'forged', 'user:1' FROM audit_logs WHERE id = 3",
                "UPDATE audit_seals SET sequence = 1000 - sequence WHERE sequence > 3",
                "UPDATE audit_seals SET sequence = 1000 - sequence + 1 WHERE sequence > 500",
                "INSERT INTO audit_seals VALUES (4, 99, sha256('y'))",
            ),
            "act 99 at place 4",
        ),
        # Reorder: the seals, the acts, the places.
        (
            (
                "UPDATE audit_seals SET audit_id = -sequence WHERE sequence IN (3, 4)",
                "UPDATE audit_seals SET audit_id = 7 + audit_id WHERE audit_id < 0",
            ),
            "act 4 at place 3",
        ),
        (
            (
                "ALTER TABLE audit_logs ALTER id DROP IDENTITY",
                "UPDATE audit_logs SET id = -id WHERE id IN (3, 4)",
                "UPDATE audit_logs SET id = 7 + id WHERE id < 0",
            ),
            "act 3 at place 3",
        ),
        (
            (
                "UPDATE audit_seals SET sequence = 1000 + sequence WHERE sequence IN (3, 4)",
                "UPDATE audit_seals SET sequence = 1007 - sequence WHERE sequence > 1000",
            ),
            "act 4 at place 3",
        ),
        # Cut the tail: of both, of everything.
        (
            ("DELETE FROM audit_logs WHERE id > 9", "DELETE FROM audit_seals WHERE sequence > 9"),
            "saw 10 sealed acts; the chain has 9: some were cut off",
        ),
        (("TRUNCATE audit_logs, audit_seals",), "saw 5 sealed acts; the chain has 0: some were cut off"),
    ],
)
async def test_what_the_owner_does_is_seen_and_named(life: AuditLog, statements: Sequence[str], named: str) -> None:
    await life.tamper(*statements)
    code, text = await life.verify()
    assert code == 1, text
    assert named in text


async def read_acts(life: AuditLog) -> list[Act]:
    rows = await life.owner.fetch(f"SELECT {_ACT} FROM audit_logs a ORDER BY transaction_id, id")
    return [Act(**dict(row)) for row in rows]


async def write_anew(life: AuditLog, acts: Sequence[Act]) -> None:
    """Compute the whole chain as the sealer does, of these acts: nothing in it contradicts itself."""
    seals = chain(acts, after=None)
    await life.tamper(
        "UPDATE audit_seals SET audit_id = -audit_id",
        *(
            f"UPDATE audit_seals SET audit_id = {seal.audit_id}, hash = '\\x{seal.hash.hex()}'"
            f" WHERE sequence = {seal.sequence}"
            for seal in seals
        ),
    )


async def test_an_edit_with_its_own_seal_made_new_breaks_the_place_behind_it(life: AuditLog) -> None:
    kept = {row["sequence"]: row["hash"] for row in await life.owner.fetch("SELECT * FROM audit_seals")}
    await life.tamper("UPDATE audit_logs SET reason = 'another' WHERE id = 3")
    await write_anew(life, await read_acts(life))
    await life.tamper(
        *(f"UPDATE audit_seals SET hash = '\\x{kept[n].hex()}' WHERE sequence = {n}" for n in range(4, 13))
    )
    code, text = await life.verify(heads=False)
    assert code == 1
    assert "act 4 at place 4" in text


async def test_a_chain_written_anew_is_seen_only_because_its_heads_are_elsewhere(life: AuditLog) -> None:
    await life.tamper("UPDATE audit_logs SET reason = 'another' WHERE id = 3")
    await write_anew(life, await read_acts(life))
    code, text = await life.verify(heads=False)
    assert code == 0
    assert "a chain cut or written anew would not be seen" in text
    code, text = await life.verify()
    assert code == 1
    assert "saw another hash at place 5: the chain was written anew" in text


async def test_a_cut_tail_that_has_grown_again_is_seen(life: AuditLog) -> None:
    await life.tamper("DELETE FROM audit_logs WHERE id > 9", "DELETE FROM audit_seals WHERE sequence > 9")
    await life.acts(6)
    assert await life.keeper.seal() == 6
    assert (await life.verify(heads=False))[0] == 0
    code, text = await life.verify()
    assert code == 1
    assert "saw another hash at place 10" in text


@pytest.mark.parametrize("cut", [True, False])
async def test_the_keeper_itself_cries_out_within_a_minute(life: AuditLog, cut: bool) -> None:
    assert life.counts["audit_chain_changed"] == 0
    if cut:
        await life.tamper("DELETE FROM audit_logs WHERE id > 9", "DELETE FROM audit_seals WHERE sequence > 9")
    else:
        await life.tamper("UPDATE audit_logs SET reason = 'another' WHERE id = 3")
        await write_anew(life, await read_acts(life))
    head = await life.keeper.sign_head()
    assert life.counts["audit_chain_changed"] == 1
    assert head is not None
    assert (head.sequence, head.count) == ((9, 9) if cut else (12, 12))
    await life.keeper.sign_head()
    assert life.counts["audit_chain_changed"] == 1


async def test_heads_written_anew_with_another_key_do_not_help(life: AuditLog) -> None:
    await life.tamper("UPDATE audit_logs SET reason = 'another' WHERE id = 3")
    await write_anew(life, await read_acts(life))
    life.heads.unlink()
    forger = Signer.of(_token())
    assert (await life.keeper.sign_head()) is not None  # the true key's next head, of the false chain
    true_line = life.heads.read_bytes()
    life.heads.unlink()
    head = json.loads(true_line)
    head["sequence"] = "11"
    lines = {
        b"is not among the keys given": forger.sign((await life.keeper.sign_head()) or pytest.fail("no head")),
        b"its signature does not fit": json.dumps(head).encode(),
    }
    for named, line in lines.items():
        life.heads.write_bytes(line + b"\n")
        code, text = await life.verify()
        assert code == 1
        assert named.decode() in text


async def test_a_head_changed_in_its_file_is_not_believed(life: AuditLog) -> None:
    lines = life.heads.read_bytes().splitlines()
    for member in ("sequence", "count", "hash", "time", "signature"):
        head = json.loads(lines[1])
        old = head[member]
        head[member] = old.replace(old[2:3], "7" if old[2:3] != "7" else "8", 1) if len(old) > 2 else str(int(old) + 1)
        life.heads.write_bytes(b"\n".join([lines[0], json.dumps(head).encode(), lines[2], b""]))
        code, text = await life.verify()
        assert code == 1, member
        assert "the head at heads.jsonl:2 is not ours: its signature does not fit" in text


async def test_a_head_that_counted_fewer_seals_than_places_tells_of_it(life: AuditLog) -> None:
    await life.tamper("DELETE FROM audit_seals WHERE sequence = 3")
    newcomer = AuditLog(life.urls, life.database, life.app, life.owner, life.heads, life.signer)
    head = await newcomer.keeper.sign_head()
    assert head is not None
    assert (head.sequence, head.count) == (12, 11)
    assert "counted 11 seals up to place 12" in (await life.verify())[1]


async def test_a_line_that_a_power_cut_left_is_told_and_swallows_nothing(life: AuditLog) -> None:
    with life.heads.open("ab") as file:
        file.write(b'{"count":"1')
    await life.keeper.sign_head()
    code, text = await life.verify()
    assert code == 0
    assert "1 lines of the heads cannot be read" in text
    assert "4 heads" in text


async def test_what_cannot_be_looked_at_is_not_called_sound(life: AuditLog) -> None:
    life.heads.unlink()
    code, text = await life.verify()
    assert code == 2
    assert "cannot be read" in text
    life.urls = type(life.urls)(owner="", app="postgresql://nobody@127.0.0.1:9/nothing")
    assert (await life.verify(heads=False))[0] == 2


async def test_heads_that_are_signed_while_the_proof_runs_do_not_confuse_it(life: AuditLog) -> None:
    stop = asyncio.Event()

    async def live() -> int:
        count = 0
        while not stop.is_set():
            await life.sealed(1)
            count += 1
        return count

    living = asyncio.create_task(live())
    answers = [await life.verify() for _ in range(8)]
    stop.set()
    assert await living > 8
    assert [text for code, text in answers if code] == []


async def test_every_file_of_heads_counts(life: AuditLog) -> None:
    life.heads.rename(life.heads.with_name("last-year.jsonl"))
    await life.keeper.sign_head()
    await life.tamper("DELETE FROM audit_logs WHERE id > 9", "DELETE FROM audit_seals WHERE sequence > 9")
    code, text = await life.verify(more=("last-year.jsonl",))
    assert code == 1
    assert "4 heads" in text
    assert "3 BROKEN" in text  # two of last year's, and the new one


async def test_acts_chained_in_another_order_are_seen_even_when_every_hash_fits(life: AuditLog) -> None:
    acts = await read_acts(life)
    acts[2], acts[3] = acts[3], acts[2]
    await write_anew(life, acts)
    code, text = await life.verify(heads=False)
    assert code == 1
    assert "act 3 at place 4 belongs before" in text
