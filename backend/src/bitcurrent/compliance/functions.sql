-- Limits are added and never changed; stops and restrictions only end. Applied again after every migration.

CREATE OR REPLACE FUNCTION guard_limit_rules() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'limit rules are added, never changed' USING ERRCODE = 'restrict_violation';
END $$;

CREATE OR REPLACE TRIGGER limit_rules_are_kept BEFORE UPDATE OR DELETE ON limit_rules
FOR EACH ROW EXECUTE FUNCTION guard_limit_rules();
CREATE OR REPLACE TRIGGER breaker_rules_are_kept BEFORE UPDATE OR DELETE ON breaker_rules
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER breaker_rules_are_not_emptied BEFORE TRUNCATE ON breaker_rules
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE breaker_rules ENABLE ALWAYS TRIGGER breaker_rules_are_kept;
ALTER TABLE breaker_rules ENABLE ALWAYS TRIGGER breaker_rules_are_not_emptied;

CREATE OR REPLACE TRIGGER limit_rules_are_not_emptied BEFORE TRUNCATE ON limit_rules
FOR EACH STATEMENT EXECUTE FUNCTION guard_limit_rules();

-- Who accepts or claims orders holds this lock in share mode until the commit, taken before any account's; who stops
-- something holds it alone. So nothing is accepted or claimed any more once a stop that forbids it is committed.
CREATE OR REPLACE FUNCTION stops_lock() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 7091327058759151472;

-- The oldest stop that forbids such an order: of all, of trading, of its side, of market orders; of either asset.
CREATE OR REPLACE FUNCTION stop_of_order(p_market text, p_side text, p_type text) RETURNS uuid
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT s.id FROM stops s WHERE s.ended_at IS NULL
      AND (s.product IS NULL OR s.product IN ('trading', 'order_' || p_side)
        OR (s.product = 'order_market' AND p_type = 'market'))
      AND (s.asset IS NULL OR s.asset IN (split_part(p_market, '/', 1), split_part(p_market, '/', 2)))
    ORDER BY s.started_at, s.id LIMIT 1
$$;

CREATE OR REPLACE FUNCTION guard_stops() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'stops are kept' USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF num_nonnulls(NEW.ended_at, NEW.ended_by, NEW.end_reason) > 0 THEN
            RAISE EXCEPTION 'a stop begins standing' USING ERRCODE = 'check_violation';
        END IF;
        -- Orders that are being accepted come first; those that come later see the stop.
        PERFORM pg_advisory_xact_lock(stops_lock());
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.product, NEW.asset, NEW.cause, NEW.reason, NEW.words, NEW.started_by, NEW.started_at)
            IS DISTINCT FROM
            (OLD.id, OLD.product, OLD.asset, OLD.cause, OLD.reason, OLD.words, OLD.started_by, OLD.started_at) THEN
        RAISE EXCEPTION 'what was stopped cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.ended_at IS NOT NULL AND (NEW.ended_at, NEW.ended_by, NEW.end_reason)
            IS DISTINCT FROM (OLD.ended_at, OLD.ended_by, OLD.end_reason) THEN
        RAISE EXCEPTION 'a stop ends once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER stops_only_end BEFORE INSERT OR UPDATE OR DELETE ON stops
FOR EACH ROW EXECUTE FUNCTION guard_stops();
CREATE OR REPLACE TRIGGER stops_are_kept BEFORE TRUNCATE ON stops
FOR EACH STATEMENT EXECUTE FUNCTION guard_stops();
ALTER TABLE limit_rules ENABLE ALWAYS TRIGGER limit_rules_are_kept;
ALTER TABLE limit_rules ENABLE ALWAYS TRIGGER limit_rules_are_not_emptied;
ALTER TABLE stops ENABLE ALWAYS TRIGGER stops_only_end;
ALTER TABLE stops ENABLE ALWAYS TRIGGER stops_are_kept;

CREATE OR REPLACE FUNCTION guard_restrictions() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF num_nonnulls(NEW.ended_at, NEW.ended_by, NEW.end_reason) > 0 THEN
            RAISE EXCEPTION 'a restriction begins standing' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.user_id, NEW.scope, NEW.code, NEW.words, NEW.reason, NEW.case_id, NEW.started_by, NEW.started_at)
            IS DISTINCT FROM
            (OLD.id, OLD.user_id, OLD.scope, OLD.code, OLD.words, OLD.reason, OLD.case_id, OLD.started_by,
                OLD.started_at) THEN
        RAISE EXCEPTION 'what was restricted cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.ended_at IS NOT NULL AND (NEW.ended_at, NEW.ended_by, NEW.end_reason)
            IS DISTINCT FROM (OLD.ended_at, OLD.ended_by, OLD.end_reason) THEN
        RAISE EXCEPTION 'a restriction ends once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER restrictions_only_end BEFORE INSERT OR UPDATE ON restrictions
FOR EACH ROW EXECUTE FUNCTION guard_restrictions();
CREATE OR REPLACE TRIGGER restrictions_are_kept BEFORE DELETE ON restrictions
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER restrictions_are_not_emptied BEFORE TRUNCATE ON restrictions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE restrictions ENABLE ALWAYS TRIGGER restrictions_only_end;
ALTER TABLE restrictions ENABLE ALWAYS TRIGGER restrictions_are_kept;
ALTER TABLE restrictions ENABLE ALWAYS TRIGGER restrictions_are_not_emptied;
