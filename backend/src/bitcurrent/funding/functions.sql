-- What guards the rows of funding: their states only go where they may, and nothing of money is ever deleted.
-- Applied again after every migration.

-- On a table with a column `state`: a new row begins in one of the states of the first argument ('created,requested'),
-- a change goes along one of the ways of the second ('created>paid,created>expired'). Staying is always allowed.
CREATE OR REPLACE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = ANY (string_to_array(TG_ARGV[0], ',')) THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION '% does not begin as %', TG_TABLE_NAME, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'first_state', TABLE = TG_TABLE_NAME;
    END IF;
    IF NEW.state = OLD.state OR OLD.state || '>' || NEW.state = ANY (string_to_array(TG_ARGV[1], ',')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% does not go from % to %', TG_TABLE_NAME, OLD.state, NEW.state
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transition', TABLE = TG_TABLE_NAME;
END $$;

-- Puts the guards on a table: CALL keep_rows('lots').
CREATE OR REPLACE PROCEDURE keep_rows(p_table text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER no_delete BEFORE DELETE ON %I
        FOR EACH ROW EXECUTE FUNCTION refuse_change()', p_table);
    EXECUTE format('CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', p_table);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER no_delete', p_table);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER no_truncate', p_table);
END $$;

-- CALL guard_states('refunds', 'requested', 'requested>sending,sending>succeeded'): rows stay, states only go forward.
CREATE OR REPLACE PROCEDURE guard_states(p_table text, p_first text, p_ways text) LANGUAGE plpgsql AS $$
BEGIN
    CALL keep_rows(p_table);
    EXECUTE format('CREATE OR REPLACE TRIGGER states BEFORE INSERT OR UPDATE ON %I
        FOR EACH ROW EXECUTE FUNCTION refuse_transition(%L, %L)', p_table, p_first, p_ways);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER states', p_table);
END $$;
