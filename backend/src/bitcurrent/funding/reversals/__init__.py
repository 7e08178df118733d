"""Refunds and disputes: money that goes back to the card it came from, by our will or against it."""
