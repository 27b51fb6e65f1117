"""What the README tells a reader to type works."""

import re
from pathlib import Path

import torch

from videoattn.engine.parameters import NAMES

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_module_can_be_taken_home_as_written():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code.splitlines()) <= 12
    names: dict = {}
    exec(code, names)
    x, y = torch.randn(2, 512, 6, 6), torch.randn(2, 256, 8, 8)
    torch.testing.assert_close(names["out"](x, y), x)
    clip = {"rgb": torch.randn(1, 3, 1, 64, 64), "flow": torch.randn(1, 10, 1, 64, 64)}
    with torch.no_grad():
        scores = names["network"].eval()(clip)
        alone = names["rgb"](clip["rgb"][:, :, 0])
    torch.testing.assert_close(scores["rgb"], alone)
    assert scores["flow"].shape == (1, 1000)


def test_every_parameter_is_explained():
    table = README[README.index("| variable | values |") :]
    told = re.findall(r"`([A-Z_]+)(?:=1)?`", table[: table.index("\n\n")])
    assert set(told) == set(NAMES)
