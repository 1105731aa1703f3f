"""Depths of three stages of equal blocks."""

import re

from hypothesis import given
from hypothesis import strategies as st

from vsam_tune.errors import InputError
from vsam_tune.models.depth import blocks_per_stage


@given(blocks=st.integers(1, 50), others=st.integers(0, 5))
def test_each_number_of_blocks_has_a_depth(blocks, others):
    assert blocks_per_stage("wrn", 6 * blocks + others, others=others) == blocks


@given(depth=st.integers(1, 300), others=st.integers(0, 5))
def test_other_depths_are_an_error_with_the_nearest_one_as_the_fix(depth, others):
    known = [6 * blocks + others for blocks in range(1, 60)]
    try:
        blocks_per_stage("wrn", depth, others=others)
    except InputError as error:
        fix = int(re.search(r"Fix: write (\d+)\.$", str(error))[1])
        assert depth not in known
        assert fix in known
        assert abs(fix - depth) == min(abs(each - depth) for each in known)
    else:
        assert depth in known
