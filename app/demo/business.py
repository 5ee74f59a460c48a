"""What the firms and banks of the demo city have been doing: products, needs, sealed bids, loans, bookings, a claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from app.bridge import ask_service, bank_service, deed_service, fund_service, hold_service, quota_service
from app.bridge import service as bridge_service
from app.bridge.checks import TICKS
from app.bridge.fund_models import BridgeQuote
from app.bridge.rules import CROSS_BANK, SAME_BANK, BridgeKind
from app.bridge.states import HopAccount
from app.core import outbox
from app.core.calendar import add_working_days, now, same_or_next_working_day, today
from app.core.context import Context
from app.core.database import session, transaction
from app.core.money import WAN
from app.demo import bridge_scenes, market_scenes, pool_scenes
from app.demo.bridge_loop import NUMBERS, run_loop
from app.demo.firms import DemoFirm, newcomer
from app.demo.people import SYSTEM, Staff
from app.demo.pool_scenes import BANKS, RATES, draw, offline, sign
from app.loans import service as loans
from app.loans.models import Instalment, Loan
from app.market import award_service, bid_service, choice_service, product_service
from app.market import service as needs
from app.market.bid_models import Award
from app.market.bid_words import ConditionKind
from app.market.models import Bid, Need
from app.market.offer_rules import Condition
from app.market.product_models import Product
from app.market.rules import Fee, FeeKind, Offer, Payee, RepaymentMethod
from app.market.screening_words import ReturnReason
from app.pool import budget_service as budget

METHODS = {
    "zhuan": RepaymentMethod.INTEREST_ONLY, "yuncheng": RepaymentMethod.EQUAL_INSTALMENT,
    "linghai": RepaymentMethod.INTEREST_ONLY,
}
FEES = {
    "zhuan": Fee(FeeKind.APPRAISAL, 200_000, Payee.APPRAISER),
    "yuncheng": Fee(FeeKind.GUARANTEE, 1_800_000, Payee.GUARANTOR),
    "linghai": Fee(FeeKind.INSURANCE, 2_340_000, Payee.INSURER),
}
Products = dict[str, Product]


def make(staff: Staff, city: list[DemoFirm]) -> None:
    """Fills the city with business in every stretch of the main road."""
    firms = [city[0], *(firm for firm in city[1:] if firm.small)]
    products = _shelves(staff)
    _pool(staff)
    _offers_to_compare(staff, products, firms[0])
    queued = _open_needs(staff, products, firms[1:9])
    market_scenes.play(staff, firms[0], queued)
    _lent(staff, products, firms[9:12])
    _at_the_desk(staff, firms[16:18])
    _standing(staff, products, firms[18])
    booked = pool_scenes.booked(staff, firms[12:20])
    maturing = _repaying(staff, [firms[0], *firms[20:32]])
    pool_scenes.claims(staff, booked)
    pool_scenes.guaranteed(staff, [*firms[32:34], *firms[39:42]])
    with bridge_scenes.ago(bridge_scenes.OPENED):
        _funds(staff)
    bridge_scenes.play(staff, firms[34:39])
    _bridges(staff, maturing[1:6])
    outbox.drain(10_000)


def _shelves(staff: Staff) -> Products:
    shelves = {}
    for bank in BANKS:
        admin = staff[f"{bank}.admin"]
        shelves[bank] = product_service.create_product(admin, product_service.ProductFields(
            "小微信用贷", "CREDIT", 10 * WAN, 1000 * WAN, 3, 36,
        ))
        product_service.create_product(admin, product_service.ProductFields(
            "应收账款贷", "RECEIVABLE_PLEDGE", 50 * WAN, 3000 * WAN, 3, 24,
        ))
    return shelves


def _pool(staff: Staff) -> None:
    leader = staff["bureau.leader"]
    made = budget.propose_funding(staff["bureau.cashier"], today().year, 100_000 * WAN, "演示预算", 5_000 * WAN)
    budget.decide_funding(leader, made.id, "confirm", "演示预算")
    for bank in BANKS:
        bank_id = staff[f"{bank}.officer"].org_id
        assert bank_id is not None
        sign(staff, bank_id, f"演示协议 {bank}", date(today().year - 1, 1, 1))


def _need(staff: Staff, firm: DemoFirm, wan: int, months: int, text: str, kind: str = "CREDIT") -> Need:
    return needs.release_need(staff["desk"], _submitted(firm, wan, months, text, kind).id)


def _submitted(firm: DemoFirm, wan: int, months: int, text: str, kind: str = "CREDIT") -> Need:
    need = needs.start_need(firm.boss)
    needs.save_need(
        firm.boss, need.id, needs.PurposePart(wan * WAN, "PURCHASE", text), needs.TermsPart(months, kind, "ANY", True),
        needs.AudiencePart("open"),
    )
    return needs.submit_need(firm.boss, need.id)


def _bid(staff: Staff, products: Products, bank: str, need: Need, wan: int, months: int, *, submit: bool = True) -> Bid:
    offer = Offer(wan * WAN, RATES[bank], months, METHODS[bank], (FEES[bank],))
    liable = (Condition(ConditionKind.OWNER_LIABLE),)
    terms = bid_service.BidTerms(products[bank].id, offer, add_working_days(today(), 30), liable, ())
    bid = bid_service.draft_bid(staff[f"{bank}.officer"], need.id, terms)
    bid_service.propose_bid(staff[f"{bank}.officer"], bid.id)
    return bid_service.submit_bid(staff[f"{bank}.approver"], bid.id) if submit else bid


def _offers_to_compare(staff: Staff, products: Products, firm: DemoFirm) -> None:
    """Three offers lie open before the demo firm."""
    need = _need(staff, firm, 300, 12, "采购数控机床配件")
    for bank, wan in (("zhuan", 300), ("yuncheng", 300), ("linghai", 260)):
        _bid(staff, products, bank, need, wan, 12)
    needs.close_need(firm.boss, need.id)


def _open_needs(staff: Staff, products: Products, firms: Sequence[DemoFirm]) -> list[UUID]:
    """Needs in the queue; each bank has handed in a bid, and one more waits for the approver of the first."""
    opened = []
    for number, firm in enumerate(firms):
        kind = ("CREDIT", "RECEIVABLE_PLEDGE")[number % 2]
        need = _need(staff, firm, 50 + 35 * number, (6, 12, 24)[number % 3], "原材料采购", kind)
        opened.append(need.id)
        if number < 4:
            _bid(staff, products, BANKS[number % 3], need, 50 + 35 * number, 12, submit=number < 3)
    return opened


def _lent(staff: Staff, products: Products, firms: Sequence[DemoFirm]) -> None:
    """Choices made through the portal: one waits for approval, one for the money, one is drawn."""
    for number, firm in enumerate(firms):
        need = _need(staff, firm, 120 + 40 * number, 12, "扩大生产")
        bid = _bid(staff, products, "zhuan", need, 120 + 40 * number, 12)
        needs.close_need(firm.boss, need.id)
        choice = choice_service.choose_bid(firm.boss, bid.id)
        _let_stand(choice.award_id)
        outbox.drain()
        with transaction(SYSTEM, read_only=True):
            loan = session().scalars(select(Loan).where(Loan.choice_id == choice.id)).one()
        if number >= 1:
            loans.approve_loan(staff["zhuan.approver"], loan.id)
        if number >= 2:
            choice_service.meet(staff["zhuan.officer"], choice.id, 1, "演示：保证合同已签")
            draw(staff["zhuan.officer"], loan, today() - timedelta(days=1))


def _at_the_desk(staff: Staff, firms: Sequence[DemoFirm]) -> None:
    """A firm and a need wait for the desk's look, one need went back to its firm."""
    newcomer()
    waiting, returned = firms
    _submitted(waiting, 90, 12, "采购包装材料")
    need = _submitted(returned, 150, 12, "周转")
    needs.return_need(staff["desk"], need.id, (ReturnReason.USE_UNCLEAR,), "演示：请写明付给哪一类对方")


def _standing(staff: Staff, products: Products, firm: DemoFirm) -> None:
    """A choice within its standstill, with a second bank that may still object."""
    need = _need(staff, firm, 200, 12, "采购注塑原料")
    bid = _bid(staff, products, "zhuan", need, 200, 12)
    _bid(staff, products, "yuncheng", need, 200, 12)
    needs.close_need(firm.boss, need.id)
    choice_service.choose_bid(firm.boss, bid.id)


def _let_stand(award_id: UUID) -> None:
    """In the city's past the standstill went by without an objection."""
    with transaction(SYSTEM):
        award = session().get_one(Award, award_id)
        award.standstill_until = award.next_check_at = now()
    award_service.settle_award(SYSTEM, award_id)


def _pay_what_fell_due(officer: Context, loan_id: UUID) -> None:
    with transaction(SYSTEM, read_only=True):
        due = list(session().scalars(
            select(Instalment).where(Instalment.loan_id == loan_id, Instalment.due_on <= today()).order_by(Instalment.no)
        ))
    for row in due:
        amount = row.principal_fen + row.interest_fen
        if amount:
            loans.report_repayment(officer, loan_id, loans.RepaymentReport(row.due_on, amount, "normal", f"演示回单-{row.no}"))


def _repaying(staff: Staff, firms: Sequence[DemoFirm]) -> list[tuple[DemoFirm, Loan]]:
    """Outcomes: loans of earlier months, paid on time by sound firms and left unpaid by those that failed.

    Returns the loans of the sound firms, the one that matures next first.
    """
    sound = []
    for number, firm in enumerate(firms):
        bank = BANKS[number % 3]
        loan = offline(staff, bank, firm, 60 + 20 * number, today() - timedelta(days=330 - 12 * number))
        if not firm.drawn.defaulted:
            _pay_what_fell_due(staff[f"{bank}.officer"], loan.id)
            sound.append((firm, loan))
    return sound


def _funds(staff: Staff) -> None:
    """Three funders with their agreements: one for both kinds with quotas, one across banks alone, one that ends soon."""
    clerk, reviewer = staff["centre.clerk"], staff["centre.reviewer"]
    cheap = replace(SAME_BANK, daily_rate=Decimal("0.0005"))
    plans = (
        ("funder.clerk", "穗通转贷一号（演示）", tuple(BridgeKind), 400, 2_000, SAME_BANK),
        ("pawn.clerk", "羊城跨行转贷（演示）", (BridgeKind.CROSS_BANK,), 300, 1_000, CROSS_BANK),
        ("river.clerk", "珠江口周转（演示）", (BridgeKind.SAME_BANK,), 55, 800, cheap),
    )
    for number, (login, name, kinds, days, wan, terms) in enumerate(plans, start=1):
        org_id = staff[login].org_id
        assert org_id is not None
        first, last = today() - timedelta(days=60), today() + timedelta(days=days)
        signers = staff[login].person_name, reviewer.person_name
        deed = deed_service.Deed(f"演示转贷协议-{number}", kinds, first, last, *signers)
        made = deed_service.draft(clerk, org_id, deed, "演示：合作方遴选结果")
        deed_service.decide(reviewer, made.id, "confirm", "演示")
        fund = fund_service.open_fund(reviewer, org_id, name, terms)
        fund_service.top_up(reviewer, fund.id, wan * WAN, f"演示凭证-{number}")
        if number == 1:
            fund_service.open_product(reviewer, fund.id, "跨行一次性", CROSS_BANK)
            quota_service.set_quotas(reviewer, fund.id, {("DAY", None, None): 1_500 * WAN, ("BANK", None, None): 900 * WAN})
            quota_service.set_days(reviewer, fund.id, quota_service.Stretch(
                today() + timedelta(days=1), today() + timedelta(days=180), closed=True, only_free_days=True, note="周末和节假日",
            ))


def _bridges(staff: Staff, maturing: Sequence[tuple[DemoFirm, Loan]]) -> None:
    """Bridges that wait for the centre's look and for the firm's pick, one paid out and partly back, one that waits for the
    approval on a seat, one for the firm's signature."""
    for number, (firm, loan) in enumerate(maturing):
        principal_fen = loan.principal_fen or 0
        ask = ask_service.ask(firm.boss, ask_service.OldLoan(loan.id), "演示：下周有回款，希望续贷一年")
        officer = next(staff[f"{bank}.officer"] for bank in BANKS if staff[f"{bank}.officer"].org_id == loan.org_id)
        ask_service.answer(officer, ask.id, False, "MUST_REPAY", "演示：本行要求先还后贷")
        bridge = bridge_service.apply(firm.boss, ask.id, bridge_service.Application(
            loan.org_id, own_money_fen=principal_fen // 5, requested_fen=principal_fen * 7 // 10, planned_days=5,
        ))
        if number == 0:
            continue
        bridge_service.precheck(staff["centre.clerk"], bridge.id, set(TICKS))
        approver = next(staff[f"{bank}.approver"] for bank in BANKS if staff[f"{bank}.approver"].org_id == loan.org_id)
        last = bridge.old_due_on + timedelta(days=14)  # a letter lasts beyond the old note
        bank_service.commit(approver, bridge.id, bank_service.Promise(
            principal_fen, loan.annual_rate, loan.annual_rate, 12, loan.method,
            last, last, NUMBERS[HopAccount.REPAYMENT], "演示支行", open_kinds=("COLLATERAL",),
        ))
        funder = staff["funder.clerk"]
        with transaction(SYSTEM, read_only=True):
            quote_id = session().scalars(select(BridgeQuote.id).where(
                BridgeQuote.bridge_id == bridge.id, BridgeQuote.org_id == funder.org_id)).one()
        fund_service.offer(funder, quote_id, fund_service.Offer(bridge.requested_fen, today() + timedelta(days=20)))
        if number == 2:
            run_loop(staff, firm.boss, bridge.id)
        if number > 2:
            bridge_service.pick(firm.boss, bridge.id, quote_id)
            due = same_or_next_working_day(max(loan.due_on or today(), today()))
            hold_service.hold(staff["centre.clerk"], bridge.id, due, 5)
        if number > 3:
            hold_service.approve(staff["centre.reviewer"], bridge.id)
