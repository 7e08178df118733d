"""Bank accounts on the wire: details come in, never out."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from bitcurrent.funding.bank_accounts.model import BankAccount, BankDetails, Scheme, checked
from bitcurrent.web.schemas import Answer, Request

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
_Name = Annotated[str, msgspec.Meta(max_length=200, description="As the bank writes it; your own.")]


class NewBankAccount(Request, frozen=True, kw_only=True):
    """EUR and GBP by `iban`, GBP by `sort_code` and `account_number`, USD by `routing_number` and `account_number`."""

    currency: Literal["USD", "EUR", "GBP"]
    holder: _Name
    iban: _Text | None = None
    bic: _Text | None = None
    sort_code: _Text | None = None
    account_number: _Text | None = None
    routing_number: _Text | None = None

    def details(self) -> BankDetails:
        """As the service takes it; raises BadAccount."""
        return checked(
            currency=self.currency,
            holder=self.holder,
            iban=self.iban,
            bic=self.bic,
            sort_code=self.sort_code,
            account_number=self.account_number,
            routing_number=self.routing_number,
        )


class BankAccountAnswer(Answer, frozen=True, kw_only=True):
    """A saved account. `label` is enough to recognise it; `usable_at` is when it can first be paid to."""

    id: UUID
    created_at: datetime
    usable_at: datetime
    currency: str
    scheme: Scheme
    label: str


class BankAccounts(Answer, frozen=True, kw_only=True):
    """All that you saved, newest first."""

    items: list[BankAccountAnswer]


def account_answer(account: BankAccount) -> BankAccountAnswer:
    """An account for its owner."""
    return BankAccountAnswer(
        id=account.id,
        created_at=account.created_at,
        usable_at=account.usable_at,
        currency=account.currency,
        scheme=account.scheme,
        label=account.label,
    )
