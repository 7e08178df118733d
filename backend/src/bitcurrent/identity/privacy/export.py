"""Identity's own part of an export: the account, the profile, sessions, API keys, the log of acts, events."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import fields

import msgspec

from bitcurrent.audit.service import PAGE_MAX, acts_about
from bitcurrent.identity import repository as people
from bitcurrent.identity.privacy import repository
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import read_customer_events
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.personal_data import Export, Part, shown

EVENTS_AT_ONCE = 500


def export_with(vault: Vault) -> Export:
    """Identity's export, reading what is encrypted with the vault."""

    def export(connection: Connection, user_id: UserId) -> Iterable[Part]:
        yield Part("account", _account(connection, vault, user_id))
        yield Part("profile", _profile(connection, vault, user_id))
        yield Part("sessions", repository.session_rows(connection, user_id))
        yield Part("api_keys", repository.key_rows(connection, user_id))
        yield Part("second_factors", _factors(connection, vault, user_id))
        yield Part("acts", _acts(connection, user_id))
        yield Part("events", _events(connection, user_id))

    return export


async def _account(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    user = await people.find_user(connection, vault, user_id)
    if user is not None:
        yield {field.name: shown(getattr(user, field.name)) for field in fields(user)}


async def _profile(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    kept = await repository.find_profile(connection, vault, user_id)
    if kept is not None:
        yield {**msgspec.to_builtins(kept.profile), "updated_at": kept.updated_at}


async def _factors(connection: Connection, vault: Vault, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    async for row in repository.factor_rows(connection, user_id):
        sealed = row["phone_encrypted"]
        phone = None
        if isinstance(sealed, bytes):
            phone = vault.decrypt(sealed, table="sms_factors", column="phone_encrypted", row=user_id).decode()
        yield {**{name: value for name, value in row.items() if name != "phone_encrypted"}, "phone": phone}


async def _acts(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    after_id = 0
    while acts := await acts_about(connection, user_id, after_id=after_id, limit=PAGE_MAX):
        for act in acts:
            yield {field.name: shown(getattr(act, field.name)) for field in fields(act)}
        after_id = acts[-1].id


async def _events(connection: Connection, user_id: UserId) -> AsyncIterator[Mapping[str, object]]:
    sequence = 0
    while events := await read_customer_events(connection, user_id, sequence, EVENTS_AT_ONCE):
        for event in events:
            yield {
                "sequence": event.sequence,
                "created_at": event.created_at,
                "kind": event.kind,
                "subject": shown(event.subject),
                "payload": event.payload,
            }
        sequence = events[-1].sequence
