"""The English pages are complete: every Chinese sentence of the portal has its English one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog
from flask import Flask
from flask_babel import Babel

from app.core.errors import ErrorCode, Refusal
from app.core.formats import title_text
from app.core.web import say
from tests.lint_translations import CHINESE, ENGLISH, PLACEHOLDER, compile_catalogue, english, extracted, findings


def catalogue(*pairs: tuple[str, str], fuzzy: bool = False) -> Catalog:
    """A small catalogue of sentences and their translations."""
    made = Catalog(locale="en", charset="utf-8")
    for chinese, text in pairs:
        made.add(chinese, text, flags=["fuzzy"] if fuzzy else [])
    return made


def filled_in(text: str) -> list[str]:
    """The placeholders of a sentence, each as often as it stands there."""
    return sorted(match[0] for match in PLACEHOLDER.finditer(text))


@pytest.fixture(scope="module")
def sentences() -> list[tuple[str, str]]:
    """Every sentence of the committed catalogue with its English text; plural forms one by one."""
    pairs: list[tuple[str, str]] = []
    for message in english():
        if not message.id:
            continue
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        texts = [message.string] if isinstance(message.string, str) else list(message.string or ())
        pairs += [(ids[min(number, len(ids) - 1)], text) for number, text in enumerate(texts)]
    return pairs


@pytest.fixture(scope="module")
def wanted() -> Catalog:
    """Every sentence the code marks for translation."""
    return extracted()


def test_every_sentence_in_the_code_is_translated_and_no_translation_is_left_over(wanted: Catalog) -> None:
    assert list(findings(wanted, english())) == []


def test_every_room_has_its_sentences_found(wanted: Catalog) -> None:
    words = ("报价", "信用画像", "补偿申请", "转贷", "还款计划", "数据批次", "法定代表人", "业务编号")
    assert [word for word in words if wanted.get(word) is None] == []


def test_the_key_of_a_lookup_is_not_taken_for_a_sentence(wanted: Catalog) -> None:
    assert [message.id for message in wanted if message.id and not CHINESE.search(str(message.id))] == []


def test_no_english_text_is_empty_or_the_chinese_again(sentences: list[tuple[str, str]]) -> None:
    assert [chinese for chinese, text in sentences if not text.strip() or text == chinese] == []


def test_what_is_filled_in_is_the_same_in_both_languages(sentences: list[tuple[str, str]]) -> None:
    assert [chinese for chinese, text in sentences if filled_in(chinese) != filled_in(text)] == []


def test_a_percent_sign_is_doubled_in_english_exactly_where_it_is_in_chinese(sentences: list[tuple[str, str]]) -> None:
    assert [chinese for chinese, text in sentences if ("%%" in chinese) != ("%%" in text)] == []


def test_terms_of_the_field_have_one_english_word_each(sentences: list[tuple[str, str]]) -> None:
    terms = {
        "法定代表人": "Legal representative", "客户经理": "Account officer", "熔断线": "Stop line", "贷款明白纸": "Cost sheet",
        "正常": "Normal", "关注": "Special mention", "次级": "Substandard", "可疑": "Doubtful", "损失": "Loss",
    }
    assert {chinese: text for chinese, text in sentences if chinese in terms} == terms


@pytest.mark.parametrize(
    ("have", "found"),
    [
        (catalogue(), "missing: 应还 %(amount)s"),
        (catalogue(("应还 %(amount)s", "")), "empty: 应还 %(amount)s"),
        (catalogue(("应还 %(amount)s", "Due: %(amount)s"), fuzzy=True), "fuzzy: 应还 %(amount)s"),
        (catalogue(("应还 %(amount)s", "Due: %(money)s")), "other placeholders than the Chinese: 应还 %(amount)s"),
        (catalogue(("应还 %(amount)s", "Due")), "other placeholders than the Chinese: 应还 %(amount)s"),
        (catalogue(("应还 %(amount)s", "应还: %(amount)s")), "Chinese left in the English: 应还 %(amount)s"),
        (catalogue(("应还 %(amount)s", "Due: %(amount)s"), ("旧话", "Old")), "no longer used: 旧话"),
    ],
)
def test_whatever_keeps_an_english_page_from_being_complete_is_found(have: Catalog, found: str) -> None:
    assert list(findings(catalogue(("应还 %(amount)s", "")), have)) == [found]


def test_the_chinese_name_of_a_document_may_stand_beside_the_english() -> None:
    have = catalogue(("个保法", "Personal Information Protection Law 《个人信息保护法》 (个保法)"))
    assert list(findings(catalogue(("个保法", "")), have)) == []


@pytest.fixture
def english_page() -> Iterator[None]:
    """A page of somebody who reads English."""
    compile_catalogue()
    app = Flask(__name__)
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(ENGLISH.parents[2])
    Babel(app, locale_selector=lambda: "en")
    with app.test_request_context():
        yield


@pytest.mark.usefixtures("english_page")
@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("采购原料或商品 300 万元，12 个月", "Buying materials or goods, ¥3.00 million, 12 months"),
        ("购置设备 1,250.5 万元，6 个月", "Buying equipment, ¥12,505,000, 6 months"),
        ("线下贷款", "Offline loan"),
        ("转贷", "Bridging"),
        ("企业自己写的 100% 标题", "企业自己写的 100% 标题"),
        ("", ""),
    ],
)
def test_the_title_of_a_case_is_spoken_in_english_though_it_is_stored_in_chinese(stored: str, shown: str) -> None:
    assert title_text(stored) == shown


@pytest.mark.usefixtures("english_page")
def test_a_refusal_lists_what_is_missing_in_the_language_of_the_page() -> None:
    refusal = Refusal(ErrorCode.PAPERS_MISSING, missing=("催收记录", "核销批准"))
    assert say(refusal).startswith("This evidence is still missing: Record of collection, Write-off approval.")
    assert refusal.sentence.startswith("还缺这些证明材料：催收记录、核销批准。")
