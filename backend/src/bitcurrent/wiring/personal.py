"""What each room gives of a customer's data, and how it forgets them: the lists that privacy works through."""

from bitcurrent.backoffice.notes.service import erase as erase_notes
from bitcurrent.backoffice.notes.service import export_with as export_notes_with
from bitcurrent.compliance.cases.service import erase as erase_cases
from bitcurrent.compliance.conduct.export import erase as erase_conduct
from bitcurrent.compliance.conduct.export import export_with as export_conduct_with
from bitcurrent.compliance.kyc.export import erase as erase_verifications
from bitcurrent.compliance.kyc.export import export_with as export_verifications_with
from bitcurrent.compliance.monitoring.service import erase as erase_monitoring
from bitcurrent.compliance.screening.service import erase as erase_screenings
from bitcurrent.funding.addresses.export import erase as erase_addresses
from bitcurrent.funding.addresses.export import export_with as export_addresses_with
from bitcurrent.funding.bank_accounts.export import erase as erase_bank_accounts
from bitcurrent.funding.bank_accounts.export import export_with as export_bank_accounts_with
from bitcurrent.funding.conversions.export import export as export_conversions
from bitcurrent.funding.deposits.export import export as export_deposits
from bitcurrent.funding.reversals.export import export as export_reversals
from bitcurrent.funding.withdrawals.export import export as export_withdrawals
from bitcurrent.identity.privacy.export import export_with
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.personal_data import Erase, Export
from bitcurrent.ledger.export import export as export_books
from bitcurrent.notifications.export import erase as erase_letters
from bitcurrent.notifications.export import export_with as export_letters_with
from bitcurrent.trading.export import export as export_orders


def exports_of(vault: Vault) -> tuple[Export, ...]:
    """Everything that is kept about a customer, room by room."""
    return (
        export_with(vault),
        export_books,
        export_orders,
        export_conversions,
        export_deposits,
        export_letters_with(vault),
        export_addresses_with(vault),
        export_withdrawals,
        export_reversals,
        export_notes_with(vault),
        export_bank_accounts_with(vault),
        export_conduct_with(vault),
        export_verifications_with(vault),
    )


ERASES: tuple[Erase, ...] = (
    erase_letters,
    erase_notes,
    erase_addresses,
    erase_bank_accounts,
    erase_cases,
    erase_monitoring,
    erase_screenings,
    erase_conduct,
    erase_verifications,
)
"""Run in this order when a customer is erased."""
