"""Headings of an export's sheets, for columns that are no fact of the catalogue."""

from __future__ import annotations

from app.evidence.rules import N_

COLUMNS: dict[str, str] = {
    "uscc": N_("统一社会信用代码"), "name": N_("名称"), "form": N_("主体类型"), "district": N_("区"), "industry_code": N_("行业"),
    "headcount": N_("从业人数"), "revenue_fen": N_("营业收入"), "assets_fen": N_("资产总额"), "figures_year": N_("数据年度"),
    "year": N_("年度"), "source": N_("来源"), "figures_source": N_("来源"), "size_class": N_("规模"), "size_rule": N_("划型标准"),
    "size_working": N_("划型过程"), "sized_at": N_("划型时间"), "state": N_("状态"), "verified_at": N_("核验时间"),
    "synthetic": N_("合成数据"), "created_at": N_("创建时间"), "representative_name": N_("法定代表人"),
    "representative_id_no": N_("法定代表人证件号"), "refusal_reason": N_("退回理由"), "version": N_("版本"), "at": N_("时间"),
    "login": N_("登录名"), "roles": N_("角色"), "phone": N_("手机"), "email": N_("电子邮箱"), "left_at": N_("离开时间"),
    "item_code": N_("资料"), "purpose": N_("用途"), "channel": N_("渠道"), "text_version": N_("文本版本"),
    "signed_text": N_("签署的文本"), "given_at": N_("签署"), "valid_until": N_("有效至"), "ended_at": N_("结束"),
    "end_reason": N_("结束原因"), "receiver": N_("接收方"), "who": N_("谁"), "actor_role": N_("角色"), "result": N_("结果"),
    "subject": N_("主体"), "subject_no": N_("主体编号"), "category": N_("类别"), "rows": N_("行数"), "first_month": N_("起"),
    "last_month": N_("止"), "sums": N_("合计"), "made_at": N_("合计时间"), "row_no": N_("行号"), "reason": N_("原因"),
    "raw": N_("原文"), "provider": N_("数据单位"), "fact": N_("哪一条"), "shown": N_("提出异议时的资料"), "label": N_("关于"),
    "claim": N_("哪里不对"), "wanted": N_("正确的应当是"), "asked_at": N_("提出"), "due_on": N_("答复期限"),
    "answered_at": N_("答复时间"), "answer": N_("答复"), "deliver_by": N_("答应更正的日期"), "corrected_at": N_("更正时间"),
    "withdrawn_at": N_("撤回时间"), "cause": N_("原因"), "recompute_by": N_("重算期限"), "recomputed_at": N_("重算时间"),
    "kind": N_("类别"), "filename": N_("文件"), "size": N_("大小"), "number": N_("业务编号"), "title": N_("事项"),
    "opened_at": N_("开始"), "score": N_("评分"), "grade": N_("等级"), "probability": N_("违约概率"), "as_of": N_("数据日期"),
    "partial": N_("资料不全"), "months_covered": N_("覆盖月数"), "coverage": N_("覆盖情况"), "reasons": N_("理由"),
    "features": N_("计算依据"), "current": N_("现行版本"), "message": N_("内容"), "amount_fen": N_("金额"),
    "term_months": N_("期限（月）"), "annual_rate": N_("年利率"), "principal_fen": N_("本金"), "interest_fen": N_("利息"),
    "paid_on": N_("还款日期"), "bank": N_("银行"), "drawn_on": N_("放款日期"),
}
"""Column → Chinese heading; a column that is not here keeps its code, which the JSON file uses too."""
