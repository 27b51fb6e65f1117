"""The table of docs/modules.md: which module runs in which way, found by running it.

    .venv/bin/python tests/module_table.py

writes the table again, with the column "Inductor", which takes minutes. The tests compute all others and compare.
"""

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import onnxruntime
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

import videoattn

FILE = Path(__file__).parents[1] / "docs" / "modules.md"
BEGIN, END = "<!-- table: modules -->\n", "<!-- end -->\n"
MARK = {True: "yes", False: "no"}


class Case(NamedTuple):
    """How a module is made, the shapes of its inputs for one sample, and how it takes them."""

    make: Callable[[], nn.Module]
    shapes: Sequence[tuple[int, ...]]
    sequence: bool = False  # all inputs in one list
    frames: int = 1  # that count as one sample, in the batch


MAPS, VIDEO = (4, 5, 6), (4, 3, 5, 6)
CASES = {
    "CBAM3D": Case(lambda: videoattn.CBAM3D(4, kernel=(3, 3, 3), reduction=2), [VIDEO]),
    "CCA3D": Case(lambda: videoattn.CCA3D(channels=4, reduction=2), [VIDEO]),
    "CMABlock": Case(lambda: videoattn.CMABlock(channels=4, context_channels=2), [MAPS, (2, 7, 5)]),
    "CascadedAttention": Case(lambda: videoattn.CascadedAttention(channels=4), [VIDEO]),
    "ChannelsLast": Case(lambda: videoattn.ChannelsLast(nn.Conv2d(4, 4, 3, padding=1)), [(5, 6, 4)]),
    "First": Case(lambda: videoattn.First(nn.Conv2d(4, 4, 3, padding=1)), [MAPS, MAPS], sequence=True),
    "FoldedTime": Case(lambda: videoattn.FoldedTime(nn.Conv3d(4, 4, 3, padding=1), 3), [MAPS], frames=3),
    "FrameAttention": Case(lambda: videoattn.FrameAttention(frames=6, size=5, hidden=(4, 4)), [(3, 6, 12, 13)]),
    "GE3DDW": Case(lambda: videoattn.GE3DDW(4, kernel=(3, 3, 3)), [VIDEO]),
    "GE3DG": Case(videoattn.GE3DG, [VIDEO]),
    "NonLocalBlock": Case(lambda: videoattn.NonLocalBlock(channels=4), [MAPS]),
    "PlaneAttention": Case(lambda: videoattn.PlaneAttention("TW", channels=4), [VIDEO]),
    "PyramidAttention": Case(
        lambda: videoattn.PyramidAttention(channels=(4, 3), sizes=((7, 5), (2, 3))),
        [(4, 3, 7, 5), (3, 3, 2, 3)],
        sequence=True,
    ),
    "RCCA3D": Case(lambda: videoattn.RCCA3D(channels=4, reduction=2, recurrence=2), [VIDEO]),
    "S3DG": Case(lambda: videoattn.S3DG(4), [VIDEO]),
    "SE3D": Case(lambda: videoattn.SE3D(4, reduction=2), [VIDEO]),
    "TemporalShift": Case(lambda: videoattn.TemporalShift(frames=3, fraction=4), [MAPS], frames=3),
    "Tokens": Case(lambda: videoattn.Tokens(nn.Conv2d(4, 4, 3, padding=1), grid=(2, 3), prefix=1), [(7, 4)]),
    "aia": Case(lambda: videoattn.aia("CinST"), [VIDEO]),
}


class Called(nn.Module):
    """The module of a case with inputs one by one, and its outputs as a tuple of tensors."""

    def __init__(self, name: str):
        super().__init__()
        torch.manual_seed(0)
        self.case = CASES[name]
        self.module = self.case.make()
        for i, parameter in enumerate(self.module.parameters()):  # no branch asleep
            parameter.data += 0.3 * noise(*parameter.shape, seed=100 + i)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        out = self.module(inputs) if self.case.sequence else self.module(*inputs)
        return (out,) if isinstance(out, Tensor) else tuple(m for m in out if m is not None)

    def inputs(self, samples: int) -> list[Tensor]:
        return [noise(samples * self.case.frames, *shape, seed=i) for i, shape in enumerate(self.case.shapes)]


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def results(call: Callable, module: Called, inputs: Sequence[Tensor], *, bf16: bool = False) -> list[Tensor]:
    """Outputs, then gradients of inputs and parameters."""
    module.zero_grad()
    inputs = [x.detach().requires_grad_() for x in inputs]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        outputs = call(*inputs)
    loss = sum((m * noise(*m.shape, seed=50).to(m)).sum() for m in outputs if m.requires_grad)
    if isinstance(loss, Tensor):
        loss.backward()
    found = [*outputs, *(x.grad for x in inputs), *(p.grad for p in module.parameters())]
    return [m.detach().clone() for m in found if m is not None]


def close(found: Sequence[Tensor], expected: Sequence[Tensor], *, within: float) -> bool:
    """Whether tensors differ by no more than such a part of their norm."""
    pairs = zip(found, expected, strict=True)
    return all((a.double() - b.double()).norm() <= within * b.double().norm() + 1e-9 for a, b in pairs)


def close_as_a_whole(found: Sequence[Tensor], expected: Sequence[Tensor], *, outputs: int, within: float) -> bool:
    """As `close`, but all gradients as one vector: some, such as that of a key's bias, are zero but for rounding."""
    gradients = [torch.cat([torch.zeros(1), *(g.flatten() for g in part[outputs:])]) for part in (found, expected)]
    return close([*found[:outputs], gradients[0]], [*expected[:outputs], gradients[1]], within=within)


def runs_in_bf16(module: Called) -> bool:
    """Under autocast the outputs, and all gradients as one vector, are those of float32 but for 3%."""
    inputs = module.eval().inputs(2)
    exact, found = results(module, module, inputs), results(module, module, inputs, bf16=True)
    return close_as_a_whole(found, exact, outputs=len(module(*inputs)), within=0.03)


def takes_channels_last(module: Called) -> bool:
    """Maps with the channels of a place side by side give the same outputs and gradients, in training, too."""
    module.double()
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for samples in (1, 2):
        inputs = [x.double() for x in module.inputs(samples)]
        last = [x.contiguous(memory_format=formats.get(x.dim(), torch.contiguous_format)) for x in inputs]
        for training in (False, True):
            module.train(training)
            if not close(results(module, module, last), results(module, module, inputs), within=1e-9):
                return False
    return True


def compiles(module: Called) -> bool:
    """To one graph, with the same outputs and gradients."""
    module.double()
    return _compiled(module, [x.double() for x in module.inputs(2)], "aot_eager", within=1e-9)


def compiles_by_inductor(module: Called) -> bool:
    return _compiled(module, module.inputs(2), "inductor", within=1e-4)


def _compiled(module: Called, inputs: Sequence[Tensor], backend: str, *, within: float) -> bool:
    torch._dynamo.reset()
    expected = results(module, module, inputs)
    found = results(torch.compile(module, backend=backend, fullgraph=True), module, inputs)
    return close_as_a_whole(found, expected, outputs=len(module(*inputs)), within=within)


def batch_of_any_size(module: Called) -> dict[str, tuple[dict[int, object], ...]]:
    batch = torch.export.Dim("batch", min=1, max=1024)
    return {"inputs": tuple({0: module.case.frames * batch} for _ in module.case.shapes)}


def exports(module: Called) -> bool:
    """By torch.export, for any batch: with the same outputs for others than it was exported with."""
    module.eval()
    program = torch.export.export(module, tuple(module.inputs(2)), dynamic_shapes=batch_of_any_size(module)).module()
    samples = (1, 2, 5) if module.case.frames == 1 else (2, 5)  # the docs say why
    return all(close(program(*module.inputs(n)), module(*module.inputs(n)), within=1e-6) for n in samples)


def goes_to_onnx(module: Called) -> bool:
    """For any batch: onnxruntime gives the same outputs."""
    file = io.BytesIO()
    shapes = batch_of_any_size(module)
    program = torch.onnx.export(
        module.eval(), tuple(module.inputs(2)), dynamo=True, dynamic_shapes=shapes, verbose=False
    )
    program.save(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    for n in (1, 2, 5):
        inputs = module.inputs(n)
        found = session.run(None, dict(zip(names, (x.numpy() for x in inputs), strict=True)))
        if not close([torch.from_numpy(m) for m in found], module(*inputs), within=1e-5):
            return False
    return True


def works_with_func(module: Called) -> bool:
    """torch.func's gradients by sample, of inputs and parameters, are those of autograd one after the other."""
    module.eval().double()
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    inputs = [x.double().unflatten(0, (2, module.case.frames)) for x in module.inputs(2)]

    def loss(parameters: dict[str, Tensor], inputs: Sequence[Tensor]) -> Tensor:
        outputs = functional_call(module, parameters, tuple(inputs))
        return sum((m.square() + m).sum() for m in (*inputs, *outputs) if m.is_floating_point())

    by_parameters, by_inputs = vmap(grad(loss, argnums=(0, 1)), in_dims=(None, 0))(parameters, inputs)
    for i in range(2):
        module.zero_grad()
        sample = [x[i].clone().requires_grad_() for x in inputs]
        loss(dict(module.named_parameters()), sample).backward()
        expected = [torch.zeros_like(p) if p.grad is None else p.grad for p in module.parameters()]
        found = [by_parameters[name][i] for name, _ in module.named_parameters()]
        if not close([*found, *(m[i] for m in by_inputs)], [*expected, *(x.grad for x in sample)], within=1e-9):
            return False
    return True


COLUMNS = {
    "bf16": runs_in_bf16,
    "channels_last": takes_channels_last,
    "compile": compiles,
    "export": exports,
    "ONNX": goes_to_onnx,
    "func": works_with_func,
}
SLOW = {"Inductor": compiles_by_inductor}


def cell(name: str, column: str) -> str:
    """ "yes" where a module runs in the way of a column; "no" where it raises or gives something else."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()):
            return MARK[(COLUMNS | SLOW)[column](Called(name))]
    except Exception:  # whatever a compiler or exporter raises
        return MARK[False]
    finally:
        logging.disable(logging.NOTSET)


def written() -> dict[str, dict[str, str]]:
    """The cells of the file: by module, then by column."""
    table = FILE.read_text().partition(BEGIN)[2].partition(END)[0]
    head, _, *rows = [[entry.strip(" `") for entry in line.strip("|").split("|")] for line in table.split("\n") if line]
    return {name: dict(zip(head[1:], entries, strict=True)) for name, *entries in rows}


def main() -> None:
    columns = [*COLUMNS, *SLOW]
    lines = [["", *columns], [":--"] + [":-:"] * len(columns)]
    for name in CASES:
        lines.append([f"`{name}`", *(cell(name, column) for column in columns)])
        print(*lines[-1], flush=True)
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    before, _, rest = FILE.read_text().partition(BEGIN)
    FILE.write_text(before + BEGIN + table + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
