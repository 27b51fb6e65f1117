"""The decoders side by side."""

import pytest

from videoattn.data.decode import bench
from videoattn.errors import InputError


def test_every_way_to_read_is_measured(clips, monkeypatch, capsys):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    bench.main([str(path) for path in clips.values()])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    ways = [["bare", "pyav"], ["bare", "decord"], ["Decoder,", "pyav"], ["Decoder,", "decord"]]
    assert [row[2:4] for row in rows] == ways * 2
    assert [row[-1] for row in rows[::4]] == ["1.00", "1.00"]
    assert all(float(row[4]) > 0 for row in rows)
    with pytest.raises(InputError, match="1 videos"):
        bench.main([str(clips["pyav"])])
