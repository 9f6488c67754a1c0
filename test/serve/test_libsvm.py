"""serving/libsvm.py: text/libsvm."""

import numpy as np
import pytest

from serving.errors import BadRequest
from serving.libsvm import from_libsvm, to_rows


@pytest.mark.parametrize(
    ("body", "records"),
    [
        (b"1 0:1.5 2:-3\n", [{0: 1.5, 2: -3.0}]),
        (b"0:1\n\n+1 qid:7 1:2 # a remark\n", [{0: 1.0}, {1: 2.0}]),
        (b"1\n", [{}]),
    ],
)
def test_a_line_is_one_record_with_or_without_a_label(body: bytes, records: object) -> None:
    assert from_libsvm(body, "utf-8") == (records, {})


@pytest.mark.parametrize("line", [b"1 2", b"1 a:1", b"1 1:b", b"1 1:2:3", b"1 -1:2"])
def test_errors_name_the_line(line: bytes) -> None:
    with pytest.raises(BadRequest, match="Line 2 "):
        from_libsvm(b"1 0:1\n" + line, "utf-8")


def test_sparse_records_become_dense_and_others_are_unchanged() -> None:
    np.testing.assert_array_equal(to_rows([{0: 1.0}, {}], 2, absent=np.nan), [[1.0, np.nan], [np.nan, np.nan]])
    assert to_rows([[1, 2]], 2, absent=0) == [[1, 2]]
    for records in ([{2: 1.0}], [{"a": 1.0}], [{0: 1.0}, [1, 2]]):
        with pytest.raises(BadRequest):
            to_rows(records, 2, absent=0)


def test_a_small_body_cannot_exhaust_memory() -> None:
    with pytest.raises(BadRequest, match="Too many records: send at most 33554 per request"):
        to_rows([{}] * 40_000, 1000, absent=0)
