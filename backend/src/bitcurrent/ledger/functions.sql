-- The books' guards and the general door for postings. Applied again after every migration.

-- One INSERT carries whole journals: what it adds must sum to zero for each journal and currency.
CREATE OR REPLACE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_journal uuid;
    v_currency text;
    v_sum numeric;
BEGIN
    SELECT journal_id, currency, sum(amount) INTO v_journal, v_currency, v_sum
    FROM added GROUP BY journal_id, currency HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal % is unbalanced by % %', v_journal, v_sum, v_currency
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journal_balanced';
    END IF;
    RETURN NULL;
END $$;

-- A reference is used once for good. Holds are known by their order's id, which is unique by itself.
CREATE OR REPLACE FUNCTION keep_references() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- post_journal takes the reference before it writes the journal; nobody else can have it under this id.
    INSERT INTO journal_references (reference, journal_id)
    SELECT a.reference, a.id FROM added a WHERE a.kind <> 'hold' AND NOT EXISTS (
        SELECT FROM journal_references r WHERE r.reference = a.reference AND r.journal_id = a.id);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER balanced AFTER INSERT ON entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER reference_once AFTER INSERT ON journals REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION keep_references();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON journals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON journals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON journal_references
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON journal_references
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
-- Neither replication mode nor a disabled session may go round them.
ALTER TABLE entries ENABLE ALWAYS TRIGGER balanced;
ALTER TABLE entries ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE entries ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE journals ENABLE ALWAYS TRIGGER reference_once;
ALTER TABLE journals ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE journals ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE journal_references ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE journal_references ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE events ENABLE ALWAYS TRIGGER no_change;
-- Partitions that were made before a guard existed get it now.
DO $$
DECLARE
    v record;
BEGIN
    FOR v IN SELECT p.relname AS parent, c.relname AS name FROM pg_inherits i
        JOIN pg_class p ON p.oid = i.inhparent AND p.relkind = 'p' AND p.relnamespace = 'public'::regnamespace
        JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind = 'r'
    LOOP
        PERFORM guard_partition(v.parent, v.name);
    END LOOP;
END $$;

-- Post one journal. Lines: account ('available' or 'held' with a user, else a house account), currency, signed amount.
-- Returns the journal's id and whether it was posted now; a reference that exists already posts nothing.
-- Raises check_violation on balances when a customer's side would go below zero.
CREATE OR REPLACE FUNCTION post_journal(
    p_id uuid, p_kind text, p_reference text, p_memo jsonb,
    p_accounts text[], p_users uuid[], p_currencies text[], p_amounts numeric[],
    OUT journal_id uuid, OUT posted boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_at timestamptz := uuid_extract_timestamp(p_id);
    v_line record;
BEGIN
    posted := false;
    -- What two people must have granted is compared with what they granted.
    IF p_kind = 'adjustment' OR 'adjustments' = ANY (p_accounts) THEN
        PERFORM require_granted_adjustment(p_kind, p_reference, p_accounts, p_users, p_currencies, p_amounts);
    END IF;
    IF coalesce(cardinality(p_amounts), 0) = 0 THEN
        RAISE EXCEPTION 'journal % moves nothing', p_reference
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'journal_has_entries';
    END IF;
    -- Waits for whoever is posting the same reference now, and sees what became of it.
    INSERT INTO journal_references AS r (reference, journal_id) VALUES (p_reference, p_id) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT r.journal_id INTO journal_id FROM journal_references r WHERE r.reference = p_reference;
        RETURN;
    END IF;
    INSERT INTO journals (id, created_at, kind, reference, memo)
    VALUES (p_id, v_at, p_kind, p_reference, p_memo);
    -- Sorted, so that two postings that touch the same balances never wait for each other in a ring.
    FOR v_line IN
        SELECT l.usr, l.currency,
            coalesce(sum(l.amount) FILTER (WHERE l.account = 'available'), 0) AS available,
            coalesce(sum(l.amount) FILTER (WHERE l.account = 'held'), 0) AS held
        FROM unnest(p_accounts, p_users, p_currencies, p_amounts) AS l (account, usr, currency, amount)
        WHERE l.usr IS NOT NULL GROUP BY l.usr, l.currency ORDER BY l.usr, l.currency
    LOOP
        -- The row first, then the change: a plain upsert would check the signs of the change itself.
        INSERT INTO balances (user_id, currency) VALUES (v_line.usr, v_line.currency) ON CONFLICT DO NOTHING;
        UPDATE balances SET available = available + v_line.available, held = held + v_line.held
        WHERE user_id = v_line.usr AND currency = v_line.currency;
    END LOOP;
    INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
    SELECT p_id, l.line, v_at, l.account, l.usr, l.currency, l.amount,
        CASE l.account WHEN 'available' THEN b.available WHEN 'held' THEN b.held END
            - coalesce(sum(l.amount) OVER later, 0)
    FROM unnest(p_accounts, p_users, p_currencies, p_amounts) WITH ORDINALITY
        AS l (account, usr, currency, amount, line)
    LEFT JOIN balances b ON b.user_id = l.usr AND b.currency = l.currency
    WINDOW later AS (PARTITION BY l.usr, l.account, l.currency ORDER BY l.line
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING);
    journal_id := p_id;
    posted := true;
END $$;

-- House accounts are sums of entries.
CREATE OR REPLACE VIEW house_accounts AS
    SELECT account, currency, sum(amount) AS balance, count(*) AS entries
    FROM entries WHERE user_id IS NULL GROUP BY account, currency;
