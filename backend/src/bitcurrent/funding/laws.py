"""Funding's laws and what of it holds money, collected from its parts; asked by `ledger.verification.prove`."""

from bitcurrent.funding.bonuses.laws import BONUS_HOLDER, BONUS_LAWS
from bitcurrent.funding.conversions.laws import CONVERSION_LAWS
from bitcurrent.funding.deposits.laws import DEPOSIT_LAWS
from bitcurrent.funding.reversals.laws import REVERSAL_HOLDERS, REVERSAL_LAWS
from bitcurrent.funding.wallets.laws import WALLET_LAWS
from bitcurrent.funding.withdrawals.laws import WITHDRAWAL_HOLDERS, WITHDRAWAL_LAWS
from bitcurrent.ledger.holders import Holder
from bitcurrent.ledger.verification import Law

FUNDING_HOLDERS: tuple[Holder, ...] = (BONUS_HOLDER, *REVERSAL_HOLDERS, *WITHDRAWAL_HOLDERS)
"""Parts with rows that set money aside add theirs here."""

FUNDING_LAWS: tuple[Law, ...] = (
    *DEPOSIT_LAWS,
    *BONUS_LAWS,
    *CONVERSION_LAWS,
    *REVERSAL_LAWS,
    *WITHDRAWAL_LAWS,
    *WALLET_LAWS,
)
