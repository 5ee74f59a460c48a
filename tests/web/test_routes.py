"""Every route says who may use it, and keeps its word to every role (design §3: no door is left unlocked)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.routing import AnyConverter, Rule

from app.core.context import Context
from app.core.permissions import ROLE_PERMISSIONS, ROLES_OF_KIND, OrgKind, Permission, Role, permissions_of
from app.core.use_case import USE_CASES
from app.core.web import OPEN_ENDPOINTS, PUBLIC, SIGNED
from tests import cast
from tests.web.visitors import visit

pytestmark = pytest.mark.service

DUMMIES = {
    "UUIDConverter": UUID(int=7), "IntegerConverter": 1, "FloatConverter": 1.0, "PathConverter": "x", "UnicodeConverter": "x",
}
ANSWERS = {200, 302, 303, 404, 410, 422}
"""What a page may say to somebody who holds its permission, asked about objects that do not exist."""
ROLES = [role for kind, roles in ROLES_OF_KIND.items() if kind is not OrgKind.SYSTEM for role in roles]


def rules(app: Flask) -> Iterator[tuple[Rule, object]]:
    """Every rule of ours with what it asks for."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint not in OPEN_ENDPOINTS:
            yield rule, getattr(app.view_functions[rule.endpoint], "hq_permission", None)


def address(app: Flask, rule: Rule) -> str:
    """The rule's address with dummies in its gaps."""
    values = {
        name: sorted(converter.items)[0] if isinstance(converter, AnyConverter) else DUMMIES[type(converter).__name__]
        for name, converter in rule._converters.items()
    }
    with app.test_request_context():
        return app.url_map.bind("localhost").build(rule.endpoint, values, method=sorted(rule.methods or {"GET"})[0])


def person(role: Role) -> Context:
    """Somebody who holds this role alone."""
    kind = next(kind for kind, roles in ROLES_OF_KIND.items() if role in roles)
    organisation = cast.firm() if kind is OrgKind.ENTERPRISE else cast.organisation(kind, "被试单位")
    return organisation[role]


def test_every_route_declares_who_may_use_it(app: Flask) -> None:
    said = {PUBLIC, SIGNED, *Permission}
    silent = [rule.endpoint for rule, permission in rules(app) if permission not in said]
    assert silent == []


def test_the_public_routes_are_these_and_no_others(app: Flask) -> None:
    assert {rule.endpoint for rule, permission in rules(app) if permission is PUBLIC} == {
        "core.healthz", "core.set_language", "identity.sign_in", "identity.code", "identity.code_picture", "identity.recover",
        "identity.ticket", "enterprises.sign_up", "enterprises.signed_up",
        "evidence.api.openapi", "pool.publicity", "pool.publicity_entry", "pool.objection",
    }


def test_every_permission_that_a_route_or_use_case_asks_for_is_held_by_somebody(app: Flask) -> None:
    held = permissions_of(frozenset(ROLE_PERMISSIONS))
    asked = {permission for _, permission in rules(app) if isinstance(permission, Permission)} | set(USE_CASES.values())
    assert asked <= held


def test_nobody_signed_in_is_led_to_the_door_or_finds_it_open(app: Flask) -> None:
    client = app.test_client()
    for rule, permission in rules(app):
        for method in (rule.methods or set()) & {"GET", "POST"}:
            response = client.open(address(app, rule), method=method)
            if permission is SIGNED:
                assert (response.status_code, response.json["error"]["code"]) == (401, "push_unsigned"), rule.rule
            elif permission is PUBLIC:
                assert response.status_code < 500 and response.status_code not in (401, 403), rule.rule
            else:
                assert response.status_code == 302, f"{method} {rule.rule}"
                assert response.location.startswith("/sign-in"), f"{method} {rule.rule}"


def test_every_door_is_shut_to_somebody_who_lacks_its_key(app: Flask) -> None:
    visitors = [(ctx, visit(app, ctx)) for ctx in (person(Role.FIRM_CLERK), person(Role.SECURITY_ADMIN))]
    for rule, permission in rules(app):
        if not isinstance(permission, Permission):
            continue
        for client in [client for ctx, client in visitors if not ctx.can(permission)][:1]:
            for method in (rule.methods or set()) & {"GET", "POST"}:
                assert client.open(address(app, rule), method=method).status_code == 403, f"{method} {rule.rule}"


@pytest.mark.parametrize("role", ROLES, ids=[role.value for role in ROLES])
def test_a_role_opens_exactly_the_doors_it_holds_the_key_of(app: Flask, role: Role) -> None:
    ctx = person(role)
    client = visit(app, ctx)
    assert client.get("/").status_code == 200
    tried: set[Permission] = set()
    """Keys it lacks, at one door each: that every door asks for its key is the test above."""
    for rule, permission in rules(app):
        if permission is PUBLIC:
            continue
        if permission is SIGNED:  # who is signed in counts for nothing there
            assert client.open(address(app, rule), method=sorted((rule.methods or set()) & {"GET", "POST"})[0]).status_code == 401
            continue
        assert isinstance(permission, Permission)
        if not ctx.can(permission):
            if permission not in tried:
                status = client.open(address(app, rule), method=sorted((rule.methods or set()) & {"GET", "POST"})[0]).status_code
                assert status == 403, f"{role.value}: {rule.rule} answered {status}"
            tried.add(permission)
        elif "GET" in (rule.methods or set()):  # what a form does is the matter of its room's tests
            status = client.get(address(app, rule)).status_code
            assert status in ANSWERS, f"{role.value}: GET {rule.rule} answered {status}"
