"""Deposits bring money in by card: asked for, paid on the processor's page, credited once when it says `paid`.

The intent is committed before the page is opened. Webhook and poll tell the same facts and go the same way, so their
order, number and delay do not matter; what came differs from what was asked for is never credited silently.
"""
