"""What hashing a password costs: little for the hundreds of people of a test, never little in production."""

import base64
import time

import pytest

from bitcurrent.identity.passwords import Passwords
from bitcurrent.kernel.crypto import new_key
from bitcurrent.settings import PASSWORD_COST, SettingsError, read_settings

PEPPER = base64.b64encode(bytes(range(32))).decode()
ENVIRONMENT = {
    **dict.fromkeys(("BITCURRENT_SECRET_KEY", "BITCURRENT_PASSWORD_PEPPER"), PEPPER),
    "BITCURRENT_DATABASE_URL": "postgresql://app@127.0.0.1:9/none",
    "BITCURRENT_REDIS_URL": "redis://127.0.0.1:9",
    "BITCURRENT_ENCRYPTION_KEYS": f"k1:{new_key()}",
    "BITCURRENT_BLIND_INDEX_KEY": new_key(),
    **{
        f"BITCURRENT_ALPACA_{name}": "http://127.0.0.1:9/nowhere-at-all-of-more-than-32-letters"
        for name in ("KEY_ID", "SECRET_KEY", "TRADING_URL", "DATA_URL", "STREAM_URL", "DATA_STREAM_URL")
    },
}


def test_production_hashes_at_cost_12_and_accepts_no_less() -> None:
    assert read_settings(ENVIRONMENT).password_cost == PASSWORD_COST == 12
    with pytest.raises(SettingsError, match="PASSWORD_COST"):
        read_settings({**ENVIRONMENT, "BITCURRENT_PASSWORD_COST": "11"})
    assert read_settings({**ENVIRONMENT, "BITCURRENT_PASSWORD_COST": "13"}).password_cost == 13
    assert read_settings({**ENVIRONMENT, "BITCURRENT_ENV": "demo", "BITCURRENT_PASSWORD_COST": "4"}).password_cost == 4


async def test_the_cost_is_in_the_hash_and_unknown_people_cost_as_much() -> None:
    passwords = Passwords(PEPPER, PASSWORD_COST)
    try:
        stored = await passwords.hash("correct horse battery staple")
        assert stored.startswith("$2b$12$")
        assert await passwords.matches("correct horse battery staple", stored)
        seconds = []
        for known in (stored, None):
            began = time.process_time()
            assert not await passwords.matches("another horse", known)
            seconds.append(time.process_time() - began)
        assert min(seconds) > max(seconds) / 2
    finally:
        passwords.close()
