"""Does a dominant neuron lower the rank? srank, Theorem 2, its proof line by line, and repairs.

Neuron Dominance, section 3.3 and A.2. X is a batch of features, B rows (samples) by N columns
(neurons), n = min(B, N), σ_1 ≥ σ_2 ≥ ... its singular values, R = σ_1 / Σ σ_i, s_j the sum of
column j and c_j its norm. A law is that of the i.i.d. rows of X: finite, so E is a finite sum.
μ_j, v_j: mean and variance of an entry of column j, q_j = √(μ_j² + v_j).

What comes out: Theorem 2 is false. Of its proof lines (13), (14), (15) and (17) are false, (11) and
(16) need more than is said, and what it starts from, eq. (10), is never above 1/√n and does not
compare neurons at all. Dominance as Definition 1 has
it, by means, does not force a low rank. Dominance by root mean squares does: R is at least the
RMS share of the largest neuron, and that survives in expectation.

Undefined is NaN, and of NaN no conclusion holds. Numbers are exact (Fractions) wherever they are
rational; see `shares`.
"""

from typing import Any

from theory.claim import Claim
from theory.rank import (
    centred,
    eq_10,
    expected,
    proof,
    repaired,
    srank,
    stronger,
    theorem_2,
)

# What `python -m theory show` says of the letters.
LETTERS = """\
X is a batch of features, a row for each of B samples and a column for each of N neurons.
s_j is the sum of column j, c_j its norm (root of the sum of squares), n the smaller of B and N.
σ_1 ≥ σ_2 ≥ .. are the singular values of X: the half-axes of what X makes of a ball of radius 1.
R = σ_1 / (σ_1 + σ_2 + ..): it is 1 iff X has rank 1, that is all rows are multiples of one.
srank (also 'srnk' in the paper) is the least k with σ_1 + .. + σ_k ≥ (1 - δ) (σ_1 + σ_2 + ..).
i.i.d. rows: each drawn anew, with the given probabilities; E, Var: mean, variance over draws
(the variance is the mean of the squares less the square of the mean).
Of an entry of column j: mean μ_j, variance v_j, q_j = √(μ_j² + v_j). w.p.: with probability.
Cantelli: a number of mean m > 0 and variance v is ≤ 0 with probability at most v/(v + m²).
"""


CLAIMS: tuple[Claim[Any], ...] = (
    *srank.CLAIMS,
    *theorem_2.CLAIMS,
    *stronger.CLAIMS,
    *proof.CLAIMS,
    *eq_10.CLAIMS,
    *repaired.CLAIMS,
    *expected.CLAIMS,
    *centred.CLAIMS,
)
