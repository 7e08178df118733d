"""The rendered API reference: a page of our own that needs nothing from elsewhere."""
