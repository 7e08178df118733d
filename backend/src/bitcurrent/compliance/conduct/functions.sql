-- Evidence of conduct is added, never changed; it goes only with its customer, when the law lets them be forgotten.
-- Applied again after every migration.

CREATE OR REPLACE FUNCTION guard_conduct_evidence() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM erasures WHERE user_id = OLD.user_id AND due_at <= now()) THEN
            RAISE EXCEPTION 'evidence of conduct is kept until its customer may be forgotten'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    -- The wrapping of its key may be renewed; what is under it stays.
    IF (to_jsonb(NEW) - 'data_key') IS DISTINCT FROM (to_jsonb(OLD) - 'data_key') THEN
        RAISE EXCEPTION 'evidence of conduct is added, never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER conduct_evidence_stays BEFORE UPDATE OR DELETE ON conduct_evidence
FOR EACH ROW EXECUTE FUNCTION guard_conduct_evidence();
CREATE OR REPLACE TRIGGER conduct_evidence_is_not_emptied BEFORE TRUNCATE ON conduct_evidence
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE conduct_evidence ENABLE ALWAYS TRIGGER conduct_evidence_stays;
ALTER TABLE conduct_evidence ENABLE ALWAYS TRIGGER conduct_evidence_is_not_emptied;
