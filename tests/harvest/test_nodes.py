from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.loopback.repository import global_id
from harvest.nodes import made_node_id


@pytest.mark.parametrize(
    ("number", "node_id"),
    [(1296269, "R_kgDOABPHjQ"), (1, "R_kgDOAAAAAQ"), (2**32, "R_kgDPAAAAAQAAAAA")],
)
def test_ids_as_github_makes_them(number: int, node_id: str) -> None:
    assert made_node_id(number) == node_id


@given(st.integers(1, 2**31 - 1))
def test_loopback_agrees(number: int) -> None:
    assert made_node_id(number) == global_id("R_", number)


@given(st.integers(1, 2**63 - 1))
def test_the_number_is_in_the_id(number: int) -> None:
    packed = base64.urlsafe_b64decode(made_node_id(number)[2:] + "==")
    assert packed[:2] == b"\x92\x00"
    assert int.from_bytes(packed[3:], "big") == number
