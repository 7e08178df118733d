"""API keys: made, changed, listed and revoked by their owners.

Verbs run in the caller's transaction; after its commit the caller calls `announce(keys=[…])` for what was changed.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.audit.service import record
from bitcurrent.identity import keys_repository as repository
from bitcurrent.identity.key_limits import read_daily_notional, read_networks, read_symbols
from bitcurrent.identity.keys_repository import KeyTerms
from bitcurrent.identity.model import API_KEYS_MAX, Actor, ApiKey, Scope, TooManyApiKeys
from bitcurrent.identity.recognition import hash_secret
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound

LABEL_LENGTH_MAX = 100


class KeyEnded(Conflict):
    """The key was revoked, so nothing about it can be changed."""

    code = "api_key_revoked"

    def __init__(self) -> None:
        super().__init__("This API key was revoked. Make a new one.")


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key with its secret, which exists in this moment only."""

    key: ApiKey
    secret: str


class KeyKeeper:
    """Keeps customers' API keys."""

    async def create_key(
        self,
        connection: Connection,
        actor: Actor,
        *,
        label: str,
        scopes: Sequence[Scope],
        expires_at: datetime | None,
        address: str,
        networks: Sequence[str] = (),
        symbols: Sequence[str] = (),
        daily_notional: Decimal | None = None,
        require_signature: bool = False,
    ) -> NewApiKey:
        """A new API key; its secret is in the answer and nowhere else. Raises Invalid or TooManyApiKeys."""
        terms = _checked(
            KeyTerms(
                label=label,
                scopes=scopes,
                expires_at=expires_at,
                networks=read_networks(networks),
                symbols=read_symbols(symbols),
                daily_notional=read_daily_notional(daily_notional),
                require_signature=require_signature,
            )
        )
        if await repository.count_keys(connection, actor.user_id) >= API_KEYS_MAX:
            raise TooManyApiKeys
        secret = secrets.token_urlsafe(30)
        key = await repository.insert_key(
            connection, user_id=actor.user_id, key_id=new_key_id(), secret_hash=hash_secret(secret), terms=terms
        )
        await _note(connection, actor, "api_key.created", key.key_id, address, after=_facts(terms))
        return NewApiKey(key, secret)

    async def change_key(
        self, connection: Connection, actor: Actor, key_id: str, changes: dict[str, Any], *, address: str
    ) -> ApiKey:
        """Change one of the actor's keys: `changes` are fields of `KeyTerms` as they came from outside.

        The secret stays. Raises NotFound, KeyEnded, Invalid. Call `announce(keys=[key_id])` after the commit.
        """
        found = await repository.lock_key(connection, actor.user_id, key_id)
        if found is None:
            raise NotFound("You have no API key with this id.")
        if found.revoked_at is not None:
            raise KeyEnded
        before = _terms_of(found)
        read = dict(changes)
        if "networks" in read:
            read["networks"] = read_networks(read["networks"])
        if "symbols" in read:
            read["symbols"] = read_symbols(read["symbols"])
        if "daily_notional" in read:
            read["daily_notional"] = read_daily_notional(read["daily_notional"])
        after = _checked(replace(before, **read), ends_anew="expires_at" in read)
        key = await repository.update_key(connection, actor.user_id, key_id, after)
        await _note(connection, actor, "api_key.changed", key_id, address, before=_facts(before), after=_facts(after))
        return key

    async def ensure_key(
        self,
        connection: Connection,
        actor: Actor,
        *,
        key_id: str,
        secret: str,
        label: str,
        scopes: Sequence[Scope],
    ) -> None:
        """A key that is known beforehand (the demo's bot), made unless there is one with this id, revoked or not."""
        if await repository.key_exists(connection, key_id):
            return
        terms = KeyTerms(label=label, scopes=scopes)
        await repository.insert_key(
            connection, user_id=actor.user_id, key_id=key_id, secret_hash=hash_secret(secret), terms=terms
        )
        await _note(connection, actor, "api_key.created", key_id, "demo data", after=_facts(terms))

    async def keys(self, connection: Connection, actor: Actor, *, before: UUID | None, limit: int) -> list[ApiKey]:
        """The actor's API keys, newest first, revoked ones too."""
        return await repository.keys(connection, actor.user_id, before=before, limit=limit)

    async def key(self, connection: Connection, actor: Actor, key_id: str) -> ApiKey:
        """One of the actor's keys; raises NotFound."""
        found = await repository.find_key(connection, actor.user_id, key_id)
        if found is None:
            raise NotFound("You have no API key with this id.")
        return found

    async def revoke_key(self, connection: Connection, actor: Actor, key_id: str, *, address: str) -> None:
        """Revoke one of the actor's keys; again is no error. Raises NotFound. Call `announce(keys=[key_id])` after."""
        revoked = await repository.revoke_key(connection, actor.user_id, key_id)
        if revoked is None:
            raise NotFound("You have no API key with this id.")
        if revoked:
            await _note(connection, actor, "api_key.revoked", key_id, address)


def new_key_id() -> str:
    """A key id: BK and eighteen capitals and digits."""
    return "BK" + secrets.token_hex(9).upper()


def _checked(terms: KeyTerms, *, ends_anew: bool = True) -> KeyTerms:
    """The terms with their label tidied; raises Invalid. An end in the past is refused only where it is set now."""
    label = " ".join(terms.label.split())
    if not 1 <= len(label) <= LABEL_LENGTH_MAX or not label.isprintable():
        raise Invalid(f"A label has 1 to {LABEL_LENGTH_MAX} visible characters.", field="label")
    if not terms.scopes:
        raise Invalid("Name at least one scope: read or trade.", field="scopes")
    if ends_anew and terms.expires_at is not None and terms.expires_at <= now():
        raise Invalid("The end must lie in the future.", field="expires_at")
    return replace(terms, label=label)


def _terms_of(key: ApiKey) -> KeyTerms:
    limits = key.limits
    terms = KeyTerms(label=key.label, scopes=sorted(key.scopes), expires_at=key.expires_at)
    if limits is None:
        return terms
    return replace(
        terms,
        networks=limits.networks,
        symbols=limits.symbols,
        daily_notional=limits.daily_notional,
        require_signature=limits.require_signature,
    )


def _facts(terms: KeyTerms) -> dict[str, object]:
    """The terms for the log of acts; labels are the owner's own words and stay out of it."""
    return {
        "scopes": sorted(terms.scopes),
        "expires_at": terms.expires_at,
        "networks": None if terms.networks is None else terms.networks.texts(),
        "symbols": None if terms.symbols is None else sorted(terms.symbols),
        "daily_notional": terms.daily_notional,
        "require_signature": terms.require_signature,
    }


async def _note(
    connection: Connection,
    actor: Actor,
    action: str,
    key_id: str,
    address: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    await record(
        connection,
        actor_id=actor.user_id,
        actor_role=actor.role,
        action=action,
        subject=f"api_key:{key_id}",
        address=address,
        before=before,
        after=after,
    )
