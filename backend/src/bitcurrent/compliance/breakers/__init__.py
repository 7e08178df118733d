"""The circuit breaker: stops an asset by itself when its price jumps or is no longer heard.

Rules are data with a version; the stops it makes are stops like all others, of the house itself.
"""
