"""Bank accounts that customers saved to be paid to: checked, in their own name, encrypted, usable after a day."""
