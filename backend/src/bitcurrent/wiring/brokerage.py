"""Everything that is open, by its name."""

from dataclasses import dataclass

from redis.asyncio import Redis

from bitcurrent.backoffice.adjustments.service import Adjustments
from bitcurrent.backoffice.customer_desk import CustomerDesk
from bitcurrent.backoffice.house import House
from bitcurrent.backoffice.notes.service import Notes
from bitcurrent.backoffice.restricting import Restricting
from bitcurrent.botapi.service import BotApi
from bitcurrent.compliance.breakers.service import Breakers
from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.compliance.kyc.asking import Asking
from bitcurrent.compliance.kyc.deciding import Reviews
from bitcurrent.compliance.kyc.lasting import Lasting
from bitcurrent.compliance.kyc.links import DocumentLinks
from bitcurrent.compliance.kyc.service import Kyc
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.monitoring.service import Monitoring
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.funding.addresses.service import AddressBook
from bitcurrent.funding.bank_accounts.service import BankAccounts
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.conversions.rates import Rates
from bitcurrent.funding.conversions.service import Conversions
from bitcurrent.funding.deposits.resolving import Resolving
from bitcurrent.funding.deposits.service import Deposits
from bitcurrent.funding.inbox.service import Inbox
from bitcurrent.funding.payouts.service import Payouts
from bitcurrent.funding.ports import Processor, Wallets
from bitcurrent.funding.reversals.operating import Reversals
from bitcurrent.funding.wallets.deciding import LostTransfers
from bitcurrent.funding.withdrawals.deciding import Deciding
from bitcurrent.funding.withdrawals.model import RailName
from bitcurrent.funding.withdrawals.ports import Rail
from bitcurrent.funding.withdrawals.service import Withdrawals
from bitcurrent.funding.withdrawals.terms import WithdrawalTerms
from bitcurrent.identity.accounts.service import Accounts
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.enrolment import Enrolment
from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.factors.texts import CodeTexts
from bitcurrent.identity.operators import Operators
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.networks import Networks
from bitcurrent.market_data.listing import MarketList
from bitcurrent.market_data.ports import MarketDataSource
from bitcurrent.market_data.service import MarketData
from bitcurrent.notifications.ports import TextCarrier
from bitcurrent.notifications.service import Notifications
from bitcurrent.portfolio.exports.service import Exports
from bitcurrent.portfolio.service import PortfolioReader
from bitcurrent.portfolio.statements.service import Statements
from bitcurrent.portfolio.tax.service import TaxReports
from bitcurrent.portfolio.wallet import Wallet
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.solvency.service import Solvency
from bitcurrent.settings import Settings
from bitcurrent.trading.fees import FeeSchedules
from bitcurrent.trading.service import Trading
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.rates import RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokerage:
    """Everything that is open. A handler's parameter of a field's name receives that field."""

    settings: Settings
    database: Database
    redis: Redis
    addresses: Addresses
    rates: RateLimits
    letters: Notifications
    text_carrier: TextCarrier
    identity: Identity
    accounts: Accounts
    privacy: Privacy
    factors: Factors
    enrolment: Enrolment
    lost_factors: LostFactors
    code_texts: CodeTexts
    market_source: MarketDataSource
    processor: Processor
    inbox: Inbox
    bonuses: Bonuses
    deposits: Deposits
    resolving: Resolving
    reversals: Reversals
    exchange_rates: Rates
    conversions: Conversions
    address_book: AddressBook
    wallets: Wallets
    lost_transfers: LostTransfers
    withdrawals: Withdrawals
    withdrawal_terms: WithdrawalTerms
    deciding: Deciding
    bank_accounts: BankAccounts
    payouts: Payouts
    rails: dict[RailName, Rail]
    market_data: MarketData
    market_list: MarketList
    trading: Trading
    portfolio: PortfolioReader
    wallet: Wallet
    exports: Exports
    statements: Statements
    tax_reports: TaxReports
    solvency: Solvency
    admin_networks: Networks
    approvals: Approvals
    cases: Cases
    monitoring: Monitoring
    screenings: Screenings
    conduct: Conduct
    kyc: Kyc
    kyc_reviews: Reviews
    kyc_lasting: Lasting
    kyc_links: DocumentLinks
    identity_asking: Asking
    limits: Limits
    stops: Stops
    breakers: Breakers
    breaks: Breaks
    operators: Operators
    notes: Notes
    customer_desk: CustomerDesk
    house: House
    adjustments: Adjustments
    restricting: Restricting
    fee_schedules: FeeSchedules
    bot_api: BotApi
