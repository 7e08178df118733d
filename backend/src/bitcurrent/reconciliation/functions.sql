-- What guards the evidence of reconciliation. Applied again after every migration, behind those of funding.

CALL guard_states('reconciliation_breaks', 'suspected,open',
    'suspected>cleared,suspected>open,open>assigned,open>resolved,assigned>resolved');
CALL keep_rows('processor_lines');

-- A line of the processor never changes; which journal stands for it is said once.
CREATE OR REPLACE FUNCTION bind_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.reference IS NOT NULL AND NEW.reference IS DISTINCT FROM OLD.reference THEN
        RAISE EXCEPTION 'line % is bound to % already', OLD.id, OLD.reference
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'bound_once';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER bound_once BEFORE UPDATE ON processor_lines FOR EACH ROW EXECUTE FUNCTION bind_once();
ALTER TABLE processor_lines ENABLE ALWAYS TRIGGER bound_once;
