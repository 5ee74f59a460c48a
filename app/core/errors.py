"""The closed list of refusals. A service raises a code; the sentence stands here once and is translated at the page."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


def N_(message: str) -> str:
    """Marks a Chinese sentence for extraction; it is translated where it is shown."""
    return message


class ErrorCode(StrEnum):
    """Every reason for which the portal says no."""

    ACCOUNTS_ALIKE = "accounts_alike"
    ACCOUNTS_MISSING = "accounts_missing"
    ACCOUNT_DIFFERS = "account_differs"
    AGREEMENT_EXISTS = "agreement_exists"
    ALREADY_DONE = "already_done"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    APPEAL_LATE = "appeal_late"
    APPROVAL_LIMIT = "approval_limit"
    AUDIT_INCOMPLETE = "audit_incomplete"
    BAD_LOGIN = "bad_login"
    BANKS_COUNT = "banks_count"
    BANK_HELD = "bank_held"
    BATCH_EMPTY = "batch_empty"
    BATCH_ROWS = "batch_rows"
    BATCH_SENT = "batch_sent"
    BID_AFTER_CLOSE = "bid_after_close"
    BID_EXISTS = "bid_exists"
    BID_EXPIRED = "bid_expired"
    BID_INVALID = "bid_invalid"
    BID_LATE = "bid_late"
    BOOKING_EXISTS = "booking_exists"
    BOOKING_LATE = "booking_late"
    BOOKING_REFUSED = "booking_refused"
    ASK_BANK_OUTSIDE = "ask_bank_outside"
    ASK_BANK_ON_PORTAL = "ask_bank_on_portal"
    ASK_NOT_ELIGIBLE = "ask_not_eligible"
    BRIDGE_ASK_OPEN = "bridge_ask_open"
    BRIDGE_CHECKS = "bridge_checks"
    BRIDGE_EXISTS = "bridge_exists"
    BRIDGE_FROZEN = "bridge_frozen"
    BRIDGE_NOT_NEEDED = "bridge_not_needed"
    BRIDGE_NOT_PICKED = "bridge_not_picked"
    BRIDGE_OVER_LIMIT = "bridge_over_limit"
    BRIDGE_OWN_MONEY = "bridge_own_money"
    BRIDGE_RENEWAL_PENDING = "bridge_renewal_pending"
    BRIDGE_UNCOVERED = "bridge_uncovered"
    BRIDGE_URGENT = "bridge_urgent"
    BUDGET_EXHAUSTED = "budget_exhausted"
    CASES_OPEN = "cases_open"
    CHOICE_EXISTS = "choice_exists"
    CLAIM_EXISTS = "claim_exists"
    CLAIM_FULL = "claim_full"
    CLAIM_NOT_BAD = "claim_not_bad"
    CLAIM_NOT_OVERDUE = "claim_not_overdue"
    CLAIM_NOT_PAYEE = "claim_not_payee"
    CLAIM_OUTDATED = "claim_outdated"
    CLAIM_TAKEN = "claim_taken"
    CLAIM_TOO_LATE = "claim_too_late"
    COLLATERAL_EXISTS = "collateral_exists"
    COMMITMENT_EXPIRED = "commitment_expired"
    COMMITMENT_WORSE = "commitment_worse"
    CONDITIONS_OPEN = "conditions_open"
    CONDITION_UNKNOWN = "condition_unknown"
    CONSENT_MISSING = "consent_missing"
    CONSENT_TEXT_CHANGED = "consent_text_changed"
    CONSTRAINT = "constraint"
    CORRECTED_ONCE = "corrected_once"
    CORRECTION_OPEN = "correction_open"
    DATA_INSTEAD = "data_instead"
    DATA_REPLACES = "data_replaces"
    DATE_OUT_OF_RANGE = "date_out_of_range"
    DAYS_OUT_OF_RANGE = "days_out_of_range"
    DEDUCTIONS_WRONG = "deductions_wrong"
    DEDUCTION_REPAID = "deduction_repaid"
    DISPUTE_NO_PROVIDER = "dispute_no_provider"
    DISPUTE_OPEN = "dispute_open"
    DOCUMENT_TAKEN = "document_taken"
    EDITION_EXISTS = "edition_exists"
    EDITION_SAME = "edition_same"
    EDITION_WAITING = "edition_waiting"
    FEE_UNLISTED = "fee_unlisted"
    FILE_BROKEN = "file_broken"
    FILE_HEADER = "file_header"
    FILE_TOO_LARGE = "file_too_large"
    FILE_TYPE = "file_type"
    FIRM_UNKNOWN = "firm_unknown"
    FORBIDDEN = "forbidden"
    FUND_CLOSED = "fund_closed"
    FUND_EXHAUSTED = "fund_exhausted"
    FUND_UNAGREED = "fund_unagreed"
    DISTRICT_SHARES = "district_shares"
    GUARANTEE_LIVE = "guarantee_live"
    GUARANTEE_SHARES = "guarantee_shares"
    HOLD_EXPIRED = "hold_expired"
    HOLD_REFUSED = "hold_refused"
    HOP_CORRECTION_OPEN = "hop_correction_open"
    HOP_NEGATIVE = "hop_negative"
    IDEMPOTENCY = "idempotency"
    INVALID = "invalid"
    INVITATION_INVALID = "invitation_invalid"
    LAST_ADMINISTRATOR = "last_administrator"
    LICENCE_MISSING = "licence_missing"
    LOCKED = "locked"
    LOAN_UNRECOGNISED = "loan_unrecognised"
    LOGIN_TAKEN = "login_taken"
    NAME_TAKEN = "name_taken"
    MODEL_FILE = "model_file"
    MODEL_KNOWN = "model_known"
    NEEDS_TOO_MANY = "needs_too_many"
    NEED_INCOMPLETE = "need_incomplete"
    NEED_UNCHANGED = "need_unchanged"
    NOBODY_CONSENTS = "nobody_consents"
    NOTHING_BOOKED = "nothing_booked"
    NOTE_TAKEN = "note_taken"
    NOTHING_TO_DRAW = "nothing_to_draw"
    NOT_FOUND = "not_found"
    NOT_PARTNER = "not_partner"
    NOT_VERIFIED = "not_verified"
    NO_MODEL = "no_model"
    OBJECTION_ANSWERED = "objection_answered"
    OBJECTION_CLOSED = "objection_closed"
    OBJECTION_OPEN = "objection_open"
    OWNER_KNOWN = "owner_known"
    OWNER_SHARE = "owner_share"
    PAPERS_MISSING = "papers_missing"
    PAPERS_TOO_MANY = "papers_too_many"
    PARTS_STAND = "parts_stand"
    PARTS_SUM = "parts_sum"
    PASSWORD_REUSED = "password_reused"
    PASSWORD_WEAK = "password_weak"
    PAYMENT_HELD = "payment_held"
    PERSONAL_TEXT_UNSIGNED = "personal_text_unsigned"
    PRODUCT_RULE_SIZE = "product_rule_size"
    POLICY_VALUE = "policy_value"
    QUOTA_EXCEEDED = "quota_exceeded"
    PUSH_BODY = "push_body"
    PUSH_CLOCK = "push_clock"
    PUSH_ITEM = "push_item"
    PUSH_REPEAT = "push_repeat"
    PUSH_REPLAYED = "push_replayed"
    PUSH_ROWS = "push_rows"
    PUSH_SIGNATURE = "push_signature"
    PUSH_TOO_LARGE = "push_too_large"
    PUSH_TOO_OFTEN = "push_too_often"
    PUSH_TYPE = "push_type"
    PUSH_UNSIGNED = "push_unsigned"
    REASON_NEEDED = "reason_needed"
    PAYMENT_OPEN = "payment_open"
    RECOVERY_SETTLED = "recovery_settled"
    REFUSED_ALREADY = "refused_already"
    REPAYMENT_ORDER = "repayment_order"
    RECEIVING_OUTSIDE = "receiving_outside"
    REPAYMENT_TOO_LARGE = "repayment_too_large"
    RETURNS_USED_UP = "returns_used_up"
    RETURN_OPEN = "return_open"
    REVERSAL_ORDER = "reversal_order"
    ROUND_EXISTS = "round_exists"
    ROUND_STALE = "round_stale"
    ROUNDS_USED_UP = "rounds_used_up"
    RULE_BROKEN = "rule_broken"
    SAME_PERSON = "same_person"
    SAMPLE_SIZE = "sample_size"
    SECOND_FACTOR = "second_factor"
    STANDSTILL = "standstill"
    STATEMENT_UNLIKE = "statement_unlike"
    STATE_CHANGED = "state_changed"
    THREE_ADMINISTRATORS = "three_administrators"
    TIES_UNDECLARED = "ties_undeclared"
    TIE_BANNED = "tie_banned"
    TOO_MANY_TRIES = "too_many_tries"
    TOP_UP_NOTHING = "top_up_nothing"
    TRAINING_OPEN = "training_open"
    TROUBLE_OPEN = "trouble_open"
    USCC_CLAIMED = "uscc_claimed"
    USCC_INVALID = "uscc_invalid"
    USCC_KIND = "uscc_kind"
    VOUCHER_TAKEN = "voucher_taken"
    YEAR_CLOSED = "year_closed"
    YEAR_RUNNING = "year_running"


MESSAGES: dict[ErrorCode, str] = {
    ErrorCode.ACCOUNTS_ALIKE: N_("资金方账户、托管账户、贷款还款账户必须是三个不同的账户。"),
    ErrorCode.ACCOUNTS_MISSING: N_("这笔转贷的账户还没有由两个人录入并核对，资金不能划转，协议也不能签订。"),
    ErrorCode.ACCOUNT_DIFFERS: N_("这个账号与录入的不一致，请对照银行资料核对。"),
    ErrorCode.AGREEMENT_EXISTS: N_("该银行在这段日期内已有合作协议，请核对。"),
    ErrorCode.ALREADY_DONE: N_("这一步已经办过了，无需再办。"),
    ErrorCode.AMOUNT_OUT_OF_RANGE: N_("金额不在允许的范围内：最低 %(low)s，最高 %(high)s。"),
    ErrorCode.APPEAL_LATE: N_("申诉的期限已过。您可以重新发起一轮，或联系服务台。"),
    ErrorCode.APPROVAL_LIMIT: N_("金额超过您的审批权限 %(limit)s，请由权限更高的审批人办理。"),
    ErrorCode.AUDIT_INCOMPLETE: N_("这份申请被抽中全面审核，还缺：%(missing)s。"),
    ErrorCode.BAD_LOGIN: N_("账号或口令不正确。"),
    ErrorCode.BANKS_COUNT: N_("请选择 1 到 %(most)s 家银行。"),
    ErrorCode.BANK_HELD: N_("本行有一笔放款应在 %(day)s 前回报而没有回报，回报后才能报价。"),
    ErrorCode.BATCH_EMPTY: N_("批次里还没有开放的需求，或没有有产品参加撮合的银行，请先加入。"),
    ErrorCode.BATCH_ROWS: N_("一个文件最多 %(limit)s 行，请分成几个文件。"),
    ErrorCode.BATCH_SENT: N_("没有等待推送的清单需求，或批次里还没有银行，请先加入。"),
    ErrorCode.BID_AFTER_CLOSE: N_("该需求的报价已经截止，不能再提交报价。"),
    ErrorCode.BID_EXISTS: N_("本行对该需求已有一份报价，请先撤回再重新报价。"),
    ErrorCode.BID_EXPIRED: N_("这份报价已过有效期，请选择其他报价或重新发起需求。"),
    ErrorCode.BID_LATE: N_("报价已于 %(closed)s 截止，您的提交在 %(arrived)s 到达，没有计入。这次提交已留下记录。"),
    ErrorCode.BID_INVALID: N_("报价有需要改正的地方，请看标出的各项。"),
    ErrorCode.BOOKING_EXISTS: N_("这张借据已经入库，同一借据只能入库一次。"),
    ErrorCode.BOOKING_LATE: N_("已超过入库期限（%(last)s），请写明原因并由金融局批准。"),
    ErrorCode.BOOKING_REFUSED: N_("这笔贷款没有通过入库检查，请看未通过的各项。"),
    ErrorCode.ASK_BANK_OUTSIDE: N_("这家银行还没有在平台上办理业务，请填写它的书面答复并上传凭据。"),
    ErrorCode.ASK_BANK_ON_PORTAL: N_("这家银行在平台上办理业务，请直接向它提出申请，由它答复。"),
    ErrorCode.ASK_NOT_ELIGIBLE: N_("大型企业不适用无还本续贷，也不能申请转贷。"),
    ErrorCode.BRIDGE_ASK_OPEN: N_("银行还在答复期内，请等银行答复；到期未答复的可以继续申请转贷。"),
    ErrorCode.BRIDGE_CHECKS: N_("这笔转贷没有通过预审，请看未通过的各项，或写明理由退回。"),
    ErrorCode.BRIDGE_EXISTS: N_("这张借据已有一笔未结清的转贷，不能重复申请。"),
    ErrorCode.BRIDGE_FROZEN: N_("账户被冻结，解除冻结后才能登记新贷款放款。"),
    ErrorCode.BRIDGE_NOT_NEEDED: N_("银行已同意无还本续贷，不需要转贷。"),
    ErrorCode.BRIDGE_NOT_PICKED: N_("企业还没有选定资金方，选定后才能审批。"),
    ErrorCode.BRIDGE_OVER_LIMIT: N_("转贷金额超过上限 %(limit)s，请降低金额。"),
    ErrorCode.BRIDGE_OWN_MONEY: N_("企业自有资金须先到还款账户，还差 %(gap)s。"),
    ErrorCode.BRIDGE_RENEWAL_PENDING: N_("续贷贷款 %(number)s 还没有批准，请先由本行审批人批准，再登记放款。"),
    ErrorCode.BRIDGE_UNCOVERED: N_("有担保物要转移的跨行转贷，担保机构确认担保、且担保金额不少于转贷金额后才能放款。"),
    ErrorCode.BRIDGE_URGENT: N_("距到期日不足 %(days)s 个工作日，请勾选加急办理。"),
    ErrorCode.BUDGET_EXHAUSTED: N_("资金池余额不足，这笔补偿暂不能支付，已列入等候。"),
    ErrorCode.CASES_OPEN: N_("这位同事手上还有 %(count)s 笔业务，请选择接手的同事。"),
    ErrorCode.CHOICE_EXISTS: N_("该需求已经选定一家银行，不能再选第二家。"),
    ErrorCode.CLAIM_EXISTS: N_("这笔贷款已有一份补偿申请在办，不能重复申请。"),
    ErrorCode.CLAIM_OUTDATED: N_("申请之后又收回了本金，损失已经变小：请由银行更正申请，或由金融局写明理由核减。"),
    ErrorCode.CLAIM_FULL: N_("认领件数已到上限，请先办结或交还手上的需求，再认领新的。"),
    ErrorCode.CLAIM_NOT_OVERDUE: N_("这笔贷款没有逾期，不能按代偿申请补偿。"),
    ErrorCode.DISTRICT_SHARES: N_("政银和政担至少填一项比例。"),
    ErrorCode.GUARANTEE_LIVE: N_("这笔贷款已登记担保合同，由担保机构办理入库；要改由银行入库或更正，请先撤回担保合同。"),
    ErrorCode.GUARANTEE_SHARES: N_("再担保比例要小于担保机构承担的比例；有再担保比例就要写明再担保机构，没有就都不填。"),
    ErrorCode.OWNER_KNOWN: N_("这个人已经登记为该企业的企业主，请直接选择。"),
    ErrorCode.OWNER_SHARE: N_("股东请填写持股比例。"),
    ErrorCode.CLAIM_NOT_PAYEE: N_("政银模式由银行申请补偿，政担模式由担保机构申请，同一笔贷款不能两边都申请。"),
    ErrorCode.CLAIM_NOT_BAD: N_("这笔贷款还不是不良贷款，不能申请补偿。"),
    ErrorCode.CLAIM_TAKEN: N_("这份需求已由本行同事认领。"),
    ErrorCode.CLAIM_TOO_LATE: N_("已超过办法规定的申请期限，不能再申请补偿。"),
    ErrorCode.COLLATERAL_EXISTS: N_("这个登记证明号已经登记在这笔转贷上。"),
    ErrorCode.COMMITMENT_EXPIRED: N_("续贷承诺的有效期或最迟放款日 %(day)s 已过，请银行重新出具。"),
    ErrorCode.COMMITMENT_WORSE: N_("重新出具的承诺不得差于原承诺：金额不少于 %(amount)s，利率不高于 %(rate)s。"),
    ErrorCode.CONDITIONS_OPEN: N_("还有没有成立的条件，请先登记后再放款。"),
    ErrorCode.CONDITION_UNKNOWN: N_("选定后只能以报价中列明的条件不成立为由拒绝，请选择是哪一项。"),
    ErrorCode.CONSENT_MISSING: N_("企业没有授权贵行查看这项资料，或授权已撤回、到期。"),
    ErrorCode.CONSENT_TEXT_CHANGED: N_("授权文本与您读到的不同（可能刚有新版本），请重新阅读后再签署。"),
    ErrorCode.CONSTRAINT: N_("提交的内容与已有记录冲突，请刷新页面后重试。"),
    ErrorCode.CORRECTED_ONCE: N_("需求公开后只能更正一次。需要再改，请撤回后重新发起。"),
    ErrorCode.CORRECTION_OPEN: N_("这笔补偿已有一项更正在办，请先办完。"),
    ErrorCode.DATA_INSTEAD: N_("企业已授权本行查看能代替这份材料的数据，请直接查看，不必再要材料。"),
    ErrorCode.DATA_REPLACES: N_("已授权的数据能说明同样的内容，不需要这份材料。"),
    ErrorCode.DATE_OUT_OF_RANGE: N_("日期应在 %(low)s 至 %(high)s 之间，请核对。"),
    ErrorCode.DAYS_OUT_OF_RANGE: N_("天数应在 0 至 %(high)s 之间，请核对。"),
    ErrorCode.DEDUCTIONS_WRONG: N_("核减的每一项须选类别、填金额、写明理由，合计要小于计算的补偿。"),
    ErrorCode.DEDUCTION_REPAID: N_("申请之后又收回了本金，核减中须有“申请后收回的本金”一项。"),
    ErrorCode.DISPUTE_NO_PROVIDER: N_("现在没有单位提供这项资料，没有人可以核查，请联系服务台。"),
    ErrorCode.DISPUTE_OPEN: N_("对这条资料已有一份异议在核查，请等候答复，或先撤回它。"),
    ErrorCode.EDITION_EXISTS: N_("这个版本代号已经用过，请换一个。"),
    ErrorCode.EDITION_SAME: N_("和原来的一版没有差别，没有什么可提出的。"),
    ErrorCode.EDITION_WAITING: N_("已有一版参数在等待决定，请先办完那一版。"),
    ErrorCode.FEE_UNLISTED: N_("费用只能按收费清单和账单收取，不得超过上限，也不得另立名目。"),
    ErrorCode.FILE_BROKEN: N_("文件读不出来：%(detail)s。请重新导出后再上传。"),
    ErrorCode.FILE_HEADER: N_("表头不对，缺少这些列：%(missing)s。请下载模板对照。"),
    ErrorCode.FILE_TOO_LARGE: N_("文件超过 %(limit)s 的上传上限，较大的文件请交平台用命令导入。"),
    ErrorCode.FILE_TYPE: N_("不支持这种文件，请上传 %(allowed)s 文件。"),
    ErrorCode.FIRM_UNKNOWN: N_("平台上没有名称和统一社会信用代码都相符的企业，请核对，或请企业先注册。"),
    ErrorCode.FORBIDDEN: N_("您的角色不能办理这件事。"),
    ErrorCode.FUND_EXHAUSTED: N_("资金方可用额度不足，请换一个资金方或降低金额。"),
    ErrorCode.FUND_CLOSED: N_("资金方 %(day)s 不放款，请换一天。"),
    ErrorCode.FUND_UNAGREED: N_("资金方没有覆盖 %(low)s 至 %(high)s、包含%(kind)s的有效协议，不能报价或占用资金。"),
    ErrorCode.HOLD_EXPIRED: N_("占用已经到期释放，请转贷中心重新占用资金。"),
    ErrorCode.HOLD_REFUSED: N_("资金方的协议或额度不允许这样占用或报价，请刷新页面后重新选择。"),
    ErrorCode.QUOTA_EXCEEDED: N_("%(day)s 的%(quota)s为 %(limit)s，已占用 %(used)s，超出 %(over)s；请换日期、金额或资金方。"),
    ErrorCode.HOP_CORRECTION_OPEN: N_("这笔转贷已有一项划转更正等另一人确认，请先办完。"),
    ErrorCode.HOP_NEGATIVE: N_("划转超过了账户上的金额，请核对。"),
    ErrorCode.IDEMPOTENCY: N_("这张表单已经提交过，而内容与上次不同。请重新打开页面再提交。"),
    ErrorCode.INVALID: N_("填写有误，请看标出的各项。"),
    ErrorCode.INVITATION_INVALID: N_("邀请或重置链接无效、尚未经第二位管理员确认、已使用或已过期，请询问管理员。"),
    ErrorCode.LAST_ADMINISTRATOR: N_("不能停用最后一位管理员，请先指定另一位。"),
    ErrorCode.LICENCE_MISSING: N_("还没有上传营业执照，请先上传再办这一步。"),
    ErrorCode.LOCKED: N_("登录失败次数过多，账号已暂时锁定，请 %(minutes)s 分钟后再试。"),
    ErrorCode.LOAN_UNRECOGNISED: N_("企业还没有确认这笔线下贷款，确认后才能办理。请提醒企业登录平台确认。"),
    ErrorCode.LOGIN_TAKEN: N_("这个登录名已被使用，请换一个。"),
    ErrorCode.NAME_TAKEN: N_("这个名称已经有了，请换一个。"),
    ErrorCode.MODEL_FILE: N_("这不是可用的模型文件：%(detail)s"),
    ErrorCode.MODEL_KNOWN: N_("这个模型版本已经登记过，请到模型列表查看。"),
    ErrorCode.NEEDS_TOO_MANY: N_("进行中的融资需求最多 5 份，请先办完或撤回其中一份。"),
    ErrorCode.NEED_INCOMPLETE: N_("需求还没有填完整，请补齐标出的各项。"),
    ErrorCode.NEED_UNCHANGED: N_("内容没有改动，不需要更正。"),
    ErrorCode.NOBODY_CONSENTS: N_("还没有企业授权平台计算画像，没有可评分的企业。"),
    ErrorCode.NOTE_TAKEN: N_("本行已登记过这个借据编号，请核对。"),
    ErrorCode.NOTHING_TO_DRAW: N_("现在没有可以抽样的补偿申请。"),
    ErrorCode.NOT_FOUND: N_("没有找到，或您无权查看。"),
    ErrorCode.NOT_PARTNER: N_("贵行现在没有有效的合作协议，不能申请补偿。"),
    ErrorCode.NOT_VERIFIED: N_("企业还没有通过执照与法定代表人核验，核验后才能办理。"),
    ErrorCode.NOTHING_BOOKED: N_("资金池里还没有在保的贷款，没有可以测试的对象。"),
    ErrorCode.NO_MODEL: N_("还没有启用评分模型，请先登记并启用一个模型。"),
    ErrorCode.OBJECTION_ANSWERED: N_("这份异议已经答复。"),
    ErrorCode.OBJECTION_CLOSED: N_("公示期已结束，不能再提异议。"),
    ErrorCode.OBJECTION_OPEN: N_("还有异议没有答复，暂不能支付。"),
    ErrorCode.PAPERS_MISSING: N_("还缺这些证明材料：%(missing)s。请上传后再提交。"),
    ErrorCode.PAPERS_TOO_MANY: N_("一份需求最多 20 份材料，请先移除不需要的。"),
    ErrorCode.PARTS_STAND: N_("已有银行承担其中一部分，需求不能撤回；不再补选请选“就此为止”。"),
    ErrorCode.PARTS_SUM: N_("所选的金额合起来与需求对不上，或超出银行所报的范围，请重新核对。"),
    ErrorCode.PASSWORD_REUSED: N_("不能使用最近 %(count)s 次用过的口令。"),
    ErrorCode.PASSWORD_WEAK: N_("口令至少 %(length)s 位，并含大写、小写、数字、符号中的三种，且不能是常见口令。"),
    ErrorCode.PAYMENT_HELD: N_("已触及熔断线，支付暂缓，须由金融局写明理由解除。"),
    ErrorCode.PERSONAL_TEXT_UNSIGNED: N_("其中有属于您个人的信息，请对每个接收方另外签署个人信息授权，或不选这些资料。"),
    ErrorCode.PRODUCT_RULE_SIZE: N_("产品的准入条件太长，请减少条件或取值。"),
    ErrorCode.POLICY_VALUE: N_("这里的数值不能用：没有改动，或超出允许的范围，请核对。"),
    ErrorCode.PUSH_BODY: N_("请求内容不对：%(detail)s。"),
    ErrorCode.PUSH_CLOCK: N_("时间戳与平台时间相差超过 %(minutes)s 分钟，请校准时钟后重新签名。"),
    ErrorCode.PUSH_ITEM: N_("本单位没有登记提供这项资料，请核对地址，或请平台登记。"),
    ErrorCode.PUSH_REPEAT: N_("这个 Idempotency-Key 已经用于另一次内容不同的推送，请换一个。"),
    ErrorCode.PUSH_REPLAYED: N_("这个随机数已经用过，请换一个随机数重新签名。"),
    ErrorCode.PUSH_ROWS: N_("一次最多推送 %(limit)s 行，请分批推送。"),
    ErrorCode.PUSH_SIGNATURE: N_("密钥不存在、已停用，或签名不正确。"),
    ErrorCode.PUSH_TOO_LARGE: N_("请求内容超过 %(limit)s，请分批推送。"),
    ErrorCode.PUSH_TOO_OFTEN: N_("请求太频繁，请在 %(seconds)s 秒后再试。"),
    ErrorCode.PUSH_TYPE: N_("只接受未压缩的 application/json 或 application/x-ndjson。"),
    ErrorCode.PUSH_UNSIGNED: N_("请求头 %(header)s 缺少，或写法不对。"),
    ErrorCode.REASON_NEEDED: N_("请写明理由。"),
    ErrorCode.PAYMENT_OPEN: N_("这笔补偿还有一部分在等候资金或支付，请先办完。"),
    ErrorCode.DOCUMENT_TAKEN: N_("这个文号在这一年已经用过。"),
    ErrorCode.YEAR_CLOSED: N_("这个预算年度已经结账或正在结账，不能再记账。"),
    ErrorCode.YEAR_RUNNING: N_("这个预算年度还没有结束，不能结账。"),
    ErrorCode.RECOVERY_SETTLED: N_("这笔回收无需返还，或已经返还。"),
    ErrorCode.REFUSED_ALREADY: N_("本行已婉拒这份需求，不能再报价或重复婉拒。"),
    ErrorCode.REPAYMENT_ORDER: N_("请按日期先后登记还款；最近一笔是 %(day)s，补登更早的还款请先冲正它。"),
    ErrorCode.RECEIVING_OUTSIDE: N_("续贷资金收款账户须是这笔转贷录入的账户之一：贷款还款账户，选定资金方之后也可以是托管账户或"
                                   "资金方账户。请银行改写收款账户，重新出具承诺。"),
    ErrorCode.REPAYMENT_TOO_LARGE: N_("还款超过尚欠金额 %(limit)s，请核对。"),
    ErrorCode.RETURNS_USED_UP: N_("已退回 %(count)s 次，不能再退回，请转入审核。"),
    ErrorCode.RETURN_OPEN: N_("还有应返还而未返还的款项，不能结案。"),
    ErrorCode.REVERSAL_ORDER: N_("只能冲正最近一笔还款，请先冲正它之后的各笔。"),
    ErrorCode.ROUND_EXISTS: N_("这个批次已有一轮撮合没有结束，请先结束或作废它。"),
    ErrorCode.ROUND_STALE: N_("计算之后，需求、产品或参加的银行有了变化，请重新计算后再公布。"),
    ErrorCode.ROUNDS_USED_UP: N_("同一笔需求最多三轮。请换一个金额或用途，新建一份需求。"),
    ErrorCode.RULE_BROKEN: N_("准入条件的格式不对，请检查每一条的项目、关系和数值。"),
    ErrorCode.SAME_PERSON: N_("这一步必须由另一个人办理。"),
    ErrorCode.SAMPLE_SIZE: N_("抽样件数须在 1 到 %(most)s 之间。"),
    ErrorCode.SECOND_FACTOR: N_("动态码不正确或已过期，请输入手机上最新的六位数字。"),
    ErrorCode.STANDSTILL: N_("公示期或选定期限已过，或选定已经生效，不能再提出异议或改选。"),
    ErrorCode.STATEMENT_UNLIKE: N_("这一行与这笔划转的账户、方向或金额不同，不能对上。"),
    ErrorCode.STATE_CHANGED: N_("状态已经变化，不能再办这一步，请刷新页面查看。"),
    ErrorCode.THREE_ADMINISTRATORS: N_("系统、安全、审计管理员必须由三个人分别担任。"),
    ErrorCode.TIES_UNDECLARED: N_("请说明贷款是否搭配其他产品或服务；没有也要说明。"),
    ErrorCode.TIE_BANNED: N_("存款、信用卡和理财不得作为贷款的条件，请删除或改为非必须。"),
    ErrorCode.TOO_MANY_TRIES: N_("与平台企业对不上的登记次数过多，请 %(hours)s 小时后再试；尝试已记录。"),
    ErrorCode.TOP_UP_NOTHING: N_("没有可以叠加的区级补偿：该区没有有效办法，或已达财政性分担上限。"),
    ErrorCode.TRAINING_OPEN: N_("已有一次训练在进行，结束后再开始下一次。"),
    ErrorCode.TROUBLE_OPEN: N_("同一种异常事项已有一项未了结，请在那里处理。"),
    ErrorCode.USCC_CLAIMED: N_("该统一社会信用代码已有账号。如不是您本人注册，请联系服务台。"),
    ErrorCode.USCC_INVALID: N_("统一社会信用代码不正确：%(detail)s"),
    ErrorCode.USCC_KIND: N_("这不是企业、个体工商户或农民专业合作社的代码，本平台只受理这三类单位。"),
    ErrorCode.VOUCHER_TAKEN: N_("这个凭证号已经用过，请核对。"),
}


class Refusal(Exception):
    """The portal says no for a reason of the closed list.

    ``field`` names the form field at which the sentence belongs; ``params`` fill the sentence; a tuple among them
    is a list of Chinese words, each translated where the sentence is shown.
    """

    def __init__(self, code: ErrorCode, *, field: str | None = None, **params: Any) -> None:
        super().__init__(code.value)
        self.code = code
        self.field = field
        self.params = params

    @property
    def sentence(self) -> str:
        """The Chinese sentence, filled in, untranslated (logs and command line)."""
        words = {name: "、".join(value) if isinstance(value, tuple) else value for name, value in self.params.items()}
        return MESSAGES[self.code] % words if words else MESSAGES[self.code]


class NotFound(Refusal):
    """The object does not exist for this actor."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.NOT_FOUND)


_CONSTRAINTS: dict[str, tuple[ErrorCode, str | None]] = {}


def constraint(name: str, code: ErrorCode, field: str | None = None) -> None:
    """A violation of database constraint ``name`` becomes this refusal at this field."""
    _CONSTRAINTS[name] = (code, field)


def refusal_of_constraint(name: str | None) -> Refusal | None:
    """The refusal registered for a constraint; ``None`` if nobody registered it."""
    if name is None or name not in _CONSTRAINTS:
        return None
    code, field = _CONSTRAINTS[name]
    return Refusal(code, field=field)
