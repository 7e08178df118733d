"""Privacy keeps who a customer is in law, encrypted, and honours their rights: to see all of it, and to be forgotten.

Every room exports its own part; erasure drops the keys and leaves what the law wants kept, which knows ids only.
"""
