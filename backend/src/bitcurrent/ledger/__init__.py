"""The ledger keeps the books: balances, journals and entries, by double entry.

Money moves only in named journals through SQL functions; the database itself refuses what must not be.
"""
