"""Does temporal-difference learning without reward make the features collapse to zero?

Neuron Dominance, section 4.2: with regression it does, eqs. (5) and (6) after Lyle et al. (2021);
with classification, Theorem 3, it does not; LayerNorm revives a saturated layer (section 4.1).

Features are free numbers, one column of Psi (N, states) for each state; Phi = Psi' (states, N).
P (states, states) is the chain, gamma the discount, A = I - gamma P. W (N, M) are heads, or (N, G)
the weights of G logits. Both learning rates are 1: alpha and beta come back by Phi -> sqrt(beta)
Phi, W -> sqrt(alpha) W and a change of time. Factors like 2 / states of a mean are left out.

Exactness: logits are integers times ln 2, so that softmax is a quotient of powers of 2. Only what
is integrated over time, HL-Gauss and singular values are floats, with the bound written beside.
"""

from typing import Any

from theory.claim import Claim
from theory.collapse import (
    agreement,
    collapsed,
    eq_5,
    hl_gauss,
    layer_norm,
    learned_heads,
    limit_law,
    limits,
    said,
    shares,
    theorem_3,
    zero_bin,
)

# What `python -m theory show` says of the letters.
LETTERS = """\
Ψ has a row for each of N neurons, a column of features for each state; Φ = Ψ' (' transposes).
P has the probabilities of the next state, γ is the discount, I = [1 0; 0 1] (rows by ;).
W: heads for regression; for classification a column of weights for each of G bins, at values z.
p̂ = softmax(Ψ'W) are predictions, p their targets: "direct" is γPp̂; zero-bin, two-hot, C51 and
HL-Gauss make a histogram of γ times the next value. u = (1/G, .., 1/G); w̄: mean column of W.
R = 0: no reward. ∂Ψ, ∂W: how learning moves them; a subscript t or 0 is the time.
LN(z) = (z - mean of z) / (standard deviation of z); h = relu(LN(z)).
"""


CLAIMS: tuple[Claim[Any], ...] = (
    *eq_5.CLAIMS,
    *learned_heads.CLAIMS,
    *theorem_3.CLAIMS,
    *collapsed.CLAIMS,
    *limits.CLAIMS,
    *agreement.CLAIMS,
    *zero_bin.CLAIMS,
    *layer_norm.CLAIMS,
    *limit_law.CLAIMS,
    *shares.CLAIMS,
    *hl_gauss.CLAIMS,
    *said.CLAIMS,
)
