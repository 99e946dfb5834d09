"""Dormancy: what a score of zero says about a neuron, and what it does not.

ReDo (Sokar et al., 2023), Definition 3.1 and section 3; "Rethinking plasticity" (OCP),
Definitions 1 to 3, Lemmas 1 to 3, Theorem 1. A neuron is h(x) = φ(w x + b) under a law of inputs.
Two sets decide everything: Z = {φ = 0} and K = {φ' = 0}, where φ' is what automatic differentiation
returns, also at kinks. Dormant is z(x) ∈ Z almost surely; a zero gradient of the neuron's weights
for every loss is z(x) ∈ K almost surely. OCP takes the gradient with respect to the input x
instead, which is another thing. `ACTIVATIONS` is the table of Z and K for what people train with.
"""

from typing import Any

from theory.claim import Claim
from theory.dormancy import (
    magi,
    ocp,
    overlap,
    plane,
    said,
    scores,
    training,
)

# What `python -m theory show` says of the letters.
LETTERS = """\
h_i is what neuron i of a layer of N gives for an input x, E a mean over the inputs.
s_i = E|h_i| / ((1/N) Σ_j E|h_j|) is its score; it is dormant if that is 0, τ-dormant if ≤ τ.
h(x) = φ(z), z = w x + b: φ is the activation function, Z where φ is 0, K where φ' is.
D is the domain of the inputs; its support are the points around which inputs do occur.
φ', ∂, d/d..: derivatives, the slopes of a curve; ∇_x: all of them, one for each number in x.
By the chain rule dh/db = φ'(z) and dh/dx = w φ'(z): z moves by 1 if b does, by w if x does.
C¹: the slope changes without a jump. #S: how many are in S. almost surely: with probability 1.
Activation functions of which all numbers are exact:
softsign(z) = z / (1 + |z|), of slope 1 / (1 + |z|)²;
smoothstep(z) = 0 up to z = -1, (1 + z)² (2 - z) / 4 up to z = 1, then 1; of slope
3 (1 - z²) / 4 between, else 0; step(z) = 1 for z > 0, else 0; spike(z) = 1 for z = 0, else 0.
"""


CLAIMS: tuple[Claim[Any], ...] = (
    *scores.CLAIMS,
    *ocp.CLAIMS,
    *plane.CLAIMS,
    *training.CLAIMS,
    *magi.CLAIMS,
    *overlap.CLAIMS,
    *said.CLAIMS,
)
