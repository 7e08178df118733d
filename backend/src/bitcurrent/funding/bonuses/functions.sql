-- Bonuses and their campaigns: states only go forward, rules stay as they were. Applied after every migration.

CALL guard_states('bonus_campaigns', 'draft', 'draft>active,draft>ended,active>ended');
CALL guard_states('bonuses', 'earned', 'earned>released,earned>forfeited');
