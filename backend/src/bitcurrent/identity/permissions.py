"""What each role may do: data, so that one look shows it and one test covers it.

Routes declare the permission that they need (`requires_permission`); nobody asks for a role by its name.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from bitcurrent.identity.model import Role
from bitcurrent.kernel.errors import Forbidden

Permission = Literal[
    "approvals.read",
    "approvals.grant",
    "operators.read",
    "operators.change",
    "customers.read",
    "customers.support",
    "customers.unmask",
    "customers.freeze",
    "compliance.review",
    "money.read",
    "money.approve",
    "markets.halt",
    "audit.read",
]
PERMISSIONS: frozenset[Permission] = frozenset(get_args(Permission))

_EVERY_OPERATOR: frozenset[Permission] = frozenset({"approvals.read", "customers.read"})

ROLES: Mapping[Role, frozenset[Permission]] = {
    # A customer's own account needs no permission: it is theirs.
    "customer": frozenset(),
    "support": _EVERY_OPERATOR | {"customers.support", "customers.unmask"},
    "compliance": _EVERY_OPERATOR
    | {"approvals.grant", "customers.unmask", "customers.freeze", "compliance.review", "money.read", "audit.read"},
    "finance": _EVERY_OPERATOR | {"approvals.grant", "money.read", "money.approve", "audit.read"},
    "admin": _EVERY_OPERATOR
    | {
        "approvals.grant",
        "operators.read",
        "operators.change",
        "customers.support",
        "customers.freeze",
        "money.read",
        "markets.halt",
        "audit.read",
    },
}
"""An admin keeps operators and the house, and neither clears customers nor moves money."""

OPERATOR_ROLES: tuple[Role, ...] = ("support", "compliance", "finance", "admin")


class PermissionMissing(Forbidden):
    """The role does not hold the permission."""

    code = "permission_missing"

    def __init__(self, permission: Permission) -> None:
        super().__init__(f"Your role does not allow this: it needs '{permission}'.", details={"permission": permission})


def permissions_of(role: Role) -> frozenset[Permission]:
    """What a role may do."""
    return ROLES[role]


def check_permission(role: Role, permission: Permission) -> None:
    """Raise PermissionMissing unless the role holds the permission."""
    if permission not in ROLES[role]:
        raise PermissionMissing(permission)
