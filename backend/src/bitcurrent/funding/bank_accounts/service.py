"""Bank accounts' verbs: save, list, remove, and open the details for a payment."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from bitcurrent.audit.service import record
from bitcurrent.funding.bank_accounts import repository
from bitcurrent.funding.bank_accounts.model import (
    ACCOUNTS_MAX,
    BankAccount,
    BankAccountNotFound,
    BankDetails,
    KnownAccount,
    NotInYourName,
    ProfileNeeded,
    TooManyAccounts,
    same_person,
)
from bitcurrent.identity.ports import Letters
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

_TABLE = "bank_accounts"
_MOMENT = "%Y-%m-%d %H:%M UTC"


class BankAccounts:
    """Where customers may be paid. Methods run in the caller's transaction."""

    def __init__(self, *, vault: Vault, privacy: Privacy, letters: Letters, wait: timedelta) -> None:
        self._vault = vault
        self._privacy = privacy
        self._letters = letters
        self._wait = wait

    async def add(self, connection: Connection, user_id: UserId, details: BankDetails, *, address: str) -> BankAccount:
        """Save one, usable after the wait. Raises ProfileNeeded, NotInYourName, TooManyAccounts, KnownAccount."""
        kept = await self._privacy.profile(connection, user_id)
        if kept is None:
            raise ProfileNeeded
        if not same_person(details.holder, kept.profile.legal_name):
            raise NotInYourName
        if await repository.lock_customer(connection, user_id) >= ACCOUNTS_MAX:
            raise TooManyAccounts
        account_id = new_id()
        sealing = self._vault.new_record(table=_TABLE, row=account_id)
        saved = await repository.insert(
            connection,
            account_id=account_id,
            user_id=user_id,
            details=details,
            wait=self._wait,
            fingerprint=self._vault.blind_index(details.identity, purpose="bank_accounts.identity"),
            data_key=sealing.wrapped,
            sealed=sealing.encrypt(msgspec.json.encode(details), column="details"),
        )
        if saved is None:
            raise KnownAccount
        await self._tell(connection, saved, "bank_account_added", address, usable_from=f"{saved.usable_at:{_MOMENT}}")
        return saved

    async def everything(self, connection: Connection, user_id: UserId) -> Sequence[BankAccount]:
        """The customer's accounts, newest first."""
        return await repository.list_accounts(connection, user_id)

    async def find(self, connection: Connection, user_id: UserId, account_id: UUID) -> BankAccount:
        """One of the customer's accounts; raises BankAccountNotFound."""
        found = await repository.find(connection, account_id, user_id)
        if found is None:
            raise BankAccountNotFound
        return found

    async def remove(self, connection: Connection, user_id: UserId, account_id: UUID, *, address: str) -> None:
        """Forget it for new withdrawals; raises BankAccountNotFound."""
        removed = await repository.remove(connection, account_id, user_id)
        if removed is None:
            raise BankAccountNotFound
        await self._tell(connection, removed, "bank_account_removed", address)

    async def details(self, connection: Connection, account_ids: list[UUID]) -> dict[UUID, BankDetails]:
        """What a payment needs, by account. Raises CryptoError. Whoever calls this writes down why (the audit log)."""
        sealed = await repository.read_sealed(connection, account_ids)
        return {account_id: self._open(account_id, *parts) for account_id, parts in sealed.items()}

    def _open(self, account_id: UUID, data_key: bytes, sealed: bytes) -> BankDetails:
        opened = self._vault.open_record(data_key, table=_TABLE, row=account_id)
        return msgspec.json.decode(opened.decrypt(sealed, column="details"), type=BankDetails)

    async def _tell(self, connection: Connection, account: BankAccount, what: str, address: str, **values: str) -> None:
        letter = {"label": account.label, "when": f"{now():{_MOMENT}}", "address": address, **values}
        await self._letters.queue(connection, user_id=account.user_id, template=what, values=letter)
        await record(
            connection,
            actor_id=account.user_id,
            action=what.replace("account_", "account."),
            subject=f"bank_account:{account.id}",
            address=address,
            details={"scheme": account.scheme, "currency": account.currency},
        )
