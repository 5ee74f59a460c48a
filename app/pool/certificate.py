"""The certificate of a decision (补偿决定书) as a PDF: who, how much, why, and what was deducted."""

from __future__ import annotations

import hashlib
import json

from flask_babel import gettext

from app.core.audit import plain
from app.core.calendar import now
from app.core.database import get_or_404
from app.core.formats import date_text, datetime_text, money_text
from app.core.queries import organisation_names
from app.core.sheets import GREY, Sheets
from app.loans.models import Loan
from app.pool import queries
from app.pool.decision_models import Decision, DeductionKind, Verdict
from app.pool.models import Booking, Claim, StoredRuleSet
from app.pool.sheet import computation_sheet

_FIELDS = (
    "claim_id", "year", "serial", "verdict", "computed_fen", "approved_fen", "deductions", "reason", "decided_by", "decided_at",
)


def digest_of(decision: Decision) -> str:
    """SHA-256 of a decision as canonical JSON, in hex: the certificate carries it, so that a changed sheet is found."""
    told = {name: plain(getattr(decision, name)) for name in _FIELDS}
    return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def draw(claim: Claim, decision: Decision) -> bytes:
    """The PDF, in the language of the page. Call inside a reading. Raises ``core.sheets.NoFont``."""
    booking, loan = get_or_404(Booking, claim.booking_id), get_or_404(Loan, claim.loan_id)
    stored = get_or_404(StoredRuleSet, claim.rule_set_id)
    names = organisation_names({claim.firm_id, claim.org_id})
    paper = Sheets(f"{decision.number} · {gettext('打印于 %(time)s', time=datetime_text(now()))}")
    paper.set_title(gettext("补偿决定书"))
    paper.words(gettext("补偿决定书"), 18, after=1)
    paper.words(gettext("编号 %(number)s · %(day)s", number=decision.number, day=date_text(decision.decided_at)), 11)
    paper.words(gettext("%(bank)s：", bank=names[claim.org_id]), 11)
    paper.words(_verdict(decision), 11, after=2)
    paper.head(gettext("贷款"))
    paper.rows([
        (gettext("借款企业"), names[claim.firm_id]), (gettext("贷款"), loan.number), (gettext("借据编号"), booking.note_no),
        (gettext("入库日期"), date_text(booking.booked_on)), (gettext("放款本金"), money_text(claim.principal_drawn_fen)),
        (gettext("净本金损失"), money_text(claim.net_principal_loss_fen)), (gettext("依据"), stored.document),
    ], (1, 2))
    paper.head(gettext("补偿怎么算的"))
    paper.rows([
        (f"{step.text} {step.basis}".strip(), step.result) for step in computation_sheet(claim, booking, stored).steps
    ], (4, 1), right=1)
    if decision.deductions:
        paper.head(gettext("核减"))
        paper.rows([
            (gettext(DeductionKind(one["kind"]).label), one["reason"], money_text(one["amount_fen"]))
            for one in decision.deductions
        ], (2, 4, 2), right=2)
    paper.head(gettext("结果"))
    paper.rows([
        (gettext("计算的补偿"), money_text(decision.computed_fen)),
        (gettext("核减合计"), money_text(sum(one["amount_fen"] for one in decision.deductions))),
        (gettext("同意补偿"), money_text(decision.approved_fen)),
    ], (3, 1), right=1)
    people = queries.people({one for one in (claim.auditor_id, decision.decided_by) if one is not None})
    auditor, decider = (
        "—" if one is None else people.get(one, gettext("已办")) for one in (claim.auditor_id, decision.decided_by))
    paper.words(gettext("审核：%(auditor)s　审定：%(decider)s", auditor=auditor, decider=decider), 10)
    if claim.public_until is not None:
        paper.words(gettext("公示至 %(day)s；公示期满且无未答复的异议后支付。", day=date_text(claim.public_until)), 10)
    paper.words(gettext("本决定数据的 SHA-256：%(digest)s", digest=digest_of(decision)), 8, GREY)
    return bytes(paper.output())


def _verdict(decision: Decision) -> str:
    verdict = Verdict(decision.verdict)
    if verdict is Verdict.REFUSED:
        return gettext("经审核，你行的风险补偿申请不予补偿。理由：%(reason)s", reason=decision.reason)
    amount = money_text(decision.approved_fen)
    if verdict is Verdict.PARTLY_APPROVED:
        return gettext("经审核，部分同意你行的风险补偿申请，补偿 %(amount)s，核减各项及理由如下。", amount=amount)
    return gettext("经审核，同意你行的风险补偿申请，补偿 %(amount)s。", amount=amount)
