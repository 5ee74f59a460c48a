"""A bank writes what it lends on; a firm sees which products fit, what is missing for the others, and why."""

from __future__ import annotations

import re
from uuid import uuid4

from flask.testing import FlaskClient

from app.core.money import WAN
from app.core.permissions import Role
from app.market.fit_rules import leaf
from tests import cast, market_cast
from tests.market_cast import sign_in
from tests.web.test_market_firm_pages import errors_of, text_of


def test_a_firm_sees_what_fits_before_it_files_and_what_would_open_the_rest(client: FlaskClient) -> None:
    bank, firm = cast.bank(), cast.firm()
    sign_in(client, bank, Role.BANK_ADMIN)
    form = {
        "name": "科创税贷", "kind": "TAX_LOAN", "min_amount": "10", "max_amount": "500", "min_term_months": "3",
        "max_term_months": "24", "min_rate": "3.45", "max_rate": "4.35", "repayments": ["EQUAL_INSTALMENT"],
        "officer_capacity": "20", "day_count": "30/360", "interest_day": "21", "holiday": "NONE", "first_period": "SHORT",
        "required_sources": ["tax"], "idempotency_token": str(uuid4()),
        "rules-0-fact": "headcount", "rules-0-op": "at_least", "rules-0-value": "10",
        "rules-1-fact": "size", "rules-1-op": "in", "rules-1-value": "小型、微型",
        "rules-2-fact": "tax_grade", "rules-2-op": "in", "rules-2-value": "A、B",
        "rules-3-fact": "industry", "rules-3-op": "in", "rules-3-value": "制造业", "rules-3-joined": "y",
        "rules-4-fact": "revenue_fen", "rules-4-op": "not:at_most", "rules-4-value": "500",
    }  # fmt: skip
    wrong = client.post("/products/new", data={
        **form, "rules-0-value": "很多", "rules-1-value": "特大型", "rules-2-op": "at_least", "rules-4-value": "",
    })  # fmt: skip
    for sentence in ("请填写整数。", "没有“特大型”这一项，可填：微型、小型、中型、大型。",
                     "“纳税信用级别”不能用这种关系，请另选。",
                     "请填写以万元计的数字，例如 300。"):  # fmt: skip
        assert sentence in errors_of(wrong.text)
    assert client.post("/products/new", data=form).location == "/products"
    kept = client.get(re.findall(r"/products/[0-9a-f-]{36}", client.get("/products").text)[0]).text
    assert 'value="微型、小型"' in kept and 'value="制造业"' in kept and 'value="500"' in kept
    market_cast.product(cast.bank("云城银行"), "大额专享", min_amount_fen=2_000 * WAN, max_amount_fen=3_000 * WAN)
    market_cast.product(cast.bank("岭海银行"), "普惠快贷", rule={"any": [{"all": [leaf("district", "in", ["440112"])]}]})

    sign_in(client, firm, Role.FIRM_CLERK)
    silent = text_of(client.get("/products/fit").text)
    assert "还缺" in silent and "还缺条件 3" in silent
    query = "amount=300&months=12&purpose=PURCHASE&first=1"
    page = text_of(client.get(f"/products/fit?{query}").text)
    assert "符合 1 还缺条件 1 不符合 1" in page
    assert page.index("普惠快贷") < page.index("科创税贷") < page.index("大额专享")
    assert "还缺 1 项" in page and "授权本产品银行查看 包括 纳税" in page and "需求金额 不少于 2,000 万元" in page
    assert "科创税贷" not in text_of(client.get(f"/products/fit?{query}&show=YES").text)
    link = re.search(r"/products/[0-9a-f-]{36}/fit\?[^\"]*", client.get(f"/products/fit?{query}&show=UNKNOWN").text)
    assert link is not None
    raw = client.get(link[0].replace("&amp;", "&")).text
    one = text_of(raw)
    for words in ("从业人数 不少于 10 人 60 人 符合", "纳税信用级别 属于 A、B", "与其他第 1 组条件满足其一即可",
                  "年营业收入 超过 500 万元",
                  "授权这家银行查看纳税", "3.45% – 4.35%"):  # fmt: skip
        assert words in one, words
    assert f"/my-consents/new?item=tax&amp;bank={bank.id}" in raw
    assert "请填写数字" in client.get("/products/fit?amount=很多").text
    assert client.get(f"/products/{uuid4()}/fit").status_code == 404

    sign_in(client, bank, Role.BANK_OFFICER)
    assert client.get("/products/fit").status_code == 404
