"""BitCurrent: a retail crypto brokerage that anyone can run."""
