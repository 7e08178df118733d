-- Refunds and disputes: rows stay, states only go forward (reversals.model has the same lists).

CALL guard_states('refunds', 'requested,pending,succeeded',
    'requested>sending,requested>succeeded,requested>failed,sending>requested,sending>pending,sending>succeeded,'
    'sending>failed,pending>succeeded,pending>failed,succeeded>failed');
CALL guard_states('disputes', 'open,won,lost,closed',
    'open>won,open>lost,open>closed,closed>open,closed>won,closed>lost,won>lost,lost>won');
