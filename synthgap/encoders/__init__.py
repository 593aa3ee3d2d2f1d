"""Small encoders into one space, one a file. None has BatchNorm or dropout: a training step stays a pure function of its
inputs, so one model a CPU core and a stacked population on a GPU can be the same code.

Each is an adapter that reads its modality, a trunk, and a projection, a linear map into the space. Adapters are always a
modality's own; modalities whose trunks are alike can share them (SharedCLIP, Eslami & de Melo 2025).

An encoder takes the shape of one sample, its own options by name, and what it declares that it needs: `kind` of the input
(`data_gen.inputs.KINDS`), `vocabulary` (words there are, numbered from 1), `longest` (words of the longest text), `width`. It
gives the adapter, or adapter and trunk: modules, inputs [B, …] → features [B, F]. The projection follows them. One that is
declared with form="mlp" or form="transformer" has `mlp_trunk(width)` or `Blocks(width, depth)` as its trunk, and can share it.
"""

from synthgap.encoders.layers import Pixels, mlp_trunk
from synthgap.encoders.model import Encoder, Encoders, at_an_angle, build, initialise, set_apart, start_together
from synthgap.encoders.transformer import Blocks

__all__ = [
    "Blocks",
    "Encoder",
    "Encoders",
    "Pixels",
    "at_an_angle",
    "build",
    "initialise",
    "mlp_trunk",
    "set_apart",
    "start_together",
]
