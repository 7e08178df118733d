-- A case goes open > proposed > closed, back to open from both, and keeps what it is about; its history only grows.
-- Applied again after every migration.

CREATE OR REPLACE FUNCTION guard_cases() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' THEN
            RAISE EXCEPTION 'a case begins open' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.kind, NEW.user_id, NEW.subject, NEW.summary, NEW.dedupe_key, NEW.opened_at)
            IS DISTINCT FROM
            (OLD.id, OLD.kind, OLD.user_id, OLD.subject, OLD.summary, OLD.dedupe_key, OLD.opened_at) THEN
        RAISE EXCEPTION 'what a case is about cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND OLD.state || '>' || NEW.state
            NOT IN ('open>proposed', 'proposed>open', 'proposed>closed', 'closed>open') THEN
        RAISE EXCEPTION 'a case does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    -- Who proposed cannot be put right in the moment of closing: the other pair of eyes is somebody else's.
    IF NEW.state <> 'open' AND OLD.state <> 'open'
            AND (NEW.proposed_by, NEW.proposed_at, NEW.proposed_outcome)
            IS DISTINCT FROM (OLD.proposed_by, OLD.proposed_at, OLD.proposed_outcome) THEN
        RAISE EXCEPTION 'what was proposed cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state = 'closed' AND OLD.state = 'closed'
            AND (NEW.closed_by, NEW.closed_at, NEW.outcome) IS DISTINCT FROM (OLD.closed_by, OLD.closed_at, OLD.outcome)
    THEN
        RAISE EXCEPTION 'how a case ended cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER cases_go_their_ways BEFORE INSERT OR UPDATE ON cases
FOR EACH ROW EXECUTE FUNCTION guard_cases();
CREATE OR REPLACE TRIGGER cases_are_kept BEFORE DELETE ON cases
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER cases_are_not_emptied BEFORE TRUNCATE ON cases
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Words and evidence may be erased, and never changed.
CREATE OR REPLACE FUNCTION guard_case_entries() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.case_id, NEW.at, NEW.kind, NEW.author) IS DISTINCT FROM
            (OLD.id, OLD.case_id, OLD.at, OLD.kind, OLD.author)
        OR (NEW.data_key IS NOT NULL
            AND (NEW.text, NEW.evidence) IS DISTINCT FROM (OLD.text, OLD.evidence)) THEN
        RAISE EXCEPTION 'the history of a case only grows' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER case_entries_stay BEFORE UPDATE ON case_entries
FOR EACH ROW EXECUTE FUNCTION guard_case_entries();
CREATE OR REPLACE TRIGGER case_entries_are_kept BEFORE DELETE ON case_entries
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER case_entries_are_not_emptied BEFORE TRUNCATE ON case_entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE cases ENABLE ALWAYS TRIGGER cases_go_their_ways;
ALTER TABLE cases ENABLE ALWAYS TRIGGER cases_are_kept;
ALTER TABLE cases ENABLE ALWAYS TRIGGER cases_are_not_emptied;
ALTER TABLE case_entries ENABLE ALWAYS TRIGGER case_entries_stay;
ALTER TABLE case_entries ENABLE ALWAYS TRIGGER case_entries_are_kept;
ALTER TABLE case_entries ENABLE ALWAYS TRIGGER case_entries_are_not_emptied;
