"""The rules of locks, of the wait after lost factors and of codes, as values: no clock, no database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitcurrent.identity.factors import codes
from bitcurrent.identity.factors.model import (
    FAILURES_MAX,
    LAPSES_AFTER,
    LOCK_FIRST,
    LOCK_LONGEST,
    BadPhone,
    Enrolled,
    LostFactor,
    LostState,
    Tries,
    clean_phone,
)
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.ids import UserId

START = datetime(2026, 6, 1, tzinfo=UTC)
SOMEBODY = UserId(UUID(int=1))


@given(st.lists(st.integers(min_value=0, max_value=3_600), min_size=1, max_size=60))
def test_between_two_locks_there_are_at_most_four_wrong_tries_in_any_quarter_of_an_hour(pauses: list[int]) -> None:
    tries, moment, open_failures = Tries(), START, list[datetime]()
    for pause in pauses:
        moment += timedelta(seconds=pause)
        if tries.locked(moment):
            continue
        tries = tries.failed(moment)
        recent = [each for each in open_failures if each > moment - timedelta(minutes=15)]
        if tries.locked(moment):
            assert len(recent) + 1 >= FAILURES_MAX
            open_failures = []
        else:
            open_failures.append(moment)
            assert len(recent) + 1 < FAILURES_MAX
            assert 0 < tries.left(moment) < FAILURES_MAX


def test_each_lock_lasts_twice_as_long_up_to_a_day() -> None:
    tries, moment, lengths = Tries(), START, []
    for _ in range(12):
        for _ in range(FAILURES_MAX):
            tries = tries.failed(moment)
        assert tries.locked_until is not None
        lengths.append(tries.locked_until - moment)
        moment = tries.locked_until
        assert not tries.locked(moment)
    assert lengths[:3] == [LOCK_FIRST, 2 * LOCK_FIRST, 4 * LOCK_FIRST]
    assert lengths == sorted(lengths)
    assert lengths[-1] == LOCK_LONGEST


def test_texts_and_recovery_codes_alone_are_no_second_factor() -> None:
    assert Enrolled(sms=True, recovery_codes=10).methods == ()
    assert Enrolled(totp=True, sms=True, passkeys=2, recovery_codes=1).methods == (
        "passkey",
        "totp",
        "sms",
        "recovery_code",
    )


def _request(state: LostState, reminded: bool = False) -> LostFactor:
    return LostFactor(
        id=UUID(int=2),
        user_id=SOMEBODY,
        requested_at=START,
        ends_at=START + timedelta(hours=72),
        state=state,
        reason="lost",
        address="192.0.2.1",
        decided_by=None,
        decided_at=None,
        decision=None,
        ended_at=None,
        reminded_at=START if reminded else None,
    )


@pytest.mark.parametrize(
    ("state", "reminded", "hours", "step"),
    [
        (LostState.WAITING, False, 35, None),
        (LostState.WAITING, False, 36, "remind"),
        (LostState.WAITING, True, 36, None),
        (LostState.APPROVED, False, 36, "remind"),
        (LostState.APPROVED, True, 71, None),
        (LostState.APPROVED, False, 72, "finish"),
        (LostState.WAITING, False, 72, None),
        (LostState.WAITING, True, 72 + LAPSES_AFTER.days * 24, "lapse"),
        *((state, False, 10_000, None) for state in LostState if state not in {LostState.WAITING, LostState.APPROVED}),
    ],
)
def test_time_reminds_once_finishes_what_was_approved_and_lapses_the_rest(
    state: LostState, reminded: bool, hours: int, step: str | None
) -> None:
    assert _request(state, reminded).next_step(START + timedelta(hours=hours)) == step


@given(st.integers(min_value=1_000_000, max_value=4_000_000_000), st.integers(min_value=-3, max_value=3))
def test_a_code_is_accepted_in_its_own_half_minute_and_its_neighbours(at_seconds: int, off: int) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    step = at_seconds // codes.STEP_SECONDS + off
    found = codes.matching_step(secret, pyotp.TOTP(secret).generate_otp(step), at_seconds=at_seconds)
    assert found == step if abs(off) <= 1 else found != step


@given(st.text(max_size=30))
def test_no_text_at_all_breaks_the_check(text: str) -> None:
    codes.matching_step("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", text, at_seconds=1_780_000_000)


def test_codes_are_hashed_under_a_key_and_for_one_person() -> None:
    vault = Vault({"k": bytes(32)}, bytes(range(32)))
    other = Vault({"k": bytes(32)}, bytes(range(1, 33)))
    code = codes.new_recovery_code()
    assert len(code.replace("-", "")) == 16
    hashed = codes.recovery_hash(vault, SOMEBODY, code)
    assert hashed == codes.recovery_hash(vault, SOMEBODY, f" {code.upper()} ".replace("-", " "))
    assert hashed != codes.recovery_hash(other, SOMEBODY, code)
    assert hashed != codes.recovery_hash(vault, UserId(UUID(int=3)), code)


@given(st.text(max_size=20))
def test_a_phone_is_a_number_in_its_one_form_or_refused(text: str) -> None:
    try:
        phone = clean_phone(text)
    except BadPhone:
        return
    assert phone.startswith("+")
    assert phone[1:].isascii()
    assert clean_phone(phone) == phone
