"""Tokens that are not ours, not for this, or not any more; each over the real application."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from bitcurrent.identity.model import InvalidToken, TokenExpired
from bitcurrent.identity.tokens import LIFETIME, Tokens
from bitcurrent.kernel.ids import SessionId, UserId
from tests.identity.conftest import Api
from tests.support.customers import PASSWORD, log_in, register

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "a key of more than thirty-two characters"
Forgery = Callable[[dict[str, Any], str], str]


def _signed(**changes: Any) -> Forgery:
    def forge(claims: dict[str, Any], key: str) -> str:
        changed = {**claims, **changes}
        return jwt.encode({name: value for name, value in changed.items() if value is not None}, key, "HS256")

    return forge


FORGERIES: dict[str, tuple[Forgery, str]] = {
    "alg none": (lambda claims, _: jwt.encode(claims, "", "none"), "invalid_token"),
    "another algorithm": (lambda claims, key: jwt.encode(claims, key, "HS512"), "invalid_token"),
    "another key": (lambda claims, key: jwt.encode(claims, key[::-1], "HS256"), "invalid_token"),
    "another audience": (_signed(aud="somebody-else"), "invalid_token"),
    "another issuer": (_signed(iss="somebody-else"), "invalid_token"),
    "another type": (_signed(typ="refresh"), "invalid_token"),
    "no session": (_signed(sid=None), "invalid_token"),
    "no end": (_signed(exp=None), "invalid_token"),
    "a session that is no id": (_signed(sid="'; DROP TABLE users; --"), "invalid_token"),
    "expired": (_signed(exp=int((datetime.now(UTC) - timedelta(seconds=5)).timestamp())), "token_expired"),
    "another session": (_signed(sid=str(uuid4())), "session_ended"),
    "somebody else's session": (_signed(sub=str(uuid4())), "session_ended"),
    "no token at all": (lambda *_: "ey.nonsense", "invalid_token"),
    "a very long one": (lambda *_: "e" * 5000, "invalid_token"),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_or_stale_token_is_refused(api: Api, name: str) -> None:
    person = await register(api.client)
    claims = jwt.decode(person.token, options={"verify_signature": False})
    forge, code = FORGERIES[name]
    token = forge(claims, api.settings.secret_key)
    for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"session={token}"}):
        answer = await api.client.get("/api/me", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 200


ENDINGS: dict[str, tuple[str, str, dict[str, str] | None]] = {
    # What somebody does, in this session or in another one of theirs: (whose session, the request, its body)
    "logged out": ("this", "POST /api/logout", None),
    "password changed elsewhere": (
        "another",
        "POST /api/password",
        {"current_password": PASSWORD, "new_password": "a longer correct horse battery"},
    ),
    "ended from the list": ("another", "DELETE /api/sessions/{session_id}", None),
    "all others ended": ("another", "DELETE /api/sessions", None),
}


@pytest.mark.parametrize("name", ENDINGS)
async def test_a_token_whose_session_has_ended_is_refused_at_once(api: Api, name: str) -> None:
    person = await register(api.client)
    session_id = (await api.client.get("/api/me", headers=person.bearer)).json()["session_id"]
    whose, wish, body = ENDINGS[name]
    token = person.token if whose == "this" else (await log_in(api.client, person.email)).json()["token"]
    method, path = wish.split()
    ended = await api.client.request(
        method, path.format(session_id=session_id), json=body, headers={"Authorization": f"Bearer {token}"}
    )
    assert ended.is_success, ended.text
    api.client.cookies.clear()
    for headers in (person.bearer, {"Cookie": f"session={person.token}"}):
        answer = await api.client.get("/api/me", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")


async def test_a_token_in_the_query_is_nobody(api: Api) -> None:
    person = await register(api.client)
    answer = await api.client.get(f"/api/me?token={person.token}&access_token={person.token}")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_logged_in")


def test_a_token_says_who_and_which_session_for_a_day() -> None:
    tokens = Tokens(KEY)
    user, session, now = UserId(uuid4()), SessionId(uuid4()), datetime.now(UTC)
    claims = tokens.read(tokens.sign(user, session, now, now + LIFETIME))
    assert (claims.user_id, claims.session_id) == (user, session)
    assert claims.expires_at - int(now.timestamp()) == 24 * 3600
    with pytest.raises(TokenExpired):
        tokens.read(tokens.sign(user, session, now - 2 * LIFETIME, now - LIFETIME))
    with pytest.raises(InvalidToken):
        Tokens(KEY[::-1]).read(tokens.sign(user, session, now, now + LIFETIME))
