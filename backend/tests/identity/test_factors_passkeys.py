"""Passkeys: as a second factor, instead of a password, and every answer that proves nothing."""

import os
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitcurrent.identity.factors.passkeys import RelyingParty, credential_id_of, user_handle_of
from bitcurrent.identity.factors.refusals import WrongPasskey
from tests.identity.conftest import Api
from tests.support.authenticator import Authenticator
from tests.support.brokerage import ORIGIN
from tests.support.customers import PASSWORD, Person, enrol, log_in, register

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = {"label": "bot", "scopes": ["read"]}


async def _post(api: Api, path: str, body: dict[str, Any], person: Person | None = None) -> Any:
    answer = await api.client.post(path, json=body, headers=person.bearer if person else {})
    api.client.cookies.clear()
    return answer


async def _with_passkey(api: Api, **device: Any) -> tuple[Person, Authenticator, dict[str, Any]]:
    """Somebody whose only second factor is a passkey, and the answer that it was added with."""
    person = await register(api.client)
    authenticator = Authenticator(ORIGIN, **device)
    asked = await _post(api, "/api/factors/passkeys/options", {"password": PASSWORD}, person)
    assert asked.status_code == 200, asked.text
    body = {
        "challenge": asked.json()["challenge"],
        "label": "My phone",
        "credential": authenticator.create(asked.json()["passkey"]),
    }
    added = await _post(api, "/api/factors/passkeys", body, person)
    assert added.status_code == 201, added.text
    return person, authenticator, added.json()


async def test_a_first_passkey_brings_recovery_codes_and_then_completes_logins(api: Api) -> None:
    person, device, added = await _with_passkey(api)
    assert added["passkey"]["label"] == "My phone"
    assert len(added["recovery_codes"]) == 10
    assert (await _post(api, "/api/api-keys", KEY, person)).status_code == 201  # fresh
    first = (await log_in(api.client, person.email)).json()
    assert first["methods"] == ["passkey", "recovery_code"]
    assert first["passkey"]["rpId"] == "bitcurrent.test"
    body = {"challenge": first["challenge"], "method": "passkey", "credential": device.get(first["passkey"])}
    second = await _post(api, "/api/login/second-factor", body)
    assert second.status_code == 200, second.text
    assert second.json()["user"]["id"] == person.id
    replayed = await _post(api, "/api/login/second-factor", body)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "challenge_over")


async def test_a_passkey_that_knows_its_user_logs_in_without_name_and_password(api: Api) -> None:
    person, device, _ = await _with_passkey(api)
    asked = (await _post(api, "/api/login/passkey/options", {})).json()
    assert asked["passkey"]["userVerification"] == "required"
    assert not asked["passkey"].get("allowCredentials")
    body = {"challenge": asked["challenge"], "credential": device.get(asked["passkey"])}
    answer = await _post(api, "/api/login/passkey", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["user"]["id"] == person.id
    token = {"Authorization": f"Bearer {answer.json()['token']}"}
    assert (await api.client.post("/api/api-keys", json=KEY, headers=token)).status_code == 201  # fresh
    again = await _post(api, "/api/login/passkey", body)
    assert (again.status_code, again.json()["code"]) == (401, "challenge_over")


async def test_without_a_pin_or_finger_a_passkey_is_no_password(api: Api) -> None:
    person, device, _ = await _with_passkey(api, verifies=False)
    asked = (await _post(api, "/api/login/passkey/options", {})).json()
    alone = {"challenge": asked["challenge"], "credential": device.get(asked["passkey"])}
    refused = await _post(api, "/api/login/passkey", alone)
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong_passkey")
    # After the password it is a good second factor.
    first = (await log_in(api.client, person.email)).json()
    body = {"challenge": first["challenge"], "method": "passkey", "credential": device.get(first["passkey"])}
    assert (await _post(api, "/api/login/second-factor", body)).status_code == 200


@pytest.mark.parametrize(
    "bent",
    [
        {"origin": "https://bitcurrent.example"},
        {"origin": "http://bitcurrent.test.evil.example"},
        {"rp_id": "evil.example"},
        {"challenge": "AAAA"},
        {"type": "webauthn.create"},
        {"present": False},
        {"verified": False},
        {"signature": os.urandom(70)},
        {"user_handle": os.urandom(16)},
    ],
)
async def test_a_bent_answer_opens_nothing(api: Api, bent: dict[str, Any]) -> None:
    _, device, _ = await _with_passkey(api)
    asked = (await _post(api, "/api/login/passkey/options", {})).json()
    body = {"challenge": asked["challenge"], "credential": device.get(asked["passkey"], **bent)}
    answer = await _post(api, "/api/login/passkey", body)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_passkey")
    assert "set-cookie" not in answer.headers


async def test_somebody_elses_passkey_completes_nobodys_login_and_freshens_no_session(api: Api) -> None:
    person, _, _ = await _with_passkey(api)
    _, thiefs, _ = await _with_passkey(api)
    first = (await log_in(api.client, person.email)).json()
    credential = thiefs.get({**first["passkey"], "allowCredentials": []})
    login = {"challenge": first["challenge"], "method": "passkey", "credential": credential}
    assert (await _post(api, "/api/login/second-factor", login)).json()["code"] == "wrong_passkey"
    asked = (await _post(api, "/api/step-up/options", {}, person)).json()
    credential = thiefs.get({**asked["passkey"], "allowCredentials": []})
    step = {"challenge": asked["challenge"], "method": "passkey", "credential": credential}
    assert (await _post(api, "/api/step-up", step, person)).json()["code"] == "wrong_passkey"


async def test_a_step_up_by_passkey_belongs_to_the_session_that_asked(api: Api) -> None:
    person, device, _ = await _with_passkey(api)
    asked = (await _post(api, "/api/step-up/options", {}, person)).json()
    first = (await log_in(api.client, person.email)).json()
    login = {"challenge": first["challenge"], "method": "passkey", "credential": device.get(first["passkey"])}
    token = (await _post(api, "/api/login/second-factor", login)).json()["token"]
    other = Person(person.id, person.email, token)
    body = {"challenge": asked["challenge"], "method": "passkey", "credential": device.get(asked["passkey"])}
    assert (await _post(api, "/api/step-up", body, other)).json()["code"] == "challenge_over"
    body["credential"] = device.get(asked["passkey"])
    assert (await _post(api, "/api/step-up", body, person)).status_code == 200
    without = {"method": "passkey", "credential": device.get(asked["passkey"])}
    assert (await _post(api, "/api/step-up", without, person)).json()["code"] == "challenge_over"


async def test_a_counter_that_goes_back_is_refused_and_told(api: Api) -> None:
    person, device, _ = await _with_passkey(api)
    codes = []
    for count in (5, 5, 4, 6):
        asked = (await _post(api, "/api/login/passkey/options", {})).json()
        credential = device.get(asked["passkey"], sign_count=count)
        answer = await _post(api, "/api/login/passkey", {"challenge": asked["challenge"], "credential": credential})
        codes.append(answer.status_code)
    assert codes == [200, 401, 401, 200]
    database = await asyncpg.connect(api.settings.database_url)
    told = await database.fetchval(
        "SELECT count(*) FROM audit_logs WHERE action = 'passkey.copied' AND subject = $1", f"user:{person.id}"
    )
    await database.close()
    assert told == 2


async def test_an_authenticator_without_a_counter_works_again_and_again(api: Api) -> None:
    _, device, _ = await _with_passkey(api, counts=False)
    for _ in range(2):
        asked = (await _post(api, "/api/login/passkey/options", {})).json()
        body = {"challenge": asked["challenge"], "credential": device.get(asked["passkey"])}
        assert (await _post(api, "/api/login/passkey", body)).status_code == 200


@pytest.mark.parametrize("bent", [{"origin": "https://evil.example"}, {"challenge": "AAAA"}, {"present": False}])
async def test_a_bent_registration_adds_nothing(api: Api, bent: dict[str, Any]) -> None:
    person = await register(api.client)
    asked = (await _post(api, "/api/factors/passkeys/options", {"password": PASSWORD}, person)).json()
    credential = Authenticator(ORIGIN).create(asked["passkey"], **bent)
    body = {"challenge": asked["challenge"], "label": "x", "credential": credential}
    answer = await _post(api, "/api/factors/passkeys", body, person)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_passkey")
    assert (await api.client.get("/api/factors", headers=person.bearer)).json()["passkeys"] == []


async def test_a_passkey_cannot_be_added_with_another_sessions_challenge_or_twice(api: Api) -> None:
    person = await register(api.client)
    other = Person(person.id, person.email, (await log_in(api.client, person.email)).json()["token"])
    asked = (await _post(api, "/api/factors/passkeys/options", {"password": PASSWORD}, person)).json()
    credential = Authenticator(ORIGIN).create(asked["passkey"])
    body = {"challenge": asked["challenge"], "label": "x", "credential": credential}
    assert (await _post(api, "/api/factors/passkeys", body, other)).json()["code"] == "challenge_over"
    assert (await _post(api, "/api/factors/passkeys", body, person)).status_code == 201
    assert (await _post(api, "/api/factors/passkeys", body, person)).json()["code"] == "challenge_over"


async def test_a_passkey_beside_an_app_is_removed_by_its_owner_only(api: Api) -> None:
    person, _, added = await _with_passkey(api)
    await enrol(api.client, person)
    stranger = await register(api.client)
    await enrol(api.client, stranger)
    path = f"/api/factors/passkeys/{added['passkey']['id']}"
    assert (await api.client.delete(path, headers=stranger.bearer)).status_code == 404
    assert (await api.client.delete(path, headers=person.bearer)).status_code == 204
    left = (await api.client.get("/api/factors", headers=person.bearer)).json()
    assert left["methods"] == ["totp", "recovery_code"]


async def test_a_closed_accounts_passkey_opens_nothing(api: Api) -> None:
    person, device, _ = await _with_passkey(api)
    database = await asyncpg.connect(api.settings.database_url)
    await database.execute("UPDATE users SET status = 'closed' WHERE id = $1::text::uuid", person.id)
    await database.close()
    asked = (await _post(api, "/api/login/passkey/options", {})).json()
    body = {"challenge": asked["challenge"], "credential": device.get(asked["passkey"])}
    assert (await _post(api, "/api/login/passkey", body)).json()["code"] == "wrong_passkey"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
PARTS = ("id", "rawId", "type", "response", "clientExtensionResults")
RESPONSE = ("clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject", "transports")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(PARTS, JSON)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(RESPONSE, JSON)),
    st.booleans(),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nonsense_is_refused_and_never_an_accident(whole: dict[str, Any], part: dict[str, Any], nested: bool) -> None:
    party = RelyingParty("bitcurrent.test", (ORIGIN,))
    credential = {**whole, "response": part} if nested else whole
    for look in (credential_id_of, user_handle_of):
        try:
            look(credential)
        except WrongPasskey:
            continue
    with pytest.raises(WrongPasskey):
        party.verify_registration(credential, challenge=b"x" * 32)


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_in_an_attestation_are_refused(attestation: bytes, client: bytes) -> None:
    import base64

    def text(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    party = RelyingParty("bitcurrent.test", (ORIGIN,))
    response = {"attestationObject": text(attestation), "clientDataJSON": text(client)}
    credential = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": response}
    with pytest.raises(WrongPasskey):
        party.verify_registration(credential, challenge=b"x" * 32)


def test_the_relying_party_is_the_public_address_and_localhost_on_loopback(api: Api) -> None:
    def party(**changes: Any) -> RelyingParty:
        return RelyingParty.of(msgspec.structs.replace(api.settings, **changes))

    assert party(base_url="https://broker.example", allowed_origins="https://app.broker.example") == RelyingParty(
        "broker.example", ("https://broker.example", "https://app.broker.example")
    )
    assert party(base_url="http://127.0.0.1:8000") == RelyingParty(
        "localhost", ("http://127.0.0.1:8000", "http://localhost:8000")
    )
