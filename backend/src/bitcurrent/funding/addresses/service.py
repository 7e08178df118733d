"""The address book's verbs: save, list, say who receives, remove."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bitcurrent.audit.service import record
from bitcurrent.funding.addresses import repository
from bitcurrent.funding.addresses.model import (
    ADDED_A_DAY_MAX,
    ADDRESSES_MAX,
    LABEL_MAX,
    AddressKnown,
    AddressNotFound,
    AddressWish,
    Beneficiary,
    BeneficiaryIncomplete,
    DestinationState,
    SavedAddress,
    TagNotPossible,
    TooManyAddresses,
    read_beneficiary,
    read_words,
)
from bitcurrent.funding.addresses.networks import network_of, read_address
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId

NEEDS_TAG = frozenset({"xrp"})
"""Networks on which a provider tells its customers apart by a tag, which the venue's transfers cannot carry."""
_MOMENT = "%Y-%m-%d %H:%M UTC"


class AddressBook:
    """Where customers may send coins. Methods run in the caller's transaction."""

    def __init__(self, *, vault: Vault, letters: Letters, wait: timedelta) -> None:
        self._vault = vault
        self._letters = letters
        self._wait = wait

    async def add(self, connection: Connection, user_id: UserId, wish: AddressWish, *, address: str) -> SavedAddress:
        """Save one, usable after the wait; the venue is told by the worker. `address` is where the customer is.

        Raises NoWithdrawals, AddressInvalid, TagNotPossible, BeneficiaryIncomplete, TooManyAddresses, AddressKnown.
        """
        # In a thread: the library takes a moment to load, the first time.
        checked = await asyncio.to_thread(check_wish, wish)
        kept, lately = await repository.lock_book(connection, user_id)
        if kept >= ADDRESSES_MAX:
            raise TooManyAddresses(ADDRESSES_MAX, "addresses can be saved; remove one that you do not need")
        if lately >= ADDED_A_DAY_MAX:
            raise TooManyAddresses(ADDED_A_DAY_MAX, "addresses can be added within a day")
        address_id = await repository.insert_address(connection, self._vault, user_id, checked, wait=self._wait)
        if address_id is None:
            raise AddressKnown(checked.asset)
        crash_point("address.saved")
        saved = await self.read(connection, user_id, address_id)
        usable = {"usable_from": _moment(saved.usable_at)}
        await self._tell(connection, saved, "added", address, when=saved.created_at, **usable)
        return saved

    async def read(self, connection: Connection, user_id: UserId, address_id: UUID) -> SavedAddress:
        """One of the customer's addresses; raises AddressNotFound."""
        found = await repository.find_address(connection, self._vault, user_id, address_id)
        if found is None:
            raise AddressNotFound
        return found

    async def read_even_removed(self, connection: Connection, user_id: UserId, address_id: UUID) -> SavedAddress | None:
        """The same for what was asked for before the address was removed; None when it was erased."""
        return await repository.find_address(connection, self._vault, user_id, address_id, removed=True)

    async def everything(
        self, connection: Connection, user_id: UserId, *, asset: str | None, before: UUID | None, limit: int
    ) -> Sequence[SavedAddress]:
        """The customer's addresses, newest first."""
        return await repository.list_addresses(
            connection, self._vault, user_id, asset=asset, before=before, limit=limit
        )

    async def say_receiver(
        self, connection: Connection, user_id: UserId, address_id: UUID, beneficiary: Beneficiary, *, address: str
    ) -> SavedAddress:
        """Who receives there, for the Travel Rule. It sends nothing elsewhere, so there is no new wait.

        Raises AddressNotFound, BeneficiaryIncomplete, TagNotPossible.
        """
        saved = await self.read(connection, user_id, address_id)
        given = _beneficiary(beneficiary, saved.network)
        assert given is not None
        await repository.set_beneficiary(connection, self._vault, user_id, address_id, given)
        await _note(connection, saved, "described", address, receiver=given.receiver)
        return replace(saved, beneficiary=given)

    async def remove(self, connection: Connection, user_id: UserId, address_id: UUID, *, address: str) -> None:
        """Take it out of the book; what was asked for before still goes there. Raises AddressNotFound."""
        saved = await self.read(connection, user_id, address_id)
        if await repository.remove_address(connection, user_id, address_id) is None:
            raise AddressNotFound
        moment: datetime = await connection.fetchval("SELECT now()")
        await self._tell(connection, saved, "removed", address, when=moment)

    async def destination(self, connection: Connection, destination_id: UUID) -> tuple[str, DestinationState]:
        """The address behind the venue's row of it, and how far the venue is with it."""
        return await repository.read_destination(connection, self._vault, destination_id)

    async def others_with(self, connection: Connection, saved: SavedAddress, *, limit: int = 50) -> list[UserId]:
        """Other customers who have, or had, the same address."""
        index = repository.index_of(self._vault, saved.network, saved.address)
        owners = await repository.owners_of(connection, index, limit=limit + 1)
        return [owner for owner in owners if owner != saved.user_id][:limit]

    async def _tell(
        self, connection: Connection, saved: SavedAddress, what: str, address: str, *, when: datetime, **values: str
    ) -> None:
        letter = {"label": saved.shown, "asset": saved.asset, "when": _moment(when), **values}
        await self._letters.queue(connection, user_id=saved.user_id, template=f"address_{what}", values=letter)
        await append_event(
            connection,
            user_id=saved.user_id,
            kind=f"withdrawal_address_{what}",
            subject=saved.id,
            payload={"asset": saved.asset, "network": saved.network, "shown": saved.shown},
        )
        await _note(connection, saved, what, address)


def check_wish(wish: AddressWish) -> AddressWish:
    """The wish as it is kept: every part read and found right. Pure; raises what `add` raises for a wrong one."""
    network = network_of(wish.asset, wish.network)
    if wish.tag:
        raise TagNotPossible(network.name, "tag")
    return replace(
        wish,
        address=read_address(wish.address, network),
        label=read_words(wish.label, field="label", most=LABEL_MAX),
        beneficiary=_beneficiary(wish.beneficiary, network.key),
    )


def _beneficiary(given: Beneficiary | None, network: str) -> Beneficiary | None:
    read = read_beneficiary(given)
    if network in NEEDS_TAG:
        if read is None:
            raise BeneficiaryIncomplete("receiver")
        if read.receiver == "hosted":
            raise TagNotPossible(network, "beneficiary.receiver")
    return read


async def _note(connection: Connection, saved: SavedAddress, what: str, address: str, **details: object) -> None:
    await record(
        connection,
        actor_id=saved.user_id,
        action=f"withdrawal_address.{what}",
        subject=f"withdrawal_address:{saved.id}",
        address=address,
        details={"asset": saved.asset, "network": saved.network, **details},
    )


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime(_MOMENT)
