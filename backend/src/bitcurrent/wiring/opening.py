"""Opening: builds every service once, in the order in which they need each other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

from bitcurrent.backoffice.adjustments.service import Adjustments
from bitcurrent.backoffice.customer_desk import CustomerDesk
from bitcurrent.backoffice.house import House
from bitcurrent.backoffice.notes.service import Notes
from bitcurrent.backoffice.restricting import Restricting
from bitcurrent.botapi.service import BotApi
from bitcurrent.compliance.breakers.service import Breakers
from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.compliance.kyc.side import open_kyc
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.monitoring.service import Monitoring
from bitcurrent.compliance.restrictions.service import may_log_in
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.compliance.stops.board import StopBoard
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.conversions.rates import FixedRates, NoRates, Rates
from bitcurrent.funding.conversions.service import Conversions
from bitcurrent.funding.deposits.crediting import EVENT_TYPES
from bitcurrent.funding.deposits.model import DepositRules
from bitcurrent.funding.deposits.resolving import Resolving
from bitcurrent.funding.deposits.service import Deposits
from bitcurrent.funding.desk import forfeit_at_once, open_desk
from bitcurrent.funding.inbox.service import Inbox
from bitcurrent.funding.ports import RateSource
from bitcurrent.funding.reversals.hints import EVENT_TYPES as REVERSAL_EVENTS
from bitcurrent.funding.reversals.hints import apply_event as apply_reversal_event
from bitcurrent.funding.reversals.operating import Reversals
from bitcurrent.funding.wallets.side import open_wallet_side
from bitcurrent.funding.withdrawals.prices import UsdPrices
from bitcurrent.identity.accounts.service import Accounts
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.factors.enrolment import Enrolment
from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.identity.factors.notices import Notices
from bitcurrent.identity.factors.passkeys import RelyingParty
from bitcurrent.identity.factors.service import Factors
from bitcurrent.identity.factors.texts import CodeTexts
from bitcurrent.identity.operators import Operators
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.identity.service import Identity
from bitcurrent.integrations.alpaca.data import AlpacaData
from bitcurrent.integrations.alpaca.wallets import AlpacaWallets
from bitcurrent.integrations.ecb.adapter import EcbRates
from bitcurrent.integrations.idcheck.adapter import IdcheckProvider
from bitcurrent.integrations.stripe.adapter import StripeProcessor
from bitcurrent.integrations.twilio.adapter import TwilioTexts
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.leader import LEADER_KEY
from bitcurrent.kernel.rewrapping import application_name
from bitcurrent.market_data.listing import MarketList
from bitcurrent.market_data.service import MarketData
from bitcurrent.notifications.service import Notifications
from bitcurrent.portfolio.exports.service import Exports
from bitcurrent.portfolio.leavings import Leavings
from bitcurrent.portfolio.service import PortfolioReader
from bitcurrent.portfolio.statements.service import Statements
from bitcurrent.portfolio.tax.service import TaxReports
from bitcurrent.portfolio.wallet import Wallet
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.reconciliation.solvency.service import Solvency
from bitcurrent.settings import Settings
from bitcurrent.trading.fees import FeeSchedules
from bitcurrent.trading.reading import traded_since
from bitcurrent.trading.service import Trading
from bitcurrent.trading.weighing import OrderLimits
from bitcurrent.web.addresses import Addresses
from bitcurrent.web.rates import RateLimits
from bitcurrent.wiring.brokerage import Brokerage
from bitcurrent.wiring.personal import ERASES, exports_of


@asynccontextmanager
async def open_brokerage(settings: Settings) -> AsyncIterator[Brokerage]:
    """Open the database, Redis and every room's service; close them in reverse when the block ends.

    Raises what PostgreSQL raises when it is not there. Redis may be absent: it is never the truth.
    """
    async with AsyncExitStack() as stack:
        database = await Database.connect(
            settings.database_url,
            connections_min=settings.database_connections_min,
            connections_max=settings.database_connections_max,
            application_name=application_name(settings.open_vault()),
        )
        stack.push_async_callback(database.close)
        redis = connect_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        letters = Notifications(settings.open_vault(), settings.base_url)
        identity = await stack.enter_async_context(Identity.open(database, redis, settings, letters=letters))
        identity.gate = may_log_in
        notices, party = Notices(letters), RelyingParty.of(settings)
        texts = await stack.enter_async_context(TwilioTexts.connect(settings))
        lost_factors = LostFactors(
            database=database, redis=redis, settings=settings, identity=identity, notices=notices
        )
        factors = Factors(
            database=database, redis=redis, identity=identity, party=party, notices=notices, lost=lost_factors
        )
        processor = await stack.enter_async_context(StripeProcessor.connect(settings))
        exchange_rates = Rates(
            await stack.enter_async_context(_rate_source(settings)), age_seconds_max=settings.fx_age_seconds_max
        )
        market_source = await stack.enter_async_context(AlpacaData.connect(settings))
        market_data = await stack.enter_async_context(MarketData(database=database, redis=redis, source=market_source))
        board = await stack.enter_async_context(_open_board(database, market_data))
        approvals = Approvals()
        limits = Limits(approvals)
        conduct = Conduct(
            database,
            identity.vault,
            default=settings.default_jurisdiction,
            acknowledgement_required=settings.risk_acknowledgement == "required",
        )
        order_limits = OrderLimits(database, limits, market_data)
        trading = Trading(database, redis, market_data, stops=board, limits=order_limits)
        portfolio = PortfolioReader(database, market_data, exchange_rates)
        bonuses = Bonuses(database, approvals, traded=traded_since, letters=letters, may_have=conduct.may_have_bonus)

        async def worth(currency: str) -> Decimal:
            return (await exchange_rates.worth(currency)).middle

        deposits = Deposits(
            database=database,
            processor=processor,
            rules=DepositRules.parse(
                fee_bps=Decimal(settings.deposit_fee_bps),
                minimum=Decimal(settings.deposit_minimum),
                release_days=settings.deposit_release_days,
            ),
            limits=limits,
            worths=worth,
            bonuses=bonuses,
            letters=letters,
            base_url=settings.base_url,
        )
        inbox = Inbox(database, identity.vault, processor)
        inbox.register_batch(EVENT_TYPES, deposits.crediting.apply_events)
        reversals = Reversals(letters, approvals, four_eyes_above=Decimal(settings.refund_approval_above))
        inbox.register(REVERSAL_EVENTS, apply_reversal_event)
        resolving = Resolving(
            database=database,
            processor=processor,
            rules=deposits.rules,
            refunds=reversals,
            approvals=approvals,
            letters=letters,
        )
        privacy = Privacy(
            database,
            redis,
            identity,
            erase_after_days=settings.erase_after_days,
            exports=exports_of(identity.vault),
            erases=ERASES,
        )
        prices = UsdPrices(market_data, exchange_rates)
        coins = open_wallet_side(
            settings=settings,
            database=database,
            vault=identity.vault,
            wallets=await stack.enter_async_context(AlpacaWallets.connect(settings)),
            letters=letters,
            approvals=approvals,
            prices=prices,
        )
        cases = Cases(identity.vault)
        screenings = Screenings(identity.vault, cases, approvals)
        desk = open_desk(
            settings=settings,
            database=database,
            vault=identity.vault,
            privacy=privacy,
            letters=letters,
            limits=limits,
            approvals=approvals,
            prices=prices,
            processor=processor,
            refunds=reversals.refunds,
            screenings=screenings,
            address_book=coins.book,
            more_rails=(coins.rail,),
        )
        forfeit_at_once(bonuses, reversals, desk.withdrawals)
        stops = Stops(approvals)
        breaks, wallet, notes = Breaks(approvals, stops), Wallet(database, prices), Notes(identity)
        verifying = open_kyc(
            database=database,
            vault=identity.vault,
            privacy=privacy,
            letters=letters,
            approvals=approvals,
            cases=cases,
            screenings=screenings,
            provider=await stack.enter_async_context(IdcheckProvider.connect(settings)),
        )
        yield Brokerage(
            settings=settings,
            database=database,
            redis=redis,
            addresses=Addresses(settings.trusted_proxies),
            rates=RateLimits(redis, factor=settings.rate_limit_factor),
            letters=letters,
            text_carrier=texts,
            identity=identity,
            accounts=Accounts(
                database=database,
                redis=redis,
                settings=settings,
                identity=identity,
                letters=letters,
                leavings=Leavings(),
            ),
            privacy=privacy,
            factors=factors,
            enrolment=Enrolment(database=database, identity=identity, factors=factors, party=party, notices=notices),
            lost_factors=lost_factors,
            code_texts=CodeTexts(database=database, redis=redis, vault=identity.vault, texts=texts),
            market_source=market_source,
            processor=processor,
            inbox=inbox,
            bonuses=bonuses,
            deposits=deposits,
            resolving=resolving,
            reversals=reversals,
            exchange_rates=exchange_rates,
            address_book=coins.book,
            wallets=coins.wallets,
            lost_transfers=coins.lost,
            withdrawals=desk.withdrawals,
            withdrawal_terms=desk.terms,
            deciding=desk.deciding,
            bank_accounts=desk.bank_accounts,
            payouts=desk.payouts,
            rails=desk.rails,
            conversions=Conversions(
                database, exchange_rates, limits, letters, spread_bps=Decimal(settings.fx_spread_bps)
            ),
            market_data=market_data,
            market_list=MarketList(market_data),
            trading=trading,
            portfolio=portfolio,
            wallet=wallet,
            exports=Exports(database),
            tax_reports=TaxReports(database),
            solvency=Solvency.of(settings, database),
            statements=Statements(database, market_data, identity, privacy),
            admin_networks=settings.open_admin_networks(),
            screenings=screenings,
            approvals=approvals,
            cases=cases,
            monitoring=Monitoring(
                database=database,
                vault=identity.vault,
                cases=cases,
                approvals=approvals,
                prices=prices,
                homes=privacy.country,
            ),
            conduct=conduct,
            kyc=verifying.kyc,
            kyc_reviews=verifying.reviews,
            kyc_lasting=verifying.lasting,
            kyc_links=verifying.links,
            identity_asking=verifying.asking,
            limits=limits,
            stops=stops,
            breakers=Breakers(approvals),
            breaks=breaks,
            operators=Operators(identity, approvals),
            notes=notes,
            customer_desk=CustomerDesk(
                database=database,
                identity=identity,
                privacy=privacy,
                deposits=deposits,
                withdrawals=desk.withdrawals,
                reversals=reversals,
                portfolio=portfolio,
                wallet=wallet,
                cases=cases,
                screenings=screenings,
                notes=notes,
            ),
            house=House(
                database=database,
                redis=redis,
                market_data=market_data,
                inbox=inbox,
                breaks=breaks,
                cases=cases,
                stops=stops,
                leader_key=LEADER_KEY,
            ),
            adjustments=Adjustments(identity, approvals, market_data),
            restricting=Restricting(identity, approvals),
            fee_schedules=FeeSchedules(approvals),
            bot_api=BotApi(
                conduct=conduct,
                database=database,
                redis=redis,
                identity=identity,
                trading=trading,
                market_data=market_data,
                portfolio=portfolio,
            ),
        )


@asynccontextmanager
async def _open_board(database: Database, market_data: MarketData) -> AsyncIterator[StopBoard]:
    """What stands still, shown in the list of markets too."""
    async with StopBoard(database) as board:
        market_data.close_by(lambda market: board.words_for(market.symbol))
        board.on_change(market_data.review_markets)
        yield board


@asynccontextmanager
async def _rate_source(settings: Settings) -> AsyncIterator[RateSource]:
    """Where exchange rates come from: an address, a table in the settings, or nowhere."""
    if settings.fx_url:
        async with EcbRates.connect(settings.fx_url) as source:
            yield source
    else:
        yield FixedRates(settings.fx_rates) if settings.fx_rates else NoRates()
