"""State dicts of our ResNets and MF-Nets as other programs name them, written down from those programs."""

from torch import Tensor

State = dict[str, Tensor]


def bare(key: str) -> str:
    """timm's name, whatever the network is wrapped in."""
    return key.rsplit("backbone.", 1)[-1]


def torchvision(state: State) -> State:
    return {bare(key): value for key, value in state.items()}


def tsm(state: State, *, shift: bool = True, pool: bool = False) -> State:
    """The authors' TSN or TSM: its first convolutions lie in shifts, its second stage in a temporal pool."""
    found = {}
    for key, value in torchvision(state).items():
        words = key.split(".")
        if shift and words[0].startswith("layer") and words[-2] == "conv1":
            words.insert(-1, "net")
        if pool and words[0] == "layer2":
            words.insert(1, "net")
        found[".".join(["new_fc", *words[1:]] if words[0] == "fc" else ["base_model", *words])] = value
    return found


def without_dropout(state: State) -> State:
    """The authors' TSN, whose last layer stays in the backbone then."""
    return {f"base_model.{key}": value for key, value in torchvision(state).items()}


def mmaction2(state: State, *, shift: bool = True) -> State:
    found = {}
    for key, value in torchvision(state).items():
        *path, layer, entry = key.split(".")
        if layer == "fc":
            words = ["cls_head", "fc_cls", entry]
        elif path[-1:] == ["downsample"]:
            words = ["backbone", *path, ["conv", "bn"][int(layer)], entry]
        elif layer.startswith("bn"):
            words = ["backbone", *path, layer.replace("bn", "conv"), "bn", entry]
        else:
            words = ["backbone", *path, layer, "conv", *(["net"] if shift and path and layer == "conv1" else []), entry]
        found[".".join(words)] = value
    return found


def mfnet(state: State) -> State:
    """The authors' MF-Net."""
    layers = {"conv1.0": "conv1.conv", "conv1.1": "conv1.bn", "tail.0": "tail.bn", "fc": "classifier"}
    found = {}
    for key, value in torchvision(state).items():
        layer, entry = key.rsplit(".", 1)
        if layer not in layers:
            stage, unit, part, number = layer.split(".")
            layers[layer] = f"{stage}.B0{int(unit) + 1}.conv_{part}.{'bn' if number == '0' else 'conv'}"
        found[f"{layers[layer]}.{entry}"] = value
    return found


def parallel(state: State) -> State:
    return {f"module.{key}": value for key, value in state.items()}


STYLES = {
    "own": dict,
    "torchvision": torchvision,
    "torchvision, parallel": lambda state: parallel(torchvision(state)),
    "TSN": lambda state: tsm(state, shift=False),
    "TSN without dropout": without_dropout,
    "TSM": tsm,
    "TSM, parallel, temporal pool": lambda state: parallel(tsm(state, pool=True)),
    "MMAction2, TSN": lambda state: mmaction2(state, shift=False),
    "MMAction2, TSM": mmaction2,
    "MMAction2, parallel": lambda state: parallel(mmaction2(state)),
    "compiled": lambda state: {f"_orig_mod.{key}": value for key, value in state.items()},
}
