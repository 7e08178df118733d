-- Withdrawals only go forward, two operators stand behind every approval by hand, and each step writes itself down.

CREATE OR REPLACE FUNCTION withdrawal_may_go(p_before text, p_after text) RETURNS boolean
LANGUAGE sql IMMUTABLE RETURN (p_before || '>' || p_after) IN (
    'requested>screening', 'requested>canceled', 'requested>expired', 'requested>refused',
    'screening>review', 'screening>approved', 'screening>refused', 'screening>canceled',
    'review>approved', 'review>refused', 'review>canceled',
    'approved>sending', 'approved>refused', 'approved>canceled',
    'sending>sent', 'sending>settled', 'sending>failed',
    'sent>settled', 'sent>failed',
    'settled>returned');

CREATE OR REPLACE FUNCTION guard_withdrawals() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'withdrawals are kept' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'requested' THEN
            RAISE EXCEPTION 'a withdrawal begins requested' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.user_id, NEW.created_at, NEW.asset, NEW.amount, NEW.fee, NEW.network_fee, NEW.worth, NEW.rail,
            NEW.destination, NEW.destination_label, NEW.expires_at, NEW.limit_version) IS DISTINCT FROM
       (OLD.id, OLD.user_id, OLD.created_at, OLD.asset, OLD.amount, OLD.fee, OLD.network_fee, OLD.worth, OLD.rail,
            OLD.destination, OLD.destination_label, OLD.expires_at, OLD.limit_version) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.batch_id IS NOT NULL AND NEW.batch_id IS DISTINCT FROM OLD.batch_id THEN
        RAISE EXCEPTION 'a withdrawal is in one batch for good' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.screening IS NOT NULL AND (NEW.screening, NEW.screening_reference)
            IS DISTINCT FROM (OLD.screening, OLD.screening_reference) THEN
        RAISE EXCEPTION 'the screening of a withdrawal is final' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF NOT withdrawal_may_go(OLD.state, NEW.state) THEN
        RAISE EXCEPTION 'withdrawal %: % may not become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_transition';
    END IF;
    -- Nobody was asked only where screening is clear.
    IF NEW.state = 'approved' AND OLD.state = 'screening' AND NEW.screening IS DISTINCT FROM 'clear' THEN
        RAISE EXCEPTION 'withdrawal % has not been screened clear', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_screened';
    END IF;
    -- Four eyes: approvals refuses one person in both places.
    IF NEW.state = 'approved' AND OLD.state = 'review' AND NOT EXISTS (
            SELECT FROM approvals WHERE kind = 'withdrawal' AND subject = 'withdrawal:' || OLD.id
            AND granted_by IS NOT NULL AND granted_by <> asked_by) THEN
        RAISE EXCEPTION 'withdrawal % was not granted by a second person', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'withdrawal_four_eyes';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION write_withdrawal_step() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.state = OLD.state THEN
        RETURN NULL;
    END IF;
    -- The row of the withdrawal is locked by whoever changes it, so numbers do not collide.
    INSERT INTO withdrawal_steps (withdrawal_id, number, state, reason)
    SELECT NEW.id, count(*) + 1, NEW.state, NEW.reason FROM withdrawal_steps WHERE withdrawal_id = NEW.id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER withdrawals_go_forward BEFORE INSERT OR UPDATE OR DELETE ON withdrawals
    FOR EACH ROW EXECUTE FUNCTION guard_withdrawals();
CREATE OR REPLACE TRIGGER withdrawals_are_kept BEFORE TRUNCATE ON withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION guard_withdrawals();
CREATE OR REPLACE TRIGGER withdrawals_write_steps AFTER INSERT OR UPDATE ON withdrawals
    FOR EACH ROW EXECUTE FUNCTION write_withdrawal_step();
CREATE OR REPLACE TRIGGER steps_are_kept BEFORE UPDATE OR DELETE ON withdrawal_steps
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER steps_stay BEFORE TRUNCATE ON withdrawal_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE withdrawals ENABLE ALWAYS TRIGGER withdrawals_go_forward;
ALTER TABLE withdrawals ENABLE ALWAYS TRIGGER withdrawals_are_kept;
ALTER TABLE withdrawals ENABLE ALWAYS TRIGGER withdrawals_write_steps;
ALTER TABLE withdrawal_steps ENABLE ALWAYS TRIGGER steps_are_kept;
ALTER TABLE withdrawal_steps ENABLE ALWAYS TRIGGER steps_stay;

CREATE OR REPLACE TRIGGER withdrawal_terms_are_kept BEFORE UPDATE OR DELETE ON withdrawal_terms
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER withdrawal_terms_are_not_emptied BEFORE TRUNCATE ON withdrawal_terms
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE withdrawal_terms ENABLE ALWAYS TRIGGER withdrawal_terms_are_kept;
ALTER TABLE withdrawal_terms ENABLE ALWAYS TRIGGER withdrawal_terms_are_not_emptied;
