"""Customers as operators see them: masked, until somebody with the permission says why not."""

from datetime import datetime
from uuid import UUID

from bitcurrent.backoffice.alert_schemas import AlertAnswer, alert_answer
from bitcurrent.backoffice.case_schemas import CaseAnswer, case_answer
from bitcurrent.backoffice.customer_desk import Story
from bitcurrent.backoffice.funding_schemas import OperatorsDeposit, operators_deposit
from bitcurrent.backoffice.oversight_schemas import ActAnswer, AdminOrder, act_answer, admin_order
from bitcurrent.backoffice.restriction_schemas import NoteAnswer, RestrictionAnswer, note_answer, restriction_answer
from bitcurrent.backoffice.reversal_schemas import AdminDispute, admin_dispute
from bitcurrent.backoffice.schemas import Reason
from bitcurrent.backoffice.screening_schemas import ScreeningAnswer, screening_answer
from bitcurrent.backoffice.withdrawal_schemas import AdminWithdrawal, admin_withdrawal
from bitcurrent.funding.reversals.schemas import DebtAnswer, RefundAnswer, debt_answer, refund_answer
from bitcurrent.identity import model as identity
from bitcurrent.identity.customers import HIDDEN, masked, masked_email
from bitcurrent.identity.privacy.model import KeptProfile
from bitcurrent.identity.privacy.schemas import Profile, profile
from bitcurrent.portfolio.schemas import PortfolioAnswer, portfolio_answer
from bitcurrent.portfolio.wallet_routes import WalletAnswer, wallet_answer
from bitcurrent.web.schemas import Answer, Request


class Unmask(Request, frozen=True, kw_only=True):
    """Why you have to see it; written down for good."""

    reason: Reason


class CustomerLine(Answer, frozen=True, kw_only=True):
    """A customer in a list; e-mail and name are masked."""

    id: UUID
    created_at: datetime
    email: str
    display_name: str
    status: identity.Status
    kyc_level: str
    role: identity.Role


class MaskedProfile(Answer, frozen=True, kw_only=True):
    """What is known of somebody's identity, masked."""

    legal_name: str
    birth_year: int
    country: str
    phone: str | None
    documents: int
    updated_at: datetime


class SessionLine(Answer, frozen=True, kw_only=True):
    """A login, past or present."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_seen_at: datetime
    address: str
    device: str


class KeyLine(Answer, frozen=True, kw_only=True):
    """An API key."""

    key_id: str
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class CustomerAnswer(Answer, frozen=True, kw_only=True):
    """Everything about one customer, the newest 20 of each. `cases`, `alerts` and `screenings` are null
    without `compliance.review`: nobody else may let a suspicion slip.
    """

    customer: CustomerLine
    profile: MaskedProfile | None
    restrictions: list[RestrictionAnswer]
    portfolio: PortfolioAnswer
    wallet: WalletAnswer
    orders: list[AdminOrder]
    deposits: list[OperatorsDeposit]
    withdrawals: list[AdminWithdrawal]
    refunds: list[RefundAnswer]
    disputes: list[AdminDispute]
    debts: list[DebtAnswer]
    sessions: list[SessionLine]
    api_keys: list[KeyLine]
    devices: int
    newest_device_at: datetime | None
    cases: list[CaseAnswer] | None
    alerts: list[AlertAnswer] | None
    screenings: list[ScreeningAnswer] | None
    notes: list[NoteAnswer]
    acts: list[ActAnswer]


class UnmaskedCustomer(Answer, frozen=True, kw_only=True):
    """Who somebody is, in plain words."""

    id: UUID
    email: str
    display_name: str
    profile: Profile | None


def customer_line(user: identity.User) -> CustomerLine:
    """A customer for a list."""
    return CustomerLine(
        id=user.id,
        created_at=user.created_at,
        email=masked_email(user.email),
        display_name=masked(user.display_name),
        status=user.status,
        kyc_level=user.kyc_level,
        role=user.role,
    )


def customer_answer(story: Story, *, reader: UUID) -> CustomerAnswer:
    """Everything about one customer."""
    return CustomerAnswer(
        customer=customer_line(story.user),
        profile=_masked_profile(story.profile),
        restrictions=[restriction_answer(each) for each in story.restrictions],
        portfolio=portfolio_answer(story.portfolio, story.view),
        wallet=wallet_answer(story.wallet),
        orders=[admin_order(each) for each in story.orders],
        deposits=[operators_deposit(each) for each in story.deposits],
        withdrawals=[admin_withdrawal(each, {}) for each in story.withdrawals],
        refunds=[refund_answer(each) for each in story.refunds],
        disputes=[admin_dispute(each) for each in story.disputes],
        debts=[debt_answer(each) for each in story.debts],
        sessions=[
            SessionLine(**{name: getattr(each, name) for name in SessionLine.__struct_fields__})
            for each in story.sessions
        ],
        api_keys=[
            KeyLine(**{**{name: getattr(each, name) for name in KeyLine.__struct_fields__}, "scopes": [*each.scopes]})
            for each in story.keys
        ],
        devices=story.devices,
        newest_device_at=story.newest_device_at,
        cases=None if story.cases is None else [case_answer(each, reader=reader) for each in story.cases],
        alerts=None if story.alerts is None else [alert_answer(each) for each in story.alerts],
        screenings=None if story.screenings is None else [screening_answer(each) for each in story.screenings],
        notes=[note_answer(each) for each in story.notes],
        acts=[act_answer(each) for each in story.acts],
    )


def unmasked(user: identity.User, kept: KeptProfile | None) -> UnmaskedCustomer:
    """Who somebody is."""
    return UnmaskedCustomer(
        id=user.id,
        email=user.email,
        display_name=user.display_name,
        profile=None if kept is None else profile(kept),
    )


def _masked_profile(kept: KeptProfile | None) -> MaskedProfile | None:
    if kept is None:
        return None
    value = kept.profile
    return MaskedProfile(
        legal_name=masked(value.legal_name),
        birth_year=value.birth_date.year,
        country=value.address.country,
        phone=None if value.phone is None else f"{HIDDEN}{value.phone[-2:]}",
        documents=len(value.documents),
        updated_at=kept.updated_at,
    )
