"""Stripe, the processor of card payments: funding's port `Processor` by its own SDK.

Hosted pages only: no card number ever comes here. Without an account in the settings every deposit is refused.
"""
