"""What a measured result takes when it is written, rows of older versions included."""

from typing import Any

import pytest

from pruning.planning.cost.written import compact_bytes, file_bytes

UNITS = {"structure": "neurons", "bytes": 400}


@pytest.mark.parametrize(
    ("figures", "ordinary", "compact"),
    [
        ({"bytes": 400, "file_bytes": 538}, 538, 400),
        ({"bytes": 400, "file_bytes": 538, "structure": "n:m"}, 538, 400),
        ({"bytes": 538, "file_bytes": 538}, 538, None),
        ({**UNITS, "file_bytes": 400, "not_smaller": None}, 400, None),
        ({**UNITS, "file_bytes": 538, "not_smaller": "Uneven."}, 538, None),
        # Units and single weights: the compact form is that of the tensors that were cut.
        ({"structure": "mixed", "bytes": 300, "file_bytes": 400, "not_smaller": None}, 400, 300),
        ({"structure": "mixed", "bytes": 450, "file_bytes": 538, "not_smaller": "Uneven."}, 538, 450),
        ({"structure": "mixed", "bytes": 400, "file_bytes": 400, "not_smaller": None}, 400, None),
        # Older versions gave the full size for units as well.
        ({**UNITS, "file_bytes": 538, "not_smaller": None}, 400, None),
        ({**UNITS, "file_bytes": 538}, 400, None),
        ({"bytes": 400}, 400, None),
    ],
)
def test_the_file_and_the_compact_file(figures: dict[str, Any], ordinary: int, compact: int | None) -> None:
    assert (file_bytes(figures), compact_bytes(figures)) == (ordinary, compact)
