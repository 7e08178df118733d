-- What was seen and decided is not rewritten; an alert is decided once. Applied again after every migration.

CREATE OR REPLACE FUNCTION guard_monitoring() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.event_position, NEW.user_id, NEW.kind, NEW.subject, NEW.at, NEW.worth, NEW.monitored_at)
            IS DISTINCT FROM
            (OLD.id, OLD.event_position, OLD.user_id, OLD.kind, OLD.subject, OLD.at, OLD.worth, OLD.monitored_at)
        OR NEW.rule_hits <> OLD.rule_hits
        -- Facts may be erased, and never changed.
        OR (NEW.facts <> OLD.facts AND NEW.facts <> '{}') THEN
        RAISE EXCEPTION 'what was monitored cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER monitoring_stays BEFORE UPDATE ON transaction_monitoring
FOR EACH ROW EXECUTE FUNCTION guard_monitoring();
CREATE OR REPLACE TRIGGER monitoring_is_kept BEFORE DELETE ON transaction_monitoring
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER monitoring_is_not_emptied BEFORE TRUNCATE ON transaction_monitoring
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER monitoring_rules_are_kept BEFORE UPDATE OR DELETE ON monitoring_rules
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER monitoring_rules_are_not_emptied BEFORE TRUNCATE ON monitoring_rules
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE FUNCTION guard_alerts() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.rule, NEW.rule_version, NEW.user_id, NEW.position, NEW.at, NEW.score, NEW.parts, NEW.words,
            NEW.held) IS DISTINCT FROM
            (OLD.id, OLD.rule, OLD.rule_version, OLD.user_id, OLD.position, OLD.at, OLD.score, OLD.parts, OLD.words,
            OLD.held) THEN
        RAISE EXCEPTION 'what an alert says cannot be rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'open' THEN
        RAISE EXCEPTION 'an alert is decided once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER alerts_are_decided_once BEFORE UPDATE ON monitoring_alerts
FOR EACH ROW EXECUTE FUNCTION guard_alerts();
CREATE OR REPLACE TRIGGER alerts_are_kept BEFORE DELETE ON monitoring_alerts
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER alerts_are_not_emptied BEFORE TRUNCATE ON monitoring_alerts
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE transaction_monitoring ENABLE ALWAYS TRIGGER monitoring_stays;
ALTER TABLE transaction_monitoring ENABLE ALWAYS TRIGGER monitoring_is_kept;
ALTER TABLE transaction_monitoring ENABLE ALWAYS TRIGGER monitoring_is_not_emptied;
ALTER TABLE monitoring_rules ENABLE ALWAYS TRIGGER monitoring_rules_are_kept;
ALTER TABLE monitoring_rules ENABLE ALWAYS TRIGGER monitoring_rules_are_not_emptied;
ALTER TABLE monitoring_alerts ENABLE ALWAYS TRIGGER alerts_are_decided_once;
ALTER TABLE monitoring_alerts ENABLE ALWAYS TRIGGER alerts_are_kept;
ALTER TABLE monitoring_alerts ENABLE ALWAYS TRIGGER alerts_are_not_emptied;
