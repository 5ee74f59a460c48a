"""Who may do what: one list of permissions and one table of roles (design §3; separation of administrators 三员分立)."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache


class OrgKind(StrEnum):
    """Kinds of organisation (design §1). ``SYSTEM`` is the portal itself: worker, ticker, command line."""

    ENTERPRISE = "enterprise"
    BANK = "bank"
    GUARANTOR = "guarantor"
    BRIDGE_CENTRE = "bridge_centre"
    FUNDER = "funder"
    BUREAU = "bureau"
    DATA_PROVIDER = "data_provider"
    PLATFORM = "platform"
    SYSTEM = "system"


class Role(StrEnum):
    """What a person is inside an organisation."""

    FIRM_CLERK = "firm_clerk"
    FIRM_REPRESENTATIVE = "firm_representative"
    BANK_OFFICER = "bank_officer"
    BANK_APPROVER = "bank_approver"
    BANK_ADMIN = "bank_admin"
    GUARANTOR_CLERK = "guarantor_clerk"
    GUARANTOR_REVIEWER = "guarantor_reviewer"
    GUARANTOR_ADMIN = "guarantor_admin"
    CENTRE_CLERK = "centre_clerk"
    CENTRE_REVIEWER = "centre_reviewer"
    CENTRE_ADMIN = "centre_admin"
    FUNDER_CLERK = "funder_clerk"
    FUNDER_ADMIN = "funder_admin"
    BUREAU_AUDITOR = "bureau_auditor"
    BUREAU_REVIEWER = "bureau_reviewer"
    BUREAU_CASHIER = "bureau_cashier"
    BUREAU_LEADER = "bureau_leader"
    BUREAU_ADMIN = "bureau_admin"
    PROVIDER_CLERK = "provider_clerk"
    PROVIDER_ADMIN = "provider_admin"
    DESK = "desk"
    SYSTEM_ADMIN = "system_admin"
    SECURITY_ADMIN = "security_admin"
    AUDIT_ADMIN = "audit_admin"
    SYSTEM = "system"


class Permission(StrEnum):
    """Every permission, alphabetical: scope, resource, action."""

    ACCOUNT_USE = "account:use"
    APPEAL_ANSWER = "appeal:answer"
    APPEAL_FILE = "appeal:file"
    APPEAL_READ = "appeal:read"
    APPEAL_TICK = "appeal:tick"
    AUDIT_READ = "audit:read"
    AWARD_JUDGE = "award:judge"
    AWARD_OBJECT = "award:object"
    BATCH_EDIT = "batch:edit"
    BID_DRAFT = "bid:draft"
    BID_READ = "bid:read"
    BID_SUBMIT = "bid:submit"
    BID_WITHDRAW = "bid:withdraw"
    BOOKING_FILES = "booking:files"
    BOOKING_PUSH = "booking:push"
    BOOKING_READ = "booking:read"
    BOOKING_RELEASE = "booking:release"
    BOOKING_SEND = "booking:send"
    BOOKING_SUBMIT = "booking:submit"
    BRANCH_EDIT = "branch:edit"
    BRIDGE_ANSWER = "bridge:answer"
    BRIDGE_APPLY = "bridge:apply"
    BRIDGE_APPROVE = "bridge:approve"
    BRIDGE_COMMIT = "bridge:commit"
    BRIDGE_CONFIRM = "bridge:confirm"
    BRIDGE_DESK = "bridge:desk"
    BRIDGE_GUARANTEE = "bridge:guarantee"
    BRIDGE_OFFER = "bridge:offer"
    BRIDGE_PAY = "bridge:pay"
    BRIDGE_READ = "bridge:read"
    BRIDGE_REPORT = "bridge:report"
    BRIDGE_TICK = "bridge:tick"
    BRIDGE_WORK = "bridge:work"
    CASE_READ = "case:read"
    CHOICE_MAKE = "choice:make"
    CLAIM_AUDIT = "claim:audit"
    CLAIM_CHECK = "claim:check"
    CLAIM_DECIDE = "claim:decide"
    CLAIM_FILE = "claim:file"
    CLAIM_OBJECT = "claim:object"
    CLAIM_PAY = "claim:pay"
    CLAIM_PREPARE = "claim:prepare"
    CLAIM_READ = "claim:read"
    CLAIM_REVIEW = "claim:review"
    CLAIM_TICK = "claim:tick"
    CLOCK_READ = "clock:read"
    CLOCK_TICK = "clock:tick"
    CONDITION_MEET = "condition:meet"
    CONSENT_GIVE = "consent:give"
    CONSENT_READ = "consent:read"
    CONSENT_TICK = "consent:tick"
    CONSULT_AGREE = "consult:agree"
    CONSULT_CALL = "consult:call"
    CONSULT_SIT = "consult:sit"
    CONSULT_TICK = "consult:tick"
    DELIVERY_IMPORT = "delivery:import"
    DELIVERY_PUSH = "delivery:push"
    DELIVERY_READ = "delivery:read"
    DELIVERY_UPLOAD = "delivery:upload"
    DISPUTE_ANSWER = "dispute:answer"
    DISPUTE_FILE = "dispute:file"
    DISPUTE_READ = "dispute:read"
    DISPUTE_TICK = "dispute:tick"
    ENTERPRISE_DESK = "enterprise:desk"
    ENTERPRISE_EDIT = "enterprise:edit"
    ENTERPRISE_READ = "enterprise:read"
    ENTERPRISE_REGISTER = "enterprise:register"
    ENTERPRISE_SIGN_UP = "enterprise:sign_up"
    ENTERPRISE_VERIFY = "enterprise:verify"
    EVIDENCE_LOOK = "evidence:look"
    EVIDENCE_READ = "evidence:read"
    FUND_DRAFT = "fund:draft"
    FUND_EDIT = "fund:edit"
    FUND_READ = "fund:read"
    GUARANTEE_BOOK = "guarantee:book"
    GUARANTEE_READ = "guarantee:read"
    GUARANTEE_STATE = "guarantee:state"
    KEY_EDIT = "key:edit"
    LOAD_READ = "load:read"
    LOAN_APPROVE = "loan:approve"
    LOAN_OPEN = "loan:open"
    LOAN_READ = "loan:read"
    LOAN_RECOGNISE = "loan:recognise"
    LOAN_REPORT = "loan:report"
    LOAN_TICK = "loan:tick"
    MAIL_TICK = "mail:tick"
    MODEL_APPROVE = "model:approve"
    MODEL_CARD = "model:card"
    MODEL_PROPOSE = "model:propose"
    MODEL_READ = "model:read"
    NEED_CLAIM = "need:claim"
    NEED_CLOSE = "need:close"
    NEED_DRAFT = "need:draft"
    NEED_INVITE = "need:invite"
    NEED_LOOK = "need:look"
    NEED_MARK = "need:mark"
    NEED_READ = "need:read"
    NEED_REFUSE = "need:refuse"
    NEED_SCREEN = "need:screen"
    NEED_SUBMIT = "need:submit"
    NEED_TICK = "need:tick"
    NOTICE_READ = "notice:read"
    ORGANISATION_CREATE = "organisation:create"
    ORGANISATION_READ = "organisation:read"
    PAPER_READ = "paper:read"
    PAPER_UPLOAD = "paper:upload"
    PARTNER_READ = "partner:read"
    POLICY_APPROVE = "policy:approve"
    POLICY_PROPOSE = "policy:propose"
    POOL_FUND = "pool:fund"
    POOL_PROPOSE = "pool:propose"
    POOL_READ = "pool:read"
    PRODUCT_EDIT = "product:edit"
    PRODUCT_READ = "product:read"
    PROFILE_COMPUTE = "profile:compute"
    PROFILE_LOOK = "profile:look"
    PROFILE_READ = "profile:read"
    QUESTION_ANSWER = "question:answer"
    QUESTION_ASK = "question:ask"
    QUEUE_READ = "queue:read"
    RADAR_READ = "radar:read"
    RECOVERY_REPORT = "recovery:report"
    RESET_CONFIRM = "reset:confirm"
    RETENTION_READ = "retention:read"
    RETENTION_RUN = "retention:run"
    ROUND_READ = "round:read"
    ROUND_RUN = "round:run"
    RULES_DECIDE = "rules:decide"
    RULES_LOAD = "rules:load"
    RULES_PROPOSE = "rules:propose"
    SCORING_RUN = "scoring:run"
    SIGN_IN = "sign_in:use"
    STAFF_INVITE = "staff:invite"
    STAFF_READ = "staff:read"
    STANDING_COUNT = "standing:count"
    STANDING_READ = "standing:read"
    STATEMENT_DESK = "statement:desk"
    STRESS_COMPUTE = "stress:compute"
    STRESS_RUN = "stress:run"
    WARNING_ANSWER = "warning:answer"
    WARNING_DECIDE = "warning:decide"
    WARNING_JUDGE = "warning:judge"
    WARNING_NOTE = "warning:note"
    WARNING_PROPOSE = "warning:propose"
    WARNING_READ = "warning:read"
    WARNING_RULES = "warning:rules"
    WARNING_TICK = "warning:tick"


P = Permission

_EVERYBODY = frozenset({P.ACCOUNT_USE, P.CLAIM_OBJECT, P.NOTICE_READ, P.CASE_READ, P.PAPER_READ, P.PAPER_UPLOAD})
_STAFF_ADMIN = frozenset({P.STAFF_INVITE, P.STAFF_READ, P.BRANCH_EDIT})
_TWO_FACTOR_ADMIN = _STAFF_ADMIN | {P.RESET_CONFIRM}
_FIRM = frozenset({
    P.ENTERPRISE_READ, P.ENTERPRISE_EDIT, P.CONSENT_READ, P.EVIDENCE_READ, P.PROFILE_READ, P.NEED_DRAFT, P.NEED_READ,
    P.NEED_SUBMIT, P.NEED_CLOSE, P.CHOICE_MAKE, P.LOAN_READ, P.BRIDGE_ANSWER, P.BRIDGE_APPLY, P.BRIDGE_READ, P.RADAR_READ,
    P.PRODUCT_READ,
    P.CLOCK_READ, P.STANDING_READ,
    P.CONSENT_GIVE, P.LOAN_RECOGNISE, P.DISPUTE_FILE, P.DISPUTE_READ, P.WARNING_READ, P.WARNING_ANSWER, P.QUESTION_ANSWER,
    P.ROUND_READ, P.CONSULT_AGREE, P.APPEAL_FILE,
})
_BANK = frozenset({
    P.CLOCK_READ, P.STANDING_READ,
    P.PRODUCT_READ, P.QUEUE_READ, P.NEED_LOOK, P.EVIDENCE_LOOK, P.PROFILE_LOOK, P.BID_READ, P.LOAN_READ,
    P.BOOKING_FILES, P.BOOKING_READ, P.CLAIM_READ, P.BRIDGE_READ, P.RADAR_READ, P.WARNING_READ, P.WARNING_NOTE, P.MODEL_CARD,
    P.ROUND_READ, P.CONSULT_SIT, P.APPEAL_READ, P.GUARANTEE_READ, P.PARTNER_READ,
})
_MODEL_READER = frozenset({P.MODEL_READ, P.MODEL_CARD})
_BUREAU = frozenset({
    P.APPEAL_READ, P.CLOCK_READ, P.STANDING_READ,
    P.POOL_READ, P.CLAIM_READ, P.CLAIM_FILE, P.BOOKING_READ, P.LOAN_READ, P.BRIDGE_READ, P.ROUND_READ, P.WARNING_JUDGE,
    P.BRIDGE_REPORT, P.GUARANTEE_READ, P.PARTNER_READ, P.RADAR_READ, P.WARNING_RULES,
})
_GUARANTOR = frozenset({
    P.BOOKING_FILES, P.BOOKING_READ, P.BRIDGE_READ, P.CLAIM_READ, P.GUARANTEE_READ, P.LOAN_READ, P.PARTNER_READ,
})
_CENTRE = frozenset({P.BRIDGE_READ, P.BRIDGE_REPORT, P.FUND_READ, P.RADAR_READ, P.STATEMENT_DESK})

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.FIRM_CLERK: _EVERYBODY | _FIRM,
    Role.FIRM_REPRESENTATIVE: _EVERYBODY | _FIRM | _STAFF_ADMIN,
    Role.BANK_OFFICER: _EVERYBODY | _BANK | {
        P.BID_DRAFT, P.CONDITION_MEET, P.NEED_CLAIM, P.NEED_REFUSE, P.QUESTION_ASK, P.LOAN_REPORT, P.BOOKING_SEND,
        P.BOOKING_SUBMIT,
        P.CLAIM_PREPARE, P.GUARANTEE_STATE, P.RECOVERY_REPORT, P.BRIDGE_ANSWER, P.BRIDGE_CONFIRM,
    },
    Role.BANK_APPROVER: _EVERYBODY | _BANK | {
        P.APPEAL_ANSWER, P.AWARD_OBJECT, P.BID_SUBMIT, P.BID_WITHDRAW, P.BOOKING_RELEASE, P.LOAD_READ, P.LOAN_APPROVE,
        P.CLAIM_REVIEW, P.BRIDGE_COMMIT,
    },
    Role.BANK_ADMIN: _EVERYBODY | _TWO_FACTOR_ADMIN | {P.KEY_EDIT, P.PRODUCT_READ, P.PRODUCT_EDIT, P.MODEL_CARD},
    Role.GUARANTOR_CLERK: _EVERYBODY | _GUARANTOR | {
        P.BOOKING_SEND, P.BRIDGE_ANSWER, P.BRIDGE_GUARANTEE, P.CLAIM_PREPARE, P.GUARANTEE_BOOK, P.RECOVERY_REPORT,
    },
    Role.GUARANTOR_REVIEWER: _EVERYBODY | _GUARANTOR | {P.BOOKING_RELEASE, P.CLAIM_REVIEW},
    Role.GUARANTOR_ADMIN: _EVERYBODY | _TWO_FACTOR_ADMIN | {P.KEY_EDIT},
    Role.CENTRE_CLERK: _EVERYBODY | _CENTRE | {P.BRIDGE_ANSWER, P.BRIDGE_DESK, P.BRIDGE_PAY, P.BRIDGE_WORK, P.FUND_DRAFT},
    Role.CENTRE_REVIEWER: _EVERYBODY | _CENTRE | {P.BRIDGE_APPROVE, P.BRIDGE_WORK, P.FUND_DRAFT, P.FUND_EDIT},
    Role.CENTRE_ADMIN: _EVERYBODY | _TWO_FACTOR_ADMIN,
    Role.FUNDER_CLERK: _EVERYBODY | {P.BRIDGE_ANSWER, P.BRIDGE_READ, P.BRIDGE_OFFER, P.FUND_READ},
    Role.FUNDER_ADMIN: _EVERYBODY | _TWO_FACTOR_ADMIN,
    Role.BUREAU_AUDITOR: _EVERYBODY | _BUREAU | _MODEL_READER | {P.CLAIM_AUDIT, P.RULES_PROPOSE, P.STRESS_RUN, P.WARNING_PROPOSE},
    Role.BUREAU_REVIEWER: _EVERYBODY | _BUREAU | {P.CLAIM_CHECK, P.POOL_PROPOSE, P.RULES_PROPOSE, P.WARNING_PROPOSE},
    Role.BUREAU_CASHIER: _EVERYBODY | _BUREAU | {P.CLAIM_PAY, P.POOL_PROPOSE},
    Role.BUREAU_LEADER: _EVERYBODY | _BUREAU | _MODEL_READER | {
        P.CLAIM_DECIDE, P.MODEL_APPROVE, P.POLICY_APPROVE, P.POOL_FUND, P.RULES_DECIDE, P.STRESS_RUN, P.WARNING_DECIDE,
    },
    Role.BUREAU_ADMIN: _EVERYBODY | _TWO_FACTOR_ADMIN,
    Role.PROVIDER_CLERK: _EVERYBODY | {P.DELIVERY_UPLOAD, P.DELIVERY_READ, P.DISPUTE_ANSWER, P.DISPUTE_READ},
    Role.PROVIDER_ADMIN: _EVERYBODY | _TWO_FACTOR_ADMIN | {P.KEY_EDIT},
    Role.DESK: _EVERYBODY | {
        P.APPEAL_READ, P.AWARD_JUDGE, P.BATCH_EDIT, P.CLOCK_READ, P.CONSULT_CALL, P.DELIVERY_READ, P.DISPUTE_READ,
        P.ENTERPRISE_DESK, P.ENTERPRISE_VERIFY, P.NEED_SCREEN, P.RETENTION_READ, P.ROUND_READ, P.ROUND_RUN, P.STANDING_READ,
    },
    Role.SYSTEM_ADMIN: _EVERYBODY | _MODEL_READER | {
        P.MODEL_PROPOSE, P.ORGANISATION_CREATE, P.ORGANISATION_READ, P.DELIVERY_READ, P.RESET_CONFIRM, P.RETENTION_READ,
        P.SCORING_RUN, P.WARNING_PROPOSE, P.WARNING_RULES, P.POLICY_PROPOSE,
    },
    Role.SECURITY_ADMIN: _EVERYBODY | _TWO_FACTOR_ADMIN | _MODEL_READER | {P.ORGANISATION_READ, P.MODEL_APPROVE},
    Role.AUDIT_ADMIN: _EVERYBODY | _MODEL_READER | {P.AUDIT_READ},
    Role.SYSTEM: frozenset({
        P.SIGN_IN, P.BOOKING_PUSH, P.DELIVERY_IMPORT, P.DELIVERY_PUSH,
        P.PROFILE_COMPUTE, P.NEED_TICK, P.NEED_MARK, P.LOAN_OPEN, P.LOAN_REPORT,
        P.LOAN_TICK, P.CLAIM_TICK, P.CLOCK_TICK, P.NEED_INVITE, P.STANDING_COUNT, P.MAIL_TICK,
        P.BRIDGE_TICK, P.APPEAL_TICK, P.CONSENT_TICK, P.CONSULT_TICK, P.ENTERPRISE_REGISTER, P.ORGANISATION_CREATE,
        P.STAFF_INVITE, P.PRODUCT_EDIT, P.FUND_EDIT, P.POOL_FUND,
        P.ENTERPRISE_SIGN_UP, P.ORGANISATION_READ, P.DISPUTE_TICK, P.RETENTION_RUN,
        P.RULES_LOAD, P.STRESS_COMPUTE, P.WARNING_TICK, P.CLAIM_OBJECT,
    }),
}

ANONYMOUS_PERMISSIONS = frozenset({P.SIGN_IN, P.ENTERPRISE_SIGN_UP, P.CLAIM_OBJECT})

ROLES_OF_KIND: dict[OrgKind, tuple[Role, ...]] = {
    OrgKind.ENTERPRISE: (Role.FIRM_REPRESENTATIVE, Role.FIRM_CLERK),
    OrgKind.BANK: (Role.BANK_OFFICER, Role.BANK_APPROVER, Role.BANK_ADMIN),
    OrgKind.GUARANTOR: (Role.GUARANTOR_CLERK, Role.GUARANTOR_REVIEWER, Role.GUARANTOR_ADMIN),
    OrgKind.BRIDGE_CENTRE: (Role.CENTRE_CLERK, Role.CENTRE_REVIEWER, Role.CENTRE_ADMIN),
    OrgKind.FUNDER: (Role.FUNDER_CLERK, Role.FUNDER_ADMIN),
    OrgKind.BUREAU: (
        Role.BUREAU_AUDITOR, Role.BUREAU_REVIEWER, Role.BUREAU_CASHIER, Role.BUREAU_LEADER, Role.BUREAU_ADMIN,
    ),
    OrgKind.DATA_PROVIDER: (Role.PROVIDER_CLERK, Role.PROVIDER_ADMIN),
    OrgKind.PLATFORM: (Role.DESK, Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN),
    OrgKind.SYSTEM: (Role.SYSTEM,),
}

ADMINISTRATORS = (Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN)
"""三员分立: no person holds two of these."""

TWO_FACTOR_KINDS = frozenset({
    OrgKind.BANK, OrgKind.GUARANTOR, OrgKind.BRIDGE_CENTRE, OrgKind.FUNDER, OrgKind.BUREAU, OrgKind.DATA_PROVIDER,
    OrgKind.PLATFORM,
})
"""Kinds whose people need a time-based code at sign-in (compliance.md §6, two factors)."""


@lru_cache(maxsize=256)
def permissions_of(roles: frozenset[Role]) -> frozenset[Permission]:
    """Union of what the roles hold."""
    held: frozenset[Permission] = frozenset()
    for role in roles:
        held |= ROLE_PERMISSIONS[role]
    return held
