"""One firm's real invoices travel from a file to a paid claim, in a browser, through everybody's hands."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.settings import Settings
from app.credit import model_service
from tests.cast import SYSTEM
from tests.e2e import road_to_offers as offers
from tests.e2e.conftest import Clock
from tests.e2e.town import Town
from tests.e2e.visitors import Visitors

pytestmark = pytest.mark.e2e


def test_a_firm_walks_from_its_invoices_to_a_paid_claim(
    visitors: Visitors, clock: Clock, settings: Settings, real_data: Path,
) -> None:
    town = Town(visitors)
    model_service.ensure_model(SYSTEM, settings)
    offers.the_banks_put_products_on_offer(town)

    offers.the_firm_signs_up_and_is_verified(town)
    offers.the_provider_delivers_twice(town, offers.invoice_file(real_data))
    grade = offers.the_firm_consents_and_reads_its_profile(town)
    offers.the_firm_files_a_need(town)
    offers.an_officer_finds_it_in_the_ranked_queue(town, grade)
    offers.two_banks_bid_and_nobody_else_sees(town)
    offers.the_firm_compares_and_takes_the_cheaper(town)
