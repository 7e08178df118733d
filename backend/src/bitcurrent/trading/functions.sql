-- Placing and settling, each one round trip. Applied again after every migration.
-- Locks are always taken in this order: an order that is replaced, stops_lock (shared), orders by id, balances by (user, currency), the customer's sequence.

-- Hold the money, insert the order, post the journal, append the event: one order.
-- outcome: accepted; insufficient (nothing done); replayed (same Idempotency-Key, same request: order_id is the first
-- answer's); key_reused (same key, other request); duplicate (client_order_id exists, same request); conflict (same
-- client_order_id, other request); restricted (this customer places no orders for now; nothing done); stopped (no such
-- orders from anybody for now; nothing done).
CREATE OR REPLACE FUNCTION place_order(
    p_id uuid, p_user uuid, p_client_order_id text, p_idempotency_key text, p_request_hash bytea, p_source text,
    p_market text, p_side text, p_type text, p_time_in_force text, p_quantity numeric, p_notional numeric,
    p_limit_price numeric, p_stop_price numeric, p_collar_price numeric, p_fee_bps numeric, p_liquidity text,
    p_hold_currency text, p_hold_amount numeric, p_fee_currency text,
    OUT outcome text, OUT order_id uuid, OUT available numeric
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_at timestamptz := uuid_extract_timestamp(p_id);
    v_held numeric;
    v_known record;
BEGIN
    IF p_idempotency_key IS NOT NULL OR p_client_order_id IS NOT NULL THEN
        SELECT k.key, k.order_id, k.request_hash INTO v_known FROM order_keys k
        WHERE k.user_id = p_user AND k.key IN ('i:' || p_idempotency_key, 'c:' || p_client_order_id)
        ORDER BY k.key DESC LIMIT 1;
        IF FOUND THEN
            order_id := v_known.order_id;
            outcome := CASE
                WHEN v_known.key LIKE 'i:%' AND v_known.request_hash = p_request_hash THEN 'replayed'
                WHEN v_known.key LIKE 'i:%' THEN 'key_reused'
                WHEN v_known.request_hash = p_request_hash THEN 'duplicate'
                ELSE 'conflict' END;
            RETURN;
        END IF;
    END IF;
    -- Locked before looking: what is committed before us is seen, what comes after us waits. A stop waits for the first
    -- lock; a restriction writes an event, so that it waits for the last one.
    PERFORM pg_advisory_xact_lock_shared(stops_lock());
    PERFORM 1 FROM balances b WHERE b.user_id = p_user AND b.currency = p_hold_currency FOR UPDATE;
    PERFORM 1 FROM customer_sequences s WHERE s.user_id = p_user FOR UPDATE;
    outcome := CASE
        WHEN EXISTS (SELECT FROM restrictions r
            WHERE r.user_id = p_user AND r.scope = 'orders' AND r.ended_at IS NULL) THEN 'restricted'
        WHEN EXISTS (SELECT FROM stops s WHERE s.ended_at IS NULL)
            AND stop_of_order(p_market, p_side, p_type) IS NOT NULL THEN 'stopped' END;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    UPDATE balances b SET available = b.available - p_hold_amount, held = b.held + p_hold_amount
    WHERE b.user_id = p_user AND b.currency = p_hold_currency AND b.available >= p_hold_amount
    RETURNING b.available, b.held INTO available, v_held;
    IF NOT FOUND THEN
        outcome := 'insufficient';
        SELECT b.available INTO available FROM balances b
        WHERE b.user_id = p_user AND b.currency = p_hold_currency;
        available := coalesce(available, 0);
        RETURN;
    END IF;
    IF p_idempotency_key IS NOT NULL OR p_client_order_id IS NOT NULL THEN
        INSERT INTO order_keys (user_id, key, order_id, request_hash)
        SELECT p_user, k, p_id, p_request_hash
        FROM unnest(ARRAY['c:' || p_client_order_id, 'i:' || p_idempotency_key]) AS k WHERE k IS NOT NULL ORDER BY k;
    END IF;
    INSERT INTO orders (id, created_at, updated_at, user_id, client_order_id, source, market, side, type,
        time_in_force, quantity, notional, limit_price, stop_price, collar_price, fee_bps, liquidity, state,
        hold_currency, hold_amount, held, fee_currency)
    VALUES (p_id, v_at, v_at, p_user, p_client_order_id, p_source, p_market, p_side, p_type,
        p_time_in_force, p_quantity, p_notional, p_limit_price, p_stop_price, p_collar_price, p_fee_bps, p_liquidity,
        'accepted', p_hold_currency, p_hold_amount, p_hold_amount, p_fee_currency);
    -- A replacement that needs no more than the old order holds moves nothing yet.
    IF p_hold_amount <> 0 THEN
        INSERT INTO journals (id, created_at, kind, reference) VALUES (p_id, v_at, 'hold', 'hold:' || p_id);
        INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
        VALUES (p_id, 1, v_at, 'available', p_user, p_hold_currency, -p_hold_amount, available),
            (p_id, 2, v_at, 'held', p_user, p_hold_currency, p_hold_amount, v_held);
    END IF;
    PERFORM append_event(p_user, 'order.accepted', p_id,
        jsonb_build_object('state', 'accepted', 'held', amount_text(p_hold_amount), 'balances', jsonb_build_array(
            balance_json(p_hold_currency, available, v_held))));
    outcome := 'accepted';
    order_id := p_id;
END $$;

CREATE OR REPLACE FUNCTION balance_json(p_currency text, p_available numeric, p_held numeric) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN jsonb_build_object(
    'currency', p_currency, 'available', amount_text(p_available), 'held', amount_text(p_held));

-- Place many orders that arrived together, with the same outcome for each as if placed one by one in order of arrival.
-- Customers whose orders all fit and carry only new keys go set-based; everybody else's go one by one.
CREATE OR REPLACE FUNCTION place_orders(
    p_id uuid[], p_user uuid[], p_client_order_id text[], p_idempotency_key text[], p_request_hash bytea[],
    p_source text[], p_market text[], p_side text[], p_type text[], p_time_in_force text[], p_quantity numeric[],
    p_notional numeric[], p_limit_price numeric[], p_stop_price numeric[], p_collar_price numeric[],
    p_fee_bps numeric[], p_liquidity text[], p_hold_currency text[], p_hold_amount numeric[], p_fee_currency text[]
) RETURNS TABLE (ordinal integer, outcome text, order_id uuid, available numeric)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_careful uuid[];
    v_i integer;
    v_result record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(stops_lock());
    PERFORM 1 FROM balances b
    WHERE (b.user_id, b.currency) IN (SELECT u, c FROM unnest(p_user, p_hold_currency) AS t (u, c))
    ORDER BY b.user_id, b.currency FOR UPDATE;
    PERFORM 1 FROM customer_sequences s WHERE s.user_id = ANY (p_user) ORDER BY s.user_id FOR UPDATE;

    SELECT coalesce(array_agg(DISTINCT x.usr), '{}') INTO v_careful FROM (
        SELECT t.usr FROM unnest(p_user, p_hold_currency, p_hold_amount) AS t (usr, currency, amount)
        LEFT JOIN balances b ON b.user_id = t.usr AND b.currency = t.currency
        GROUP BY t.usr, t.currency, b.available HAVING sum(t.amount) > coalesce(b.available, 0)
        UNION ALL
        SELECT k.usr FROM (
            SELECT t.usr, x.key FROM unnest(p_user, p_client_order_id, p_idempotency_key) AS t (usr, c, i)
            CROSS JOIN LATERAL (VALUES ('c:' || t.c), ('i:' || t.i)) AS x (key) WHERE x.key IS NOT NULL
        ) k LEFT JOIN order_keys o ON o.user_id = k.usr AND o.key = k.key
        GROUP BY k.usr, k.key HAVING count(*) > 1 OR count(o.order_id) > 0
        UNION ALL
        SELECT t.usr FROM unnest(p_user) AS t (usr)
        WHERE NOT EXISTS (SELECT FROM customer_sequences s WHERE s.user_id = t.usr)
        UNION ALL
        SELECT r.user_id FROM restrictions r
        WHERE r.user_id = ANY (p_user) AND r.scope = 'orders' AND r.ended_at IS NULL
    ) x;
    -- A statement of its own, which nearly always finds nothing: as a part of the one above it made that one slower.
    IF EXISTS (SELECT FROM stops s WHERE s.ended_at IS NULL) THEN
        v_careful := v_careful || ARRAY(
            SELECT DISTINCT t.usr FROM unnest(p_user, p_market, p_side, p_type) AS t (usr, market, side, type)
            WHERE stop_of_order(t.market, t.side, t.type) IS NOT NULL);
    END IF;

    RETURN QUERY
    WITH input AS MATERIALIZED (
        SELECT t.*, uuid_extract_timestamp(t.id) AS at,
            row_number() OVER (PARTITION BY t.usr ORDER BY t.ord) AS turn,
            count(*) OVER (PARTITION BY t.usr) AS turns,
            coalesce(sum(t.hold_amount) OVER (PARTITION BY t.usr, t.hold_currency ORDER BY t.ord
                ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING), 0) AS held_later
        FROM unnest(p_id, p_user, p_client_order_id, p_idempotency_key, p_request_hash, p_source, p_market, p_side,
            p_type, p_time_in_force, p_quantity, p_notional, p_limit_price, p_stop_price, p_collar_price, p_fee_bps,
            p_liquidity, p_hold_currency, p_hold_amount, p_fee_currency) WITH ORDINALITY AS t (
            id, usr, client_order_id, idempotency_key, request_hash, source, market, side, type, time_in_force,
            quantity, notional, limit_price, stop_price, collar_price, fee_bps, liquidity, hold_currency, hold_amount,
            fee_currency, ord)
        WHERE t.usr <> ALL (v_careful)
    ), spent AS (
        UPDATE balances b SET available = b.available - t.total, held = b.held + t.total
        FROM (SELECT usr, hold_currency, sum(hold_amount) AS total FROM input GROUP BY usr, hold_currency) t
        WHERE b.user_id = t.usr AND b.currency = t.hold_currency
        RETURNING b.user_id, b.currency, b.available, b.held
    ), numbered AS (
        UPDATE customer_sequences s SET last_sequence = s.last_sequence + t.turns
        FROM (SELECT DISTINCT usr, turns FROM input) t WHERE s.user_id = t.usr
        RETURNING s.user_id, s.last_sequence
    ), placed AS MATERIALIZED (
        SELECT i.*, s.available + i.held_later AS available_after, s.held - i.held_later AS held_after,
            n.last_sequence - i.turns + i.turn AS sequence
        FROM input i JOIN spent s ON s.user_id = i.usr AND s.currency = i.hold_currency
        JOIN numbered n ON n.user_id = i.usr
    ), keyed AS (
        INSERT INTO order_keys (user_id, key, order_id, request_hash)
        SELECT p.usr, x.key, p.id, p.request_hash FROM placed p
        CROSS JOIN LATERAL (VALUES ('c:' || p.client_order_id), ('i:' || p.idempotency_key)) AS x (key)
        WHERE x.key IS NOT NULL ORDER BY p.usr, x.key
    ), ordered AS (
        INSERT INTO orders (id, created_at, updated_at, user_id, client_order_id, source, market, side, type,
            time_in_force, quantity, notional, limit_price, stop_price, collar_price, fee_bps, liquidity, state,
            hold_currency, hold_amount, held, fee_currency)
        SELECT id, at, at, usr, client_order_id, source, market, side, type, time_in_force, quantity, notional,
            limit_price, stop_price, collar_price, fee_bps, liquidity, 'accepted', hold_currency, hold_amount,
            hold_amount, fee_currency FROM placed ORDER BY ord
    ), journaled AS (
        INSERT INTO journals (id, created_at, kind, reference)
        SELECT id, at, 'hold', 'hold:' || id FROM placed ORDER BY ord
    ), entered AS (
        INSERT INTO entries (journal_id, line, created_at, account, user_id, currency, amount, balance_after)
        SELECT p.id, l.line, p.at, l.account, p.usr, p.hold_currency, l.amount, l.after FROM placed p
        CROSS JOIN LATERAL (VALUES (1, 'available', -p.hold_amount, p.available_after),
            (2, 'held', p.hold_amount, p.held_after)) AS l (line, account, amount, after)
        ORDER BY p.ord, l.line
    ), told AS (
        INSERT INTO events (user_id, sequence, kind, subject, payload)
        SELECT usr, sequence, 'order.accepted', id, jsonb_build_object('state', 'accepted',
            'held', amount_text(hold_amount),
            'balances', jsonb_build_array(balance_json(hold_currency, available_after, held_after)))
        FROM placed ORDER BY ord
    )
    SELECT p.ord::integer, 'accepted', p.id, p.available_after FROM placed p;

    FOR v_i IN SELECT t.ord FROM unnest(p_user) WITH ORDINALITY AS t (usr, ord)
        WHERE t.usr = ANY (v_careful) ORDER BY t.ord
    LOOP
        SELECT * INTO v_result FROM place_order(
            p_id[v_i], p_user[v_i], p_client_order_id[v_i], p_idempotency_key[v_i], p_request_hash[v_i],
            p_source[v_i], p_market[v_i], p_side[v_i], p_type[v_i], p_time_in_force[v_i], p_quantity[v_i],
            p_notional[v_i], p_limit_price[v_i], p_stop_price[v_i], p_collar_price[v_i], p_fee_bps[v_i],
            p_liquidity[v_i], p_hold_currency[v_i], p_hold_amount[v_i], p_fee_currency[v_i]);
        ordinal := v_i;
        outcome := v_result.outcome;
        order_id := v_result.order_id;
        available := v_result.available;
        RETURN NEXT;
    END LOOP;
END $$;

-- End accepted orders that a stop forbids before they are sent, and give back what they hold; at most so many at once.
-- Also promises: until this transaction ends no further stop is committed.
CREATE OR REPLACE FUNCTION end_stopped_orders(p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_orders uuid[];
    v_users uuid[];
    v_order uuid;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(stops_lock());
    IF NOT EXISTS (SELECT FROM stops s WHERE s.ended_at IS NULL) THEN
        RETURN 0;
    END IF;
    SELECT array_agg(x.id), array_agg(DISTINCT x.user_id) INTO v_orders, v_users FROM (
        SELECT o.id, o.user_id FROM orders o
        WHERE o.state = 'accepted' AND stop_of_order(o.market, o.side, o.type) IS NOT NULL
        ORDER BY o.id LIMIT p_limit FOR UPDATE
    ) x;
    IF v_orders IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM 1 FROM balances b WHERE b.user_id = ANY (v_users) ORDER BY b.user_id, b.currency FOR UPDATE;
    PERFORM 1 FROM customer_sequences s WHERE s.user_id = ANY (v_users) ORDER BY s.user_id FOR UPDATE;
    FOREACH v_order IN ARRAY v_orders LOOP
        PERFORM finish_order(v_order, 'canceled', NULL, 'trading was stopped before it was sent');
    END LOOP;
    RETURN cardinality(v_orders);
END $$;
