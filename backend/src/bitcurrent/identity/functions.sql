-- Approvals only go forward: asked, then granted, refused or expired, then executed once. Applied again after every
-- migration.

CREATE OR REPLACE FUNCTION guard_approvals() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'approvals are kept' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF num_nonnulls(NEW.granted_by, NEW.granted_at, NEW.refused_by, NEW.refused_at, NEW.refusal_reason,
                NEW.expired_at, NEW.executed_at) > 0 THEN
            RAISE EXCEPTION 'an approval begins open' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.kind, NEW.subject, NEW.payload, NEW.reason, NEW.asked_by, NEW.asked_at, NEW.expires_at)
            IS DISTINCT FROM
            (OLD.id, OLD.kind, OLD.subject, OLD.payload, OLD.reason, OLD.asked_by, OLD.asked_at, OLD.expires_at) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF num_nonnulls(OLD.granted_at, OLD.refused_at, OLD.expired_at) > 0 AND
            (NEW.granted_by, NEW.granted_at, NEW.refused_by, NEW.refused_at, NEW.refusal_reason, NEW.expired_at)
            IS DISTINCT FROM
            (OLD.granted_by, OLD.granted_at, OLD.refused_by, OLD.refused_at, OLD.refusal_reason, OLD.expired_at) THEN
        RAISE EXCEPTION 'a decision is final' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.executed_at IS NOT NULL AND NEW.executed_at IS DISTINCT FROM OLD.executed_at THEN
        RAISE EXCEPTION 'an approval is executed once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER approvals_go_forward BEFORE INSERT OR UPDATE OR DELETE ON approvals
FOR EACH ROW EXECUTE FUNCTION guard_approvals();
CREATE OR REPLACE TRIGGER approvals_are_kept BEFORE TRUNCATE ON approvals
FOR EACH STATEMENT EXECUTE FUNCTION guard_approvals();
ALTER TABLE approvals ENABLE ALWAYS TRIGGER approvals_go_forward;
ALTER TABLE approvals ENABLE ALWAYS TRIGGER approvals_are_kept;
