-- Deposits: their states go only where they may, and crediting one is a single door. Applied after every migration.

CALL guard_states('deposits', 'created',
    'created>pending,created>expired,created>failed,created>paid,pending>paid,pending>expired,pending>failed,'
    'expired>paid,failed>paid,paid>refunded,paid>disputed,paid>lost,refunded>paid,refunded>disputed,refunded>lost,'
    'disputed>won,disputed>lost,won>disputed,won>refunded,won>lost,lost>won,lost>disputed');

CALL keep_rows('deposit_resolutions');

-- What became of a paid deposit is written on its lot; its state follows, whoever writes there.
CREATE OR REPLACE FUNCTION follow_lot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE deposits d SET state = t.state, updated_at = now()
    FROM (SELECT e.id, CASE
        WHEN NEW.blocked THEN 'disputed'
        WHEN NEW.disputed > 0 THEN 'lost'
        WHEN e.state IN ('disputed', 'lost') THEN 'won'
        WHEN NEW.refunded + NEW.refunded_elsewhere >= NEW.amount - NEW.fee THEN 'refunded'
        WHEN e.state = 'refunded' THEN 'paid'
        ELSE e.state END AS state
        FROM deposits e WHERE e.id = NEW.id) t
    WHERE d.id = t.id AND d.paid_at IS NOT NULL AND d.state <> t.state;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER deposit_follows AFTER UPDATE ON lots FOR EACH ROW
    WHEN ((OLD.refunded, OLD.refunded_elsewhere, OLD.disputed, OLD.blocked)
        IS DISTINCT FROM (NEW.refunded, NEW.refunded_elsewhere, NEW.disputed, NEW.blocked))
    EXECUTE FUNCTION follow_lot();
ALTER TABLE lots ENABLE ALWAYS TRIGGER deposit_follows;

-- What was asked for stays as it was.
CREATE OR REPLACE FUNCTION keep_deposit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.user_id, NEW.currency, NEW.amount, NEW.fee, NEW.worth, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.currency, OLD.amount, OLD.fee, OLD.worth, OLD.created_at)
        OR OLD.payment_intent IS NOT NULL AND NEW.payment_intent IS DISTINCT FROM OLD.payment_intent
        OR OLD.checkout_id IS NOT NULL AND NEW.checkout_id IS DISTINCT FROM OLD.checkout_id
        OR OLD.paid_at IS NOT NULL AND NEW.paid_at IS DISTINCT FROM OLD.paid_at
    THEN
        RAISE EXCEPTION 'deposit % is what it was', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER keep_deposit BEFORE UPDATE ON deposits FOR EACH ROW EXECUTE FUNCTION keep_deposit();
ALTER TABLE deposits ENABLE ALWAYS TRIGGER keep_deposit;

-- Credit deposits whose money is there: the state, and the journal processor -> available and fees. Gives the ids that
-- were credited now; whatever was paid before is passed over. The caller has locked the deposits and judged them.
-- Locks in the order of everything else: deposits by (user, id), balances by (user, currency), customers' sequences.
CREATE OR REPLACE FUNCTION credit_deposits(
    p_ids uuid[], p_intents text[], p_checkouts text[], p_release timestamptz[], p_journals uuid[]
) RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO balances (user_id, currency)
    SELECT DISTINCT d.user_id, d.currency FROM deposits d WHERE d.id = ANY (p_ids) ORDER BY d.user_id, d.currency
    ON CONFLICT DO NOTHING;
    PERFORM 1 FROM balances b
    WHERE (b.user_id, b.currency) IN (SELECT d.user_id, d.currency FROM deposits d WHERE d.id = ANY (p_ids))
    ORDER BY b.user_id, b.currency FOR UPDATE;
    RETURN QUERY
    WITH paid AS (
        UPDATE deposits d SET state = 'paid', paid_at = now(), updated_at = now(), payment_intent = t.intent,
            checkout_id = coalesce(d.checkout_id, t.checkout), release_at = t.release, failure = NULL, look_at = now()
        FROM unnest(p_ids, p_intents, p_checkouts, p_release, p_journals)
            AS t (id, intent, checkout, release, journal)
        WHERE d.id = t.id AND d.paid_at IS NULL
        RETURNING d.id, d.user_id, d.currency, d.fee, d.amount - d.fee AS net, t.intent, t.journal
    ), input AS MATERIALIZED (
        SELECT p.*, uuid_extract_timestamp(p.journal) AS at,
            coalesce(sum(p.net) OVER (PARTITION BY p.user_id, p.currency ORDER BY p.id
                ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 0) AS later
        FROM paid p
    ), received AS (
        UPDATE balances b SET available = b.available + t.total
        FROM (SELECT i.user_id, i.currency, sum(i.net) AS total FROM input i GROUP BY i.user_id, i.currency) t
        WHERE b.user_id = t.user_id AND b.currency = t.currency
        RETURNING b.user_id, b.currency, b.available
    ), journaled AS (
        -- The trigger keeps the reference, and refuses one that there is already.
        INSERT INTO journals (id, created_at, kind, reference)
        SELECT i.journal, i.at, 'deposit', 'deposit:' || i.intent FROM input i ORDER BY i.id
    ), entered AS (
        INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
        SELECT i.journal, l.line, i.at, l.account, l.usr, i.currency, l.amount, l.after
        FROM input i JOIN received r ON r.user_id = i.user_id AND r.currency = i.currency
        CROSS JOIN LATERAL (VALUES
            (1, 'processor', NULL::uuid, -i.net, NULL::numeric),
            (2, 'available', i.user_id, i.net, r.available - i.later),
            (3, 'processor', NULL, -i.fee, NULL),
            (4, 'fees', NULL, i.fee, NULL)) AS l (line, account, usr, amount, after)
        WHERE l.amount <> 0 ORDER BY i.id, l.line
    )
    SELECT i.id FROM input i;
END $$;

-- Tell each customer of deposits that were credited in this transaction, with the balance that is there now.
CREATE OR REPLACE FUNCTION tell_credited(p_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO customer_sequences (user_id)
    SELECT DISTINCT d.user_id FROM deposits d WHERE d.id = ANY (p_ids) ORDER BY d.user_id ON CONFLICT DO NOTHING;
    PERFORM 1 FROM customer_sequences s
    WHERE s.user_id IN (SELECT d.user_id FROM deposits d WHERE d.id = ANY (p_ids)) ORDER BY s.user_id FOR UPDATE;
    WITH input AS MATERIALIZED (
        SELECT d.*, row_number() OVER (PARTITION BY d.user_id ORDER BY d.id) AS turn,
            count(*) OVER (PARTITION BY d.user_id) AS turns
        FROM deposits d WHERE d.id = ANY (p_ids) AND d.paid_at IS NOT NULL
    ), numbered AS (
        UPDATE customer_sequences s SET last_sequence = s.last_sequence + t.turns
        FROM (SELECT DISTINCT i.user_id, i.turns FROM input i) t WHERE s.user_id = t.user_id
        RETURNING s.user_id, s.last_sequence
    )
    INSERT INTO events (user_id, sequence, kind, subject, payload)
    SELECT i.user_id, n.last_sequence - i.turns + i.turn, 'deposit_credited', i.id, jsonb_build_object(
        'state', 'paid', 'currency', i.currency, 'amount', amount_text(i.amount), 'fee', amount_text(i.fee),
        'credited', amount_text(i.amount - i.fee), 'worth', amount_text(i.worth), 'release_at', i.release_at,
        'balances', jsonb_build_array(balance_json(i.currency, b.available, b.held)))
    FROM input i JOIN numbered n ON n.user_id = i.user_id
    JOIN balances b ON b.user_id = i.user_id AND b.currency = i.currency
    ORDER BY i.user_id, i.turn;
END $$;
