-- The audit log's guards and the one door for seals. Applied again after every migration.

CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit_seals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON audit_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Replication mode does not go round them. The owner can still disable them: the chain and its heads are for that.
ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE audit_seals ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE audit_seals ENABLE ALWAYS TRIGGER no_truncate;

-- Put seals behind the seal numbered p_after, which must be the last: the sequence has no gap.
-- Raises serialization_failure when somebody else has sealed meanwhile: read again, and try again.
CREATE OR REPLACE FUNCTION seal_audit_logs(p_after bigint, p_audit_ids bigint[], p_hashes bytea[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_last bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_seals'));
    SELECT coalesce(max(sequence), 0) INTO v_last FROM audit_seals;
    IF v_last <> p_after THEN
        RAISE EXCEPTION 'the last seal is %, not %', v_last, p_after USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO audit_seals (sequence, audit_id, hash)
    SELECT p_after + place, audit_id, hash FROM unnest(p_audit_ids, p_hashes) WITH ORDINALITY AS new(audit_id, hash, place);
END $$;
