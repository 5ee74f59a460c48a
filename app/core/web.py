"""Glue between Flask and the use cases: every page declares who may open it, and a refusal becomes a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

from flask import Blueprint, Flask, Response, current_app, flash, g, redirect, render_template, request, send_file, url_for
from flask_babel import gettext
from flask_login import current_user, user_unauthorized
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from app.core.context import Context
from app.core.errors import MESSAGES, ErrorCode, Refusal
from app.core.exports import export_csv, export_xlsx, record_export
from app.core.models import Paper
from app.core.permissions import Permission
from app.core.storage import path_of
from app.core.tables import Table

R = TypeVar("R")
View = Callable[..., Any]


@dataclass(frozen=True)
class Public:
    """Marks a page that anybody may open."""



@dataclass(frozen=True)
class Signed:
    """Marks a door for machines: no session, no cookie, no form token; the view itself proves who signed the request."""


PUBLIC = Public()
SIGNED = Signed()
API = "/api/"
"""Below this path every answer is JSON."""
TOKEN_FIELD = "idempotency_token"
OPEN_ENDPOINTS = frozenset({"static", "bootstrap.static"})

_STATUS = {ErrorCode.NOT_FOUND: 404, ErrorCode.FORBIDDEN: 403, ErrorCode.FILE_TOO_LARGE: 413, ErrorCode.LOCKED: 429}


class Room(Blueprint):
    """A blueprint whose pages must say who may open them."""

    def page(
        self, rule: str, permission: Permission | Public | Signed, *, methods: Sequence[str] = ("GET",),
        endpoint: str | None = None,
    ) -> Callable[[View], View]:
        """Registers a page. ``permission`` is what its visitor needs, ``PUBLIC`` or ``SIGNED``."""

        def register(view: View) -> View:
            view.hq_permission = permission  # type: ignore[attr-defined]
            self.add_url_rule(rule, endpoint or view.__name__, view, methods=list(methods))
            return view

        return register


def context() -> Context:
    """The actor of this request, answering for the form that was sent."""
    ctx: Context = g.ctx
    return ctx


def say(refusal: Refusal) -> str:
    """The sentence of a refusal, in the language of the page; a tuple among its parameters is a list of words."""
    params = {
        name: gettext("、").join(gettext(word) for word in value) if isinstance(value, tuple) else value
        for name, value in refusal.params.items()
    }
    return str(gettext(MESSAGES[refusal.code], **params))


def attempt(form: FlaskForm, call: Callable[[], R]) -> R | None:
    """Runs a use case for a form. A refusal is put at its field, or above the form; then ``None`` comes back."""
    try:
        return call()
    except Refusal as refusal:
        field = getattr(form, refusal.field, None) if refusal.field else None
        if field is not None and hasattr(field, "errors"):
            field.errors = [*field.errors, say(refusal)]
        else:
            form.form_errors.append(say(refusal))
        return None


def filled(value: R | None) -> R:
    """What a required field holds once its form was valid. Raises ``Refusal(INVALID)`` where it is empty all the same."""
    if value is None:
        raise Refusal(ErrorCode.INVALID)
    return value


def act(call: Callable[[], Any], *, done: str, to: str) -> BaseResponse:
    """Runs a use case for a button, says what happened, and goes to ``to``."""
    try:
        call()
    except Refusal as refusal:
        if refusal.code is ErrorCode.NOT_FOUND:
            raise
        flash(say(refusal), "danger")
    else:
        flash(done, "success")
    return redirect(to)


def send_xlsx(data: bytes, filename: str) -> Response:
    """A workbook as a download."""
    return send_file(
        BytesIO(data), as_attachment=True, download_name=filename,
        mimetype="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    )


def send_list(table: Table, rows: Sequence[Any], title: str, filename: str, *, counted: bool = True) -> Response:
    """A list as a workbook; that it left is put on record after the page's reading has ended.

    ``counted=False`` where even how many rows there are must stay under a seal.
    """
    g.exported = (table.name, len(rows) if counted else None)
    return send_xlsx(export_xlsx(table, rows, title), filename)


def send_csv(table: Table, rows: Sequence[Any], filename: str) -> Response:
    """A list as CSV, put on record like ``send_list``."""
    g.exported = (table.name, len(rows))
    return send_file(BytesIO(export_csv(table, rows)), as_attachment=True, download_name=filename, mimetype="text/csv")


def send_paper(paper: Paper) -> Response:
    """The bytes of a paper; always as a download, so that no upload is shown as a page of ours."""
    return send_file(
        path_of(bytes(paper.sha256)), as_attachment=True, download_name=paper.filename, mimetype=paper.media_type,
    )


def may_open(ctx: Context, path: str | None) -> bool:
    """Whether the actor's roles open an address of the portal. What row-level security hides is another matter."""
    if not path:
        return False
    try:
        endpoint, _ = current_app.url_map.bind("").match(urlsplit(path).path, method="GET")
    except HTTPException:
        return False
    permission = getattr(current_app.view_functions[endpoint], "hq_permission", None)
    return permission is PUBLIC or (isinstance(permission, Permission) and ctx.can(permission))


def init_gate(app: Flask, load_context: Callable[[], Context]) -> None:
    """Puts the gate before every view: who is it, and may they open this page?"""

    @app.before_request
    def gate() -> Any:
        g.request_id = uuid4().hex[:12]
        if request.endpoint in OPEN_ENDPOINTS:
            g.ctx = Context.anonymous()
            return None
        if request.endpoint is None:
            g.ctx = load_context()
            return None
        permission = getattr(app.view_functions[request.endpoint], "hq_permission", None)
        if permission is None:
            raise RuntimeError(f"{request.endpoint} does not declare who may open it")
        if permission is SIGNED:
            g.ctx = Context.anonymous()
            return None
        g.ctx = load_context().with_token(request.form.get(TOKEN_FIELD) if request.method == "POST" else None)
        if permission is PUBLIC:
            return None
        if not current_user.is_authenticated:
            user_unauthorized.send(app)
            return redirect(url_for("identity.sign_in", next=request.full_path.rstrip("?")))
        if not g.ctx.can(permission):
            raise Refusal(ErrorCode.FORBIDDEN)
        return None

    @app.after_request
    def record(response: Response) -> Response:
        exported = g.pop("exported", None)
        if exported is not None and response.status_code == 200:
            record_export(context(), *exported)
        return response

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Any:
        return render_template("error.html", code=_STATUS.get(refusal.code, 409), message=say(refusal)), _STATUS.get(
            refusal.code, 409
        )

    def recognise() -> None:
        """What is refused before the gate (too large a file, a stale form) is still answered in the visitor's own frame."""
        if "ctx" not in g:
            g.ctx = load_context()

    @app.errorhandler(CSRFError)
    def stale(error: CSRFError) -> Any:
        recognise()
        return render_template("error.html", code=400, message=gettext("页面停留过久，请刷新后重新提交。")), 400

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        code = error.code or 500
        if request.path.startswith(API):
            return {"error": {"code": error.name.lower().replace(" ", "_"), "message": gettext("没有找到这个接口。")}}, code
        recognise()
        messages = {
            404: gettext("没有找到这个页面。"), 405: gettext("不能这样打开这个页面。"),
            413: gettext("文件超过 %(limit)s 的上传上限，较大的文件请交平台用命令导入。", limit=upload_limit_text()),
            429: gettext("请求太频繁，请稍后再试。"),
        }
        return render_template("error.html", code=code, message=messages.get(code, gettext("请求有误，请返回重试。"))), code

    @app.errorhandler(Exception)
    def broken(error: Exception) -> Any:
        app.logger.exception("request %s failed", g.get("request_id"))
        if app.testing:
            raise error
        return render_template(
            "error.html", code=500,
            message=gettext(
                "系统出了问题，您的操作没有保存。请稍后重试，或把编号 %(number)s 告诉服务台。", number=g.get("request_id", ""),
            ),
        ), 500


def upload_limit() -> int:
    """The largest file that a page takes, in bytes."""
    return int(current_app.config["UPLOAD_LIMIT"])


def upload_limit_text() -> str:
    """The same for people."""
    return f"{upload_limit() // (1024 * 1024)} MB"
