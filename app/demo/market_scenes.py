"""The market of the demo city beside plain offers: a loan of two banks, a free plan, a consultation, an appeal, a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from app.core import outbox
from app.core.calendar import today
from app.core.money import WAN
from app.demo.firms import DemoFirm
from app.demo.people import Staff
from app.market import (
    answer_service,
    appeal_service,
    batch_service,
    bid_service,
    choice_service,
    consult_service,
    product_service,
    round_service,
)
from app.market import service as needs
from app.market.choice_service import Pick
from app.market.consult_service import Words
from app.market.models import Bid, Need
from app.market.part_rules import PartFees, PartTerms
from app.market.product_models import Product
from app.market.terms import Fee, FeeKind, Offer, Payee, PlanRow, RepaymentMethod


@dataclass(frozen=True)
class Shelf:
    """Products of the demo that lend in parts, one of them by a free plan."""

    parts: Product
    free: Product


def shelf(staff: Staff) -> Shelf:
    """云城银行 lends beside others, 岭海农商行 by a plan that follows the season."""
    parts = product_service.ProductFields(
        "联合经营贷", "CREDIT", 50 * WAN, 1000 * WAN, 6, 36, part_min_fen=100 * WAN, seats=6, min_rate=Decimal("0.0345"),
        max_rate=Decimal("0.0455"),
    )
    free = replace(parts, name="旺季还款贷", repayments=(RepaymentMethod.FREE.value, RepaymentMethod.INTEREST_ONLY.value))
    return Shelf(
        product_service.create_product(staff["yuncheng.admin"], parts),
        product_service.create_product(staff["linghai.admin"], free),
    )


def play(staff: Staff, firm: DemoFirm, open_needs: Sequence[UUID]) -> None:
    """Every scene once, of the firm that the demo signs in as."""
    made = shelf(staff)
    _two_banks(staff, firm, made)
    _refused(staff, firm)
    _round(staff, [*open_needs, _ask(staff, firm, 150, "更换注塑机控制系统").id])


def _ask(staff: Staff, firm: DemoFirm, wan: int, text: str, *, parts: bool = False) -> Need:
    need = needs.start_need(firm.boss)
    needs.save_need(
        firm.boss, need.id, needs.PurposePart(wan * WAN, "EQUIPMENT", text), needs.TermsPart(24, "CREDIT", "ANY", False, parts),
        needs.AudiencePart("open"),
    )
    return needs.release_need(staff["desk"], needs.submit_need(firm.boss, need.id).id)


def _offer(staff: Staff, bank: str, need: Need, product: Product, offer: Offer) -> Bid:
    terms = bid_service.BidTerms(
        product.id, offer, today() + timedelta(days=45), (), (), parts=PartTerms(100 * WAN, PartFees.SCALED)
    )
    bid = bid_service.draft_bid(staff[f"{bank}.officer"], need.id, terms)
    bid_service.propose_bid(staff[f"{bank}.officer"], bid.id)
    return bid_service.submit_bid(staff[f"{bank}.approver"], bid.id)


def _two_banks(staff: Staff, firm: DemoFirm, made: Shelf) -> None:
    """Two banks together reach the amount; one of them is repaid when the season brings money."""
    need = _ask(staff, firm, 600, "新建一条电镀线，两家银行联合也可以", parts=True)
    season = (PlanRow(6, 80 * WAN), PlanRow(12, 80 * WAN), PlanRow(18, 80 * WAN), PlanRow(24, 160 * WAN))
    appraisal = (Fee(FeeKind.APPRAISAL, 300_000, Payee.APPRAISER),)
    bids = [
        _offer(staff, bank, need, product, Offer(400 * WAN, Decimal(rate), 24, method, fees, plan))
        for bank, product, rate, method, fees, plan in (
            ("yuncheng", made.parts, "0.0365", RepaymentMethod.INTEREST_ONLY, appraisal, ()),
            ("linghai", made.free, "0.0380", RepaymentMethod.FREE, (), season),
        )
    ]
    needs.close_need(firm.boss, need.id)
    choice_service.choose_parts(firm.boss, need.id, (Pick(bids[0].id, 350 * WAN), Pick(bids[1].id, 250 * WAN)))


def _refused(staff: Staff, firm: DemoFirm) -> None:
    """Nobody offered: one bank declined and the firm appeals, two others look again."""
    need = _ask(staff, firm, 800, "收购同行的一条旧产线")
    refusal = answer_service.refuse_need(staff["zhuan.officer"], need.id, ("DEBT_HIGH", "SALES_LOW"), "负债高于我行口径")
    needs.close_need(firm.boss, need.id)
    appeal_service.file_appeal(firm.boss, refusal.id, "第三季度发票漏算，其中一笔贷款上月已经还清。", show_name=True)
    banks = [bank for bank in (staff["yuncheng.officer"].org_id, staff["linghai.officer"].org_id) if bank is not None]
    called = consult_service.call(staff["desk"], need.id, banks, "订单稳定，已有负债正在下降，值得再看一次")
    consult_service.agree(firm.boss, called.id, show_name=True)
    consult_service.say(staff["yuncheng.officer"], called.id, Words(
        "WOULD_IF", ("GUARANTEE", "LESS_AMOUNT"), text="增加政府性融资担保，先做 500 万元", named=True,
    ))  # fmt: skip


def _round(staff: Staff, open_needs: Sequence[UUID]) -> None:
    """A matching round over a fair's needs, shown to those whom it proposes."""
    desk = staff["desk"]
    batch = batch_service.make_batch(desk, "黄埔区银企对接会（演示）", "fair", 20)
    batch_service.add_needs(desk, batch.id, open_needs)
    banks = (staff[f"{bank}.officer"].org_id for bank in ("zhuan", "yuncheng", "linghai"))
    batch_service.set_banks(desk, batch.id, [bank for bank in banks if bank is not None])
    found = round_service.start_round(desk, batch.id)
    outbox.drain(10_000)
    round_service.show_round(desk, found.id)
