"""Recycling: what replacing dormant neurons changes, and what gradients say about neurons.

ReDo (Sokar et al., 2023), sections 3 and 4; GraMa ("Measure gradients, not activations"), eq. (2),
Theorem 1 and section 4. ReDo resets the neurons of low activation, ReGraMa those of low gradient:
incoming weights := fresh ones, outgoing weights := 0. Here both are what `ref.mitigations` does, on
networks of fractions, so that "the output does not change" is exact.
"""

from typing import Any

from theory.claim import Claim
from theory.recycling import (
    balance,
    batch_law,
    gradients,
    redo,
    said,
    whole_layers,
)

# What `python -m theory show` says of the letters.
LETTERS = """\
h_i = relu(w_i x + b_i) is what neuron i of a layer of N gives, f = Σ_i out_i h_i the output.
E is a mean over the batch, s_i = E|h_i| / ((1/N) Σ_j E|h_j|) the score; τ-dormant: s_i ≤ τ.
G_i is the same of |dL/dh_i|, the gradient of the loss L, in the place of |h_i|.
ReDo: a τ-dormant neuron gets fresh incoming weights, and its outgoing ones become 0.
An instance scores on `batch` and compares the output at `asked`.
Of two layers: g = relu(w x + b), h = relu(V g + c), f = out·h + d, r = f - y.
"""


CLAIMS: tuple[Claim[Any], ...] = (
    *redo.CLAIMS,
    *batch_law.CLAIMS,
    *gradients.CLAIMS,
    *balance.CLAIMS,
    *said.CLAIMS,
    *whole_layers.CLAIMS,
)
