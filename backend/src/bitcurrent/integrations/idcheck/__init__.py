"""The adapter of a provider that checks identities: its REST interface, and its signed webhooks."""
