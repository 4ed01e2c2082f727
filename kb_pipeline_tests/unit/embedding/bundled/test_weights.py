from pathlib import Path

import numpy as np
import pytest

from kb_pipeline.embedding.bundled import weights
from kb_pipeline.errors import SettingsError


def test_a_packed_row_has_low_halves_first_and_a_scale_for_each_block() -> None:
    blocks = np.zeros((1, 2), weights._PACKED_BLOCK)
    blocks["scale"] = [[0.5, 2.0]]
    blocks["halves"][0, 0] = 0x88  # 8 stands for 0
    blocks["halves"][0, 0, 3] = 0xF0  # number 3 is 0 - 8, number 19 is 15 - 8
    blocks["halves"][0, 1] = 0x98
    row = weights.PackedRows(blocks).rows(slice(None))[0]
    assert (row[3], row[19]) == (-4.0, 3.5)
    assert np.count_nonzero(row[:32]) == 2
    assert (row[32:48] == 0).all()
    assert (row[48:] == 2).all()


def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    damaged = tmp_path / "e5-small-q4.bin"
    damaged.write_bytes(weights.weights_file().read_bytes()[:1_000_000])
    with pytest.raises(SettingsError, match=r"damaged.* install kb_pipeline again"):
        weights.read_weights(damaged)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["a folder", "an empty file"])
def test_what_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path, make: object) -> None:
    make(tmp_path / "e5-small-q4.bin")  # type: ignore[operator]
    with pytest.raises(SettingsError, match="cannot be read"):
        weights.read_weights(tmp_path / "e5-small-q4.bin")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "PACKAGE", "no_such_package")
    with pytest.raises(SettingsError, match="no_such_package"):
        weights.weights_file()
