"""One firm's real invoices travel from a file to a paid claim, in a browser, through everybody's hands."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.core.calendar import today
from app.core.settings import Settings
from app.credit import model_service
from tests.cast import SYSTEM
from tests.credit_cast import QUICK
from tests.e2e import road_of_the_loan as loan
from tests.e2e import road_over_the_bridge as bridge
from tests.e2e import road_to_offers as offers
from tests.e2e import road_to_the_claim as claim
from tests.e2e.conftest import Clock
from tests.e2e.town import Town
from tests.e2e.visitors import Visitors

pytestmark = pytest.mark.e2e

DAYS_TO_MATURITY = 65
"""Of a loan of three months: the first interest has fallen due, the principal falls due within weeks."""
WHOLE_STORY = DAYS_TO_MATURITY + bridge.DAYS_ON_THE_BRIDGE + claim.DAYS_TO_BAD + claim.DAYS_OF_PUBLICITY


def test_a_firm_walks_from_its_invoices_to_a_paid_claim(
    visitors: Visitors, clock: Clock, settings: Settings, real_data: Path,
) -> None:
    town = Town(visitors)
    model_service.train_model(settings, settings.model_path, city_firms=400, more=QUICK)
    model_service.ensure_model(SYSTEM, settings)
    offers.the_banks_put_products_on_offer(town)
    claim.the_city_opens_the_pool(town, today() + timedelta(days=WHOLE_STORY))
    bridge.a_fund_is_set_up(town)

    offers.the_firm_signs_up_and_is_verified(town)
    offers.the_provider_delivers_twice(town, offers.invoice_file(real_data))
    grade = offers.the_firm_consents_and_reads_its_profile(town)
    offers.the_firm_files_a_need(town)
    offers.an_officer_finds_it_in_the_ranked_queue(town, grade)
    offers.two_banks_bid_and_nobody_else_sees(town)
    offers.the_firm_compares_and_takes_the_cheaper(town)

    loan.the_bank_approves_and_pays_out(town)
    clock.forward(DAYS_TO_MATURITY)
    loan.the_bank_reports_what_came_back(town)

    bridge.the_firm_books_a_bridge(town)
    bridge.money_is_promised_offered_and_reserved(town)
    bridge.the_money_goes_out_and_the_old_loan_ends(town)
    bridge.the_new_loan_pays_it_back(town, clock)

    claim.the_renewed_loan_is_booked(town)
    claim.the_loan_goes_bad(town, clock)
    address = claim.the_bank_claims(town)
    claim.the_city_checks_audits_and_decides(town, address)
    claim.the_cashier_pays(town, clock, address)
    claim.the_bank_recovers_and_the_city_gets_its_share(town, address)
    claim.the_audit_file_holds_all_of_it(town, address)
    claim.one_case_tells_all_of_it(town)
