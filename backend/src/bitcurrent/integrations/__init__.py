"""The outside world, one folder a vendor: each adapter fills a port that a room below has declared.

Only here are vendors' words, addresses and clients known.
"""
