"""Screens of the loans and pool rooms."""
import sys, threading
sys.path.insert(0, '/work/main')
from decimal import Decimal
import pytest
from playwright.sync_api import sync_playwright
from app.core.permissions import Role
from tests import cast
from tests.pool_cast import City, rule_set, terms, EVIDENCE, ballast
from tests.web.visitors import session_token
from app.pool import service as pool, claim_service as claims
from app.core.calendar import today
from dataclasses import replace

@pytest.mark.timeout(0) if hasattr(pytest.mark,'timeout') and False else (lambda f: f)
def test_look(app, live_server, browser):
    city = City()
    pool.load_rule_set(city.leader, rule_set("GZ-DEMO", stop_line=Decimal("0.03"), publicity_days=0))
    ballast(city); ballast(city); ballast(city); ballast(city)
    b = city.booked(terms(300, 12, "EQUAL_PRINCIPAL"), replace(EVIDENCE, on_key_list=True, key_list_version="专精特新 2026"), days_ago=29)
    city.repay(b, 30, days_ago=3)
    c = city.claimed(b)
    shots = []
    city.at_decision(c)
    rej = city.booked(terms(100), replace(EVIDENCE, use_of_funds="SECURITIES"))
    agreed = city.agreed(terms(500))
    c2 = city.claimed(city.booked(terms(200)))
    pages = [
      ('officer', city.officer, ['/', '/loans', f'/loans/{b.loan_id}', f'/loans/{b.loan_id}/repayment', '/loans/new', '/bookings', f'/bookings/{rej.id}', f'/claims/{c2.id}', f'/loans/{rej.loan_id}/booking', f'/bookings/{b.id}']),
      ('leader', city.leader, ['/', '/pool', f'/claims/{c.id}', f'/claims/{c.id}/approve', f'/claims/{c.id}/sheet', '/pool/ledger', '/pool/rules', '/claims']),
      ('firm', city.firm[Role.FIRM_CLERK], ['/loans', f'/loans/{b.loan_id}']),
    ]
    for who, ctx, urls in pages:
        from flask.sessions import SecureCookieSessionInterface
        s = SecureCookieSessionInterface().get_signing_serializer(live_server.app)
        cookie = s.dumps({'_user_id': session_token(ctx), '_fresh': True})
        for width in (1280, 390):
            bc = browser.new_context(base_url=live_server.url, locale='zh-CN', timezone_id='Asia/Shanghai', viewport={'width': width, 'height': 900})
            bc.add_cookies([{'name': 'session', 'value': cookie, 'url': live_server.url}])
            p = bc.new_page()
            for n, u in enumerate(urls):
                r = p.goto(u)
                wide = p.evaluate('document.documentElement.scrollWidth')
                print(who, width, u, r.status, 'OVERFLOW %d' % wide if wide > width else '')
                p.screenshot(path=f'/tmp/priv/shots/{who}-{width}-{n}.png', full_page=True)
            bc.close()
