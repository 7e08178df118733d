"""The verbs of bonuses: earn with a deposit, release, forfeit; and campaigns, which two people switch on."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.bonuses import repository
from bitcurrent.funding.bonuses.model import (
    Bonus,
    BonusState,
    Campaign,
    CampaignNotDraft,
    CampaignNotFound,
    CampaignState,
    PaidDeposit,
    Rules,
    check,
    earned_by,
    is_due,
    release_date,
)
from bitcurrent.funding.bonuses.ports import MayHave, Traded
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import plain
from bitcurrent.ledger.model import Journal, Move, available, held, house
from bitcurrent.ledger.service import post, read_balance

ACTIVATE: Final = "bonus.activate"
DEPOSIT_REVERSED: Final = "the deposit was refunded or disputed"
MONEY_LEFT: Final = "money left before its time"
LOOK_PAUSE: Final = timedelta(minutes=5)


class Bonuses:
    """Gives by the rules of campaigns, and takes back what was not deserved in the end."""

    def __init__(
        self, database: Database, approvals: Approvals, *, traded: Traded, letters: Letters, may_have: MayHave
    ) -> None:
        self._database = database
        self._may_have = may_have
        self._approvals = approvals
        self._traded = traded
        self._letters = letters
        approvals.register(Kind(name=ACTIVATE, ask="money.approve", grant="money.approve", handler=self._execute))

    # ---- earning

    async def earn(self, connection: Connection, deposits: Sequence[PaidDeposit]) -> list[Bonus]:
        """Give what deposits earn that were credited in this transaction; it is held for the customer until released.

        One statement when nothing gives. Nobody gets one whose country forbids to give money for investing.
        """
        campaigns = await repository.active_campaigns(connection)
        given = []
        for deposit in sorted(deposits, key=lambda each: (each.user_id, each.id)) if campaigns else ():
            earned = earned_by(deposit, campaigns)
            if not earned or not await self._may_have(connection, deposit.user_id):
                continue
            for campaign, amount in earned:
                bonus = await repository.insert_bonus(
                    connection,
                    campaign,
                    user_id=deposit.user_id,
                    deposit_id=deposit.id,
                    amount=amount,
                    release_at=release_date(campaign.rules, deposit.paid_at),
                )
                if bonus is not None:
                    await _post_earned(connection, bonus)
                    await self._write_earned(connection, bonus)
                    given.append(bonus)
        return given

    async def has_active(self, connection: Connection) -> bool:
        """Whether any campaign gives now."""
        return bool(await repository.active_campaigns(connection))

    # ---- what becomes of it

    async def money_leaves(self, connection: Connection, user_id: UserId) -> list[Bonus]:
        """Money leaves: everything that the customer has earned and not got so far is gone, and given back."""
        return await self._forfeit(connection, await repository.earned_of(connection, user_id), MONEY_LEFT)

    async def deposit_reversed(self, connection: Connection, user_id: UserId, deposit_id: UUID) -> None:
        """A deposit was touched by a refund or a dispute: what it has earned is gone unless it stands as it stood."""
        earned = [bonus for bonus in await repository.earned_of(connection, user_id) if bonus.deposit_id == deposit_id]
        if earned and not await repository.deposit_stands(connection, deposit_id):
            await self._forfeit(connection, earned, DEPOSIT_REVERSED)

    async def _forfeit(self, connection: Connection, bonuses: Sequence[Bonus], reason: str) -> list[Bonus]:
        gone = []
        for bonus in bonuses:
            await provenance.lock_money(connection, bonus.user_id)
            locked = await repository.lock_bonus(connection, bonus.id)
            if locked is not None:
                await self._end(connection, locked, "forfeited", reason)
                gone.append(locked)
        return gone

    async def settle_due(self, *, limit: int) -> int:
        """Look at bonuses: release those whose time or volume has come, forfeit those whose money has left.

        Each in a transaction of its own; how many were looked at.
        """
        async with self._database.transaction() as connection:
            found = await repository.claim_earned(connection, limit=limit, pause=LOOK_PAUSE)
        for bonus in found:
            await self._database.in_transaction(partial(self.settle, user_id=bonus.user_id, bonus_id=bonus.id))
        return len(found)

    async def settle(self, connection: Connection, user_id: UserId, bonus_id: UUID) -> None:
        """Release or forfeit one bonus, if it is due; one that has ended is left as it is.

        Whatever lets money out forfeits at once; this is the net under it.
        """
        # Balances before bonuses, as refunds and withdrawals lock them.
        await provenance.lock_money(connection, user_id)
        bonus = await repository.lock_bonus(connection, bonus_id)
        if bonus is None:
            return
        if not await repository.deposit_stands(connection, bonus.deposit_id):
            await self._end(connection, bonus, "forfeited", DEPOSIT_REVERSED)
        elif await repository.money_left(connection, bonus.user_id, bonus.earned_at):
            await self._end(connection, bonus, "forfeited", MONEY_LEFT)
        else:
            traded = await self._traded(connection, bonus.user_id, bonus.earned_at)
            if is_due(bonus, moment=now(), volume=traded):
                await self._end(connection, bonus, "released", "as the campaign says")

    async def _end(self, connection: Connection, bonus: Bonus, state: BonusState, reason: str) -> None:
        await repository.end_bonus(connection, bonus.id, state, reason)
        released = state == "released"
        target = available(bonus.user_id, bonus.currency) if released else house("bonuses", bonus.currency)
        move = Move(source=held(bonus.user_id, bonus.currency), target=target, amount=bonus.amount)
        kind = "bonus_release" if released else "bonus_forfeit"
        await post(connection, Journal(kind=kind, reference=f"{kind}:{bonus.id}", moves=(move,)))
        await _tell(connection, bonus, f"bonus_{state}", state, reason=reason)
        values = {"amount": plain(bonus.amount), "asset": bonus.currency}
        await self._letters.queue(
            connection,
            user_id=bonus.user_id,
            template=f"bonus_{state}",
            values=values if released else {**values, "reason": reason},
        )
        crash_point(f"bonus.{state}")

    async def _write_earned(self, connection: Connection, bonus: Bonus) -> None:
        conditions = []
        if bonus.release_at is not None:
            conditions.append("no money leaves your account until then")
        if bonus.release_volume is not None:
            conditions.append(f"you trade {plain(bonus.release_volume)} USD")
        until = "its condition is met" if bonus.release_at is None else f"{bonus.release_at:%Y-%m-%d %H:%M} UTC"
        await self._letters.queue(
            connection,
            user_id=bonus.user_id,
            template="bonus_earned",
            values={
                "amount": plain(bonus.amount),
                "asset": bonus.currency,
                "release": until,
                "condition": ", or earlier when ".join(conditions),
            },
        )

    async def of_customer(
        self, connection: Connection, user_id: UserId, *, before: UUID | None, limit: int
    ) -> list[Bonus]:
        """A customer's bonuses, newest first."""
        return await repository.list_bonuses(connection, user_id=user_id, before=before, limit=limit)

    # ---- campaigns

    async def draft(self, connection: Connection, actor: Actor, rules: Rules, *, address: str) -> Campaign:
        """Write a new version of a campaign; it gives nothing until two people have switched it on. Raises Invalid."""
        actor.require_operator()
        check(rules)
        campaign = await repository.insert_campaign(connection, rules, actor.user_id)
        await record(
            connection,
            actor_id=actor.user_id,
            actor_kind=ActorKind.OPERATOR,
            actor_role=actor.role,
            action="bonus.drafted",
            subject=f"bonus_campaign:{campaign.id}",
            address=address,
            after={"code": rules.code, "version": campaign.version},
        )
        return campaign

    async def ask_to_activate(
        self, connection: Connection, actor: Actor, campaign_id: UUID, *, reason: str, address: str
    ) -> Approval:
        """Ask that a draft gives from now on; another person has to grant it. Raises CampaignNotFound, AlreadyAsked."""
        campaign = await self.campaign(connection, campaign_id)
        if campaign.state != "draft":
            raise CampaignNotDraft(campaign.state)
        rules = campaign.rules
        return await self._approvals.ask(
            connection,
            actor,
            kind=ACTIVATE,
            subject=f"bonus_campaign:{campaign_id}",
            payload={
                "campaign_id": str(campaign_id),
                "code": rules.code,
                "version": campaign.version,
                "currency": rules.currency,
                "amount": None if rules.amount is None else plain(rules.amount),
                "percent": None if rules.percent is None else plain(rules.percent),
                "cap": None if rules.cap is None else plain(rules.cap),
                "ends_at": rules.ends_at.isoformat(),
            },
            reason=reason,
            address=address,
        )

    async def campaign(self, connection: Connection, campaign_id: UUID) -> Campaign:
        """One version of a campaign; raises CampaignNotFound."""
        found = await repository.read_campaign(connection, campaign_id)
        if found is None:
            raise CampaignNotFound
        return found

    async def campaigns(
        self, connection: Connection, *, state: CampaignState | None, before: UUID | None, limit: int
    ) -> list[Campaign]:
        """Campaigns, newest first."""
        return await repository.list_campaigns(connection, state=state, before=before, limit=limit)

    async def _execute(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        campaign = await repository.read_campaign(connection, UUID(approval.payload["campaign_id"]), lock=True)
        if campaign is None or campaign.state != "draft":
            raise SubjectGone("This campaign is no draft any more.")
        await repository.activate(connection, campaign)
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="bonus.activated",
            subject=f"bonus_campaign:{campaign.id}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
        )


async def _post_earned(connection: Connection, bonus: Bonus) -> None:
    move = Move(
        source=house("bonuses", bonus.currency), target=held(bonus.user_id, bonus.currency), amount=bonus.amount
    )
    await post(connection, Journal(kind="bonus", reference=f"bonus:{bonus.id}", moves=(move,)))
    await _tell(connection, bonus, "bonus_earned", "earned")
    crash_point("bonus.earned")


async def _tell(connection: Connection, bonus: Bonus, kind: str, state: BonusState, *, reason: str = "") -> None:
    balance = await read_balance(connection, bonus.user_id, bonus.currency)
    await append_event(
        connection,
        user_id=bonus.user_id,
        kind=kind,
        subject=bonus.id,
        payload={
            "state": state,
            "currency": bonus.currency,
            "amount": plain(bonus.amount),
            "reason": reason,
            "balances": [
                {"currency": balance.currency, "available": plain(balance.available), "held": plain(balance.held)}
            ],
        },
    )
