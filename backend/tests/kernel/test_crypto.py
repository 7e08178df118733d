"""The vault: what it encrypts only it can read, and only in the place it was encrypted for."""

import base64
import os
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.kernel.crypto import BadKeys, CryptoError, Undecipherable, UnknownKey, Vault, key_id_of, new_key

ROW = UUID("01890000-0000-7000-8000-000000000001")
OTHER = UUID("01890000-0000-7000-8000-000000000002")
KEYS = {"k1": bytes(range(32)), "k2": bytes(range(32, 64))}
INDEX = bytes(range(64, 96))
OLD = Vault({"k1": KEYS["k1"]}, INDEX)
BOTH = Vault({"k2": KEYS["k2"], "k1": KEYS["k1"]}, INDEX)
NEW = Vault({"k2": KEYS["k2"]}, INDEX)


def sealed(plaintext: bytes = b"Ada Lovelace", vault: Vault = OLD) -> bytes:
    return vault.encrypt(plaintext, table="people", column="name", row=ROW)


@given(st.binary(max_size=2_000))
def test_what_goes_in_comes_out_and_never_looks_the_same_twice(plaintext: bytes) -> None:
    one, two = sealed(plaintext), sealed(plaintext)
    assert one != two
    assert OLD.decrypt(one, table="people", column="name", row=ROW) == plaintext
    assert len(plaintext) < 4 or plaintext not in one


@pytest.mark.parametrize(
    "place",
    [
        {"table": "people", "column": "name", "row": OTHER},
        {"table": "people", "column": "nickname", "row": ROW},
        {"table": "persons", "column": "name", "row": ROW},
        # The same letters cut elsewhere are another place.
        {"table": "peoplen", "column": "ame", "row": ROW},
    ],
)
def test_a_ciphertext_moved_elsewhere_does_not_decrypt(place: dict[str, Any]) -> None:
    with pytest.raises(Undecipherable) as error:
        OLD.decrypt(sealed(), **place)
    assert "Ada" not in str(error.value)


def test_a_value_of_a_record_moved_to_another_row_or_column_does_not_decrypt() -> None:
    mine, theirs = (OLD.new_record(table="people", row=row) for row in (ROW, OTHER))
    value = mine.encrypt(b"Ada", column="name")
    assert mine.decrypt(value, column="name") == b"Ada"
    for record, column in ((mine, "city"), (theirs, "name")):
        with pytest.raises(Undecipherable):
            record.decrypt(value, column=column)
    with pytest.raises(Undecipherable):  # nor does it help to take the wrapped key along
        OLD.open_record(mine.wrapped, table="people", row=OTHER)


def test_every_edit_and_every_cut_is_noticed() -> None:
    whole = sealed()
    for position in range(len(whole)):
        edited = bytearray(whole)
        edited[position] ^= 1
        with pytest.raises(CryptoError):
            OLD.decrypt(bytes(edited), table="people", column="name", row=ROW)
        with pytest.raises(CryptoError):
            OLD.decrypt(whole[:position], table="people", column="name", row=ROW)
    with pytest.raises(Undecipherable):
        OLD.decrypt(whole + b"\0", table="people", column="name", row=ROW)


@given(st.binary(max_size=200))
def test_anything_else_is_refused_in_the_same_way(junk: bytes) -> None:
    with pytest.raises(CryptoError):
        OLD.decrypt(junk, table="people", column="name", row=ROW)
    with pytest.raises(CryptoError):
        OLD.open_record(junk, table="people", row=ROW)
    with pytest.raises(CryptoError):
        OLD.new_record(table="people", row=ROW).decrypt(junk, column="name")


def test_a_missing_key_is_named_and_nothing_else_is() -> None:
    with pytest.raises(UnknownKey) as error:
        NEW.decrypt(sealed(), table="people", column="name", row=ROW)
    assert error.value.key_id == "k1"
    assert str(error.value) == (
        f"people.name of row {ROW} is encrypted under the key 'k1', which BITCURRENT_ENCRYPTION_KEYS lacks."
    )


def test_another_key_of_the_same_id_is_named_and_no_key_is_shown() -> None:
    stranger = Vault({"k1": os.urandom(32)}, INDEX)
    with pytest.raises(Undecipherable) as error:
        stranger.decrypt(sealed(), table="people", column="name", row=ROW)
    assert error.value.key_id == "k1"
    assert "'k1'" in str(error.value)
    for secret in (base64.b64encode(KEYS["k1"]).decode(), KEYS["k1"].hex(), "Ada"):
        assert secret not in str(error.value) + repr(stranger) + repr(OLD)


def test_rewrapping_keeps_the_value_and_needs_the_old_key_no_more() -> None:
    moved = BOTH.rewrap(sealed(), table="people", column="name", row=ROW)
    assert (key_id_of(sealed()), key_id_of(moved)) == ("k1", "k2")
    assert NEW.decrypt(moved, table="people", column="name", row=ROW) == b"Ada Lovelace"
    assert BOTH.rewrap(moved, table="people", column="name", row=ROW) == moved
    with pytest.raises(Undecipherable):
        BOTH.rewrap(sealed(), table="people", column="name", row=OTHER)


def test_rewrapping_a_record_leaves_its_values_alone() -> None:
    record = OLD.new_record(table="people", row=ROW)
    name = record.encrypt(b"Ada", column="name")
    moved = BOTH.rewrap(record.wrapped, table="people", column="data_key", row=ROW)
    assert NEW.open_record(moved, table="people", row=ROW).decrypt(name, column="name") == b"Ada"


def test_blind_indexes_find_equal_values_of_one_purpose_under_one_key() -> None:
    found = OLD.blind_index("ada@example.test", purpose="users.email")
    assert found == NEW.blind_index("ada@example.test", purpose="users.email")  # key rotation does not touch them
    assert len(found) == 32
    others = {
        OLD.blind_index("ada@example.test", purpose="users.phone"),
        OLD.blind_index("bob@example.test", purpose="users.email"),
        OLD.blind_index("email", purpose="users.ada@example.test"),
        Vault({"k1": KEYS["k1"]}, os.urandom(32)).blind_index("ada@example.test", purpose="users.email"),
    }
    assert found not in others


def test_text_may_be_absent() -> None:
    record = OLD.new_record(table="people", row=ROW)
    assert record.encrypt_text(None, column="name") is None
    assert record.decrypt_text(None, column="name") is None
    value = record.encrypt_text("Zoë", column="name")
    assert record.decrypt_text(value, column="name") == "Zoë"


def test_keys_are_read_from_settings_the_current_one_first() -> None:
    vault = Vault.from_text(f" 2026-02:{new_key()} , 2026-01:{new_key()},", new_key())
    assert vault.key_ids == ("2026-02", "2026-01")
    assert vault.current_key_id == "2026-02"
    assert key_id_of(vault.encrypt(b"", table="t", column="c", row=1)) == "2026-02"


@pytest.mark.parametrize(
    ("keys", "index", "says"),
    [
        ("", new_key(), "holds no key"),
        ("SECRETSECRET", new_key(), "id:base64"),
        ("k1:SECRET!", new_key(), "not base64"),
        ("k1:U0VDUkVU", new_key(), "'k1'"),
        (f"bad id:{new_key()}", new_key(), "key id"),
        (f"k:{new_key()},k:{new_key()}", new_key(), "same id"),
        (f"k:{new_key()}", "U0VDUkVU", "BLIND_INDEX_KEY"),
        (f"k:{new_key()}", "SECRET!", "BLIND_INDEX_KEY"),
    ],
    # The keys are new in each process, and the names of tests must not be.
    ids=["no key", "no id", "not base64", "too short", "bad id", "same id", "index too short", "index not base64"],
)
def test_wrong_keys_are_refused_without_being_shown(keys: str, index: str, says: str) -> None:
    with pytest.raises(BadKeys, match=says) as error:
        Vault.from_text(keys, index)
    assert "SECRET" not in str(error.value).replace("BITCURRENT", "")
    assert "U0VD" not in str(error.value)
