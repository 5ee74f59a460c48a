"""Use cases of district top-ups (叠加补偿): a district's rule registered, and its payment recorded under its own voucher.

The money is the district's: it passes from ``district:<code>`` to ``district:paid:<bank>`` in the ledger and never touches the
city's budget. Of what is recovered later the district gets its own share (``district_share``).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from app.core.calendar import now, today
from app.core.context import Context
from app.core.database import get_or_404, session
from app.core.errors import N_, ErrorCode, Refusal, constraint
from app.core.ledger import open_account, transfer
from app.core.permissions import Permission
from app.core.use_case import about, use_case
from app.pool.claim_steps import tell_bank
from app.pool.layers import split_loss
from app.pool.line_service import rest_is_open
from app.pool.models import Booking, Claim, Recovery
from app.pool.positions import corrected, correction_is_open, position_of
from app.pool.records import line_rows, shares_of
from app.pool.rules import Mode, returned_total
from app.pool.service import rules_of
from app.pool.states import PAID_OUT
from app.pool.top_up_models import DistrictPool, TopUp
from app.pool.top_up_rules import TopUpWorth, guaranteed_top_up, top_up_worth

constraint("uq_district_pool_document_no", ErrorCode.AGREEMENT_EXISTS, "document_no")
constraint("uq_top_up_claim_id", ErrorCode.ALREADY_DONE)
constraint("uq_top_up_voucher_no", ErrorCode.VOUCHER_TAKEN, "voucher_no")
constraint("ck_top_up_within_loss", ErrorCode.TOP_UP_NOTHING)
constraint("ck_district_pool_some_ratio", ErrorCode.DISTRICT_SHARES, "ratio")


@use_case(Permission.POOL_FUND, "pool.district", returns=DistrictPool)
def register_district(
    ctx: Context, district: str, name: str, document_no: str, ratio: Decimal | None, valid_from: date, valid_to: date,
    guarantee_ratio: Decimal | None = None,
) -> DistrictPool:
    """Registers a district's rule. ``ratio`` (政银) and ``guarantee_ratio`` (政担) are fractions of the net principal loss, at
    least one of them. Raises ``Refusal(DATE_OUT_OF_RANGE)``."""
    if valid_to < valid_from:
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="valid_to", low=valid_from.isoformat(), high="9999-12-31")
    pool = DistrictPool(
        district=district, name=name.strip(), document_no=document_no.strip(), ratio=ratio,
        guarantee_ratio=guarantee_ratio, valid_from=valid_from, valid_to=valid_to, registered_by=ctx.actor_id,
        registered_at=now(),
    )
    session().add(pool)
    session().flush()
    shares = {"bank": ratio, "guarantee": guarantee_ratio}
    about(pool, district=district, shares={mode: str(share) for mode, share in shares.items() if share is not None})
    return pool


def district_of(booking: Booking) -> DistrictPool | None:
    """The district's rule that covers a booked loan: of the firm's district as at drawdown, in force on the booking day [P], with
    a share for the loan's mode. What districts add to 政担 is not known [U]: a district says so in its rule."""
    share = DistrictPool.guarantee_ratio if booking.mode == Mode.GUARANTEE else DistrictPool.ratio
    day = booking.booked_on or booking.submitted_on
    return session().scalar(
        select(DistrictPool).where(
            DistrictPool.district == booking.snapshot["district"], DistrictPool.valid_from <= day, DistrictPool.valid_to >= day,
            share.is_not(None))
        .order_by(DistrictPool.valid_from.desc(), DistrictPool.registered_at.desc()).limit(1)
    )


def worth(claim: Claim, booking: Booking, pool: DistrictPool) -> TopUpWorth:
    """What the district owes on a claim that the city has paid or is to pay, line by line; a paid one as it was corrected."""
    city = claim.paid_fen if claim.paid_fen is not None else claim.approved_fen or claim.compensation_fen
    loss, other, correction = claim.net_principal_loss_fen, claim.other_public_fen, corrected(claim)
    if correction is not None:
        city, loss, other = correction.worth_fen, correction.loss_fen, int(correction.facts["other_public_fen"])
    ratio, rules = pool.ratio_of(booking.mode) or Decimal(0), rules_of(claim.rule_set_id)
    if claim.paid_out_fen is None:
        return top_up_worth(loss, claim.guarantor_paid_fen, other + city, ratio, rules)
    borne = split_loss(loss, city, **shares_of(booking.snapshot))
    return guaranteed_top_up(loss, claim.paid_out_fen, borne, other, ratio, rules)


def top_up_of(claim_id: UUID) -> TopUp | None:
    """What a district paid on a claim."""
    return session().scalar(select(TopUp).where(TopUp.claim_id == claim_id))


@use_case(Permission.CLAIM_PAY, "claim.top_up", returns=TopUp)
def record_top_up(ctx: Context, claim_id: UUID, voucher_no: str, paid_on: date) -> TopUp:
    """Records that the district paid its share of a claim, after the city, once.

    Raises ``Refusal(TOP_UP_NOTHING)`` where no district covers the loan or the ceiling leaves nothing,
    ``Refusal(PAYMENT_OPEN)`` while a rest of the city's part is unpaid, ``Refusal(CORRECTION_OPEN)`` while a correction of it
    is, ``Refusal(STATE_CHANGED)``, ``Refusal(ALREADY_DONE)``, ``Refusal(VOUCHER_TAKEN)``.
    """
    claim = get_or_404(Claim, claim_id, lock=True)
    if claim.state not in PAID_OUT or claim.paid_on is None:
        raise Refusal(ErrorCode.STATE_CHANGED)
    if top_up_of(claim.id) is not None:
        raise Refusal(ErrorCode.ALREADY_DONE)
    if rest_is_open(claim.id):
        raise Refusal(ErrorCode.PAYMENT_OPEN)  # the ceiling is for both together: the city's part must be whole
    if correction_is_open(claim):
        raise Refusal(ErrorCode.CORRECTION_OPEN)
    if not claim.paid_on <= paid_on <= today():
        raise Refusal(ErrorCode.DATE_OUT_OF_RANGE, field="paid_on", low=claim.paid_on.isoformat(), high=today().isoformat())
    booking = get_or_404(Booking, claim.booking_id)
    pool = district_of(booking)
    found = worth(claim, booking, pool) if pool is not None else None
    if pool is None or found is None or found.allowed_fen == 0:
        raise Refusal(ErrorCode.TOP_UP_NOTHING)
    made = TopUp(
        claim_id=claim.id, case_id=claim.case_id, org_id=claim.org_id, pool_id=pool.id, computed_fen=found.computed_fen,
        paid_fen=found.allowed_fen, working=line_rows(found.lines), voucher_no=voucher_no.strip(), paid_on=paid_on,
        recorded_by=ctx.actor_id, recorded_at=now(),
    )
    session().add(made)
    session().flush()
    transfer(
        open_account(f"district:{pool.district}", "treasury", bounded=False),
        open_account(f"district:paid:{claim.org_id}", "pool_paid", org_id=claim.org_id), made.paid_fen, case_id=claim.case_id,
        reference=f"top-up:{claim.id}", memo=made.voucher_no,
    )
    tell_bank(ctx, claim, N_("区级叠加补偿已支付，请查收。"))
    about(claim, district=pool.district, paid_fen=made.paid_fen)
    return made


def district_share(claim: Claim, made: TopUp) -> int:
    """What of all recoveries so far belongs to the district (分): each payer gets its share (paper §6)."""
    row = session().execute(select(func.sum(Recovery.recovered_fen), func.sum(Recovery.cost_fen)).where(
        Recovery.claim_id == claim.id)).one()
    loss = max(position_of(claim).loss_fen, made.paid_fen)
    return returned_total(made.paid_fen, loss, int(row[0] or 0), int(row[1] or 0))
