"""Two people put a model to work and two people go back to the earlier one, in their browsers."""

from __future__ import annotations

import pytest

from app.core import outbox
from app.core.permissions import Role
from app.credit import model_service
from tests import cast
from tests.credit_cast import consent, current, firm_with_invoices, model_file
from tests.e2e.visitors import Visitors, decide, facts, follow, open_row, press, said, words, write

pytestmark = pytest.mark.e2e


def test_two_people_activate_a_model_and_two_go_back_to_the_earlier_one(visitors: Visitors) -> None:
    first = model_service.register_model(cast.SYSTEM, model_file(11))
    platform, bureau = cast.platform(), cast.bureau()
    firms = [firm_with_invoices(number, f"试评企业{number:02d}") for number in range(10)]
    for firm in firms:
        consent(firm)

    system = visitors.as_(platform, Role.SYSTEM_ADMIN, "/models")
    visitors.look_over(system)
    assert "在用" in words(system) and first.version in words(system)
    follow(system, "上传模型")
    write(system, note="季度重训，样本外更好")
    system.set_input_files("[name=file]", str(model_file(12)))
    visitors.look_over(system)
    press(system, "上传并登记")
    assert "请由另一个人批准" in said(system)
    assert system.get_by_text("批准", exact=True).count() == 0, "who brings a model may not approve it"
    visitors.look_over(system)
    address = system.url

    leader = visitors.as_(bureau, Role.BUREAU_LEADER)
    leader.locator(".waits a", has_text="审批候选模型").first.click()
    leader.wait_for_url(address)
    press(leader, "比较")
    press(leader, "在平台企业上比较")
    outbox.drain()
    leader.reload()
    assert "等级怎么变" in words(leader) and "试评企业" not in words(leader)
    visitors.look_over(leader)
    leader.goto(address)
    decide(leader, "批准", "在同一批企业上比较过，排序一致")
    assert "请由另一个人启用" in said(leader)
    assert leader.locator("details.ask > summary", has_text="启用").count() == 0, "who approved may not activate"

    system.goto(address)
    decide(system, "启用", "按批准启用")
    assert "已启用" in said(system)
    outbox.drain()
    profile = current(firms[0])
    assert profile is not None and profile.model_id != first.id

    security = visitors.as_(platform, Role.SECURITY_ADMIN, "/models?f=1&state=retired")
    open_row(security, first.version)
    assert "没有经过两个人批准" in words(security)
    decide(security, "提出回退", "新模型对小店偏低")
    assert security.get_by_text("同意回退", exact=True).count() == 0, "who asks for a rollback may not agree to it"
    visitors.look_over(security)

    leader.goto("/")
    leader.locator(".waits a", has_text="同意或放弃模型回退").first.click()
    leader.wait_for_url(security.url)
    decide(leader, "同意回退", "同意")
    assert "已回退" in said(leader)
    outbox.drain()
    back = current(firms[0])
    assert back is not None and back.model_id == first.id

    for path in ("/models/fairness", "/models/drift"):
        leader.goto(path)
        press(leader, "重新计算")
        outbox.drain()
        leader.goto(path)
        assert "试评企业" not in words(leader)
        visitors.look_over(leader)

    officer = visitors.as_(cast.bank(), Role.BANK_OFFICER, "/model-card")
    assert facts(officer)["模型版本"] == first.version
    visitors.look_over(officer)
    assert visitors.troubles == []
