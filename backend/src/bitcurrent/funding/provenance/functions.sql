-- Lots and debts stay for good; what a deposit was never changes.

CREATE OR REPLACE FUNCTION keep_lot() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A release date may come nearer, when more is known of the card; it never moves away.
    IF (NEW.id, NEW.user_id, NEW.currency, NEW.amount, NEW.fee, NEW.payment_intent)
        IS DISTINCT FROM (OLD.id, OLD.user_id, OLD.currency, OLD.amount, OLD.fee, OLD.payment_intent)
        OR NEW.release_at > OLD.release_at
    THEN
        RAISE EXCEPTION 'lot % is what it was', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER keep_lot BEFORE UPDATE ON lots FOR EACH ROW EXECUTE FUNCTION keep_lot();
ALTER TABLE lots ENABLE ALWAYS TRIGGER keep_lot;
CALL keep_rows('lots');
CALL keep_rows('debts');

-- Every balance of a customer, locked until the transaction ends, in the order in which journals lock them.
-- The app may not change balances, so it may not lock them either: this does it for it.
CREATE OR REPLACE FUNCTION lock_balances(p_user uuid)
RETURNS TABLE (currency text, available numeric, held numeric)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT b.currency, b.available, b.held FROM balances b
        WHERE b.user_id = p_user ORDER BY b.currency FOR UPDATE;
END $$;
