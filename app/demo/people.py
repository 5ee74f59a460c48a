"""Organisations and staff of the demo city."""

from __future__ import annotations

from uuid import UUID

from app.core.context import Context
from app.core.permissions import OrgKind, Role
from app.evidence.delivery_service import grant_items
from app.identity import staff_service
from app.identity.service import redeem_ticket
from app.identity.visitors import context_for

PASSWORD = "Lian-2026-xing"
SYSTEM = Context.of_system("demo")
FIRM_LOGINS = [("firm.boss", "法定代表人 · 演示企业"), ("firm.clerk", "企业经办人 · 演示企业")]

CITY: tuple[tuple[OrgKind, str, tuple[tuple[str, Role, str], ...]], ...] = (
    (OrgKind.BANK, "珠岸银行（演示）", (
        ("zhuan.officer", Role.BANK_OFFICER, "李志远"), ("zhuan.approver", Role.BANK_APPROVER, "周敏"),
        ("zhuan.admin", Role.BANK_ADMIN, "何静"),
    )),
    (OrgKind.BANK, "云城银行（演示）", (
        ("yuncheng.officer", Role.BANK_OFFICER, "黄嘉怡"), ("yuncheng.approver", Role.BANK_APPROVER, "罗文"),
        ("yuncheng.admin", Role.BANK_ADMIN, "谢芳"),
    )),
    (OrgKind.BANK, "岭海农商行（演示）", (
        ("linghai.officer", Role.BANK_OFFICER, "邓伟"), ("linghai.approver", Role.BANK_APPROVER, "潘丽"),
        ("linghai.admin", Role.BANK_ADMIN, "曾强"),
    )),
    (OrgKind.GUARANTOR, "穗安融资担保（演示）", (
        ("guarantor.clerk", Role.GUARANTOR_CLERK, "唐颖"), ("guarantor.reviewer", Role.GUARANTOR_REVIEWER, "韩磊"),
        ("guarantor.admin", Role.GUARANTOR_ADMIN, "邓宁"),
    )),
    (OrgKind.BRIDGE_CENTRE, "企业转贷服务中心（演示）", (
        ("centre.clerk", Role.CENTRE_CLERK, "林晓"), ("centre.reviewer", Role.CENTRE_REVIEWER, "梁洁"),
        ("centre.admin", Role.CENTRE_ADMIN, "彭涛"),
    )),
    (OrgKind.FUNDER, "穗通小额贷款（演示）", (
        ("funder.clerk", Role.FUNDER_CLERK, "许峰"), ("funder.admin", Role.FUNDER_ADMIN, "苏敏"),
    )),
    (OrgKind.FUNDER, "羊城典当（演示）", (("pawn.clerk", Role.FUNDER_CLERK, "区志强"),)),
    (OrgKind.FUNDER, "珠江口融资服务（演示）", (("river.clerk", Role.FUNDER_CLERK, "伍婷"),)),
    (OrgKind.BUREAU, "地方金融管理局（演示）", (
        ("bureau.auditor", Role.BUREAU_AUDITOR, "郑重"), ("bureau.reviewer", Role.BUREAU_REVIEWER, "冯媛"),
        ("bureau.cashier", Role.BUREAU_CASHIER, "韩雪"), ("bureau.leader", Role.BUREAU_LEADER, "唐毅"),
        ("bureau.admin", Role.BUREAU_ADMIN, "魏然"),
    )),
    (OrgKind.DATA_PROVIDER, "税务数据单位（演示）", (
        ("tax.clerk", Role.PROVIDER_CLERK, "程序"), ("tax.admin", Role.PROVIDER_ADMIN, "丁宁"),
    )),
    (OrgKind.DATA_PROVIDER, "供电数据单位（演示）", (("power.clerk", Role.PROVIDER_CLERK, "姜源"),)),
    (OrgKind.DATA_PROVIDER, "供水数据单位（演示）", (("water.clerk", Role.PROVIDER_CLERK, "江涵"),)),
    (OrgKind.DATA_PROVIDER, "燃气数据单位（演示）", (("gas.clerk", Role.PROVIDER_CLERK, "温岚"),)),
    (OrgKind.DATA_PROVIDER, "人社与公积金数据单位（演示）", (("insurance.clerk", Role.PROVIDER_CLERK, "任佳"),)),
    (OrgKind.DATA_PROVIDER, "公共信用数据单位（演示）", (("registry.clerk", Role.PROVIDER_CLERK, "史明"),)),
    (OrgKind.DATA_PROVIDER, "海关与资金流数据单位（演示）", (("customs.clerk", Role.PROVIDER_CLERK, "关越"),)),
    (OrgKind.PLATFORM, "惠桥平台（演示）", (
        ("desk", Role.DESK, "叶青"), ("system.admin", Role.SYSTEM_ADMIN, "余洋"),
        ("security.admin", Role.SECURITY_ADMIN, "潘安"), ("audit.admin", Role.AUDIT_ADMIN, "石磊"),
    )),
)
DELIVERS: dict[str, tuple[str, ...]] = {
    "tax.clerk": ("invoices", "tax", "tax_grades", "tax_ledger"),
    "power.clerk": ("electricity", "electricity_daily", "meter_links"),
    "water.clerk": ("water", "meter_links"),
    "gas.clerk": ("gas", "meter_links"),
    "insurance.clerk": ("social_insurance", "housing_fund"),
    "registry.clerk": (
        "registration", "registration_changes", "annual_reports", "qualifications", "ip", "penalties", "justice", "dishonesty",
    ),
    "customs.clerk": ("customs", "cash_flow"),
}
"""What the provider of each clerk delivers."""
LIMITS = {Role.BANK_APPROVER: 3_000_000_000, Role.CENTRE_REVIEWER: 1_000_000_000, Role.BUREAU_LEADER: 10_000_000_000}
"""Approval limits of the demo's approvers (分)."""

Staff = dict[str, Context]
"""Every member of staff by login name, as the context they act in."""


def make() -> Staff:
    """Makes organisations, invites each person, and lets each accept."""
    for kind, name, people in CITY:
        organisation = staff_service.create_organisation(SYSTEM, kind, name)
        for login, role, person in people:
            join(organisation.id, login, person, role)
            if login in DELIVERS:
                grant_items(SYSTEM, organisation.id, DELIVERS[login])
    return {login: context_for(login) for _, _, people in CITY for login, _, _ in people}


def join(org_id: UUID, login: str, name: str, role: Role) -> None:
    """Invites a person and accepts for them with the demo password."""
    invitation = staff_service.invite(SYSTEM, org_id=org_id, login=login, name=name, roles={role: LIMITS.get(role)})
    redeem_ticket(invitation.token, PASSWORD)
