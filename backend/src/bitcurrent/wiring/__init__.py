"""Wiring builds every service once, from the settings; the only place that knows all rooms.

API, worker, live server and tests open the same `Brokerage` and take from it what they need.
"""

from bitcurrent.wiring.books import checks_for, looks_of, open_books
from bitcurrent.wiring.brokerage import Brokerage
from bitcurrent.wiring.opening import open_brokerage

__all__ = ["Brokerage", "checks_for", "looks_of", "open_books", "open_brokerage"]
