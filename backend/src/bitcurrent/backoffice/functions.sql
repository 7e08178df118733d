-- Adjustments need two people, whoever writes them; notes, schedules of fees and proofs are kept. Applied again after
-- every migration.

-- A row of adjustments says what was granted, exactly: the approval is there, granted by the other person.
CREATE OR REPLACE FUNCTION guard_adjustments() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM approvals p WHERE p.id = NEW.approval_id AND p.kind = 'adjustment'
            AND p.subject = 'user:' || NEW.user_id AND p.granted_at IS NOT NULL AND p.granted_by <> p.asked_by
            AND p.asked_by = NEW.asked_by AND p.granted_by = NEW.granted_by AND p.reason = NEW.reason
            AND p.payload ->> 'user_id' = NEW.user_id::text AND p.payload ->> 'currency' = NEW.currency
            AND (p.payload ->> 'amount')::numeric = NEW.amount AND p.payload ->> 'evidence' = NEW.evidence
    ) THEN
        RAISE EXCEPTION 'an adjustment is what another person has granted, and nothing else'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'adjustment_granted';
    END IF;
    IF (SELECT count(*) FROM users u WHERE u.id IN (NEW.asked_by, NEW.granted_by) AND u.role <> 'customer') < 2 THEN
        RAISE EXCEPTION 'two operators adjust' USING ERRCODE = 'check_violation', CONSTRAINT = 'adjustment_granted';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER granted BEFORE INSERT ON adjustments FOR EACH ROW EXECUTE FUNCTION guard_adjustments();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON adjustments
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON adjustments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE adjustments ENABLE ALWAYS TRIGGER granted;
ALTER TABLE adjustments ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE adjustments ENABLE ALWAYS TRIGGER no_truncate;

-- A journal of this kind needs a granted approval: that of an adjustment, or of a break of reconciliation.
CREATE OR REPLACE FUNCTION guard_adjusting_journals() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM adjustments a WHERE 'adjustment:' || a.id = NEW.reference)
        AND NOT EXISTS (
            SELECT FROM approvals p WHERE p.kind = 'break_resolution' AND p.subject = NEW.reference
                AND p.granted_at IS NOT NULL AND p.granted_by <> p.asked_by)
    THEN
        RAISE EXCEPTION 'journal % adjusts what nobody else has granted', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'adjustment_granted';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER adjustment_granted BEFORE INSERT ON journals
    FOR EACH ROW WHEN (NEW.kind = 'adjustment') EXECUTE FUNCTION guard_adjusting_journals();
ALTER TABLE journals ENABLE ALWAYS TRIGGER adjustment_granted;

-- Called by post_journal, which every journal outside of trading goes through: its lines are what was granted.
CREATE OR REPLACE FUNCTION require_granted_adjustment(
    p_kind text, p_reference text, p_accounts text[], p_users uuid[], p_currencies text[], p_amounts numeric[]
) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_subject text := split_part(p_reference, ':', 1);
    v_good boolean := false;
BEGIN
    IF p_kind = 'adjustment' AND v_subject = 'adjustment' THEN
        SELECT p_accounts = ARRAY['adjustments', 'available'] AND p_users = ARRAY[NULL, a.user_id]
            AND p_currencies = ARRAY[a.currency, a.currency] AND p_amounts = ARRAY[-a.amount, a.amount]
            OR p_accounts = ARRAY['available', 'adjustments'] AND p_users = ARRAY[a.user_id, NULL]
            AND p_currencies = ARRAY[a.currency, a.currency] AND p_amounts = ARRAY[a.amount, -a.amount]
        INTO v_good FROM adjustments a WHERE 'adjustment:' || a.id = p_reference;
    ELSIF p_kind = 'adjustment' AND v_subject = 'break' THEN
        -- No customer's money, and the amount and the asset that were granted.
        SELECT num_nonnulls(VARIADIC p_users) = 0 AND cardinality(p_amounts) = 2
            AND p_currencies = ARRAY[p.payload ->> 'asset', p.payload ->> 'asset']
            AND abs(p_amounts[1]) = abs((p.payload ->> 'amount')::numeric)
            AND p_accounts <@ ARRAY[p.payload ->> 'account', p.payload ->> 'counterpart']
        INTO v_good FROM approvals p WHERE p.kind = 'break_resolution' AND p.subject = p_reference
            AND p.granted_at IS NOT NULL AND p.granted_by <> p.asked_by
        ORDER BY p.id DESC LIMIT 1;
    END IF;
    IF v_good IS NOT TRUE THEN
        RAISE EXCEPTION 'journal % adjusts otherwise than granted', p_reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'adjustment_granted';
    END IF;
END $$;

-- Notes are added, and erased with their customer; never rewritten.
CREATE OR REPLACE FUNCTION guard_customer_notes() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.user_id, NEW.author, NEW.created_at)
            IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.author, OLD.created_at)
        OR (NEW.data_key IS NOT NULL AND NEW.text IS DISTINCT FROM OLD.text) THEN
        RAISE EXCEPTION 'notes are only added' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER notes_stay BEFORE UPDATE ON customer_notes
    FOR EACH ROW EXECUTE FUNCTION guard_customer_notes();
CREATE OR REPLACE TRIGGER notes_are_kept BEFORE DELETE ON customer_notes
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER notes_are_not_emptied BEFORE TRUNCATE ON customer_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON fee_schedules
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON fee_tiers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
