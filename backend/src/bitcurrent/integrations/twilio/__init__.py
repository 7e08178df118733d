"""Twilio, the carrier of texts: identity's port `TextMessages` by its own SDK.

Without an account in the settings nothing is sent, and whoever asks is told so.
"""
