"""Converting one currency into another at a quoted rate."""
