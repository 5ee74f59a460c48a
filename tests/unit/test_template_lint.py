"""The template lint finds what it promises to find, and leaves good templates alone."""

from __future__ import annotations

import pytest

from tests.lint_templates import findings


def said(template: str) -> list[str]:
    """The messages for a template."""
    return [message for _, message in findings(template)]


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("<p style='color: red'>{{ _('额度') }}</p>", "style attribute"),
        ("<style>p { color: red }</style>", "inline <style>"),
        ("<script>alert(1)</script>", "inline <script>"),
        ('<button onclick="go()">{{ _("提交") }}</button>', "inline event handler"),
        ('<img src="https://cdn.example/logo.png" alt="">', "another host"),
        ('<link rel="stylesheet" href="//cdn.example/theme.css">', "another host"),
        ('<form method="post"><button>{{ _("提交") }}</button></form>', "CSRF"),
        ("<p>融资需求</p>", "outside of gettext"),
        ('<input placeholder="统一社会信用代码">', "outside of gettext"),
        ("{{ '已入库' if booked else '' }}", "outside of gettext"),
        ("{% import 'core/ui.html' as ui %}<p></p>", "import ui is not used"),
        ("{% from 'core/ui.html' import money, rate %}{{ money(1) }}", "imported macro rate is not used"),
        ("{% if %}", "does not parse"),
    ],
)
def test_a_bad_template_is_named(template: str, complaint: str) -> None:
    assert any(complaint in message for message in said(template)), said(template)


@pytest.mark.parametrize(
    "template",
    [
        '<form method="post"><input type="hidden" name="csrf_token" value="{{ csrf_token() }}"></form>',
        "{# 注释可以用中文 #}<p>{{ _('融资需求') }}</p>",
        "{% trans count=count %}共 {{ count }} 家企业{% endtrans %}",
        '<script src="{{ url_for(\'static\', filename=\'app.js\') }}" defer></script>',
        '<a href="https://www.gov.cn/">{{ _("中国政府网") }}</a>',
        "{% import 'core/ui.html' as ui %}{{ ui.money(1) }}",
    ],
)
def test_a_good_template_is_left_alone(template: str) -> None:
    assert said(template) == []


def test_a_finding_names_its_line() -> None:
    assert next(findings("<p></p>\n\n<p>额度</p>\n"))[0] == 3
