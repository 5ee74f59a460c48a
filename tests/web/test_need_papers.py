"""Papers of a need: none where data say the same, settled before it is submitted, read by banks that the firm lets know it."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from app.core.database import transaction
from app.core.errors import ErrorCode
from app.core.permissions import Role
from app.evidence import service as evidence
from app.evidence.rules import Choice
from app.market import paper_service, service
from tests import cast, market_cast
from tests.cast import SYSTEM
from tests.database import TestDatabase
from tests.seal_tools import owner_sql, rows
from tests.service import fact_tools
from tests.service.test_answers import identity
from tests.service.test_market_lifecycles import refused
from tests.web.test_loans_pages import words
from tests.web.visitors import visit

pytestmark = pytest.mark.service


def names(database: TestDatabase, who: cast.Cast, need_id: UUID) -> list[str]:
    """Papers of a need as somebody reads them."""
    seen = "select f.filename from need_paper p join paper f on f.id = p.paper_id where p.need_id = %s order by 1"
    return [row[0] for row in rows(database, identity(who), seen, need_id)]


def test_papers_are_asked_for_where_no_data_say_it_and_go_with_the_need(app: Flask, database: TestDatabase) -> None:
    firm, known, other = cast.firm("广州岭南精工机械有限公司"), cast.bank("珠岸银行"), cast.bank("云城银行")
    provider = cast.provider()
    with transaction(SYSTEM):
        row = {**fact_tools.ROWS["tax"], "firm_no": fact_tools.firm_no_of(firm)}
        fact_tools.put("tax", fact_tools.delivery_of(provider, "tax"), **row)
    need = market_cast.draft_need(firm)
    clerk = visit(app, firm[Role.FIRM_CLERK])
    page, token = f"/needs/{need.id}/papers", iter(range(100))

    def send(kind: str, name: str, data: bytes = b"%PDF-1.7 x", **more: Any) -> str:
        form = {"kind": kind, "file": (io.BytesIO(data), name), "idempotency_token": f"p{next(token)}", **more}
        return words(clerk.post(page, data=form, follow_redirects=True))

    step = words(clerk.get(page))
    assert "已有能代替它的数据" in step and "只有材料能说明" in step and "数据已能说明" not in step
    assert "材料已上传" in send("STATEMENTS", "报表.pdf"), "no bank may read the data yet, so the paper is wanted"
    evidence.give_consents(firm[Role.FIRM_CLERK], (Choice(known.id, ("tax",)),))
    assert "数据已能说明" in words(clerk.get(page))
    assert "不需要这份材料" in send("TAX_RETURN", "申报表.pdf")
    assert "PDF / PNG / JPG" in send("CONTRACT", "合同.exe", b"MZ") and "PDF / PNG / JPG" in send("CONTRACT", "合同.pdf", b"MZ")
    send("PROPERTY_DEED", "房产证.pdf")
    assert "房产证.pdf" not in words(clerk.get(page)), "a credit loan wants no deed"
    send("CONTRACT", "旧合同.pdf")
    by_name = "select id from paper where filename = %s"
    old, scrap = (owner_sql(database, by_name, name)[0][0] for name in ("旧合同.pdf", "报表.pdf"))
    send("CONTRACT", "新合同.pdf", replaces=str(old))
    clerk.post(f"{page}/{scrap}/remove", data={"idempotency_token": "r1"})
    assert names(database, firm, need.id) == ["新合同.pdf"]
    check = words(clerk.get(f"/needs/{need.id}/check"))
    assert "新合同.pdf" in check and "不用交，数据已能说明" in check and "旧合同.pdf" not in check

    service.submit_need(firm[Role.FIRM_CLERK], need.id)
    assert names(database, known, need.id) == [], "not before the desk has released it"
    with pytest.raises(Exception, match="before submitting"):
        owner_sql(database, "delete from need_paper")
    market_cast.release(need)
    assert names(database, known, need.id) == ["新合同.pdf"]
    for stranger in (other, cast.firm("别家企业"), cast.platform(), cast.provider("广州供水")):
        assert names(database, stranger, need.id) == [], stranger.name
        assert rows(database, identity(stranger), "select 1 from paper") == [], stranger.name
    assert "新合同.pdf" in words(visit(app, known[Role.BANK_OFFICER]).get(f"/queue/{need.id}"))
    assert "新合同.pdf" not in words(visit(app, other[Role.BANK_OFFICER]).get(f"/queue/{need.id}"))
    assert "新合同.pdf" in words(clerk.get(f"/needs/{need.id}"))
    assert refused(lambda: paper_service.remove_paper(firm[Role.FIRM_CLERK], need.id, old)) is ErrorCode.STATE_CHANGED

    service.withdraw_need(firm[Role.FIRM_CLERK], need.id, "这一轮不做了")
    again = service.second_round(firm[Role.FIRM_CLERK], need.id)
    assert names(database, firm, again.id) == ["新合同.pdf"] and names(database, known, again.id) == []
    assert "上一轮交过的材料已带过来" in words(clerk.get(f"/needs/{again.id}/papers"))
    kept = owner_sql(database, "select paper_id from need_paper where need_id = %s", again.id)[0][0]
    paper_service.remove_paper(firm[Role.FIRM_CLERK], again.id, kept)
    assert names(database, firm, need.id) == ["新合同.pdf"], "each round has its own"
