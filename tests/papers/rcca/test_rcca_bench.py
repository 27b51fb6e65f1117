"""What the bench measures. No times are asserted; memory is, since it is exact."""

import torch

from videoattn.papers.rcca import bench
from videoattn.papers.rcca.attention import RCCA3D
from videoattn.reporting import speed
from videoattn.reporting.speed import peak_memory

CPU = torch.device("cpu")


def test_the_rows():
    modules = speed.bench(lambda: bench.blocks((8, 2, 4, 4)), device=CPU, seconds=0.001)
    assert [row.what for row in modules] == [
        "non-local, fused, no max-pool",
        "non-local, fused, max-pool",
        "RCCA-3D, R = 1",
        "RCCA-3D, R = 2",
        "RCCA-3D, R = 3",
        "RCCA-3D, R = 3, recompute=False",
    ]
    assert (modules[0].ratio, modules[0].backward_ratio) == (1, 1)
    networks = speed.bench(lambda: bench.networks("resnet10t", 32, place="conv3_1"), device=CPU, seconds=0.001)
    assert [row.what for row in networks] == [
        "TSM",
        "TSM + non-local, no max-pool",
        "TSM + non-local, max-pool",
        "TSM + RCCA-3D",
    ]
    assert networks[0].ratio == 1
    assert all(row.backward is None for row in networks)


def test_recomputing_keeps_one_map_a_step():
    x = torch.randn(1, 256, 8, 16, 16, requires_grad=True)
    modules = {
        "R = 2": RCCA3D(channels=256, recurrence=2),
        "R = 3": RCCA3D(channels=256),
        "layers": RCCA3D(channels=256, recompute=False),
    }
    peaks = {}
    for name, module in modules.items():
        module(x).sum().backward()  # the gradients are there already when the second pass is looked at
        peaks[name] = peak_memory(lambda module=module: module(x).sum().backward(), CPU)
    assert peaks["R = 3"] < peaks["layers"] / 2
    assert peaks["R = 3"] - peaks["R = 2"] < 1.1 * 4 * x.numel()  # one more step keeps one more map
