-- Lists, screenings and rules are evidence: rows are added, ended or erased of what is personal, and never rewritten.
-- Applied again after every migration.

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY['sanctions_lists', 'sanctions_entries', 'screening_rules', 'aml_screenings',
                                   'screening_dismissals', 'rescreenings']
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER rows_are_kept BEFORE DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION refuse_change()', v_table);
        EXECUTE format('CREATE OR REPLACE TRIGGER table_is_not_emptied BEFORE TRUNCATE ON %I
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', v_table);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER rows_are_kept', v_table);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER table_is_not_emptied', v_table);
    END LOOP;
END $$;

CREATE OR REPLACE TRIGGER rules_are_not_rewritten BEFORE UPDATE ON screening_rules
FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE screening_rules ENABLE ALWAYS TRIGGER rules_are_not_rewritten;

-- What a list said stays; it ends once.
CREATE OR REPLACE FUNCTION guard_sanctions() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'sanctions_lists' THEN
        IF OLD.replaced_at IS NULL AND to_jsonb(NEW) - 'replaced_at' = to_jsonb(OLD) - 'replaced_at' THEN
            RETURN NEW;
        END IF;
    ELSIF OLD.removed_by IS NULL AND to_jsonb(NEW) - 'removed_by' = to_jsonb(OLD) - 'removed_by' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what a list said cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE OR REPLACE TRIGGER lists_only_end BEFORE UPDATE ON sanctions_lists
FOR EACH ROW EXECUTE FUNCTION guard_sanctions();
ALTER TABLE sanctions_lists ENABLE ALWAYS TRIGGER lists_only_end;
CREATE OR REPLACE TRIGGER entries_only_end BEFORE UPDATE ON sanctions_entries
FOR EACH ROW EXECUTE FUNCTION guard_sanctions();
ALTER TABLE sanctions_entries ENABLE ALWAYS TRIGGER entries_only_end;

-- Of a screening only what is personal may go, all of it at once; a new wrapping of its data key is no change.
CREATE OR REPLACE FUNCTION guard_screenings() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['data_key', 'inputs', 'evidence', 'inputs_index']
            IS DISTINCT FROM to_jsonb(OLD) - ARRAY['data_key', 'inputs', 'evidence', 'inputs_index']
        OR (NEW.data_key IS NOT NULL AND (NEW.inputs, NEW.evidence, NEW.inputs_index)
            IS DISTINCT FROM (OLD.inputs, OLD.evidence, OLD.inputs_index)) THEN
        RAISE EXCEPTION 'a screening cannot be rewritten' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER screenings_stay BEFORE UPDATE ON aml_screenings
FOR EACH ROW EXECUTE FUNCTION guard_screenings();
ALTER TABLE aml_screenings ENABLE ALWAYS TRIGGER screenings_stay;
