"""The license stage: what a file, the licence files around it and GitHub say about its licence."""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from clean.signals.document import Document, Measure, Row, SignalStage
from clean.signals.license import find_license
from clean.signals.license_conflict import find_conflict
from clean.signals.license_files import ShardLicenses, licenses_of
from clean.signals.license_terms import category
from clean.signals.parameters import SignalParameters
from corpus.engine import Unit

STAGE = "license"
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
    """The license stage. Its stamp covers the licence files: they are rows of the shard."""
    return SignalStage(
        name=STAGE,
        version=2,
        parameters={},
        guess_encoding=parameters.guess_encoding,
        schema=SCHEMA,
        measure=partial(_row, None),
        lost=_lost_row,
        of_unit=_measure_in,
    )


def _measure_in(unit: Unit) -> Measure:
    return partial(_row, licenses_of(unit.shard))


def _row(licenses: ShardLicenses | None, document: Document) -> Row:
    found = find_license(document.text or "")
    nearest = root = None
    if licenses is not None:
        nearest = licenses.nearest(document.repo_id, document.path)
        root = licenses.in_folder(document.repo_id, "")
    header = found.expression
    if header is None and found.category == "other":
        header = found.evidence  # a tag that is no expression: a licence that nobody knows
    return {
        "file_license": found.expression,
        "license_evidence": found.evidence,
        "license_category": found.category,
        "repo_category": category(document.repo_license),
        "files_license": nearest,
        "files_category": category(nearest),
        "license_conflict": find_conflict(header, nearest, root, document.repo_license),
    }


def _lost_row(reason: str) -> Row:
    return {"license_category": "none", "repo_category": "none", "files_category": "none"}
