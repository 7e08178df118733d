"""The work that drives orders to the venue and its answers into the books; only one leader does it at a time.

`sending` and `canceling` ask the venue, `updates` hears it, `healing` compares and mends. What is between a request
and its recorded answer is always written down first, so that whoever leads next knows what to ask.
"""
