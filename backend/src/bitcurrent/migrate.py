"""Migrations: bring a database to this version's schema, functions and rights; check that tables and migrations agree.

Tables change by numbered Alembic revisions. Functions, triggers and rights are whole files that are applied again
after every upgrade: each statement in them may be repeated.
"""

import re
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from psycopg import sql

from bitcurrent.audit import tables as _audit
from bitcurrent.backoffice.adjustments import tables as _adjustments
from bitcurrent.backoffice.notes import tables as _notes
from bitcurrent.compliance.breakers import tables as _breakers
from bitcurrent.compliance.cases import tables as _cases
from bitcurrent.compliance.conduct import tables as _conduct
from bitcurrent.compliance.kyc import tables as _kyc
from bitcurrent.compliance.limits import tables as _limits
from bitcurrent.compliance.monitoring import tables as _monitoring
from bitcurrent.compliance.restrictions import tables as _restrictions
from bitcurrent.compliance.screening import tables as _screening
from bitcurrent.compliance.stops import tables as _stops
from bitcurrent.funding.addresses import tables as _addresses
from bitcurrent.funding.bank_accounts import tables as _bank_accounts
from bitcurrent.funding.bonuses import tables as _bonuses
from bitcurrent.funding.conversions import tables as _conversions
from bitcurrent.funding.deposits import tables as _deposits
from bitcurrent.funding.inbox import tables as _inbox
from bitcurrent.funding.payouts import tables as _payouts
from bitcurrent.funding.provenance import tables as _provenance
from bitcurrent.funding.reversals import tables as _reversals
from bitcurrent.funding.withdrawals import tables as _withdrawals
from bitcurrent.identity import tables as _identity
from bitcurrent.identity.accounts import tables as _accounts
from bitcurrent.identity.approvals import tables as _approvals
from bitcurrent.identity.factors import tables as _factors
from bitcurrent.kernel import events as _events
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import metadata
from bitcurrent.ledger import tables as _ledger
from bitcurrent.market_data import tables as _market_data
from bitcurrent.notifications import tables as _notifications
from bitcurrent.portfolio.exports import tables as _exports
from bitcurrent.reconciliation import tables as _reconciliation
from bitcurrent.reconciliation.solvency import tables as _solvency
from bitcurrent.trading import tables as _trading
from bitcurrent.web import tables as _web

DESCRIBED = (
    _audit,
    _adjustments,
    _notes,
    _cases,
    _conduct,
    _screening,
    _kyc,
    _limits,
    _restrictions,
    _monitoring,
    _stops,
    _breakers,
    _identity,
    _accounts,
    _notifications,
    _approvals,
    _factors,
    _events,
    _ledger,
    _market_data,
    _trading,
    _solvency,
    _web,
    _provenance,
    _reversals,
    _inbox,
    _deposits,
    _bonuses,
    _bank_accounts,
    _withdrawals,
    _addresses,
    _payouts,
    _conversions,
    _exports,
    _reconciliation,
)
"""The modules whose tables make up `metadata`."""

MIGRATIONS = Path(__file__).parents[2] / "migrations"
FUNCTION_FILES = (
    ("bitcurrent.audit", "functions.sql"),
    ("bitcurrent.identity", "functions.sql"),
    ("bitcurrent.compliance", "functions.sql"),
    ("bitcurrent.compliance.cases", "functions.sql"),
    ("bitcurrent.compliance.conduct", "functions.sql"),
    ("bitcurrent.compliance.screening", "functions.sql"),
    ("bitcurrent.compliance.kyc", "functions.sql"),
    ("bitcurrent.compliance.monitoring", "functions.sql"),
    ("bitcurrent.ledger", "functions.sql"),
    ("bitcurrent.trading", "functions.sql"),
    ("bitcurrent.trading", "settlement.sql"),
    ("bitcurrent.funding", "functions.sql"),
    ("bitcurrent.funding.provenance", "functions.sql"),
    ("bitcurrent.funding.reversals", "functions.sql"),
    ("bitcurrent.funding.deposits", "functions.sql"),
    ("bitcurrent.funding.bonuses", "functions.sql"),
    ("bitcurrent.funding.withdrawals", "functions.sql"),
    ("bitcurrent.funding.addresses", "functions.sql"),
    ("bitcurrent.reconciliation", "functions.sql"),
    ("bitcurrent.backoffice", "functions.sql"),
)
MONTHS_AHEAD = 12
"""Partitions are made this far ahead; the worker goes on with it each day."""

PARTITION = re.compile(r"_p\d{6}$")

# What the app's role may write directly. Everything else of money goes through SECURITY DEFINER functions.
APP_WRITES = {
    "users": "INSERT, UPDATE",
    "customer_profiles": "INSERT, UPDATE",
    "erasures": "INSERT, UPDATE",
    "user_sessions": "INSERT, UPDATE",
    "account_links": "INSERT, UPDATE, DELETE",
    "verified_emails": "INSERT",
    "known_devices": "INSERT, UPDATE",
    "mails": "INSERT, UPDATE, DELETE",
    "texts": "INSERT, UPDATE, DELETE",
    "text_reports": "INSERT",
    "messages": "INSERT, UPDATE (read_at, data_key), DELETE",
    "notification_preferences": "INSERT, UPDATE (enabled, changed_at), DELETE",
    "api_keys": "INSERT, UPDATE",
    "api_key_days": "INSERT, UPDATE, DELETE",
    "approvals": "INSERT (id, kind, subject, payload, reason, asked_by, expires_at),"
    " UPDATE (granted_by, granted_at, refused_by, refused_at, refusal_reason, expired_at, executed_at)",
    "totp_factors": "INSERT, UPDATE, DELETE",
    "passkeys": "INSERT, UPDATE, DELETE",
    "recovery_codes": "INSERT, UPDATE, DELETE",
    "sms_factors": "INSERT, UPDATE, DELETE",
    "factor_tries": "INSERT, UPDATE, DELETE",
    "factor_challenges": "INSERT, UPDATE, DELETE",
    "lost_factor_requests": "INSERT, UPDATE",
    # Not its id, moment and transaction: the database says those.
    "audit_logs": "INSERT (actor_kind, actor_id, actor_role, action, subject, address, reason, details, before, after)",
    "cases": "INSERT (id, kind, user_id, subject, summary, priority, dedupe_key), UPDATE (state, priority, owner,"
    " proposed_by, proposed_at, proposed_outcome, closed_by, closed_at, outcome, reopened_at)",
    "case_entries": "INSERT (id, case_id, kind, author, data_key, text, evidence), UPDATE (data_key, text, evidence)",
    # Not its moment: the database says that.
    "conduct_evidence": "INSERT (id, user_id, jurisdiction, version, step, outcome, choice, refers_to, text_sha256,"
    " origin, data_key, content), UPDATE (data_key), DELETE",
    # Not what it is about, and not who had a say in it before.
    "kyc_submissions": "INSERT, UPDATE (state, submitted_at, rail, check_id, attempts, next_at, flags, checker,"
    " decided_at, decided_by, confirmed_by, reasons, evidence, expires_at, falls_to, warned, data_key, declaration,"
    " profile)",
    "kyc_documents": "INSERT, UPDATE (data_key), DELETE",
    "kyc_document_pieces": "INSERT, DELETE",
    "kyc_submission_documents": "INSERT, DELETE",
    "kyc_document_links": "INSERT, UPDATE (used_at), DELETE",
    "kyc_events": "INSERT, DELETE",
    "sanctions_lists": "INSERT (id, source, sha256, files, entries, aliases, added, removed, imported_by),"
    " UPDATE (replaced_at)",
    "sanctions_entries": "INSERT (id, source, key, hash, content, added_by), UPDATE (removed_by)",
    "screening_rules": "INSERT",
    "aml_screenings": "INSERT, UPDATE (data_key, inputs, evidence, inputs_index)",
    "screening_dismissals": "INSERT (user_id, entry_id, inputs_index, case_id), UPDATE (revoked_at, inputs_index)",
    "rescreenings": "INSERT (id, list_id, asked_by), UPDATE (last_user, screened, matched, finished_at)",
    "screening_cursors": "INSERT, UPDATE (moment)",
    "limit_rules": "INSERT",
    "restrictions": "INSERT, UPDATE (ended_at, ended_by, end_reason)",
    "breaker_rules": "INSERT",
    "usd_prices": "INSERT, UPDATE (price, updated_at)",
    "stops": "INSERT, UPDATE (ended_at, ended_by, end_reason)",
    "transaction_monitoring": "INSERT (event_position, user_id, kind, subject, at, worth, facts, rule_hits,"
    " requires_review), UPDATE (facts, requires_review)",
    "monitoring_marks": "INSERT, DELETE",
    "monitoring_rules": "INSERT (name, parameters, action, enabled, active_from, reason, approval_id)",
    "monitoring_alerts": "INSERT (id, rule, rule_version, user_id, position, at, score, parts, words, state, held,"
    " case_id), UPDATE (state, decided_by, decided_at, decision, case_id)",
    "monitoring_cursors": "INSERT, UPDATE (transaction_id, position, updated_at)",
    "bank_accounts": "INSERT, UPDATE (removed_at, data_key, details)",
    "withdrawals": "INSERT, UPDATE (state, reason, held, paid, network_fee_paid, reference, details, screening,"
    " screening_reference, batch_id, unknown_since, finished_at, claimed_until, next_at, attempts, updated_at)",
    "withdrawal_terms": "INSERT",
    "payout_batches": "INSERT",
    "bank_files": "INSERT",
    "bank_lines": "INSERT",
    "idempotency_keys": "INSERT, DELETE",
    "solvency_reports": "INSERT",
    "solvency_assets": "INSERT",
    "solvency_leaves": "INSERT, DELETE",
    "solvency_nodes": "INSERT, DELETE",
    "assets": "INSERT, UPDATE",
    "markets": "INSERT, UPDATE",
    "venue_events": "INSERT, UPDATE",
    "fee_schedules": "INSERT",
    "fee_tiers": "INSERT",
    "customer_notes": "INSERT, UPDATE (data_key, text)",
    "adjustments": "INSERT",
    "audit_verifications": "INSERT (id, asked_by), UPDATE (started_at, attempts, finished_at, holds, sealed, waiting,"
    " first_break, trouble)",
    "venue_cursors": "INSERT, UPDATE",
    "conversion_quotes": "INSERT, DELETE",
    "conversions": "INSERT",
    "fx_rates": "INSERT, UPDATE (worth, source, rate_at)",
    "exports": "INSERT, DELETE,"
    " UPDATE (state, rows_total, rows_done, bytes, attempts, claimed_at, trouble, finished_at, expires_at)",
    "export_pieces": "INSERT, DELETE",
    "processor_events": "INSERT, UPDATE (state, attempts, next_at, trouble, applied_at, data_key, body)",
    # Not what was asked for, and not what was paid: a deposit is credited by its function.
    "deposits": "INSERT (id, user_id, currency, amount, fee, worth, limit_version, checkout_expires_at, look_at),"
    " UPDATE (state, updated_at, checkout_id, checkout_url, cancel_requested_at, failure, problem, problem_details,"
    " card_fingerprint, card_brand, card_last4, card_country, card_authenticated, risk_level, card_read_at, release_at,"
    " looks, look_at, told_at)",
    "deposit_resolutions": "INSERT",
    "bank_balances": "INSERT",
    "bonus_campaigns": "INSERT, UPDATE (state, activated_at, ended_at)",
    "bonuses": "INSERT (id, campaign_id, code, once, user_id, deposit_id, currency, amount, release_at,"
    " release_volume), UPDATE (state, look_at, ended_at, reason)",
    "lots": "INSERT (id, user_id, currency, amount, fee, payment_intent, release_at),"
    " UPDATE (refunded, refunded_elsewhere, disputed, blocked, release_at)",
    "refunds": "INSERT (id, user_id, lot_id, currency, amount, origin, state, held, withdrawal_id, asked_by, reason,"
    " processor_refund_id, next_at, finished_at), UPDATE (state, taken, held, shortfall, processor_refund_id, failure,"
    " attempts, unknown_since, next_at, updated_at, finished_at)",
    "disputes": "INSERT (id, processor_dispute_id, user_id, lot_id, currency, amount, reason, status, state,"
    " respond_by, closed_at), UPDATE (status, state, withdrawn, reinstated, fee, locked, taken, steps, respond_by,"
    " note, noted_by, updated_at, closed_at)",
    "looks": "INSERT, UPDATE, DELETE",
    "debts": "INSERT (id, user_id, currency, cause, cause_id, amount),"
    " UPDATE (amount, collected, written_off, steps, updated_at)",
    "venue_destinations": "INSERT (id, network, asset, address_index, data_key, address),"
    " UPDATE (data_key, state, venue_id, reason, told_at, approved_at, next_at, attempts)",
    # Not usable_at: nobody shortens a wait.
    "withdrawal_addresses": "INSERT, UPDATE (data_key, address, label, beneficiary, removed_at)",
    "wallet_transfers": "INSERT, UPDATE (state, asked_at, attempts, missing_since, looks, decision, venue_id,"
    " network_fee, transaction_hash, reason, finished_at)",
    "travel_rule_records": "INSERT, UPDATE (data_key)",
    "orders": "UPDATE (state, venue_order_id, claimed_at, unknown_since, checked_at, cancel_sent_at, updated_at)",
    "reconciliation_runs": "INSERT, DELETE",
    "reconciliation_breaks": "INSERT, UPDATE (expected, found, text, state, looks, last_seen, gone_since, opened_at,"
    " owner, assigned_at, resolved_by, resolved_at, note, journal_reference)",
    "reconciliation_doubts": "INSERT, DELETE",
    "reconciliation_cursors": "INSERT, UPDATE",
    "reconciliation_totals": "INSERT, UPDATE",
    "processor_lines": "INSERT, UPDATE (reference, bound_at)",
}


def upgrade(
    owner_url: str,
    *,
    app_role: str = "bitcurrent_app",
    vault: Vault | None = None,
    revision: str = "head",
    months_ahead: int = MONTHS_AHEAD,
) -> None:
    """Bring the database at `owner_url` to the newest revision, then apply functions, partitions and rights.

    A revision that encrypts what lay open needs the `vault`; on a database without such rows nobody needs it.
    """
    command.upgrade(alembic_config(owner_url, vault), revision)
    with psycopg.connect(owner_url) as connection:
        _apply_file(connection, "bitcurrent.kernel", "functions.sql")
        for package, name in FUNCTION_FILES:
            _apply_file(connection, package, name)
        connection.execute("SELECT ensure_partitions(%s)", (months_ahead,))
        _grant(connection, app_role)


def check(owner_url: str) -> list[str]:
    """Differences between the migrated database and the tables as described in code; empty when they agree."""
    engine = sa.create_engine(sqlalchemy_url(owner_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _is_described})
        found = compare_metadata(context, metadata)
    engine.dispose()
    return [repr(difference) for difference in found]


def write_revision(owner_url: str, message: str) -> None:
    """Write a new revision file from the difference between the database and the described tables."""
    command.revision(alembic_config(owner_url), message=message, autogenerate=True)


def alembic_config(owner_url: str, vault: Vault | None = None) -> Config:
    """Alembic's settings without an ini file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    config.attributes["url"] = sqlalchemy_url(owner_url)
    config.attributes["vault"] = vault
    config.attributes["include_name"] = _is_described
    return config


def sqlalchemy_url(url: str) -> str:
    """A libpq URL as SQLAlchemy names it with psycopg."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)


def _is_described(name: str | None, kind: str, parents: Any) -> bool:
    """Whether autogenerate should look at it: not the partitions, and not the job queue's own tables."""
    table = name if kind == "table" else parents.get("table_name")
    return not (table and (PARTITION.search(table) or table.startswith("procrastinate_")))


def _apply_file(connection: psycopg.Connection[Any], package: str, name: str) -> None:
    text = resources.files(package).joinpath(name).read_text()
    connection.execute(text.encode())


def _grant(connection: psycopg.Connection[Any], app_role: str) -> None:
    role = sql.Identifier(app_role)
    statements = [
        sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"),
        sql.SQL("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC"),
        sql.SQL("GRANT USAGE ON SCHEMA public TO {role}"),
        sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"),
        sql.SQL("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}"),
        sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"),
    ]
    for statement in statements:
        connection.execute(statement.format(role=role))
    for table, rights in APP_WRITES.items():
        connection.execute(
            sql.SQL("GRANT {rights} ON {table} TO {role}").format(
                rights=sql.SQL(rights), table=sql.Identifier(table), role=role
            )
        )
    queue = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'procrastinate%'"
    ).fetchall()
    for (table,) in queue:
        connection.execute(
            sql.SQL("GRANT INSERT, UPDATE, DELETE ON {table} TO {role}").format(table=sql.Identifier(table), role=role)
        )


def _main() -> int:
    """`check` against a scratch server, or `revision MESSAGE`: used by make and by developers."""
    from bitcurrent.launcher.scratch import scratch_postgres

    with scratch_postgres() as server:
        if sys.argv[1:2] == ["revision"]:
            command.upgrade(alembic_config(server.owner), "head")
            write_revision(server.owner, " ".join(sys.argv[2:]))
            return 0
        upgrade(server.owner)
        found = check(server.owner)
    for difference in found:
        print(difference)
    print(f"migrations and tables: {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(_main())
