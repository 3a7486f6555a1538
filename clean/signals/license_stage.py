"""The license stage: what a file and its repository say about their licence."""

from __future__ import annotations

import pyarrow as pa

from clean.signals.document import Document, Row, SignalStage
from clean.signals.license import category, find_license
from clean.signals.parameters import SignalParameters

# Categories: permissive, copyleft, other, none.
SCHEMA = pa.schema(
    [
        pa.field("file_license", pa.string()),  # the file's own head, an SPDX expression
        pa.field("license_evidence", pa.string()),  # what in it says so
        pa.field("license_category", pa.string()),
        pa.field("repo_category", pa.string()),  # of what GitHub says
        pa.field("files_license", pa.string()),  # the nearest licence file, an SPDX expression
        pa.field("files_category", pa.string()),
        pa.field("license_conflict", pa.string()),  # which two contradict; null: none do
    ]
)


def stage(parameters: SignalParameters) -> SignalStage:
    """The license stage."""
    return SignalStage(
        name="license",
        version=2,
        parameters={},
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=_row,
        lost=_lost_row,
    )


def _row(document: Document) -> Row:
    found = find_license(document.text or "")
    return {
        "file_license": found.expression,
        "license_evidence": found.evidence,
        "license_category": found.category,
        "repo_category": category(document.repo_license),
    }


def _lost_row(reason: str) -> Row:
    return {"license_category": "none", "repo_category": "none", "files_category": "none"}
