"""The ground floor: money, time, ids, errors, the database, the cache and the event log.

Nothing here knows what a brokerage is; every room stands on it.
"""
