"""The form of an owner-borrower (小微企业主)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError

from app.core.formats import mask_id, rate_text
from app.enterprises.forms import identity_number_is_valid
from app.market.fields import PercentField, TokenField
from app.pool.owner_models import FirmOwner, OwnerRole
from app.pool.owner_service import OwnerTerms


def owner_choices(owners: Iterable[FirmOwner]) -> list[tuple[str, str]]:
    """Who borrowed: the firm itself, or one of the people behind it whom the bank has registered, masked."""
    people = ((str(one.id), gettext("小微企业主 %(name)s（%(number)s）", name=one.masked_name, number=mask_id(one.id_no)))
              for one in owners)
    return [("", gettext("企业本身")), *people]


def owner_lines(owner: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The owner who borrowed for the firm, masked, where there is one."""
    if owner is None:
        return []
    held = gettext(OwnerRole(owner["role"]).label) + (f" {rate_text(Decimal(owner['share']))}" if owner["share"] else "")
    return [(gettext("借款人"), gettext("小微企业主 %(name)s（%(number)s）", name=owner["name"], number=held))]


class OwnerForm(FlaskForm):
    """A person who owns or controls a small firm and borrowed for it."""

    name = StringField(_l("姓名"), [InputRequired(_l("请填写姓名。")), Length(max=50)])
    id_no = StringField(_l("身份证号"), [InputRequired(_l("请填写 18 位身份证号。"))],
                        description=_l("加密保存，页面上只显示前三后四位。"))
    role = SelectField(_l("与企业的关系"))
    share = PercentField(
        _l("持股比例"), [Optional(), NumberRange(Decimal("0.0001"), 1, message=_l("请填写 0 到 100% 之间的比例。"))],
        description=_l("股东必填；实际控制人和个体经营者可以不填。"))
    proof = TextAreaField(_l("证明"), [InputRequired(_l("请写明证明。")), Length(max=500)],
                          description=_l("写明看过哪份文件和日期，例如公司章程、企业信用信息公示系统查询。"))
    idempotency_token = TokenField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.role.choices = [(one.value, gettext(one.label)) for one in OwnerRole]

    def validate_id_no(self, field: StringField) -> None:
        """Check symbol and day of birth."""
        if not identity_number_is_valid(field.data or ""):
            raise ValidationError(gettext("身份证号不正确，请逐位核对 18 位号码。"))

    def terms(self) -> OwnerTerms:
        """What was typed."""
        return OwnerTerms(
            self.name.data or "", self.id_no.data or "", OwnerRole(self.role.data), self.share.data, self.proof.data or "")
