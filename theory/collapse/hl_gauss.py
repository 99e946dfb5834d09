"""What classification bounds and MSE does not, and the width that lets it unlearn."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import Array
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.collapse.flows import ZERO, Matrix, Row, exact, kernel, row, rows, shaped, show

# ------------------------------------------------------------------- one step, one neuron


@dataclass(frozen=True)
class Kill:
    """A neuron's outgoing weights w (G,), target p and prediction q (G,), α Γ, and its z > 0."""

    w: Row
    p: Row
    q: Row
    rate: Fraction = Fraction(1)
    z: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        checks.row("w", self.w)
        checks.row("p", self.p, len(self.w))
        checks.row("q", self.q, len(self.w))
        checks.positive("rate", self.rate)
        checks.positive("z", self.z)

    def __str__(self) -> str:
        return (
            f"w = {vector(self.w)}, p = {vector(self.p)}, p̂ = {vector(self.q)}, "
            f"αΓ = {self.rate}, z = {self.z}"
        )


def total_variation(k: Kill) -> Fraction:
    return sum((abs(a - b) for a, b in zip(k.p, k.q, strict=True)), ZERO) / 2


def pull(k: Kill) -> Fraction:
    """w·(p - p̂): minus dL/dh of the neuron, of cross-entropy."""
    return sum((w * (a - b) for w, a, b in zip(k.w, k.p, k.q, strict=True)), ZERO)


def kill_slack(k: Kill) -> Fraction:
    return (max(k.w) - min(k.w)) * total_variation(k) - abs(pull(k))


def kill_bounded(k: Kill) -> bool:
    """The bound, and that a neuron with αΓ range(w) < z lives through a step of SGD."""
    safe = k.rate * (max(k.w) - min(k.w)) * total_variation(k) < k.z
    return kill_slack(k) >= 0 and (not safe or k.z + k.rate * pull(k) > 0)


def same_mass(k: Kill) -> bool:
    return sum(k.p) == sum(k.q)


def kills(bins: int) -> SearchStrategy[Kill]:
    def build(w: list[int], p: list[int], q: list[int], odd: int, z: int) -> Kill:
        masses = []
        for m in (p, q):
            total = sum(m)
            masses.append(tuple(Fraction(x, total) if total else Fraction(1, bins) for x in m))
        p_, q_ = masses
        if odd == 0:  # a target that keeps γ of its mass, as in the printed proof of Theorem 3
            p_ = tuple(x / 2 for x in p_)
        return Kill(tuple(map(Fraction, w)), p_, q_, Fraction(1, 2), Fraction(z))

    masses = st.lists(st.integers(0, 4), min_size=bins, max_size=bins)
    weights = st.lists(st.integers(-3, 3), min_size=bins, max_size=bins)
    return st.builds(build, weights, masses, masses, st.integers(0, 9), st.integers(1, 3))


def cap_for_all_reals(bins: int) -> bool:
    """|w·e| ≤ (max w - min w) Σ|e|/2 for an e that sums to 0."""
    import z3

    w, e = z3.RealVector("w", bins), z3.RealVector("e", bins)
    low, high = z3.Reals("low high")
    size = z3.Sum([z3.If(x < 0, -x, x) for x in e])
    solver = z3.Solver()
    solver.add(z3.Sum(e) == 0, *(low <= x for x in w), *(x <= high for x in w))
    solver.add(2 * z3.Sum([a * b for a, b in zip(w, e, strict=True)]) > (high - low) * size)
    return bool(solver.check() == z3.unsat)


KILL_CAP = Claim(
    id="collapse.kill-cap",
    source="new; HL-Gauss beside MSE (section 4.1)",
    origin="ours",
    title="Classification caps what one step can do to a neuron",
    statement="|w·(p - p̂)| ≤ (max w - min w) TV(p, p̂) ≤ max w - min w\n"
    "so a neuron with α Γ (max w - min w) < z survives every step of SGD, whatever its target is",
    given=(Assumption("mass", "Σp = Σp̂: both are distributions", same_mass),),
    then=kill_bounded,
    instances=kills,
    sizes=(2, 3, 5),
    verdict="holds",
    needs={"mass": Kill(row(1, 1), row(1, 1), row("1/2", "1/2"))},
    slack=kill_slack,
    tight_at=Kill(row(0, 1), row(1, 0), row(0, 1)),
    proof="p - p̂ = (p - p̂)⁺ - (p̂ - p)⁺, two parts of the mass TV: w has a mean of at most max w "
    "over the one and at least min w over the other.",
    remark="MSE has no such cap: |r v| grows with the error. Under Adam it does not matter which "
    "of the two it is (dominance.adam-kill). Practice: what HL-Gauss buys at a changed target, it "
    "buys with SGD or a large ε.",
    proved=cap_for_all_reals,
    proved_at=(2, 3, 4),
    proved_size="G",
)

# ---------------------------------------------------------------------- width and unlearning


@dataclass(frozen=True)
class Rest:
    """Features Ψ (N, states), final weights W (N, G), errors E = p - p̂ (states, G)."""

    psi: Matrix
    w: Matrix
    e: Matrix

    def __post_init__(self) -> None:
        checks.matrix("psi", self.psi)
        checks.matrix("w", self.w, height=len(self.psi))
        checks.matrix("e", self.e, len(self.psi[0]), len(self.w[0]))

    def __str__(self) -> str:
        return f"Ψ = {show(self.psi)}, W = {show(self.w)}, p - p̂ = {show(self.e)}"


def resting(r: Rest) -> bool:
    """ΨE = 0 and WE' = 0, and each row of E sums to 0: nothing moves."""
    psi, w, e = exact(r.psi), exact(r.w), exact(r.e)
    return not ((psi @ e).any() or (w @ e.T).any() or e.sum(axis=1).any())


def full_rank(matrix: Array) -> int:
    """The rank, exactly."""
    return int(matrix.shape[1] - len(kernel(matrix)))


def wide(r: Rest) -> bool:
    """rank Ψ = |X|, or the centred W has rank G - 1."""
    psi, w = exact(r.psi), exact(r.w)
    centred = w - w.sum(axis=1, keepdims=True) / Fraction(w.shape[1])
    return bool(full_rank(psi) == psi.shape[1] or full_rank(centred) == w.shape[1] - 1)


def fits(r: Rest) -> bool:
    return not exact(r.e).any()


def rests(size: tuple[int, int, int]) -> SearchStrategy[Rest]:
    """Of a size (states, N, G). Often E is drawn from what ΨE = 0 and E1 = 0 leave."""
    states, width, bins = size

    def build(numbers: list[int], kind: int) -> Rest:
        psi = np.array(numbers[: width * states]).reshape(width, states)
        w = numbers[width * states : width * (states + bins)]
        left = kernel(exact(rows(psi)))
        e = np.zeros((states, bins), dtype=object)
        if left and kind < 3 and bins > 1:
            e[:, 0], e[:, 1] = left[0], -left[0]
        if kind == 0:
            w = [0] * len(w)
        if kind == 4:
            e[0, 0] += 1
        return Rest(rows(psi), shaped(w, bins), rows(e))

    total = width * (states + bins)
    numbers = st.lists(st.integers(-2, 2), min_size=total, max_size=total)
    return st.builds(build, numbers, st.integers(0, 9))


WIDE_UNLEARNS = Claim(
    id="collapse.wide-unlearns",
    source="repairs collapse.predictions-agree",
    origin="ours",
    title="Wide enough a last layer, and classification unlearns",
    statement="at a rest point of cross-entropy TD (ΨE = 0, WE' = 0, E = p - p̂, E1 = 0):\n"
    "rank Ψ = |X|, or W - w̄1' of rank G - 1  ⇒  E = 0: every state predicts its target.\n"
    "If moreover γL < 1, L the Lipschitz constant of decode(encode(.)), all values agree",
    given=(
        Assumption("rest", "ΨE = 0, WE' = 0, E1 = 0", resting),
        Assumption("wide", "rank Ψ = |X| or rank (W - w̄1') = G - 1", wide, said=False),
    ),
    then=fits,
    instances=rests,
    sizes=((1, 1, 2), (2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 2, 3)),
    verdict="holds if",
    needs={
        "rest": Rest(((Fraction(1),),), ((ZERO, ZERO),), (row(1, -1),)),
        "wide": Rest(rows([[1, -1]]), rows([[0, 0]]), rows([[1, -1], [1, -1]])),
    },
    proof="ΨE = 0 with independent columns of Ψ gives E = 0. WE' = 0 and E1 = 0 give (W - w̄1')E' "
    "= 0, whose kernel is spanned by 1 if the rank is G - 1: rows of E are multiples of 1' that "
    "sum to 0. Then V = D(γPV) with D = decode(encode(.)), and spread V ≤ γL spread V.",
    remark="Practice: give the last hidden layer at least bins - 1 neurons that are alive (100 for "
    "101 bins), or HL-Gauss may come to rest on values that nobody ever paid.",
)


CLAIMS: tuple[Claim[Any], ...] = (KILL_CAP, WIDE_UNLEARNS)
