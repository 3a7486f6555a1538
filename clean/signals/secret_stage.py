"""The secrets stage: how many credentials, e-mail and IP addresses a file holds, never which."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from clean.signals.document import Document, Row, SignalStage, no_row
from clean.signals.parameters import SignalParameters
from clean.signals.secrets import find
from clean.signals.secrets_recipe import GROUPS

SCHEMA = pa.schema(
    [
        pa.field("secrets", pa.int32()),  # distinct values, as below
        pa.field("emails", pa.int32()),
        pa.field("ips", pa.int32()),
        pa.field("secret_kinds", pa.list_(pa.string())),  # the formats among `secrets`
    ]
)


def stage(parameters: SignalParameters) -> SignalStage | None:
    """The stage that counts findings, if it is asked for."""
    if not parameters.secrets:
        return None
    return SignalStage(
        name="secrets",
        version=1,
        parameters={},
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=_row,
        lost=no_row,
    )


def _row(document: Document) -> Row:
    text = document.text
    if text is None:
        return {}
    found = find(text)
    values = {(one.group, text[one.start : one.stop]) for one in found}
    row: dict[str, Any] = {group: sum(of == group for of, _ in values) for group in GROUPS}
    row["secret_kinds"] = sorted({one.kind for one in found if one.group == "secrets"})
    return row
