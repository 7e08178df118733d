-- A submission goes its ways, keeps what it is about, and is kept; a user's level has its evidence.
-- Applied again after every migration.

CREATE OR REPLACE FUNCTION guard_kyc_submissions() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'draft' AND NOT (NEW.origin = 'demo' AND NEW.state = 'approved') THEN
            RAISE EXCEPTION 'a submission begins as a draft' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.user_id, NEW.version, NEW.level, NEW.origin, NEW.rule_version, NEW.created_at)
            IS DISTINCT FROM
            (OLD.id, OLD.user_id, OLD.version, OLD.level, OLD.origin, OLD.rule_version, OLD.created_at) THEN
        RAISE EXCEPTION 'what a submission is about cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN (
        'draft>submitted', 'draft>expired', 'submitted>checking', 'submitted>needs_more', 'submitted>approved',
        'submitted>rejected', 'checking>needs_more', 'checking>approved', 'checking>rejected', 'approved>expired'
    ) THEN
        RAISE EXCEPTION 'a submission does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.decided_at IS NOT NULL AND
            (NEW.checker, NEW.decided_at, NEW.decided_by, NEW.confirmed_by, NEW.reasons, NEW.evidence, NEW.flags)
            IS DISTINCT FROM
            (OLD.checker, OLD.decided_at, OLD.decided_by, OLD.confirmed_by, OLD.reasons, OLD.evidence, OLD.flags) THEN
        RAISE EXCEPTION 'a decision cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF NOT OLD.flags <@ NEW.flags THEN
        RAISE EXCEPTION 'a flag is not taken away' USING ERRCODE = 'check_violation';
    END IF;
    -- What was sent in is what was checked; it may only be forgotten.
    IF OLD.submitted_at IS NOT NULL AND NEW.profile IS NOT NULL AND NEW.profile IS DISTINCT FROM OLD.profile THEN
        RAISE EXCEPTION 'what was sent in cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER kyc_submissions_go_their_ways BEFORE INSERT OR UPDATE ON kyc_submissions
FOR EACH ROW EXECUTE FUNCTION guard_kyc_submissions();
CREATE OR REPLACE TRIGGER kyc_submissions_are_kept BEFORE DELETE ON kyc_submissions
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER kyc_submissions_are_not_emptied BEFORE TRUNCATE ON kyc_submissions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE kyc_submissions ENABLE ALWAYS TRIGGER kyc_submissions_go_their_ways;
ALTER TABLE kyc_submissions ENABLE ALWAYS TRIGGER kyc_submissions_are_kept;
ALTER TABLE kyc_submissions ENABLE ALWAYS TRIGGER kyc_submissions_are_not_emptied;

-- What was sent in stays together: documents leave drafts only, or go with all of a person's data.
CREATE OR REPLACE FUNCTION guard_kyc_documents() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM kyc_submissions s WHERE s.id = OLD.submission_id AND s.state <> 'draft' AND s.data_key IS NOT NULL
    ) THEN
        RAISE EXCEPTION 'a document stays with what was sent in' USING ERRCODE = 'check_violation';
    END IF;
    RETURN OLD;
END $$;

CREATE OR REPLACE TRIGGER kyc_documents_stay BEFORE UPDATE OR DELETE ON kyc_submission_documents
FOR EACH ROW EXECUTE FUNCTION guard_kyc_documents();
ALTER TABLE kyc_submission_documents ENABLE ALWAYS TRIGGER kyc_documents_stay;
