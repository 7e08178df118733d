-- The event log and the monthly partitions. Applied again after every migration; each statement may be repeated.

CREATE OR REPLACE FUNCTION append_event(p_user uuid, p_kind text, p_subject uuid, p_payload jsonb)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_sequence bigint;
BEGIN
    -- The row lock makes the customer's sequence gapless and in order of commit.
    INSERT INTO customer_sequences AS s (user_id, last_sequence) VALUES (p_user, 1)
    ON CONFLICT (user_id) DO UPDATE SET last_sequence = s.last_sequence + 1
    RETURNING last_sequence INTO v_sequence;
    INSERT INTO events (user_id, sequence, kind, subject, payload)
    VALUES (p_user, v_sequence, p_kind, p_subject, p_payload);
    RETURN v_sequence;
END $$;

-- An exact amount as JSON text: jsonb numbers would come back as floats in most readers.
CREATE OR REPLACE FUNCTION amount_text(p_amount numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN trim_scale(p_amount)::text;

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: it is only ever added to', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- Make the monthly partitions of every partitioned table from last month until p_months ahead.
-- Guards that bind whoever writes to a partition directly are put on each partition as well.
CREATE OR REPLACE FUNCTION ensure_partitions(p_months integer DEFAULT 12)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_table text;
    v_month timestamptz;
    v_name text;
    v_made integer := 0;
BEGIN
    -- Two callers at once would both find a partition missing.
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'));
    FOR v_table IN
        SELECT c.relname FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid
        WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1
    LOOP
        FOR v_month IN
            SELECT generate_series(
                date_trunc('month', now(), 'UTC') - interval '1 month',
                date_trunc('month', now(), 'UTC') + make_interval(months => p_months),
                interval '1 month', 'UTC')
        LOOP
            v_name := v_table || '_p' || to_char(v_month AT TIME ZONE 'UTC', 'YYYYMM');
            CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) %s',
                v_name, v_table, v_month, date_add(v_month, interval '1 month', 'UTC'),
                CASE WHEN v_table = 'orders' THEN 'WITH (fillfactor = 70)' ELSE '' END);
            PERFORM guard_partition(v_table, v_name);
            v_made := v_made + 1;
        END LOOP;
    END LOOP;
    RETURN v_made;
END $$;

-- Entries, journals and events are append-only in every partition, also for whoever names the partition. Statement
-- triggers bind only those who name their own table, so each partition has them too; row triggers are inherited.
CREATE OR REPLACE FUNCTION guard_partition(p_table text, p_name text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF p_table NOT IN ('entries', 'journals', 'events') THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON %I
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', p_name);
    EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER no_truncate', p_name);
    IF p_table = 'entries' THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER balanced AFTER INSERT ON %I REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced()', p_name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER balanced', p_name);
    ELSIF p_table = 'journals' THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER reference_once AFTER INSERT ON %I REFERENCING NEW TABLE AS added
            FOR EACH STATEMENT EXECUTE FUNCTION keep_references()', p_name);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER reference_once', p_name);
    END IF;
END $$;
