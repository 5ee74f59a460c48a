"""The push: who may, how often, with what; and everything somebody without the key might try."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from urllib.parse import unquote
from uuid import UUID, uuid4

import pytest
import time_machine
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from app.core import database as portal_database
from app.core import outbox
from app.core.calendar import now
from app.core.database import session, transaction
from app.core.models import AuditEvent
from app.core.permissions import Role
from app.evidence import push_service
from app.evidence.models import Delivery
from app.evidence.push_models import ProviderKey, ProviderNonce
from app.evidence.push_rules import PUSH, PushRules
from app.factory import create_app
from app.identity.models import Organisation
from tests import cast
from tests.cast import SYSTEM
from tests.database import ROOT
from tests.service.evidence_tools import lines_of, uscc_of
from tests.web.pusher import ROUTE, grant, key_of, machine, row

pytestmark = pytest.mark.service


@pytest.fixture
def provider(database):
    return cast.provider()


@pytest.fixture
def firm(database):
    return cast.firm()


@pytest.fixture
def pusher(client, provider):
    return machine(provider, client)


def told(answer):
    """Status and code of a refusal."""
    return answer.status_code, answer.json["error"]["code"]


def deliveries():
    with transaction(SYSTEM, read_only=True) as unit:
        return list(unit.session.scalars(select(Delivery).order_by(Delivery.number)))


# What a push becomes


def test_a_push_becomes_a_delivery_that_is_read_like_any_file(pusher, provider, firm):
    code = uscc_of(firm)
    answer = pusher.push([row(code, "1"), row(code, "2", amount_gross="120"), row(code, "3", amount_net=200, tax_amount=26,
                                                                                  amount_gross=226)])
    assert answer.status_code == 202 and answer.json["state"] == "RECEIVED"
    assert "Set-Cookie" not in answer.headers
    outbox.drain()
    status = pusher.get(answer.json["status_url"]).json
    assert (status["state"], status["item"], status["failure"]) == ("TAKEN_IN", "invoices", None)
    counts = status["counts"]
    assert (counts["total"], counts["taken"], counts["quarantined"]) == (3, 2, 1)
    waiting = pusher.get(status["quarantine_url"]).json
    assert [(found["row_no"], found["reason"]) for found in waiting["rows"]] == [(2, "gross_mismatch")]
    assert "价税合计" in waiting["rows"][0]["message"] and waiting["next_url"] is None
    assert sorted(line.net_fen for line in lines_of(firm)) == [10_000, 20_000]


def test_months_of_meters_are_pushed_like_invoices(pusher, provider):
    grant(provider, "electricity")
    september = {"户号": "0001", "月份": "2026-09", "用电量": 100.5, "账单金额": 80}
    rows = [september, {**september, "月份": "2026-10", "用电量": -3}]
    answer = pusher.push(rows, "/api/v1/deliveries/electricity")
    assert answer.status_code == 202
    outbox.drain()
    counts = pusher.get(answer.json["status_url"]).json["counts"]
    assert (counts["taken"], counts["quarantined"], counts["waiting"]) == (1, 1, 1)
    (waiting,) = pusher.get(f"{answer.json['status_url']}/quarantine").json["rows"]
    assert (waiting["reason"], "用电量" in waiting["message"]) == ("impossible", True)


def test_headings_may_be_chinese_and_rows_may_come_one_a_line(pusher, firm):
    chinese = {
        "统一社会信用代码": uscc_of(firm), "进销方向": "销项", "发票号码": "1", "开票日期": "2026-03-05", "对方单位": "B",
        "金额": "100", "税额": "13", "价税合计": "113", "发票状态": "有效",
    }
    body = "\n".join(json.dumps(one, ensure_ascii=False) for one in (chinese, {**chinese, "发票号码": "2"})) + "\n"
    assert pusher.push(body.encode(), kind="application/x-ndjson; charset=utf-8").status_code == 202
    outbox.drain()
    assert [delivery.rows_taken for delivery in deliveries()] == [2]


def test_the_delivery_says_through_which_channel_and_by_which_key_it_came(pusher, provider, firm):
    body = json.dumps({"rows": [row(uscc_of(firm))], "source": "开票系统"}).encode()
    pusher.push(body)
    (delivery,) = deliveries()
    assert (delivery.channel, delivery.media_type, delivery.source_label) == ("push", "application/json", "开票系统")
    assert (delivery.provider_org_id, delivery.created_by) == (provider.id, None)
    assert re.fullmatch(r"push-营销系统-\d{8}-\d{6}\.json", delivery.filename)
    with transaction(SYSTEM, read_only=True) as unit:
        event = unit.session.scalars(select(AuditEvent).where(AuditEvent.action == "delivery.push")).one()
    assert (event.org_id, event.actor_id, event.subject_id) == (provider.id, None, delivery.id)
    assert event.facts["key"] == pusher.key_id


def test_the_name_of_a_key_does_not_decide_the_side_of_invoices(client, provider, firm):
    sales = machine(provider, client, "销项接口")
    sales.push([row(uscc_of(firm), side="in")])
    (delivery,) = deliveries()
    assert delivery.side is None and "销项" not in delivery.filename


# Repeats


def test_the_same_push_repeated_is_one_delivery_also_with_the_newer_key(pusher, client, provider, firm):
    rows = [row(uscc_of(firm))]
    first = pusher.push(rows, repeat="2026-03")
    second = pusher.push(rows, repeat="2026-03")
    newer = key_of(provider[Role.PROVIDER_ADMIN], client, "新密钥").push(rows, repeat="2026-03")
    assert [answer.status_code for answer in (first, second, newer)] == [202, 200, 200]
    assert first.json["id"] == second.json["id"] == newer.json["id"] and len(deliveries()) == 1


def test_another_content_under_the_same_key_of_repeats_is_refused(pusher, firm):
    pusher.push([row(uscc_of(firm))], repeat="2026-03")
    assert told(pusher.push([row(uscc_of(firm), "2")], repeat="2026-03")) == (409, "push_repeat")


def test_two_providers_may_use_the_same_word_for_their_repeats(pusher, client, firm):
    other = machine(cast.provider("广州供电局"), client)
    answers = [one.push([row(uscc_of(firm))], repeat="1") for one in (pusher, other)]
    assert [answer.status_code for answer in answers] == [202, 202] and answers[0].json["id"] != answers[1].json["id"]


def test_no_other_identity_reads_what_was_repeated(pusher, firm):
    pusher.push([row(uscc_of(firm))], repeat="1")
    for ctx in (SYSTEM, replace(SYSTEM, org_kind=None, system="anonymous")):
        with transaction(ctx, read_only=True) as unit:
            assert unit.session.scalar(text("select count(*) from idempotency where owner like 'push:%'")) == 0


def test_without_a_word_for_repeats_rows_that_are_in_are_recognised(pusher, firm):
    for _ in range(2):
        pusher.push([row(uscc_of(firm))])
        outbox.drain()
    assert [(one.rows_taken, one.rows_identical) for one in deliveries()] == [(1, 0), (0, 1)]


# The signature


def test_a_replayed_request_is_refused(pusher, firm):
    rows, nonce = [row(uscc_of(firm))], "n" * 16
    assert pusher.push(rows, nonce=nonce).status_code == 202
    assert told(pusher.push(rows, nonce=nonce)) == (409, "push_replayed")
    assert told(pusher.get(f"/api/v1/deliveries/{uuid4()}", nonce=nonce)) == (409, "push_replayed")
    assert len(deliveries()) == 1


def test_the_database_itself_refuses_a_nonce_twice(pusher, provider):
    with transaction(SYSTEM, read_only=True) as unit:
        key_row = unit.session.scalars(select(ProviderKey.id)).one()
    once = text("insert into provider_nonce values (:key, :nonce, now())").bindparams(key=key_row, nonce="n" * 16)
    with pytest.raises(IntegrityError, match="pk_provider_nonce"), transaction(SYSTEM):
        session().execute(once)
        session().execute(once)


def test_two_keys_may_use_the_same_nonce(pusher, client, provider, firm):
    other = key_of(provider[Role.PROVIDER_ADMIN], client, "备用")
    assert {one.push([row(uscc_of(firm))], nonce="n" * 16).status_code for one in (pusher, other)} == {202}


@pytest.mark.parametrize("seconds", [-301, 301, -10**9])
def test_a_clock_that_is_off_is_refused(pusher, firm, seconds):
    answer = pusher.push([row(uscc_of(firm))], timestamp=str(max(0, int(time.time()) + seconds)))
    assert told(answer) == (401, "push_clock")
    assert answer.json["error"]["message"] == "时间戳与平台时间相差超过 5 分钟，请校准时钟后重新签名。"


@pytest.mark.parametrize("seconds", [-290, 290])
def test_a_clock_that_is_a_little_off_is_believed(pusher, firm, seconds):
    assert pusher.push([row(uscc_of(firm))], timestamp=str(int(time.time()) + seconds)).status_code == 202


def test_an_unknown_key_a_revoked_key_and_a_wrong_signature_are_told_in_the_same_words(pusher, provider, firm, client):
    rows = [row(uscc_of(firm))]
    revoked = key_of(provider[Role.PROVIDER_ADMIN], client, "旧")
    with transaction(SYSTEM, read_only=True) as unit:
        row_id = unit.session.scalars(select(ProviderKey.id).where(ProviderKey.key_id == revoked.key_id)).one()
    push_service.revoke_key(provider[Role.PROVIDER_ADMIN], row_id)
    answers = [
        pusher.push(rows, key="hqk_" + "0" * 16), pusher.push(rows, key="' or 1=1 --"), pusher.push(rows, secret="guess"),
        revoked.push(rows), pusher.push(rows, key=pusher.key_id.upper()), pusher.push(rows, secret=""),
    ]
    assert {told(answer) for answer in answers} == {(401, "push_signature")}
    assert len({answer.data for answer in answers}) == 1 and deliveries() == []


def test_a_key_works_until_it_is_revoked_and_not_a_request_longer(pusher, provider, firm):
    assert pusher.push([row(uscc_of(firm))]).status_code == 202
    with transaction(SYSTEM, read_only=True) as unit:
        row_id = unit.session.scalars(select(ProviderKey.id)).one()
    push_service.revoke_key(provider[Role.PROVIDER_ADMIN], row_id)
    assert told(pusher.push([row(uscc_of(firm))])) == (401, "push_signature")
    with pytest.raises(IntegrityError, match="was revoked"), transaction(SYSTEM):
        session().execute(text("update provider_key set revoked_at = null, revoked_by = null"))


def test_a_provider_that_was_closed_pushes_no_more(pusher, provider, firm):
    with transaction(SYSTEM):
        session().get_one(Organisation, provider.id).state = "disabled"
    assert told(pusher.push([row(uscc_of(firm))])) == (401, "push_signature")


@pytest.mark.parametrize("change", ["method", "path", "query", "body", "nonce", "timestamp"])
def test_nothing_that_was_signed_can_be_swapped(pusher, provider, firm, client, change):
    grant(provider, "electricity")
    body = json.dumps({"rows": [row(uscc_of(firm))]}).encode()
    headers = pusher.headers("POST", ROUTE, body) | {"Content-Type": "application/json"}
    path, method = ROUTE, "POST"
    if change == "method":
        path, method = f"/api/v1/deliveries/{uuid4()}", "GET"
        headers = pusher.headers("POST", path, b"")
        body = b""
    elif change == "path":
        path = "/api/v1/deliveries/electricity"
    elif change == "query":
        path += "?dry=1"
    elif change == "body":
        body += b" "
    elif change == "nonce":
        headers["X-Huiqiao-Nonce"] = "m" * 16
    else:
        headers["X-Huiqiao-Timestamp"] = str(int(time.time()) - 1)
    assert told(client.open(path, method=method, data=body, headers=headers)) == (401, "push_signature")


@pytest.mark.parametrize(("header", "value"), [
    ("X-Huiqiao-Key", ""), ("X-Huiqiao-Timestamp", "soon"), ("X-Huiqiao-Timestamp", "١٢٣"), ("X-Huiqiao-Timestamp", "-1"),
    ("X-Huiqiao-Timestamp", "9" * 12), ("X-Huiqiao-Nonce", "short"), ("X-Huiqiao-Nonce", "x" * 65),
    ("X-Huiqiao-Nonce", "../../../../../etc"), ("X-Huiqiao-Signature", "0" * 63), ("X-Huiqiao-Signature", "é" * 64),
])
def test_a_malformed_header_is_named(pusher, client, header, value):
    headers = pusher.headers("POST", ROUTE, b"{}") | {header: value.encode().decode("latin-1")}
    answer = client.post(ROUTE, data=b"{}", headers=headers)
    assert told(answer) == (401, "push_unsigned") and header in answer.json["error"]["message"]


def test_a_person_who_is_signed_in_is_nobody_here(app, provider):
    from tests.web.visitors import visit

    browser = visit(app, provider[Role.PROVIDER_CLERK])
    assert told(browser.post(ROUTE, json={"rows": [{}]})) == (401, "push_unsigned")


def test_a_key_opens_nothing_but_the_push(pusher, client):
    answer = client.get("/deliveries", headers=pusher.headers("GET", "/deliveries", b""))
    assert answer.status_code == 302 and answer.location.startswith("/sign-in")


# What is pushed


@pytest.mark.parametrize("path", [
    "/api/v1/deliveries/electricity", "/api/v1/deliveries/no_such_item", f"/api/v1/deliveries/{UUID(int=9)}",
    "/api/v1/deliveries/a%00b", "/api/v1/deliveries/发票",
])
def test_only_items_that_the_provider_is_registered_for_are_taken(pusher, firm, path):
    body = json.dumps({"rows": [row(uscc_of(firm))]}).encode()
    headers = pusher.headers("POST", unquote(path), body) | {"Content-Type": "application/json"}
    assert told(pusher.client.post(path, data=body, headers=headers)) == (403, "push_item")


@pytest.mark.parametrize(("body", "sentence"), [
    (b"", "不是完整的 JSON"), (b"{", "不是完整的 JSON"), (b"[" * 200_000, "不是完整的 JSON"),
    (b'{"rows": [{"a": NaN}]}', "不是完整的 JSON"),
    (b"\xff\xfe", "不是 UTF-8 编码"), (b"[]", "最外层应是对象"), (b'{"rows": {}}', "最外层应是对象"),
    (b'{"rows": [{}], "provider": "x"}', "最外层应是对象"), (b'{"rows": []}', "一行也没有"), (b'{"rows": [1]}', "每一行应是对象"),
    (b'{"rows": [{"a": {"b": 1}}]}', "每一行应是对象"), (b'{"rows": [{"a": 1, "a": 2}]}', "同一列出现了两次"),
    (b'{"rows": [{"a": "\\u0000"}]}', "不能保存的字符"), (b'{"rows": [{"a": "\\ud800"}]}', "不能保存的字符"),
    (b'{"rows": [{"a": 1}], "source": "\\u0000"}', "source 应是"), (b'{"rows": [{"a": 1}], "source": ["x"]}', "source 应是"),
])
def test_a_body_that_cannot_be_read_gets_its_sentence(pusher, body, sentence):
    answer = pusher.push(body)
    assert told(answer) == (422, "push_body") and sentence in answer.json["error"]["message"]
    assert deliveries() == []


def test_a_wrong_heading_is_told_at_once_and_by_name(pusher):
    answer = pusher.push([{"uscc": "x", "side": "out"}])
    assert told(answer) == (422, "file_header") and "invoice_no（发票号码）" in answer.json["error"]["message"]


def test_messages_are_english_for_who_asks_in_english(pusher):
    assert pusher.push(b"{", language="en").json["error"]["message"] == "The body is wrong: it is not complete JSON."


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""])
def test_another_type_of_content_is_refused(pusher, kind):
    assert told(pusher.push(b'{"rows": [{"a": 1}]}', kind=kind)) == (415, "push_type")


def test_a_compressed_body_is_refused(pusher, client):
    headers = pusher.headers("POST", ROUTE, b"x") | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert told(client.post(ROUTE, data=b"x", headers=headers)) == (415, "push_type")


@pytest.fixture
def small(monkeypatch):
    """Limits that a test can reach."""
    tight = PushRules(body_limit_bytes=2000, row_limit=3, quarantine_page=2)
    for module in ("push_body", "push_views", "push_service"):
        monkeypatch.setattr(f"app.evidence.{module}.PUSH", tight)


def test_too_large_a_body_is_refused_whether_or_not_it_says_how_long_it_is(small, pusher, client):
    body = b'{"rows": [{"a": "' + b"x" * 2000 + b'"}]}'
    assert told(pusher.push(body)) == (413, "push_too_large")
    headers = pusher.headers("POST", ROUTE, body) | {"Content-Type": "application/json"}
    told_nothing = {"wsgi.input_terminated": True}
    answer = client.post(ROUTE, input_stream=io.BytesIO(body), headers=headers, environ_overrides=told_nothing)
    assert told(answer) == (413, "push_too_large")


def test_too_many_rows_are_refused_in_either_form(small, pusher):
    assert told(pusher.push([{"a": 1}] * 4)) == (413, "push_rows")
    assert told(pusher.push(b'{"a": 1}\n' * 5, kind="application/x-ndjson")) == (413, "push_rows")


def test_quarantined_rows_come_page_by_page(small, pusher, firm):
    answer = pusher.push([row("nobody", str(number), status="?") | {"tax_amount": None} for number in range(3)])
    outbox.drain()
    first = pusher.get(f"{answer.json['status_url']}/quarantine").json
    assert [found["row_no"] for found in first["rows"]] == [1, 2]
    second = pusher.get(first["next_url"]).json
    assert [found["row_no"] for found in second["rows"]] == [3] and second["next_url"] is None


@pytest.mark.parametrize("after", ["-1", "x", "9" * 40, "1;drop", "%00"])
def test_a_page_that_cannot_be_is_the_first(pusher, firm, after):
    answer = pusher.push([row(uscc_of(firm))])
    path = f"{answer.json['status_url']}/quarantine?after={after}"
    assert pusher.get(path).status_code == 200


def test_another_providers_delivery_is_not_found(pusher, client, firm):
    url = pusher.push([row(uscc_of(firm))]).json["status_url"]
    other = machine(cast.provider("广州供电局"), client)
    for path in (url, f"{url}/quarantine", f"/api/v1/deliveries/{uuid4()}"):
        assert told(other.get(path)) == (404, "not_found")


def test_what_is_below_the_path_of_machines_answers_in_json(client):
    for method, path in (("GET", "/api/v1/nothing"), ("DELETE", ROUTE), ("GET", "/api/v1/deliveries/x")):
        assert "error" in client.open(path, method=method).json


# Keeping house


def test_nonces_are_forgotten_once_nobody_could_use_them_again(pusher, firm):
    pusher.push([row(uscc_of(firm))])
    assert push_service.purge_nonces(SYSTEM) == 0
    with time_machine.travel(now().timestamp() + 2 * PUSH.skew_seconds + 1, tick=False):
        assert push_service.purge_nonces(SYSTEM) == 0
    with time_machine.travel(now().timestamp() + PUSH.nonce_seconds + 1, tick=False):
        assert push_service.purge_nonces(SYSTEM) == 1
    with transaction(SYSTEM, read_only=True) as unit:
        assert unit.session.scalars(select(ProviderNonce)).all() == []


def test_a_secret_lies_encrypted_and_nothing_tells_it(pusher, provider, firm, caplog):
    caplog.set_level(logging.DEBUG)
    pusher.push([row(uscc_of(firm))])
    pusher.push([row(uscc_of(firm))], secret="wrong")
    with portal_database.engine().connect() as connection:
        connection.execute(text("select set_config('hq.kind', 'system', false)"))
        kept = bytes(connection.execute(text("select secret from provider_key")).scalar_one())
        written = str(connection.execute(text("select facts from audit_event")).all())
    assert pusher.secret.encode() not in kept
    assert pusher.secret not in written and pusher.secret not in caplog.text
    assert "push refused" in caplog.text
    assert pusher.secret not in repr(push_service.NewKey(uuid4(), "hqk_0", "x", pusher.secret))


def test_another_providers_identity_sees_no_key_and_nobody_sees_a_nonce(pusher, firm):
    pusher.push([row(uscc_of(firm))])
    other = cast.provider("广州供电局")[Role.PROVIDER_ADMIN]
    with transaction(other, read_only=True) as unit:
        assert unit.session.scalars(select(ProviderKey.id)).all() == []
        assert unit.session.scalars(select(ProviderNonce.nonce)).all() == []


def test_a_key_may_push_so_often_and_no_oftener(settings, provider, firm, monkeypatch):
    monkeypatch.setattr("app.evidence.push_views.PUSH", PushRules(per_key="2 per minute"))
    app = create_app(settings, TESTING=True, WTF_CSRF_ENABLED=False)
    one, other = machine(provider, app.test_client()), key_of(provider[Role.PROVIDER_ADMIN], app.test_client(), "备用")
    path = f"/api/v1/deliveries/{uuid4()}"
    assert [one.get(path).status_code for _ in range(3)] == [404, 404, 429]
    assert other.get(path).status_code == 404
    refused = one.get(path)
    assert told(refused) == (429, "push_too_often") and refused.headers["Retry-After"] == "60"


def test_an_address_without_a_key_is_slowed_down_too(settings, monkeypatch):
    monkeypatch.setattr("app.factory.PUSH", PushRules(per_address="2 per minute"))
    client = create_app(settings, TESTING=True).test_client()
    assert [client.post(ROUTE).status_code for _ in range(3)] == [401, 401, 429]
    assert told(client.post(ROUTE)) == (429, "push_too_often")


# What is written about it


def test_the_documented_python_runs_as_it_stands(live_server, provider, firm):
    made = machine(provider, live_server.app.test_client())
    guide = (ROOT / "docs" / "push-api.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    environment = {
        "HUIQIAO_URL": live_server.url, "HUIQIAO_KEY": made.key_id, "HUIQIAO_SECRET": made.secret, "FIRM": uscc_of(firm),
        "PATH": os.environ["PATH"],
    }
    command = [sys.executable, "-c", snippet]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "RECEIVED"
    outbox.drain()
    assert [delivery.rows_taken for delivery in deliveries()] == [1]


def test_the_description_names_every_item_and_what_is_really_answered(client, pusher, firm):
    found = client.get("/api/v1/openapi.json").json
    assert "/deliveries/invoices" in found["paths"] and "/deliveries/electricity" in found["paths"]
    answer = pusher.push([row(uscc_of(firm))])
    status = pusher.get(answer.json["status_url"]).json
    waiting = pusher.get(status["quarantine_url"]).json
    schemas = found["components"]["schemas"]
    for name, real in (("Received", answer.json), ("Delivery", status), ("Quarantined", waiting)):
        assert set(schemas[name]["properties"]) == set(real)
    assert set(schemas["Delivery"]["properties"]["counts"]["properties"]) == set(status["counts"])
    references = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(found)))
    assert references <= set(schemas)


def test_every_refusal_of_the_push_is_described_with_its_status(client):
    from app.core.errors import ErrorCode

    guide = (ROOT / "docs" / "push-api.md").read_text(encoding="utf-8")
    described = json.dumps(client.get("/api/v1/openapi.json").json)
    for code in ErrorCode:
        if code.value.startswith("push_"):
            assert f"`{code.value}`" in guide and code.value in described
