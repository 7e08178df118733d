"""Where money came from and when it may leave: lots of card money, their release dates, and debts."""
