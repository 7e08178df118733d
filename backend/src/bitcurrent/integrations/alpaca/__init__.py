"""Alpaca, the execution venue: its market data and its trading API, REST and streams.

Numbers are read as decimals from their literals and sent as strings; no price ever passes through a float.
"""
