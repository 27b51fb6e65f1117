"""Where the gates stand: behind the last batch norm of every residual block, before the sum (figure 3 of the paper)."""

from videoattn.papers.squeeze.attention import SqueezeExcitation

from videoattn.backbones.tsn import FrameNetwork
from videoattn.layers.attach import attach
from videoattn.papers.aia.network import norms


def squeezed(network: FrameNetwork) -> FrameNetwork:
    """Put a gate into every residual block of a TSN, in place; returns the network."""
    found = norms(network, "behind")
    gates = {path: SqueezeExcitation(channels=norm.num_features) for path, norm in found.items()}
    return attach(network, gates, frames=network.frames)
