"""The back office is where operators work: what waits for approval, who the operators are.

Every route stands behind the operators' networks, a login with a second factor, and a permission of the role.
"""
