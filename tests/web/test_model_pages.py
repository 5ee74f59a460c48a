"""Pages of the model register: who sees and may do what, the card, fairness, drift, comparison; no firm leaves a name."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core import outbox
from app.core.context import Context
from app.core.database import session, transaction
from app.core.permissions import Role
from app.credit import model_service, report_service, training_service
from app.credit.model_states import ModelState
from app.credit.models import ScoringModel
from app.credit.register_models import ModelReport, ModelTraining
from tests import cast
from tests.credit_cast import consent, firm_with_invoices, model_file
from tests.model_cast import WHY, Governors, content
from tests.web.visitors import visit

pytestmark = [pytest.mark.service, pytest.mark.usefixtures("database")]

FIRMS = 11


def words(client: FlaskClient, path: str, **options: object) -> str:
    """A page as text; it must be there."""
    answer = client.get(path, **options)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.status_code
    return str(answer.get_data(as_text=True))


def scored_firms(count: int = FIRMS) -> list[cast.Cast]:
    """Firms with a profile by the model that scores."""
    model_service.register_model(cast.SYSTEM, model_file(11))
    firms = [firm_with_invoices(number, f"无名企业{number:02d}") for number in range(count)]
    for firm in firms:
        consent(firm)
    return firms


def test_the_register_shows_each_model_with_its_state_and_offers_what_one_may_do(app: Flask) -> None:
    people = Governors()
    model = people.model_in(ModelState.CANDIDATE)
    system, security = visit(app, people.system), visit(app, people.security)
    page = words(system, "/models")
    assert model.version in page and "候选" in page and "在用" in page and "训练模型" in page
    assert "训练模型" not in words(security, "/models")
    own, other = words(system, f"/models/{model.id}"), words(security, f"/models/{model.id}")
    assert 'value="approve"' not in own and 'value="approve"' in other
    assert "审批候选模型" in words(security, "/")
    assert "审批候选模型" not in words(system, "/")


def test_a_decision_needs_a_reason_and_a_second_person(app: Flask) -> None:
    people = Governors()
    model = people.model_in(ModelState.CANDIDATE)
    leader, system = visit(app, people.leader), visit(app, people.system)
    decide = f"/models/{model.id}/decide"
    assert "请写明理由" in posted(leader, decide, event="approve", reason="")
    assert "已批准" in posted(leader, decide, event="approve", reason=WHY)
    page = words(leader, f"/models/{model.id}")
    assert "下一步要由另一个人办理" in page and 'value="activate"' not in page
    assert "必须由另一个人" in posted(leader, decide, event="activate", reason=WHY)
    told = posted(system, decide, event="activate", reason="按批准启用")
    assert "已启用" in told and WHY in told and "首次启动" not in told
    first = words(system, "/models?state=retired&f=1")
    assert "已停用" in first


def test_the_first_model_says_that_nobody_decided(app: Flask) -> None:
    people = Governors()
    first = model_service.register_model(cast.SYSTEM, model_file(11))
    assert "没有经过两个人批准" in words(visit(app, people.audit), f"/models/{first.id}")


def test_a_file_is_uploaded_once_and_what_is_no_model_says_why(app: Flask) -> None:
    people = Governors()
    system = visit(app, people.system)
    model_service.register_model(cast.SYSTEM, model_file(11))
    for file, answer in ((b"nothing", "文件损坏"), (content(11), "已经登记过")):
        told = system.post("/models/upload", data={"file": (BytesIO(file), "model.json"), "note": WHY})
        assert answer in told.get_data(as_text=True)
    assert visit(app, people.security).get("/models/upload").status_code == 403


def test_a_training_is_asked_for_once_at_a_time(app: Flask) -> None:
    people = Governors()
    system = visit(app, people.system)
    assert "训练已开始" in posted(system, "/models/new", data="synthetic", note=WHY)
    page = words(system, "/models")
    assert "排队中" in page and "训练中" not in page
    with transaction(cast.SYSTEM):
        training = session().query(ModelTraining).one()
        session().execute(training_service._LOCK, {"id": str(training.id)})
        page = words(system, "/models")
    assert "训练中" in page and "排队中" not in page, "while a worker is at it"
    assert "已有一次训练在进行" in posted(system, "/models/new", data="synthetic", note=WHY)
    assert "请写明为什么" in posted(system, "/models/new", data="synthetic", note="")


def test_the_card_is_read_by_banks_and_a_candidate_s_is_not(app: Flask) -> None:
    people, bank = Governors(), cast.bank()
    officer = visit(app, bank[Role.BANK_OFFICER])
    assert "还没有在用的模型" in words(officer, "/model-card")
    candidate = people.candidate()
    with transaction(cast.SYSTEM, read_only=True):
        active = session().query(ScoringModel).filter(ScoringModel.active).one()
    page = words(officer, "/model-card", follow_redirects=True)
    assert active.version in page and active.sha256.hex() in page and "越大越好" in page and "局限" in page
    assert "0.700" in page
    file = officer.get(f"/models/{active.id}/card?format=md")
    assert file.mimetype == "text/markdown" and file.get_data(as_text=True).startswith("# 模型说明书")
    assert "| --- |" in file.get_data(as_text=True)
    drawn = officer.get(f"/models/{active.id}/card?format=html").get_data(as_text=True)
    for title in ("ROC 曲线", "好坏企业的评分分布", "通过率与坏账率", "校准曲线", "哪些特征最起作用"):
        assert f">{title}</title>" in drawn and title in page
    assert "月均销售额" in drawn and 'lang="zh-CN"' in drawn and "src=" not in drawn and "rivals" not in active.metrics
    assert officer.get(f"/models/{candidate.id}/card").status_code == 404
    assert visit(app, people.leader).get(f"/models/{candidate.id}/card").status_code == 200
    english = officer.post("/language", data={"language": "en", "next": f"/models/{active.id}/card"}, follow_redirects=True)
    assert "Model card" in english.get_data(as_text=True)


def test_fairness_and_drift_speak_of_groups_and_never_of_firms(app: Flask) -> None:
    people = Governors()
    firms = scored_firms()
    leader, officer = visit(app, people.leader), visit(app, cast.bank()[Role.BANK_OFFICER])
    active = active_model_id()
    assert "还没有分组统计" in words(leader, "/models/fairness")
    for kind in ("fairness", "drift"):
        posted(leader, "/model-reports", kind=kind, model=str(active))
        assert "正在后台计算" in words(leader, f"/models/{kind}")
        outbox.drain()
        page = words(leader, f"/models/{kind}")
        assert "正在后台计算" not in page
        assert not any(firm.name in page for firm in firms)
    assert "黄埔区" in words(leader, "/models/fairness") and "首次借款" in words(leader, "/models/fairness")
    assert "企业太少，不下结论" in words(leader, "/models/drift")
    assert officer.get("/models/fairness").status_code == 403
    assert "黄埔区" in words(officer, "/model-card", follow_redirects=True)


def test_a_firm_that_takes_its_consent_back_is_counted_no_more() -> None:
    from tests.credit_cast import revoke

    firms = scored_firms(10)
    assert report("fairness").state == "done"
    revoke(firms[0])
    later = report("fairness")
    assert (later.state, later.content) == ("failed", {"why": "too_few"})


def test_champion_and_challenger_are_compared_on_the_same_snapshots(app: Flask) -> None:
    people = Governors()
    firms = scored_firms()
    challenger = people.candidate()
    leader, active = visit(app, people.leader), active_model_id()
    address = f"/models/{challenger.id}/compare?with={active}"
    assert "还没有在平台企业上比较过" in words(leader, address)
    posted(leader, "/model-reports", kind="comparison", model=str(active), other=str(challenger.id))
    outbox.drain()
    page = words(leader, address)
    assert "等级怎么变" in page and "秩相关" in page and "&lt;10" in page
    assert not any(firm.name in page for firm in firms)
    told = report("comparison", active, challenger.id)
    assert told.firms == FIRMS and told.content["firms"] == FIRMS


def test_the_month_s_reports_are_asked_for_once() -> None:
    scored_firms(1)
    assert report_service.monthly_reports(cast.SYSTEM) == 2
    assert report_service.monthly_reports(cast.SYSTEM) == 0


def posted(client: FlaskClient, path: str, **values: str) -> str:
    """What the page says after a form was sent."""
    answer = client.post(path, data=values, follow_redirects=True)
    assert answer.status_code == 200, answer.status_code
    return str(answer.get_data(as_text=True))


def active_model_id() -> object:
    """The model that scores."""
    with transaction(cast.SYSTEM, read_only=True):
        return session().query(ScoringModel.id).filter(ScoringModel.active).scalar()


def report(kind: str, model: object = None, other: object = None) -> ModelReport:
    """A report computed at once."""
    ctx: Context = Governors().leader
    asked = report_service.ask_report(ctx, kind, model or active_model_id(), other)  # type: ignore[arg-type]
    outbox.drain()
    with transaction(cast.SYSTEM, read_only=True):
        return session().get_one(ModelReport, asked.id)


