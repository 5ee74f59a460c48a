"""What signs cookies and tokens is made once: it signs as Flask and Flask-WTF do, and for one session what holds for no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, render_template_string, session
from flask.sessions import SecureCookieSessionInterface
from flask_babel import Babel
from flask_wtf.csrf import generate_csrf, validate_csrf
from itsdangerous import BadSignature
from markupsafe import Markup
from wtforms.validators import ValidationError

from app.core.formats import init_formats
from app.core.languages import init_languages
from app.core.pieces import chip
from app.core.quick import QuickSessions, csrf_token
from app.core.tables import Column, Table


@pytest.fixture
def app() -> Iterator[Flask]:
    built = Flask("app", template_folder="core/templates")
    built.config.update(SECRET_KEY="one secret", WTF_CSRF_TIME_LIMIT=None)
    built.session_interface = QuickSessions()
    Babel(built, default_locale="zh_Hans_CN")
    init_languages(built)
    init_formats(built)
    yield built


def test_a_cookie_is_flasks_own_and_another_secret_or_a_changed_letter_opens_nothing(app: Flask) -> None:
    usual, quick = SecureCookieSessionInterface().get_signing_serializer(app), QuickSessions()
    ours = quick.get_signing_serializer(app)
    assert usual is not None and ours is not None and quick.get_signing_serializer(app) is ours
    signed = [ours.dumps({"who": name}) for name in ("a", "b", "a")]
    assert [usual.loads(one) for one in signed] == [{"who": "a"}, {"who": "b"}, {"who": "a"}]
    assert ours.loads(usual.dumps({"who": "c"})) == {"who": "c"}
    for place in (0, -10):
        wrong = list(signed[0])
        wrong[place] = "A" if wrong[place] != "A" else "B"
        with pytest.raises(BadSignature):
            ours.loads("".join(wrong))
    app.secret_key = "another secret"
    changed = quick.get_signing_serializer(app)
    assert changed is not None and changed is not ours
    with pytest.raises(BadSignature):
        changed.loads(signed[0])


def test_a_token_is_kept_for_its_own_session_alone(app: Flask) -> None:
    given = []
    for _ in range(2):
        with app.test_request_context():
            first, own = csrf_token(), session["csrf_token"]
        for _ in range(2):
            with app.test_request_context():
                session["csrf_token"] = own
                again = csrf_token()
                assert again == csrf_token() == generate_csrf()
                validate_csrf(again)
                validate_csrf(first)
        given.append((own, again))
    (own, _), (_, others) = given
    assert given[0][1] != others
    with app.test_request_context():
        session["csrf_token"] = own
        with pytest.raises(ValidationError):
            validate_csrf(others)


def test_what_is_text_stays_text_however_often_the_same_letters_were_markup(app: Flask) -> None:
    table = Table("names", [Column("name", "<企业>"), Column("note", "备注", render=lambda row: row["name"], kind="date")],
                  row_url=lambda row: "/x?a=1&b=2", row_action=lambda row: ("<开>", "/y"))  # fmt: skip
    with app.test_request_context():
        for _ in range(2):
            assert "<i>a</i>" in chip(Markup("<i>a</i>"), "good")
            assert "&lt;i&gt;a&lt;/i&gt;" in chip("<i>a</i>", "good")
        drawn = table.page_of([{"name": "<b>&"}, {"name": Markup("<b>")}]).body()
        assert drawn.count("&lt;b&gt;&amp;") == 1 and drawn.count("<div><b></div>") == 1
        assert drawn.count('data-label="&lt;企业&gt;"') == 2 and drawn.count('href="/x?a=1&amp;b=2"') == 2
        assert drawn.count('href="/y">&lt;开&gt;') == 2 and render_template_string("{{ rows }}", rows=drawn) == drawn


def test_a_sentence_is_text_even_where_a_page_hands_in_what_somebody_typed(app: Flask) -> None:
    with app.test_request_context():
        said = render_template_string(
            """{{ _(typed) }}|{{ _("占 9%% 的 %(what)s", what=typed) }}|{{ _("满 100%%") }}|{{ _("看 %(link)s", link=link) }}""",
            typed="<b>50%</b>", link=Markup("<a>这里</a>"))
    assert said.split("|") == ["&lt;b&gt;50%&lt;/b&gt;", "占 9% 的 &lt;b&gt;50%&lt;/b&gt;", "满 100%", "看 <a>这里</a>"]
