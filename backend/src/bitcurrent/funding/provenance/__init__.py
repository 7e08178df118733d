"""Provenance knows where money came from: what came by card may trade at once, but not leave before its release date.

It counts by worth, not by coin. It also keeps what customers owe, and takes it from money that comes in.
"""
