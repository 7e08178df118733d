"""Conduct's verbs: where a customer stands, each step, whether a gate is open. Steps run in their caller's transaction.

Who has passed is remembered for a minute in each process: the way of an order costs a look into a table in memory. A
longer memory would outlive a move to another country, whose rules count from then on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from bitcurrent.compliance.conduct import model, repository
from bitcurrent.compliance.conduct.model import (
    OF_CHOICE,
    Answered,
    Choice,
    Content,
    Evidence,
    NoSuchTest,
    OpenTest,
    Standing,
    StepNotDue,
    TextChanged,
    choose_pack,
    standing_of,
)
from bitcurrent.compliance.conduct.packs import Appropriateness, Gate, Jurisdiction, Pack, Step, TextStep, packs, sha256
from bitcurrent.compliance.conduct.statements import checked_answers
from bitcurrent.identity.privacy.whereabouts import first_name_of, whereabouts_of
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId

REMEMBERED_MAX: Final = 100_000
REMEMBERED_SECONDS: Final = 60


class Conduct:
    """Knows where customers stand, and keeps the evidence."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        default: Jurisdiction = "none",
        acknowledgement_required: bool = True,
        known: Mapping[Jurisdiction, Pack] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`default` is the jurisdiction of those whose country we do not know.

        Without `acknowledgement_required` the steps of the jurisdiction `none` are offered and stand before nothing.
        """
        self._database = database
        self._vault = vault
        self._default = default
        self._acknowledgement_required = acknowledgement_required
        self._packs = packs() if known is None else known
        self._clock = clock
        self._passed: dict[tuple[UserId, Gate], float] = {}

    # ---- where somebody stands

    async def standing(self, connection: Connection, user_id: UserId) -> Standing:
        """Where a customer stands now, by the database's clock."""
        who = await whereabouts_of(connection, self._vault, user_id)
        pack = choose_pack(self._packs, who.country, self._default)
        facts = await repository.facts_of(connection, user_id, pack.jurisdiction)
        moment = await repository.moment(connection)
        required = self._acknowledgement_required or pack.jurisdiction != "none"
        return standing_of(pack, facts, who, moment, required=required)

    async def first_name(self, connection: Connection, user_id: UserId) -> str:
        """How the texts address a customer."""
        return await first_name_of(connection, self._vault, user_id)

    def remembers(self, user_id: UserId, gate: Gate) -> bool:
        """Whether the gate was open to them within the last minute, as far as this process knows."""
        return self._clock() < self._passed.get((user_id, gate), 0)

    async def require(self, user_id: UserId, gate: Gate) -> None:
        """Raise ConductRequired or NotServed unless the gate is open. Asks PostgreSQL once a minute."""
        if self.remembers(user_id, gate):
            return
        async with self._database.read() as connection:
            standing = await self.standing(connection, user_id)
        standing.require(gate)
        if len(self._passed) >= REMEMBERED_MAX:
            self._passed.clear()
        self._passed[user_id, gate] = self._clock() + REMEMBERED_SECONDS

    async def may_have_bonus(self, connection: Connection, user_id: UserId) -> bool:
        """Whether the rules let us give them money for investing."""
        who = await whereabouts_of(connection, self._vault, user_id)
        return choose_pack(self._packs, who.country, self._default).incentives

    # ---- steps

    async def answer_text(
        self,
        connection: Connection,
        user_id: UserId,
        step: TextStep,
        *,
        version: int,
        text_sha256: str,
        choice: Choice,
        address: str,
        device: str,
    ) -> None:
        """Go on from a text, or leave. Raises StepNotDue, TextChanged."""
        standing = await self._begin(connection, user_id, step)
        text = standing.pack.text_of(step, await self.first_name(connection, user_id))
        _check_shown(standing.pack, text, version, text_sha256)
        content = Content(shown=text, address=address, device=device)
        outcome = OF_CHOICE[choice]
        await repository.add(connection, self._vault, user_id, standing.pack, step, outcome, content, text=text)
        await self._tell(connection, user_id, step, outcome)

    async def declare(
        self,
        connection: Connection,
        user_id: UserId,
        category: str,
        answers: Mapping[str, str],
        *,
        version: int,
        text_sha256: str,
        address: str,
        device: str,
    ) -> None:
        """Sign the statement of a category. Raises StepNotDue, TextChanged, Invalid."""
        standing = await self._begin(connection, user_id, "category")
        rules = standing.pack.category
        assert rules is not None  # the step is due
        kind = rules.kind(category)
        if kind is None:
            names = ", ".join(one.name for one in rules.kinds)
            raise Invalid(f"Choose one of: {names}.", field="category", details={"known": names})
        _check_shown(standing.pack, kind.statement, version, text_sha256)
        given = checked_answers(kind, answers, today=standing.moment.date())
        asked = {field.name: field.asks for field in kind.fields}
        content = Content(
            shown=kind.statement,
            address=address,
            device=device,
            answers=tuple(Answered(question=asked[name], answer=answer) for name, answer in given.items()),
        )
        await repository.add(
            connection, self._vault, user_id, standing.pack, "category", "declared", content,
            text=kind.statement, choice=category,
        )  # fmt: skip
        await self._tell(connection, user_id, "category", "declared")

    async def begin_test(self, connection: Connection, user_id: UserId, *, address: str, device: str) -> OpenTest:
        """Draw the questions of a test; one that was begun and not answered is given again. Raises StepNotDue."""
        standing = await self._begin(connection, user_id, "appropriateness")
        begun = await repository.open_test(connection, self._vault, user_id, standing.pack)
        if begun is not None:
            return begun
        rules = _test_of(standing.pack)
        seen = await repository.seen_questions(connection, self._vault, user_id, standing.pack)
        content = Content(shown=rules.text, address=address, device=device, questions=tuple(model.draw(rules, seen)))
        test_id = await repository.add(
            connection, self._vault, user_id, standing.pack, "appropriateness", "begun", content,
            text=_paper(content),
        )  # fmt: skip
        return OpenTest(
            id=test_id,
            user_id=user_id,
            version=standing.pack.version,
            begun_at=standing.moment,
            questions=content.questions,
        )

    async def answer_test(
        self,
        connection: Connection,
        user_id: UserId,
        test_id: UUID,
        chosen: Mapping[str, int],
        *,
        address: str,
        device: str,
    ) -> bool:
        """Mark a test, once; whether it was passed. Raises StepNotDue, NoSuchTest, Invalid."""
        if not await repository.has_test(connection, user_id, test_id):
            raise NoSuchTest
        standing = await self._begin(connection, user_id, "appropriateness")
        test = await repository.open_test(connection, self._vault, user_id, standing.pack, test_id)
        if test is None:
            raise NoSuchTest
        rules = _test_of(standing.pack)
        marked = model.mark(rules, test, chosen)
        content = Content(
            shown=rules.text,
            address=address,
            device=device,
            questions=tuple(test.questions),
            answers=tuple(marked.answers),
        )
        outcome: model.Outcome = "passed" if marked.passed else "failed"
        await repository.add(
            connection, self._vault, user_id, standing.pack, "appropriateness", outcome, content,
            text=_paper(content), refers_to=test.id,
        )  # fmt: skip
        await self._tell(connection, user_id, "appropriateness", outcome)
        return marked.passed

    # ---- the evidence

    async def evidence(
        self, connection: Connection, user_id: UserId, *, before: UUID | None, limit: int
    ) -> Sequence[Evidence]:
        """A customer's evidence, newest first."""
        return await repository.list_evidence(connection, self._vault, user_id, before=before, limit=limit)

    async def pass_for_demo(self, connection: Connection, user_id: UserId) -> None:
        """Evidence, marked as the demo's, that this customer has taken every step; where they have, nothing."""
        standing = await self.standing(connection, user_id)
        pack, name = standing.pack, await self.first_name(connection, user_id)
        for each in standing.steps:
            if each.state == "done":
                continue
            outcome: model.Outcome = (
                "declared" if each.step == "category" else "passed" if each.step == "appropriateness" else "continued"
            )
            choice = pack.category.kinds[0].name if each.step == "category" and pack.category else None
            begun = None
            content = Content(shown=f"{name}: a demo's customer, who was asked nothing.", address="", device="")
            if outcome == "passed":
                begun = await repository.add(
                    connection, self._vault, user_id, pack, each.step, "begun", content,
                    text=content.shown, origin="demo",
                )  # fmt: skip
            await repository.add(
                connection, self._vault, user_id, pack, each.step, outcome, content,
                text=content.shown, choice=choice, refers_to=begun, origin="demo",
            )  # fmt: skip

    # ---- the house's own

    async def _begin(self, connection: Connection, user_id: UserId, step: Step) -> Standing:
        """Where they stand, with nobody else taking a step for them; raises StepNotDue."""
        await repository.lock_customer(connection, user_id)
        standing = await self.standing(connection, user_id)
        state = standing.state_of(step)
        if state.state != "due":
            left = standing.seconds_left if state == standing.following else None
            raise StepNotDue(step, state.state, seconds_left=left)
        return standing

    async def _tell(self, connection: Connection, user_id: UserId, step: Step, outcome: str) -> None:
        await append_event(
            connection,
            user_id=user_id,
            kind="conduct.step",
            subject=user_id,
            payload={"step": step, "outcome": outcome},
        )


def _test_of(pack: Pack) -> Appropriateness:
    assert pack.appropriateness is not None  # the step is due
    return pack.appropriateness


def _check_shown(pack: Pack, text: str, version: int, text_sha256: str) -> None:
    if version != pack.version or text_sha256 != sha256(text).hex():
        raise TextChanged


def _paper(content: Content) -> str:
    """A test as it was shown, in a form that always comes out the same."""
    return content.shown + "\n" + msgspec.json.encode(content.questions).decode()
