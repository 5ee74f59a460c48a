"""The floor of pages: a bare Flask app behind the same gunicorn that reads 50 rows by psycopg and renders them with Jinja."""

from __future__ import annotations

import os
import threading

import psycopg
from flask import Flask, render_template_string, request

_PAGE = """<!doctype html><html><head><title>floor</title></head><body><table>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></body></html>"""
_ROWS = """
select id, amount_fen, term_months, product_kind, industry_code, district, size_class, first_loan, closes_at from need
where state = 'OPEN' order by closes_at limit 50 offset %s
"""
_local = threading.local()

app = Flask(__name__)


@app.get("/queue")
def queue() -> str:
    """One page of fifty rows."""
    if not hasattr(_local, "connection"):
        _local.connection = psycopg.connect(os.environ["FLOOR_DSN"], autocommit=True)
    number = max(1, min(50, int(request.args.get("page", "1"))))
    return render_template_string(_PAGE, rows=_local.connection.execute(_ROWS, [(number - 1) * 50]).fetchall())
