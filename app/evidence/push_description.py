"""The machine-readable description of the push (OpenAPI 3.1), made from the same table of items that reads the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.core.errors import MESSAGES, ErrorCode
from app.evidence.items import ITEMS, Field, Item, Kind
from app.evidence.push_rules import PUSH
from app.evidence.rules import FIELDS, INVOICES

STATUS: Mapping[ErrorCode, int] = {
    ErrorCode.FORBIDDEN: 403, ErrorCode.NOT_FOUND: 404, ErrorCode.PUSH_BODY: 422, ErrorCode.PUSH_CLOCK: 401,
    ErrorCode.PUSH_ITEM: 403, ErrorCode.PUSH_REPEAT: 409, ErrorCode.PUSH_REPLAYED: 409, ErrorCode.PUSH_ROWS: 413,
    ErrorCode.PUSH_SIGNATURE: 401, ErrorCode.PUSH_TOO_LARGE: 413, ErrorCode.PUSH_TOO_OFTEN: 429, ErrorCode.PUSH_TYPE: 415,
    ErrorCode.PUSH_UNSIGNED: 401,
    ErrorCode.CONSTRAINT: 409, ErrorCode.FILE_BROKEN: 422, ErrorCode.FILE_HEADER: 422,
}
"""Status of each refusal; whatever is not listed is a fault of the content (422)."""

_KINDS: Mapping[Kind, tuple[list[str], str]] = {
    Kind.MONEY: (["string", "number"], "yuan, at most two decimals"),
    Kind.QUANTITY: (["string", "number"], "at most three decimals"),
    Kind.COUNT: (["integer", "string"], "whole number"),
    Kind.DAY: (["string"], "day, 2026-01-31"),
    Kind.MONTH: (["string", "integer"], "month, 2026-01"),
    Kind.YEAR: (["integer", "string"], "year, 2026"),
    Kind.TEXT: (["string"], ""),
    Kind.WORD: (["string"], ""),
    Kind.FLAG: (["boolean", "string"], "yes or no"),
    Kind.FIRM: (["string"], "unified social credit code"),
}

INTRODUCTION = f"""Deliveries of data providers and files of banks, signed request by request.

X-Huiqiao-Signature is the lower-case hexadecimal HMAC-SHA256 under the secret of the key over five lines joined by \\n:
method, path with query string, timestamp, nonce, lower-case hexadecimal SHA-256 of the body. The timestamp (Unix seconds) may
be {PUSH.skew_seconds} seconds off; a nonce is good once. At most {PUSH.body_limit_text}, {PUSH.row_limit} rows and
{PUSH.per_key} requests a key."""

_HEADERS = {
    "X-Huiqiao-Key": "Id of the key, hqk_…", "X-Huiqiao-Timestamp": "Unix seconds",
    "X-Huiqiao-Nonce": "16 to 64 of A–Z a–z 0–9 _ -, good once", "X-Huiqiao-Signature": "64 hexadecimal digits",
}


@dataclass(frozen=True)
class Described:
    """Rows that a later room takes by a signed push: where, what a row holds, and how the answers about them look.

    ``states`` and ``counts`` are those of the file that the rows become.
    """

    path: str
    code: str
    item: Item
    states: tuple[str, ...]
    counts: tuple[str, ...]


described: list[Described] = []
"""Filled by later rooms when they are loaded, before the document is asked for."""


@cache
def description() -> dict[str, Any]:
    """The whole OpenAPI document."""
    paths: dict[str, Any] = {f"/deliveries/{code}": {"post": _push(code)} for code in (INVOICES, *ITEMS)}
    for one in described:
        paths[f"{one.path}/{one.code}"] = {"post": _push(one.code)}
        paths[f"{one.path}/{{id}}"] = {"get": _get("Where a file stands", "File")}
        paths[f"{one.path}/{{id}}/rows"] = {"get": _get("Rows that were refused or wait", "FileRows", after=True)}
    paths["/deliveries/{id}"] = {"get": _get("Where a delivery stands", "Delivery")}
    paths["/deliveries/{id}/quarantine"] = {"get": _get("Rows that wait to be mended", "Quarantined", after=True)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "惠桥 push", "version": "1", "description": INTRODUCTION},
        "servers": [{"url": "/api/v1"}],
        "security": [{name: [] for name in _HEADERS}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": name, "description": text} for name, text in _HEADERS.items()
            },
            "schemas": {**_rows(), **_answers()},
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _refusals(*statuses: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in statuses:
        codes = sorted(code.value for code, known in STATUS.items() if known == status)
        found[str(status)] = {"description": ", ".join(codes), "content": _json(_ref("Error"))}
    return found


def _push(code: str) -> dict[str, Any]:
    row = _ref(f"row_{code}")
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": PUSH.row_limit}
    body = {
        "type": "object", "required": ["rows"], "additionalProperties": False,
        "properties": {"rows": rows, "source": {"type": "string", "maxLength": PUSH.source_length}},
    }
    return {
        "operationId": f"push_{code}", "summary": f"Push rows of {code}",
        "parameters": [{
            "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": 100},
            "description": "The same key with the same body answers with the first delivery (200).",
        }],
        "requestBody": {"required": True, "content": {**_json(body), "application/x-ndjson": {"schema": row}}},
        "responses": {
            "202": {"description": "Received, read in the background", "content": _json(_ref("Received"))},
            "200": {"description": "Received before", "content": _json(_ref("Received"))},
            **_refusals(401, 403, 409, 413, 415, 422, 429),
        },
    }


def _get(summary: str, schema: str, *, after: bool = False) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}},
    ]
    if after:
        parameters.append({"name": "after", "in": "query", "required": False, "schema": {"type": "integer"}})
    return {
        "operationId": schema.lower(), "summary": summary, "parameters": parameters,
        "responses": {"200": {"description": summary, "content": _json(_ref(schema))}, **_refusals(401, 404, 409, 429)},
    }


def _rows() -> dict[str, Any]:
    found = {f"row_{item.code}": _row({field.code: _cell(field) for field in item.fields},
                                      [field.code for field in item.fields if field.required])
             for item in (*ITEMS.values(), *(one.item for one in described))}
    invoices = {
        field.code: {"type": ["string", "number"], "title": field.label, "x-headings": list(field.headings)} for field in FIELDS
    }
    found[f"row_{INVOICES}"] = _row(invoices, [field.code for field in FIELDS if field.required])
    return found


def _row(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": required,
        "description": "Keys may be any of x-headings instead of the code.",
    }


def _cell(field: Field) -> dict[str, Any]:
    types, text = _KINDS[field.kind]
    cell: dict[str, Any] = {
        "type": types if field.required else [*types, "null"], "title": field.label, "x-headings": list(field.headings),
    }
    if text:
        cell["description"] = text
    if field.words:
        cell["examples"] = list(field.words)
    return cell


def _answers() -> dict[str, Any]:
    text, number, nothing = {"type": "string"}, {"type": "integer"}, {"type": ["integer", "null"]}
    counts = ("total", "taken", "identical", "superseding", "quarantined", "waiting")
    codes = sorted({code.value for code in STATUS if code in MESSAGES} | {"bad_request", "internal"})
    return {
        "Error": _object({"error": _object({"code": {"type": "string", "examples": codes}, "message": text})}),
        "Received": _object({"id": text, "number": number, "state": text, "status_url": text}),
        "Delivery": _object({
            "id": text, "number": number, "item": text, "filename": text, "source": text,
            "state": {"type": "string", "enum": ["RECEIVED", "READING", "TAKEN_IN", "FAILED", "WITHDRAWN"]},
            "received_at": text, "finished_at": {"type": ["string", "null"]},
            "counts": _object(dict.fromkeys(counts, nothing)),
            "failure": {"type": ["object", "null"], "properties": {"code": text, "message": text}}, "quarantine_url": text,
        }),
        **_files(),
        "Quarantined": _object({
            "rows": {"type": "array", "items": _object({
                "row_no": number, "reason": text, "message": text, "row": {"type": "object"},
            })},
            "next_url": {"type": ["string", "null"]},
        }),
    }


def _files() -> dict[str, Any]:
    """How the files of later rooms answer."""
    text, number, nothing = {"type": "string"}, {"type": "integer"}, {"type": ["integer", "null"]}
    moment = {"type": ["string", "null"]}
    return {} if not described else {
        "File": _object({
            "id": text, "number": number, "kind": {"type": "string", "enum": [one.code for one in described]}, "filename": text,
            "state": {"type": "string", "enum": list(described[0].states)}, "received_at": text, "released_at": moment,
            "finished_at": moment, "counts": _object(dict.fromkeys(described[0].counts, nothing)),
            "failure": {"type": ["object", "null"], "properties": {"code": text, "message": text}}, "rows_url": text,
        }),
        "FileRows": _object({
            "rows": {"type": "array", "items": _object({
                "row_no": number, "ending": text, "reason": text, "message": text, "row": {"type": "object"},
            })},
            "next_url": {"type": ["string", "null"]},
        }),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
