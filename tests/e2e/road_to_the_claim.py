"""Step 8: the renewed loan is booked and goes bad; its claim is held, returned, approved in part, paid, recovered from."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from decimal import Decimal
from typing import Any

from playwright.sync_api import Page

from app.core import outbox
from app.core.calendar import today
from app.core.permissions import Role
from app.pool.ruleset import PaperKind
from tests.e2e.conftest import Clock
from tests.e2e.town import FIRM_NAME, Town
from tests.e2e.visitors import decide, facts, follow, open_row, press, said, table, words, write
from tests.pdf import streams_of

DAYS_TO_BAD = 130
DAYS_OF_PUBLICITY = 8
FUNDED = Decimal(50_000_000)
LOSS = Decimal(3_000_000)
COMPENSATION = Decimal(1_200_000)
"""A loan of up to 500 万元: 40 % of the lost principal (穗金管规字〔2025〕1号)."""
DEDUCTED = Decimal(50_000)
APPROVED = COMPENSATION - DEDUCTED
RECOVERED = Decimal(300_000)
RETURNED = RECOVERED * APPROVED / LOSS
"""What comes back of it: in the proportion of what was paid to what was lost."""


def pdf(kind: str) -> dict[str, Any]:
    """A paper of its kind."""
    return {"name": f"{kind}.pdf", "mimeType": "application/pdf", "buffer": f"%PDF-1.7 {kind}".encode()}


def the_city_opens_the_pool(town: Town, last_day: date) -> None:
    """The cashier proposes money for the budget of each year of the story, the leader confirms it; the bank's
    agreement is drafted and signed off by the same two."""
    for year in range(today().year, last_day.year + 1):
        page = town.as_(town.bureau, Role.BUREAU_CASHIER, "/pool/fund")
        write(page, year=str(year), amount="5,000", document_no=f"穗财金〔{year}〕8号")
        press(page, "提出拨入")
        assert "请另一人确认" in said(page)
        page = town.as_(town.bureau, Role.BUREAU_LEADER, f"/pool/ledger?year={year}")
        decide(page, "确认拨入", "按文件拨入")
        assert "已确认" in said(page)
    page = town.as_(town.bureau, Role.BUREAU_CASHIER, "/pool/partners/new")
    write(page, partner=str(town.bank.id), document_no="协议2025-11", valid_from="2025-10-01", partner_signer="李行长",
          city_signer="王局长", signed_on="2025-09-28")
    town.look_over(page)
    press(page, "提交签署")
    page = town.as_(town.bureau, Role.BUREAU_LEADER, "/pool/partners/" + page.url.rsplit("/", 1)[-1])
    decide(page, "签署", "条款一致")
    assert "已签署" in said(page)
    page = town.as_(town.bureau, Role.BUREAU_LEADER, "/pool/partners")
    assert town.bank.name in table(page, "合作机构")[0][0]


def the_renewed_loan_is_booked(town: Town) -> None:
    """Checked against the rule of 2025, every check shown, and booked at once."""
    page = town.officer("/bookings")
    with page.expect_navigation(wait_until="load"):
        page.locator(".waits a", has_text=f"{town.case}/2").click()
    write(page, product="CREDIT", use_of_funds="WORKING_CAPITAL", operates_in_city=True, not_dishonest=True)
    town.look_over(page)
    press(page, "提交入库")
    assert "已入库" in words(page)
    checks = table(page, "自动检查")
    assert len(checks) >= 10 and {check[1] for check in checks} == {"通过"}
    town.look_over(page)


def the_loan_goes_bad(town: Town, clock: Clock) -> None:
    """Nobody pays for months; the portal's own clock finds it and tells the bank."""
    clock.forward(DAYS_TO_BAD)
    outbox.run_due_checks()
    outbox.drain()
    page = town.officer("/loans")
    row = next(row for row in table(page, "贷款") if f"{town.case}/2" in row[0])
    assert "次级" in " ".join(row)
    assert "入库贷款" in words(town.officer("/notices"))


def the_bank_claims(town: Town) -> str:
    """The officer prepares, the approver submits; above the stop line the claim is held. Returns its address."""
    page = town.officer("/bookings")
    follow(page, FIRM_NAME)
    follow(page, "申请补偿")
    write(page, guarantor_paid="0", collateral="0", other_public="0", statement="放款前实地走访；逾期后三次书面催收，企业停产。")
    town.look_over(page)
    press(page, "计算补偿")
    assert "已算出补偿金额" in said(page)
    assert _yuan(table(page, "补偿怎么算的")[-1][1]) == COMPENSATION
    assert {row[1] for row in table(page, "办法要求的证据和材料")} == {"通过", "✕未通过"}
    for kind in PaperKind:
        write(page, kind=kind.value)
        page.locator("[name=file]").set_input_files(pdf(kind.value))
        press(page, "上传材料")
    assert {row[1] for row in table(page, "办法要求的证据和材料")} == {"通过"}
    town.look_over(page)
    claim = page.url
    page = town.approver(claim)
    decide(page, "复核并提交金融局")
    assert "熔断线" in said(page) and "暂缓" in words(page)
    return claim


def the_city_checks_audits_and_decides(town: Town, claim: str) -> None:
    """The hold is lifted with a reason; reviewer, auditor and leader each take a step of their own."""
    bureau = town.bureau
    page = town.wait(town.as_(bureau, Role.BUREAU_LEADER), FIRM_NAME)
    assert page.url == claim
    decide(page, "解除暂缓", reason="本年首笔，本行入库基数小，经研究同意继续办理。")
    assert "已解除暂缓" in said(page)
    page = town.wait(town.as_(bureau, Role.BUREAU_REVIEWER), FIRM_NAME)
    decide(page, "退回补正", reason="尽职说明没有写明停产的时间。")
    page = town.officer(claim)
    assert "尽职说明没有写明停产的时间" in words(page)
    follow(page, "修改")
    write(page, statement="放款前实地走访；逾期后三次书面催收，企业于逾期次月停产。")
    press(page, "计算补偿")
    page = town.approver(claim)
    decide(page, "复核并提交金融局")
    assert "已提交金融局" in said(page), "the same loss, once let past the stop line, is not held again"
    page = town.wait(town.as_(bureau, Role.BUREAU_REVIEWER), FIRM_NAME)
    press(page, "形式审查通过")
    page = town.wait(town.as_(bureau, Role.BUREAU_AUDITOR), FIRM_NAME)
    town.look_over(page)
    decide(page, "完成审核", reason="借据、流水与入库快照一致，损失计算无误。")
    page = town.wait(town.as_(bureau, Role.BUREAU_LEADER), FIRM_NAME)
    follow(page, "审定补偿金额")
    town.look_over(page)
    first = "deductions-0"
    write(page, **{f"{first}-kind": "DUTY", f"{first}-amount": str(DEDUCTED), f"{first}-reason": "第二次催收没有回执"})
    press(page, "同意补偿")
    assert "资金已预留" in said(page) and "第二次催收没有回执" in words(page)
    page = town.as_firm("/publicity")
    assert FIRM_NAME in words(page) and _yuan(table(page, "公示中的补偿")[0][4]) == APPROVED
    town.look_over(page)
    page = town.as_(bureau, Role.BUREAU_CASHIER, claim)
    buttons = page.locator(".page-head").get_by_role("link", name="支付", exact=True)
    assert buttons.count() == 0, "nothing is paid before the public notice has run"


def the_cashier_pays(town: Town, clock: Clock, claim: str) -> None:
    """The public notice runs out; the payment takes exactly the compensation from the budget."""
    year = today().year
    before = _budget(town, year)
    assert before == FUNDED - APPROVED, "the money was reserved with the decision"
    clock.forward(DAYS_OF_PUBLICITY)
    outbox.run_due_checks()
    page = town.wait(town.as_(town.bureau, Role.BUREAU_CASHIER), FIRM_NAME)
    assert page.url == claim
    follow(page, "支付", within=page.locator(".page-head"))
    write(page, voucher_no="ZF-2027-0008", paid_on=today().isoformat())
    town.look_over(page)
    press(page, "确认支付")
    assert "已支付，预算已扣减" in said(page)
    shown = facts(page)
    assert shown["支付凭证号"] == "ZF-2027-0008"
    people = [shown[part] for part in ("准备", "复核", "审核", "审定", "支付")]
    assert "—" not in people
    town.look_over(page)
    assert _budget(town, year) == FUNDED - APPROVED
    page = town.as_(town.bureau, Role.BUREAU_LEADER, f"/pool/ledger?year={year}")
    assert [_yuan(row[5]) for row in table(page, "预算台账") if row[1].startswith("支付")] == [APPROVED]
    assert _wan(facts(page)["已预留未支付"]) == 0
    town.look_over(page)
    page = town.as_(town.bureau, Role.BUREAU_LEADER, "/pool")
    town.look_over(page)


def the_bank_recovers_and_the_city_gets_its_share(town: Town, claim: str) -> None:
    """What the bank still gets is shared as the loss was; the cashier confirms that it came."""
    year = today().year
    page = town.officer(claim)
    follow(page, "登记追偿回收")
    write(page, recovered=str(RECOVERED), cost="0", received_on=today().isoformat(), reference="执行款-1")
    press(page, "登记")
    assert "已登记回收" in said(page)
    page = town.as_(town.bureau, Role.BUREAU_CASHIER, f"{claim}/recoveries")
    follow(page, "确认返还")
    write(page, voucher_no="SK-2027-0001", returned_on=today().isoformat())
    press(page, "确认返还")
    assert "预算已增加" in said(page)
    assert _budget(town, year) == FUNDED - APPROVED + RETURNED


def the_audit_file_holds_all_of_it(town: Town, claim: str) -> None:
    """One PDF that carries its data: every paper by its hash, every step, the deduction."""
    page = town.as_(town.bureau, Role.BUREAU_AUDITOR, claim)
    told = page.request.get(f"{claim}/file.json").json()
    assert {one["sha256"] for one in told["papers"]} == {
        hashlib.sha256(f"%PDF-1.7 {kind}".encode()).hexdigest() for kind in PaperKind}
    events = [one["event"] for one in told["steps"] if one["what"] == "claim"]
    assert events == [
        "create", "submit", "hold", "lift_to_check", "return", "resubmit", "accept", "audit", "approve_part", "publicise", "pay",
        "recover"]
    assert [(one["approved_fen"], [part["reason"] for part in one["deductions"]]) for one in told["decisions"]] == [
        (int(APPROVED * 100), ["第二次催收没有回执"])]
    assert len({person for person in told["hands"].values() if person}) == 6
    assert all(len(one["digest"]) == 64 for one in told["events"]) and len(told["events"]) > len(events)
    answer = page.request.get(f"{claim}/file.pdf")
    if answer.headers["content-type"] != "application/pdf":
        return  # no Chinese font on this machine: the page says so
    carried = [json.loads(part) for part in streams_of(answer.body()) if part.startswith(b"{") and b'"hands"' in part]
    assert [{**one, "made": None, "events": None} for one in carried] == [{**told, "made": None, "events": None}]
    certificate = page.request.get(f"{claim}/decision.pdf")
    assert certificate.body().startswith(b"%PDF")


def _budget(town: Town, year: int) -> Decimal:
    """What the year's budget still has (元)."""
    page = town.as_(town.bureau, Role.BUREAU_LEADER, f"/pool/ledger?year={year}")
    return _wan(facts(page)["可用余额"])


def one_case_tells_all_of_it(town: Town) -> None:
    """Firm, bank and bureau open the same number and read one timeline; the claim lies between bank and city."""
    shared = [
        "提交融资需求，等待服务台核对", "核对通过，开始密封报价",
        "选定一家银行", "登记放款", "贷款结清", "提出转贷申请", "转贷结清", "入库", "五级分类变化",
    ]
    claim = [
        "准备补偿申请", "复核并提交补偿申请", "解除暂缓", "退回补正", "补正后重新提交", "完成审核", "部分同意补偿",
        "公示期满", "支付补偿", "登记追偿回收",
    ]
    auditor = town.as_(town.bureau, Role.BUREAU_AUDITOR, "/cases")
    for page, told in (
        (town.as_firm("/cases"), shared), (town.officer("/cases"), [*shared, *claim]), (auditor, [*shared, *claim]),
    ):
        _case_page(page, town)
        steps = [step.strip() for step in page.locator(".timeline-what").all_inner_texts()]
        assert not [step for step in told if step not in steps], f"{told} are not all among {steps}"
    town.look_over(auditor)


def _case_page(page: Page, town: Town) -> None:
    row = page.locator("table.data tbody tr", has_text=town.case)
    assert row.count() == 1
    open_row(page, town.case)
    assert page.url.endswith(f"/cases/{town.case}") and town.case in words(page)


def _yuan(text: str) -> Decimal:
    return Decimal(re.sub(r"[,元\s]", "", text))


def _wan(text: str) -> Decimal:
    """Money as a page writes it: 4,880 万元, 3,000 元, 1.2 亿元."""
    number = Decimal(re.sub(r"[^\d.]", "", text))
    return number * (100_000_000 if "亿" in text else 10_000 if "万" in text else 1)
