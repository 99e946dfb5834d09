"""Dominant neurons and what they do to the next layer (Neuron Dominance, sections 3.1 and 3.2).

Layer k has N neurons with activations g_1 .. g_N, those of a ReLU: not negative. Neuron m of layer
k + 1 receives z = w_1 g_1 + .. + w_N g_N + b; m is left out below. D is uniform on the inputs that
an instance lists, so E is a mean and all is exact. A neuron with z ≤ 0 on all of D is saturated,
one with z > 0 on all of D is a zombie, any other is mixed.

First Definition 1, then Theorem 1 with every line of its proof, as printed: refuted. What repairs
it is one inequality (`dominance.margin`), read at each input, in expectation, as a fraction of the
inputs, or over random weights. Then the learning rates around eq. (2), as printed and repaired. At
the end the conditions are looked up on a trained network.
"""

from typing import Any

from theory.claim import Claim
from theory.dominance import (
    adam,
    below,
    decay,
    definition,
    extinction,
    random_weights,
    rates,
    repaired,
    said,
    theorem_1,
)

# What `python -m theory show` says of the letters.
LETTERS = """\
Layer k has N neurons; g_j ≥ 0 is what neuron j gives for an input (after a ReLU).
D are the inputs, E a mean over them; an instance lists g for each: g ∈ {one, another, ..}.
u_i = N E g_i / Σ_j E g_j is the score of neuron i; Σ_j is the sum over all neurons j.
Neuron m of layer k+1 receives z = w_1 g_1 + .. + w_N g_N + b; m is mostly left out.
It is saturated if z ≤ 0 at every input, a zombie if z > 0 at every input,
mixed if neither. sign x is 1, 0 or -1. ‖(a, b, ..)‖ = √(a² + b² + ..).
Y = |w_1| g_1 - Σ_{j≥2} |w_j| g_j - |b| is by how much neuron 1 outweighs all others.
P: probability, over the inputs, or over the weights where those are random. Var: variance,
the mean of the squares less the square of the mean.
t_k is Student's t: a normal number divided by the root mean square of k others.
Cantelli: a number of mean m > 0 and variance v is ≤ 0 with probability at most v/(v + m²).
In learning: ŷ = Σ_j v_j relu(z_j), target y, r = ŷ - y, learning rate α, Γ = g_1² + .. + g_N².
"""


CLAIMS: tuple[Claim[Any], ...] = (
    *definition.CLAIMS,
    *theorem_1.CLAIMS,
    *repaired.CLAIMS,
    *random_weights.CLAIMS,
    *rates.CLAIMS,
    *adam.CLAIMS,
    *extinction.CLAIMS,
    *below.CLAIMS,
    *decay.CLAIMS,
    *said.CLAIMS,
)
