-- What the venue did to an order becomes money here. Applied again after every migration.

-- The order's row, locked; also the orders that it replaces or is replaced by, in order of id.
CREATE OR REPLACE FUNCTION lock_order(p_order uuid) RETURNS orders
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    o orders;
BEGIN
    SELECT * INTO o FROM orders WHERE id = p_order AND created_at = uuid_extract_timestamp(p_order);
    IF o.replaces IS NOT NULL OR o.replaced_by IS NOT NULL THEN
        PERFORM 1 FROM orders
        WHERE (id, created_at) IN (SELECT x, uuid_extract_timestamp(x)
            FROM unnest(ARRAY[o.replaces, p_order, o.replaced_by]) AS x WHERE x IS NOT NULL)
        ORDER BY id FOR UPDATE;
    END IF;
    SELECT * INTO o FROM orders WHERE id = p_order AND created_at = uuid_extract_timestamp(p_order) FOR UPDATE;
    RETURN o;
END $$;

-- Where an order stands, for its events: whoever reads one later must not need the row, which may be ahead by then.
CREATE OR REPLACE FUNCTION order_progress(o orders) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN jsonb_build_object(
    'state', o.state, 'held', amount_text(o.held), 'filled_quantity', amount_text(o.filled_quantity),
    'filled_cost', amount_text(o.filled_cost), 'total_fee', amount_text(o.fee),
    'cancel_requested', o.cancel_requested_at IS NOT NULL, 'replaced_by', o.replaced_by);

-- Book one fill. outcome: settled; duplicate (this execution is booked); unknown_order; overfilled (more than was
-- ordered: not booked, for a person to look at). What the hold does not cover is taken from what the order that it
-- replaces still holds, then from what is available, and the rest from suspense: a fill is a fact and is never refused.
-- The fee is taken from what is received, as the venue takes its own, so that every coin owed is a coin held.
CREATE OR REPLACE FUNCTION settle_fill(
    p_fill uuid, p_order uuid, p_execution text, p_quantity numeric, p_price numeric, p_filled_at timestamptz
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_at timestamptz := uuid_extract_timestamp(p_fill);
    o orders;
    v_quote text;
    v_base text;
    v_cost numeric := round(p_quantity * p_price, 18);
    v_pay text;
    v_get text;
    v_due numeric;
    v_gross numeric;
    v_fee numeric;
    v_net numeric;
    v_worth numeric;
    v_from_held numeric;
    v_from_old numeric;
    v_from_available numeric;
    v_paying balances;
    v_getting balances;
BEGIN
    o := lock_order(p_order);
    IF o.id IS NULL THEN
        RETURN 'unknown_order';
    END IF;
    IF EXISTS (SELECT FROM journal_references WHERE reference = 'fill:' || p_execution) THEN
        RETURN 'duplicate';
    END IF;
    IF o.filled_quantity + p_quantity > o.quantity THEN
        RETURN 'overfilled';
    END IF;
    v_base := split_part(o.market, '/', 1);
    v_quote := split_part(o.market, '/', 2);
    IF o.side = 'buy' THEN
        v_pay := v_quote; v_due := v_cost; v_get := v_base; v_gross := p_quantity;
    ELSE
        v_pay := v_base; v_due := p_quantity; v_get := v_quote; v_gross := v_cost;
    END IF;
    v_fee := least(v_gross, ceil(v_gross * o.fee_bps * 100000) * 0.000000001);
    v_net := v_gross - v_fee;
    -- Volume is counted in USD in every market. Unknown when nobody ever heard a price: value_fills adds it then.
    v_worth := CASE v_quote WHEN 'USD' THEN v_cost
        ELSE (SELECT round(v_cost * p.price, 18) FROM usd_prices p WHERE p.currency = v_quote) END;

    INSERT INTO balances (user_id, currency) VALUES (o.user_id, v_get) ON CONFLICT DO NOTHING;
    PERFORM 1 FROM balances WHERE user_id = o.user_id AND currency IN (v_pay, v_get) ORDER BY currency FOR UPDATE;
    SELECT * INTO v_paying FROM balances WHERE user_id = o.user_id AND currency = v_pay;
    v_from_held := least(v_due, o.held);
    -- The fill of a replacement may be heard before the end of what it replaces, whose hold is meant for it.
    SELECT least(v_due - v_from_held, r.held) INTO v_from_old FROM orders r
    WHERE r.id = o.replaces AND r.created_at = uuid_extract_timestamp(o.replaces) AND r.replaced_by = o.id;
    v_from_old := coalesce(v_from_old, 0);
    IF v_from_old > 0 THEN
        UPDATE orders SET held = held - v_from_old, updated_at = now()
        WHERE id = o.replaces AND created_at = uuid_extract_timestamp(o.replaces);
    END IF;
    v_from_available := least(v_due - v_from_held - v_from_old, v_paying.available);
    UPDATE balances SET held = held - v_from_held - v_from_old, available = available - v_from_available
    WHERE user_id = o.user_id AND currency = v_pay RETURNING * INTO v_paying;
    UPDATE balances SET available = available + v_net
    WHERE user_id = o.user_id AND currency = v_get RETURNING * INTO v_getting;

    INSERT INTO journals (id, created_at, kind, reference) VALUES (p_fill, v_at, 'fill', 'fill:' || p_execution);
    INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
    SELECT p_fill, l.line, v_at, l.account, l.usr, l.currency, l.amount, l.after FROM (VALUES
        (1, 'held', o.user_id, v_pay, -(v_from_held + v_from_old), v_paying.held),
        (2, 'available', o.user_id, v_pay, -v_from_available, v_paying.available),
        (3, 'suspense', NULL, v_pay, -(v_due - v_from_held - v_from_old - v_from_available), NULL),
        (4, 'venue', NULL, v_pay, v_due, NULL),
        (5, 'venue', NULL, v_get, -v_gross, NULL),
        (6, 'available', o.user_id, v_get, v_net, v_getting.available),
        (7, 'fees', NULL, v_get, v_fee, NULL)
    ) AS l (line, account, usr, currency, amount, after) WHERE l.amount <> 0;

    INSERT INTO fills (id, created_at, execution_id, order_id, user_id, market, side, quantity, price, cost, fee,
        fee_currency, fee_bps, liquidity, filled_at, worth)
    VALUES (p_fill, v_at, p_execution, o.id, o.user_id, o.market, o.side, p_quantity, p_price, v_cost, v_fee,
        v_get, o.fee_bps, o.liquidity, p_filled_at, v_worth);
    PERFORM move_position(o.user_id, v_base, o.side, p_quantity, v_net, v_cost);
    IF v_worth IS NOT NULL THEN
        INSERT INTO trading_volumes AS t (user_id, day, volume)
        VALUES (o.user_id, (p_filled_at AT TIME ZONE 'UTC')::date, v_worth)
        ON CONFLICT (user_id, day) DO UPDATE SET volume = t.volume + excluded.volume;
    END IF;

    UPDATE orders SET
        filled_quantity = filled_quantity + p_quantity, filled_cost = filled_cost + v_cost, fee = fee + v_fee,
        held = held - v_from_held, updated_at = now(), unknown_since = NULL,
        submitted_at = coalesce(submitted_at, now()),
        state = CASE WHEN finished_at IS NULL THEN 'partially_filled' ELSE state END
    WHERE id = o.id AND created_at = o.created_at RETURNING * INTO o;
    PERFORM append_event(o.user_id, 'order.fill', o.id, order_progress(o) || jsonb_build_object(
        'execution_id', p_execution, 'market', o.market, 'side', o.side, 'quantity', amount_text(p_quantity),
        'price', amount_text(p_price), 'cost', amount_text(v_cost), 'fee', amount_text(v_fee),
        'fee_currency', v_get, 'net', amount_text(v_net), 'filled_at', p_filled_at, 'balances', jsonb_build_array(
            balance_json(v_pay, v_paying.available, v_paying.held),
            balance_json(v_get, v_getting.available, v_getting.held))));
    IF o.finished_at IS NULL AND o.closing_state IS NOT NULL AND o.filled_quantity >= o.closing_filled THEN
        PERFORM finish_order(o.id, o.closing_state, o.closing_filled, o.reason);
    ELSIF o.finished_at IS NULL AND o.filled_quantity = o.quantity THEN
        PERFORM finish_order(o.id, 'filled', NULL, NULL);
    END IF;
    RETURN 'settled';
END $$;

-- Give fills their worth whose quote currency had no price when they were booked; how many. At most so many at once.
CREATE OR REPLACE FUNCTION value_fills(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_count integer;
BEGIN
    WITH valued AS (
        UPDATE fills f SET worth = round(f.cost * u.price, 18) FROM (
            SELECT x.id, x.created_at, p.price FROM fills x
            JOIN usd_prices p ON p.currency = split_part(x.market, '/', 2)
            WHERE x.worth IS NULL ORDER BY x.created_at, x.id LIMIT p_limit FOR UPDATE OF x
        ) u WHERE f.id = u.id AND f.created_at = u.created_at
        RETURNING f.user_id, (f.filled_at AT TIME ZONE 'UTC')::date AS day, f.worth
    ), counted AS (
        INSERT INTO trading_volumes AS t (user_id, day, volume)
        SELECT user_id, day, sum(worth) FROM valued GROUP BY user_id, day ORDER BY user_id, day
        ON CONFLICT (user_id, day) DO UPDATE SET volume = t.volume + excluded.volume
    )
    SELECT count(*) INTO v_count FROM valued;
    RETURN v_count;
END $$;

-- Many fills in one commit. All locks first and sorted, then each fill as if alone.
CREATE OR REPLACE FUNCTION settle_fills(
    p_fill uuid[], p_order uuid[], p_execution text[], p_quantity numeric[], p_price numeric[],
    p_filled_at timestamptz[]
) RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_outcomes text[] := '{}';
    v_users uuid[];
BEGIN
    PERFORM 1 FROM orders o WHERE (o.id, o.created_at) IN (
        SELECT x, uuid_extract_timestamp(x) FROM unnest(p_order) AS x) ORDER BY o.id FOR UPDATE;
    SELECT array_agg(DISTINCT user_id) INTO v_users FROM orders o WHERE (o.id, o.created_at) IN (
        SELECT x, uuid_extract_timestamp(x) FROM unnest(p_order) AS x);
    PERFORM 1 FROM balances b WHERE b.user_id = ANY (v_users) ORDER BY b.user_id, b.currency FOR UPDATE;
    PERFORM 1 FROM customer_sequences s WHERE s.user_id = ANY (v_users) ORDER BY s.user_id FOR UPDATE;
    FOR i IN 1 .. cardinality(p_fill) LOOP
        v_outcomes := v_outcomes || settle_fill(
            p_fill[i], p_order[i], p_execution[i], p_quantity[i], p_price[i], p_filled_at[i]);
    END LOOP;
    RETURN v_outcomes;
END $$;

-- Average cost: a buy adds what was paid, a sale takes the same share of cost as of quantity.
-- These figures are shown, never owed, so the share may be rounded.
CREATE OR REPLACE FUNCTION move_position(
    p_user uuid, p_currency text, p_side text, p_quantity numeric, p_net numeric, p_cost numeric
) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v positions;
    v_share numeric;
BEGIN
    INSERT INTO positions (user_id, currency) VALUES (p_user, p_currency) ON CONFLICT DO NOTHING;
    SELECT * INTO v FROM positions WHERE user_id = p_user AND currency = p_currency FOR UPDATE;
    IF p_side = 'buy' THEN
        UPDATE positions SET quantity = quantity + p_net, cost = cost + p_cost
        WHERE user_id = p_user AND currency = p_currency;
        RETURN;
    END IF;
    v_share := CASE WHEN v.quantity <= p_quantity THEN v.cost ELSE round(v.cost * p_quantity / v.quantity, 18) END;
    UPDATE positions SET quantity = greatest(quantity - p_quantity, 0), cost = cost - v_share,
        realized = realized + p_net - v_share
    WHERE user_id = p_user AND currency = p_currency;
END $$;

-- End an order and give back what it still holds. outcome: finished; already; unknown_order; waiting (the venue
-- speaks of more fills than are booked: the hold stays until they are).
CREATE OR REPLACE FUNCTION finish_order(p_order uuid, p_state text, p_filled numeric, p_reason text)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_journal uuid := uuidv7();
    v_at timestamptz := uuid_extract_timestamp(v_journal);
    o orders;
    v_old orders;
    v_balances jsonb := '[]';
    v_balance balances;
BEGIN
    o := lock_order(p_order);
    IF o.id IS NULL THEN
        RETURN 'unknown_order';
    END IF;
    IF o.finished_at IS NOT NULL THEN
        RETURN 'already';
    END IF;
    IF p_filled > o.filled_quantity THEN
        UPDATE orders SET closing_state = p_state, closing_filled = p_filled, reason = coalesce(p_reason, reason),
            updated_at = now()
        WHERE id = o.id AND created_at = o.created_at;
        RETURN 'waiting';
    END IF;
    IF p_state = 'replaced' THEN
        v_balances := hand_over_hold(o);
        SELECT * INTO o FROM orders WHERE id = o.id AND created_at = o.created_at;
    END IF;
    IF o.held > 0 THEN
        UPDATE balances SET held = held - o.held, available = available + o.held
        WHERE user_id = o.user_id AND currency = o.hold_currency RETURNING * INTO v_balance;
        INSERT INTO journals (id, created_at, kind, reference)
        VALUES (v_journal, v_at, 'release', 'release:' || o.id);
        INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
        VALUES (v_journal, 1, v_at, 'held', o.user_id, o.hold_currency, -o.held, v_balance.held),
            (v_journal, 2, v_at, 'available', o.user_id, o.hold_currency, o.held, v_balance.available);
        v_balances := jsonb_build_array(balance_json(o.hold_currency, v_balance.available, v_balance.held));
    END IF;
    UPDATE orders SET state = p_state, reason = coalesce(p_reason, reason), held = 0, finished_at = now(),
        updated_at = now(), unknown_since = NULL, closing_state = NULL, closing_filled = NULL
    WHERE id = o.id AND created_at = o.created_at;
    -- A replacement that never came to be leaves the old order as it was.
    IF o.replaces IS NOT NULL AND p_state IN ('rejected', 'canceled') THEN
        UPDATE orders SET replaced_by = NULL, updated_at = now()
        WHERE id = o.replaces AND created_at = uuid_extract_timestamp(o.replaces)
            AND replaced_by = o.id AND finished_at IS NULL RETURNING * INTO v_old;
        IF FOUND THEN
            PERFORM append_event(o.user_id, 'order.replace_rejected', v_old.id, order_progress(v_old));
        END IF;
    END IF;
    PERFORM append_event(o.user_id, 'order.' || p_state, o.id, jsonb_build_object(
        'state', p_state, 'reason', coalesce(p_reason, o.reason),
        'filled_quantity', amount_text(o.filled_quantity), 'filled_cost', amount_text(o.filled_cost),
        'total_fee', amount_text(o.fee), 'balances', v_balances));
    RETURN 'finished';
END $$;

-- Move what the replaced order still holds to its replacement; give back what is too much, add what is missing from
-- what is available, and ask for cancellation when even that is not enough. Returns the balance if it moved.
CREATE OR REPLACE FUNCTION hand_over_hold(o orders) RETURNS jsonb
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_journal uuid := uuidv7();
    v_at timestamptz := uuid_extract_timestamp(v_journal);
    n orders;
    v_need numeric;
    v_change numeric;
    v_balance balances;
BEGIN
    SELECT * INTO n FROM orders WHERE id = o.replaced_by AND created_at = uuid_extract_timestamp(o.replaced_by);
    IF n.id IS NULL OR n.finished_at IS NOT NULL THEN
        RETURN '[]'::jsonb;
    END IF;
    SELECT * INTO v_balance FROM balances
    WHERE user_id = o.user_id AND currency = o.hold_currency FOR UPDATE;
    -- What it has filled already needs no hold any more.
    v_need := greatest(n.hold_amount - CASE n.side WHEN 'buy' THEN n.filled_cost ELSE n.filled_quantity END, 0);
    -- Positive: the replacement needs more. Negative: money comes back.
    v_change := least(v_need - (n.held + o.held), v_balance.available);
    UPDATE orders SET held = 0, updated_at = now() WHERE id = o.id AND created_at = o.created_at;
    UPDATE orders SET held = n.held + o.held + v_change, updated_at = now(),
        cancel_requested_at = CASE WHEN n.held + o.held + v_change < v_need
            THEN coalesce(cancel_requested_at, now()) ELSE cancel_requested_at END
    WHERE id = n.id AND created_at = n.created_at;
    IF v_change = 0 THEN
        RETURN '[]'::jsonb;
    END IF;
    UPDATE balances SET available = available - v_change, held = held + v_change
    WHERE user_id = o.user_id AND currency = o.hold_currency RETURNING * INTO v_balance;
    INSERT INTO journals (id, created_at, kind, reference) VALUES (v_journal, v_at, 'rehold', 'rehold:' || n.id);
    INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
    VALUES (v_journal, 1, v_at, 'available', o.user_id, o.hold_currency, -v_change, v_balance.available),
        (v_journal, 2, v_at, 'held', o.user_id, o.hold_currency, v_change, v_balance.held);
    RETURN jsonb_build_array(balance_json(o.hold_currency, v_balance.available, v_balance.held));
END $$;

-- The venue has the order. Never steps back: an order that has fills or has ended keeps its state.
CREATE OR REPLACE FUNCTION mark_submitted(p_order uuid, p_venue_order_id text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    o orders;
    v_first boolean;
BEGIN
    o := lock_order(p_order);
    IF o.id IS NULL THEN
        RETURN false;
    END IF;
    v_first := o.state IN ('accepted', 'submitting', 'unknown');
    UPDATE orders SET venue_order_id = coalesce(venue_order_id, p_venue_order_id), unknown_since = NULL,
        submitted_at = coalesce(submitted_at, now()), checked_at = now(), updated_at = now(),
        state = CASE WHEN v_first THEN 'submitted' ELSE state END
    WHERE id = o.id AND created_at = o.created_at;
    IF v_first THEN
        o.state := 'submitted';
        PERFORM append_event(o.user_id, 'order.submitted', o.id, order_progress(o));
    END IF;
    RETURN v_first;
END $$;

-- Ask for a cancel. outcome: canceled (it had not been sent yet); pending; already (it has ended); unknown_order.
CREATE OR REPLACE FUNCTION request_cancel(p_user uuid, p_order uuid)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    o orders;
BEGIN
    o := lock_order(p_order);
    IF o.id IS NULL OR o.user_id <> p_user THEN
        RETURN 'unknown_order';
    END IF;
    IF o.finished_at IS NOT NULL THEN
        RETURN 'already';
    END IF;
    IF o.state = 'accepted' THEN
        PERFORM finish_order(o.id, 'canceled', NULL, 'canceled before it was sent');
        RETURN 'canceled';
    END IF;
    IF o.cancel_requested_at IS NULL THEN
        UPDATE orders SET cancel_requested_at = now(), updated_at = now()
        WHERE id = o.id AND created_at = o.created_at;
        o.cancel_requested_at := now();
        PERFORM append_event(o.user_id, 'order.pending_cancel', o.id, order_progress(o));
    END IF;
    RETURN 'pending';
END $$;

-- Ask for a replacement: a new order that holds only what it needs beyond what the old one holds.
-- outcome: as place_order, and unknown_order, ended (the old one has), pending (a replacement or cancel is under way).
CREATE OR REPLACE FUNCTION request_replace(
    p_id uuid, p_user uuid, p_old uuid, p_client_order_id text, p_idempotency_key text, p_request_hash bytea,
    p_source text, p_quantity numeric, p_limit_price numeric, p_stop_price numeric, p_fee_bps numeric,
    p_liquidity text, p_hold_amount numeric,
    OUT outcome text, OUT order_id uuid, OUT available numeric
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    o orders;
    v_extra numeric;
BEGIN
    SELECT * INTO o FROM orders
    WHERE id = p_old AND created_at = uuid_extract_timestamp(p_old) AND user_id = p_user FOR UPDATE;
    IF o.id IS NULL THEN
        outcome := 'unknown_order';
        RETURN;
    END IF;
    SELECT k.order_id, CASE WHEN k.request_hash = p_request_hash THEN
        CASE WHEN k.key LIKE 'i:%' THEN 'replayed' ELSE 'duplicate' END
        ELSE CASE WHEN k.key LIKE 'i:%' THEN 'key_reused' ELSE 'conflict' END END
    INTO order_id, outcome FROM order_keys k
    WHERE k.user_id = p_user AND k.key IN ('i:' || p_idempotency_key, 'c:' || p_client_order_id)
    ORDER BY k.key DESC LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    IF o.finished_at IS NOT NULL OR o.closing_state IS NOT NULL THEN
        outcome := 'ended';
        RETURN;
    END IF;
    -- A replacement that has not taken over its predecessor's hold yet cannot be replaced itself.
    IF o.replaced_by IS NOT NULL OR o.cancel_requested_at IS NOT NULL
        OR o.state NOT IN ('submitted', 'partially_filled')
        OR EXISTS (SELECT FROM orders r WHERE r.id = o.replaces AND r.created_at = uuid_extract_timestamp(o.replaces)
            AND r.replaced_by = o.id AND r.finished_at IS NULL)
    THEN
        outcome := 'pending';
        RETURN;
    END IF;
    v_extra := greatest(p_hold_amount - o.held, 0);
    SELECT p.outcome, p.order_id, p.available INTO outcome, order_id, available FROM place_order(
        p_id, p_user, p_client_order_id, p_idempotency_key, p_request_hash, p_source, o.market, o.side, o.type,
        o.time_in_force, p_quantity, NULL, p_limit_price, p_stop_price, NULL, p_fee_bps, p_liquidity,
        o.hold_currency, v_extra, o.fee_currency) p;
    IF outcome <> 'accepted' THEN
        RETURN;
    END IF;
    UPDATE orders SET replaces = o.id, hold_amount = p_hold_amount
    WHERE id = p_id AND created_at = uuid_extract_timestamp(p_id);
    UPDATE orders SET replaced_by = p_id, updated_at = now() WHERE id = o.id AND created_at = o.created_at;
    o.replaced_by := p_id;
    PERFORM append_event(p_user, 'order.pending_replace', o.id, order_progress(o));
END $$;
