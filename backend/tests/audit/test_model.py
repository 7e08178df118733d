"""What is written and hashed: the same bytes for everybody, and nothing that must not be there."""

import hashlib
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from bitcurrent.audit.heads import HeadForged, HeadUnreadable, KeyUnusable, Signer, key_id, public_text, read_head
from bitcurrent.audit.heads import read_public_key as read_key
from bitcurrent.audit.model import (
    NOTHING_BEFORE,
    Act,
    ActorKind,
    Head,
    canonical_act,
    canonical_json,
    moment,
    plain_facts,
    seal_hash,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ACT = Act(
    id=7,
    transaction_id=790,
    created_at=NOON,
    actor_kind="user",
    actor_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
    actor_role=None,
    action="session.opened",
    subject="user:1",
    address="203.0.113.7",
    reason=None,
    details={"b": "2", "a": ["é", True, None]},
    before=None,
    after=None,
)
CANONICAL = (
    '{"action":"session.opened","actor_id":"01890a5d-ac96-774b-bcce-b302099a8057","actor_kind":"user",'
    '"address":"203.0.113.7","created_at":"2026-06-01T12:00:00.000000Z","details":{"a":["é",true,null],"b":"2"},'
    '"id":"7","subject":"user:1","transaction_id":"790"}'
)


def test_an_act_has_one_form() -> None:
    assert canonical_act(ACT).decode() == CANONICAL


def test_a_seal_is_the_hash_of_three_lines() -> None:
    lines = f"3\n{CANONICAL}\n{'00' * 32}".encode()
    assert seal_hash(3, ACT, NOTHING_BEFORE) == hashlib.sha256(lines).digest()


def test_the_json_is_that_of_rfc_8785() -> None:
    # The RFC's own example of sorting (3.2.3): by UTF-16 units, so the emoji comes before the Hebrew ligature.
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    text = canonical_json(dict.fromkeys(keys, "")).decode()
    assert text == '{"\\r":"","1":"","\u0080":"","\u00f6":"","\u20ac":"","\U0001f600":"","\ufb33":""}'
    assert canonical_json('\u20ac$\x0f\nA\'B"\\"/\b\x7f') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/\\b\x7f"'.encode()


def test_a_moment_is_in_utc_whatever_zone_it_came_in() -> None:
    assert moment(NOON.astimezone(timezone(timedelta(hours=5)))) == "2026-06-01T12:00:00.000000Z"


def test_facts_become_text_and_lists_and_nothing_else() -> None:
    facts = {
        "amount": Decimal("1E+3"),
        "count": 3,
        "on": True,
        "nothing": None,
        "who": UUID(int=1),
        "when": NOON,
        "kind": ActorKind.SYSTEM,
        "scopes": frozenset(("trade", "read")),
        "inner": {"list": (1, Decimal("0.10"))},
    }
    assert plain_facts(facts) == {
        "amount": "1000",
        "count": "3",
        "on": True,
        "nothing": None,
        "who": "00000000-0000-0000-0000-000000000001",
        "when": "2026-06-01T12:00:00.000000Z",
        "kind": "system",
        "scopes": ["read", "trade"],
        "inner": {"list": ["1", "0.10"]},
    }


@pytest.mark.parametrize("value", [1.5, math.nan, b"bytes", object(), [1.5], {"a": {"b": 0.1}}])
def test_what_has_no_one_text_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        plain_facts({"value": value})


def test_secrets_do_not_get_in_by_accident() -> None:
    facts = {"new_password": "hunter2", "inner": {"api_secret": "s", "token": b"t"}, "password_changed": True}
    assert plain_facts(facts) == {
        "new_password": "hidden",
        "inner": {"api_secret": "hidden", "token": "hidden"},
        "password_changed": True,
    }


def test_hostile_text_has_an_end_and_can_be_kept() -> None:
    facts = plain_facts({"a\0": "x" * 5_000, "b": "half \ud83d", "many": ["y"] * 5_000})
    assert len(facts["a�"]) == 2_000
    assert facts["b"] == "half ?"
    assert len(facts["many"]) == 100
    nest: dict[str, object] = {}
    for _ in range(500):
        nest = {"n": nest}
    with pytest.raises(TypeError, match="nested"):
        plain_facts(nest)


SEED = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"  # RFC 8032, 7.1, test 1
PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def test_keys_are_those_of_rfc_8032() -> None:
    signer = Signer.of(SEED)
    assert public_text(signer.public_key) == PUBLIC
    assert signer.key_id == key_id(read_key(PUBLIC)) == "21fe31dfa154a261"


@pytest.mark.parametrize("text", ["", "short", SEED + "AA", "not base64url at all, no", SEED[:-1] + "!"])
def test_an_unusable_key_is_named_and_never_shown(text: str) -> None:
    with pytest.raises(KeyUnusable) as refused:
        Signer.of(text)
    assert "BITCURRENT_AUDIT_SIGNING_KEY" in str(refused.value)
    assert not text or text not in str(refused.value)


def test_a_head_is_read_back_as_it_was_signed() -> None:
    signer, head = Signer.of(SEED), Head(sequence=12, hash=bytes(range(32)), time=NOON, count=12)
    assert read_head(signer.sign(head), {signer.key_id: signer.public_key}) == head


def test_lines_that_are_no_heads_do_not_pass() -> None:
    signer, head = Signer.of(SEED), Head(sequence=12, hash=bytes(32), time=NOON, count=12)
    keys = {signer.key_id: signer.public_key}
    line = signer.sign(head)
    for noise in (b"", b"{}", b"[]", b"null", b'"x"', line[:-1], b"[" * 4_000, line.replace(b'"12"', b'"x"')):
        with pytest.raises(HeadUnreadable):
            read_head(noise, keys)
    # One more member, or one fewer that was signed: another head.
    with pytest.raises(HeadForged):
        read_head(line.replace(b'{"count"', b'{"note":"x","count"'), keys)
    with pytest.raises(HeadForged):
        read_head(line, {})
