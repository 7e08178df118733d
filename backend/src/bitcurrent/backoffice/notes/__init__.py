"""Notes: what operators tell each other about a customer. They are only ever added, and encrypted at rest.

They go when the customer is erased, and the customer may read them: write them so.
"""
