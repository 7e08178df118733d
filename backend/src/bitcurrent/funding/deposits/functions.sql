-- Deposits: their states go only where they may, and crediting one is a single door. Applied after every migration.

CALL guard_states('deposits', 'created',
    'created>pending,created>expired,created>failed,created>paid,pending>paid,pending>expired,pending>failed,'
    'expired>paid,failed>paid,paid>refunded,paid>disputed,refunded>disputed,disputed>won,disputed>lost,won>disputed,'
    'won>refunded,lost>won');

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
DECLARE
    v record;
BEGIN
    PERFORM 1 FROM balances b WHERE (b.user_id, b.currency) IN (
        SELECT d.user_id, d.currency FROM deposits d WHERE d.id = ANY (p_ids))
    ORDER BY b.user_id, b.currency FOR UPDATE;
    FOR v IN
        UPDATE deposits d SET state = 'paid', paid_at = now(), updated_at = now(), payment_intent = t.intent,
            checkout_id = coalesce(d.checkout_id, t.checkout), release_at = t.release, failure = NULL,
            look_at = now()
        FROM unnest(p_ids, p_intents, p_checkouts, p_release, p_journals)
            AS t (id, intent, checkout, release, journal)
        WHERE d.id = t.id AND d.paid_at IS NULL
        RETURNING d.id, d.user_id, d.currency, d.amount, d.fee, t.intent, t.journal
    LOOP
        IF v.fee > 0 THEN
            PERFORM post_journal(v.journal, 'deposit', 'deposit:' || v.intent, NULL,
                ARRAY['processor', 'available', 'processor', 'fees'], ARRAY[NULL, v.user_id, NULL, NULL]::uuid[],
                ARRAY[v.currency, v.currency, v.currency, v.currency],
                ARRAY[v.fee - v.amount, v.amount - v.fee, -v.fee, v.fee]);
        ELSE
            PERFORM post_journal(v.journal, 'deposit', 'deposit:' || v.intent, NULL,
                ARRAY['processor', 'available'], ARRAY[NULL, v.user_id]::uuid[],
                ARRAY[v.currency, v.currency], ARRAY[-v.amount, v.amount]);
        END IF;
        RETURN NEXT v.id;
    END LOOP;
END $$;

-- Tell each customer of deposits that were credited in this transaction, with the balance that is there now.
CREATE OR REPLACE FUNCTION tell_credited(p_ids uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v record;
BEGIN
    FOR v IN
        SELECT d.id, d.user_id, d.currency, d.amount, d.fee, d.release_at, b.available, b.held
        FROM deposits d JOIN balances b ON b.user_id = d.user_id AND b.currency = d.currency
        WHERE d.id = ANY (p_ids) AND d.paid_at IS NOT NULL ORDER BY d.user_id, d.id
    LOOP
        PERFORM append_event(v.user_id, 'deposit_credited', v.id, jsonb_build_object(
            'state', 'paid', 'currency', v.currency, 'amount', amount_text(v.amount), 'fee', amount_text(v.fee),
            'credited', amount_text(v.amount - v.fee), 'release_at', v.release_at,
            'balances', jsonb_build_array(balance_json(v.currency, v.available, v.held))));
    END LOOP;
END $$;
