-- Guards of addresses and transfers: rows are kept, states only go where the model says (a test compares the lists).

CALL keep_rows('withdrawal_addresses');
CALL keep_rows('travel_rule_records');
CALL guard_states('venue_destinations', 'waiting',
    'waiting>telling,waiting>removed,'
    'telling>waiting,telling>pending,telling>approved,telling>refused,'
    'pending>approved,pending>waiting,pending>removing,approved>waiting,approved>removing,'
    'refused>waiting,removing>removed,removing>waiting,removed>waiting');
CALL guard_states('wallet_transfers', 'asked,nothing_there',
    'asked>nothing_there,asked>processing,asked>complete,asked>failed,'
    'nothing_there>asked,nothing_there>failed,processing>complete,processing>failed');
