"""The role table leaves no permission without a holder, no use case without a permission, no person with two keys."""

import pytest

from app.core.permissions import ADMINISTRATORS, ROLE_PERMISSIONS, ROLES_OF_KIND, OrgKind, Permission, Role
from app.core.use_case import USE_CASES
from app.factory import load_rooms


def test_each_permission_is_held_by_some_role() -> None:
    held = frozenset().union(*ROLE_PERMISSIONS.values())
    assert set(Permission) == held


def test_each_role_stands_in_the_table_and_in_one_kind_of_organisation() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role)
    placed = [role for roles in ROLES_OF_KIND.values() for role in roles]
    assert sorted(placed) == sorted(Role)
    assert set(ROLES_OF_KIND) == set(OrgKind)


def test_permissions_are_listed_in_alphabetical_order_and_named_scope_and_action() -> None:
    names = [permission.name for permission in Permission]
    assert names == sorted(names)
    assert all(permission.value.count(":") == 1 for permission in Permission)


def test_each_permission_is_asked_for_by_some_use_case_or_page() -> None:
    rooms = load_rooms()
    asked = set(USE_CASES.values())
    for room in rooms:
        for function in room.deferred_functions:
            for cell in function.__closure__ or ():
                permission = getattr(cell.cell_contents, "hq_permission", None)
                if isinstance(permission, Permission):
                    asked.add(permission)
    assert set(Permission) - asked == set()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SYSTEM])
def test_no_person_may_do_what_only_the_portal_does(role: Role) -> None:
    only_portal = {Permission.DELIVERY_IMPORT, Permission.PROFILE_COMPUTE, Permission.NEED_TICK, Permission.LOAN_OPEN}
    assert not ROLE_PERMISSIONS[role] & only_portal


def test_the_three_administrators_share_no_power_but_what_everybody_has() -> None:
    watching = {Permission.MODEL_READ, Permission.MODEL_CARD}  # the audit administrator reads the register and decides nothing
    everybody = frozenset.intersection(*(ROLE_PERMISSIONS[role] for role in Role if role is not Role.SYSTEM))
    system, security, audit = (ROLE_PERMISSIONS[role] - everybody for role in ADMINISTRATORS)
    assert audit & (system | security) == watching
    assert Permission.MODEL_PROPOSE in system - security and Permission.MODEL_APPROVE in security - system
    assert Permission.STAFF_INVITE in security and Permission.STAFF_INVITE not in system
