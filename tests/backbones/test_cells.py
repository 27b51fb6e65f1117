"""Networks of cells: what stays apart without a module, and both read-outs against direct computation."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from videoattn.backbones.cells import READOUTS, CellNetwork
from videoattn.backbones.mfnet import MFNet
from videoattn.backbones.tsn import tsn
from videoattn.backbones.video_network import VideoNetwork
from videoattn.errors import InputError
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.papers.rcca.reach import hamming

CELL, GRID, WIDTH = 4, (2, 2, 3), 8


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def network(module: nn.Module | None = None, *, readout: str = "pooled", seed: int = 0) -> CellNetwork:
    """In float64 and evaluation mode, with norms that change what passes through them."""
    torch.manual_seed(seed)
    net = CellNetwork(module or nn.Identity(), classes=3, width=WIDTH, cell=CELL, readout=readout)
    for norm in net.modules():
        if isinstance(norm, nn.BatchNorm3d):
            for tensor, low in ((norm.weight, 0.5), (norm.bias, 0.0), (norm.running_mean, -0.5), (norm.running_var, 1)):
                nn.init.uniform_(tensor, low, low + 1)
    return net.double().eval()


def rgb(batch: int = 2) -> Tensor:
    t, rows, columns = GRID
    return noise(batch, 3, t, rows * CELL, columns * CELL)


def reach(net: CellNetwork) -> Tensor:
    """(N, N) whether the map at row u has a gradient with respect to any pixel of cell i."""
    x = rgb(1).requires_grad_()
    rows = []
    for u in itertools.product(*map(range, GRID)):
        maps = net.features(x)
        (gradient,) = torch.autograd.grad((maps[(0, slice(None), *u)] * noise(WIDTH, seed=2)).sum(), x)
        cells = gradient.abs().sum((0, 1)).unflatten(1, (GRID[1], CELL)).unflatten(3, (GRID[2], CELL))
        rows.append((cells.sum((2, 4)) > 0).flatten())
    return torch.stack(rows)


def test_cells_stay_apart_but_for_the_module():
    assert torch.equal(reach(network()), hamming(GRID) == 0)
    for r in (1, 2, 3):
        assert torch.equal(reach(network(RCCA3D(channels=WIDTH, recurrence=r))), hamming(GRID) <= r)


def test_every_pixel_of_a_cell_is_seen():
    x = rgb(1).requires_grad_()
    maps = network().features(x)
    assert maps.shape == (1, WIDTH, *GRID)
    (gradient,) = torch.autograd.grad((maps * noise(*maps.shape, seed=2)).sum(), x)
    assert (gradient != 0).all()


def test_features_of_a_cell_are_those_of_the_cell_alone():
    net, x = network(), rgb()
    maps = net.features(x)
    for t, row, column in itertools.product(*map(range, GRID)):
        cell = x[:, :, t : t + 1, row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        torch.testing.assert_close(net.features(cell)[:, :, 0, 0, 0], maps[:, :, t, row, column])


@pytest.mark.parametrize("module", [None, RCCA3D(channels=WIDTH)])
def test_readouts(module):
    places = torch.tensor([[[1, 0, 2], [0, 1, 1]], [[0, 1, 0], [1, 1, 2]], [[1, 1, 1], [0, 0, 0]]])
    clip = {"rgb": rgb(3), "places": places}
    pooled, place = network(module, readout="pooled"), network(module, readout="place")
    place.load_state_dict(pooled.state_dict())
    maps = pooled.features(clip["rgb"])
    weight, bias = pooled.fc.weight, pooled.fc.bias
    for b in range(3):
        mean = sum(maps[(b, slice(None), *u)] for u in itertools.product(*map(range, GRID))) / 12
        torch.testing.assert_close(pooled(clip)["rgb"][b], weight @ mean + bias)
        at = maps[(b, slice(None), *places[b, 0].tolist())]
        torch.testing.assert_close(place(clip)["rgb"][b], weight @ at + bias)
    torch.testing.assert_close(pooled({"rgb": clip["rgb"]}), pooled(clip))


def test_the_second_place_alone_does_not_matter():
    net = network(readout="place")
    first, second = torch.tensor([[[1, 0, 2], [0, 1, 1]]]), torch.tensor([[[1, 0, 2], [1, 1, 0]]])
    torch.testing.assert_close(net({"rgb": rgb(1), "places": first}), net({"rgb": rgb(1), "places": second}))


def test_unknown_readout_is_named():
    assert READOUTS == ("pooled", "place")
    with pytest.raises(InputError, match="'max'; choose from pooled, place"):
        network(readout="max")


def test_frames_are_made_of_whole_cells():
    with pytest.raises(InputError, match="frames of 8 x 10 are not made of cells of 4"):
        network()({"rgb": noise(1, 3, 2, 8, 10)})


@pytest.mark.parametrize("kind", ["tsn", "mfnet"])
def test_a_network_for_videos_calls_its_backbone(kind):
    torch.manual_seed(0)
    if kind == "tsn":
        backbone = tsn("resnet18", classes=5, frames=2, channels=(4, 4, 8, 8), stem_width=4, layers=(1, 1, 1, 1))
        nn.init.normal_(backbone.fc.weight)
    else:
        backbone = MFNet(classes=5, width=8, groups=2, stem=4, layers=(1, 1, 1, 1))
    net, clip = VideoNetwork(backbone.eval()), noise(2, 3, 2, 32, 64, dtype=torch.float32)
    scores = net({"rgb": clip})
    assert scores.keys() == {"rgb"}
    torch.testing.assert_close(scores["rgb"], backbone(clip))
    torch.testing.assert_close(net.fc(net.features(clip).mean((2, 3, 4))), scores["rgb"])
