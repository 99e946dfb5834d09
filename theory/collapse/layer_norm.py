"""LayerNorm before the activation: what it revives and what it bounds (section 4.1)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import scores
from ref.checks import Array
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.collapse.flows import ONE, ZERO, Row, exact, integers, relu, row


@dataclass(frozen=True)
class Normed:
    """One sample's pre-activations z (N,) before LayerNorm, its shift, and outgoing weights v."""

    z: Row
    shift: Fraction = ZERO
    v: Row = ()

    def __post_init__(self) -> None:
        checks.row("z", self.z)
        if self.v:
            checks.row("v", self.v, len(self.z))

    def __str__(self) -> str:
        shift = f", shift = {self.shift}" if self.shift else ""
        return f"z = {vector(self.z)}{shift}" + (f", v = {vector(self.v)}" if self.v else "")

    def centred(self) -> Array:
        """z - mean z: LayerNorm(z) but for the positive factor 1 / std."""
        return np.asarray(exact(self.z) - sum(self.z) / Fraction(len(self.z)))

    def variance(self) -> Fraction:
        return Fraction((self.centred() ** 2).sum()) / len(self.z)


def normed(width: int) -> SearchStrategy[Normed]:
    def build(drawn: tuple[int, int, list[int]]) -> Normed:
        kind, shift, numbers = drawn
        z = numbers[:width] if kind else [numbers[0]] * width
        return Normed(
            tuple(map(Fraction, z)), Fraction(-shift), tuple(map(Fraction, numbers[width:]))
        )

    return st.tuples(st.integers(0, 3), st.integers(0, 3), integers(2 * width)).map(build)


def not_constant(n: Normed) -> bool:
    return n.variance() > 0


def no_shift(n: Normed) -> bool:
    return n.shift == 0


def some_positive(n: Normed) -> bool:
    """At least one and at most N - 1 of LN(z) + shift are above 0, exactly."""
    return 1 <= sum(above(n)) <= len(n.z) - 1


def above(n: Normed) -> list[bool]:
    """Whether LN(z)_i + shift > 0: d_i > -shift std, by signs and squares."""
    return [exceeds(d, -n.shift, n.variance()) for d in n.centred()]


def exceeds(d: Fraction, times: Fraction, variance: Fraction) -> bool:
    """d > times * sqrt(variance), exactly."""
    right = times * abs(times) * variance
    return d * abs(d) > right


VARIES = Assumption("not constant", "z_i ≠ z_j for some i, j", not_constant, False)
NO_SHIFT = Assumption("no shift", "LayerNorm has no learned shift", no_shift, False)


def revives_for_all_reals(width: int) -> bool:
    """Of mean-free numbers that are not all 0 one is above 0 and one is not."""
    import z3

    d = [z3.Real(f"d{i}") for i in range(width)]
    solver = z3.Solver()
    solver.add(z3.Sum(d) == 0, z3.Or([x != 0 for x in d]))
    solver.add(z3.Or(z3.And([x <= 0 for x in d]), z3.And([x > 0 for x in d])))
    return bool(solver.check() == z3.unsat)


LAYER_NORM_REVIVES = Claim(
    id="collapse.layer-norm-revives",
    source="Neuron Dominance, section 4.1.4, on LayerNorm",
    origin="consequence",
    title="LayerNorm makes some but not all neurons positive",
    statement="z not constant, no shift  ⇒  1 ≤ #{i : LN(z)_i > 0} ≤ N - 1",
    given=(VARIES, NO_SHIFT),
    then=some_positive,
    instances=normed,
    sizes=(2, 3, 4, 6),
    verdict="holds if",
    needs={"not constant": Normed(row(0, 0)), "no shift": Normed(row(1, -1), -ONE)},
    proof="Σ_i LN(z)_i = 0 and not all are 0: one is above 0 and one below.",
    remark="Per sample. One neuron may still be dead, of the least z in all of them.",
    proved=revives_for_all_reals,
    proved_at=(2, 3, 5, 10),
)


def shift_steps(n: Normed) -> list[str]:
    return [
        f"z - mean z = {vector(n.centred())}, variance {n.variance()}",
        "LN(z)_i + shift > 0 iff (z - mean z)_i > -shift · std; squared, on the positive side:",
        *[f"{d}: {'' if d > 0 else 'not positive; '}{d * d} against {n.shift**2 * n.variance()}"
          for d in n.centred()],
    ]  # fmt: skip


LAYER_NORM_SHIFTED = Claim(
    id="collapse.layer-norm-shifted",
    source="Neuron Dominance, section 4.1.4, on LayerNorm",
    origin="reading",
    title="LayerNorm as used, with a shift, revives a layer",
    statement="z not constant  ⇒  some but not all of LN(z) + shift are above 0",
    given=(VARIES,),
    then=some_positive,
    instances=normed,
    sizes=(1, 2, 3, 4),
    verdict="refuted",
    counterexample=Normed(row(1, -1), -ONE),
    breaks="zero mean is before the learned shift",
    repaired_by=("collapse.layer-norm-revives", "collapse.layer-norm-shift"),
    steps=shift_steps,
)


def shift_low(n: Normed) -> bool:
    return n.shift <= 0 and n.shift**2 >= len(n.z) - 1


def all_shut(n: Normed) -> bool:
    return not any(above(n))


LOW_SHIFT = Assumption("low shift", "every shift is ≤ -√(N-1)", shift_low)


LAYER_NORM_SHIFT = Claim(
    id="collapse.layer-norm-shift",
    source="repairs collapse.layer-norm-shifted",
    origin="ours",
    title="A shift of -√(N-1) saturates a layer with LayerNorm",
    statement="shift ≤ -√(N-1)  ⇒  LN(z)_i + shift ≤ 0 for all i and z",
    given=(LOW_SHIFT,),
    then=all_shut,
    instances=normed,
    sizes=(1, 2, 3, 4),
    verdict="holds",
    needs={"low shift": Normed(row(1, -1))},
    proof="LN(z)_i ≤ √(N-1), collapse.layer-norm-largest; any less, and\nz = (N-1, -1, ..) lives.",
)


def largest_slack(n: Normed) -> Fraction:
    """(N - 1) var - max_i (z_i - mean)^2."""
    return Fraction((len(n.z) - 1) * n.variance() - (n.centred() ** 2).max())


def largest_for_all_reals(width: int) -> bool:
    import z3

    d = [z3.Real(f"d{i}") for i in range(width)]
    solver = z3.Solver()
    solver.add(z3.Sum(d) == 0, width * d[0] * d[0] > (width - 1) * z3.Sum([x * x for x in d]))
    return bool(solver.check() == z3.unsat)


LAYER_NORM_LARGEST = Claim(
    id="collapse.layer-norm-largest",
    source="beyond Neuron Dominance",
    origin="ours",
    title="LayerNorm bounds an activation by √(N-1)",
    statement="LN(z)_i² ≤ N - 1,  i.e.  (z_i - z̄)² ≤ (N-1) var z,  with = at (N-1, -1, .., -1)",
    given=(),
    instances=normed,
    sizes=(1, 2, 3, 4, 6),
    verdict="holds",
    slack=largest_slack,
    tight_at=Normed(row(2, -1, -1)),
    proof="The other N - 1 deviations sum to -d_i, so their squares to at least d_i²/(N-1):\n"
    "N var ≥ d_i² N/(N-1).",
    proved=largest_for_all_reals,
    proved_at=(2, 3, 6),
)


def norm_of_h_slack(n: Normed) -> Fraction:
    """(N - 1) var - sum of relu(z_i - mean)^2, which is (N - 1 - |h|^2) var."""
    return Fraction((len(n.z) - 1) * n.variance() - (relu(n.centred()) ** 2).sum())


def norm_of_h_for_all_reals(width: int) -> bool:
    """Over the mean-free d in R^N: sum relu(d)^2 <= (N - 1) / N sum d^2."""
    import z3

    d = [z3.Real(f"d{i}") for i in range(width)]
    live = z3.Sum([z3.If(x > 0, x * x, 0) for x in d])
    solver = z3.Solver()
    solver.add(z3.Sum(d) == 0, width * live > (width - 1) * z3.Sum([x * x for x in d]))
    return bool(solver.check() == z3.unsat)


LAYER_NORM_NORM = Claim(
    id="collapse.layer-norm-norm",
    source="beyond Neuron Dominance",
    origin="ours",
    title="LayerNorm and ReLU bound the norm of h by √(N-1)",
    statement="|relu(LN(z))| ≤ √(N-1)  (and not only √N = |LN(z)|),  = at (N-1, -1, .., -1)",
    given=(),
    instances=normed,
    sizes=(1, 2, 3, 4, 6),
    verdict="holds",
    slack=norm_of_h_slack,
    tight_at=Normed(row(2, -1, -1)),
    proof="Let s be the sum of the positive deviations, P of their squares, Q of the others'.\n"
    "P ≤ s², and the at most N - 1 others sum to -s: Q ≥ s²/(N-1) ≥ P/(N-1).\n"
    "So |h|² = N P / (P + Q) ≤ N - 1.",
    proved=norm_of_h_for_all_reals,
    proved_at=(2, 3, 5),
)


def nobody_dominates(n: Normed) -> bool:
    """Definition 1 on this one sample; a common factor of the activations does not matter."""
    h = exact([relu(n.centred())])
    return not scores.dominant(h).any()


def dominance_steps(n: Normed) -> list[str]:
    h = relu(n.centred())
    return [
        f"z - mean z = {vector(n.centred())}, LN(z) is that by its standard deviation > 0",
        f"relu: {vector(h)} times a number > 0",
        f"u = {vector(h * len(h) / h.sum())} against N/2 = {Fraction(len(h), 2)}",
    ]


LAYER_NORM_DOMINANT = Claim(
    id="collapse.layer-norm-dominant",
    source="Neuron Dominance, section 4.1.4, on LayerNorm",
    origin="reading",
    title="LayerNorm eliminates dominant neurons",
    statement="h = relu(LN(z)), z not constant  ⇒  no neuron has u_i > N/2",
    given=(VARIES, NO_SHIFT),
    then=nobody_dominates,
    instances=normed,
    sizes=(1, 2, 3, 4),
    verdict="refuted",
    counterexample=Normed(row(1, -1)),
    breaks="mean 0 and variance 1 bound an activation by √(N-1), far above the others'",
    repaired_by=("collapse.layer-norm-largest", "collapse.layer-norm-norm"),
    steps=dominance_steps,
    remark="For any N: z = (N-1, -1, .., -1) has u_1 = N, the largest there is.",
)


def gradient_of_z(n: Normed) -> Array:
    """std times df/dz for f = sum_i v_i relu(LN(z)_i), with relu'(0) = 0, exactly."""
    d = n.centred()
    g = exact(n.v) * (d > 0).astype(int)
    return np.asarray(g - g.sum() / len(d) - d / n.variance() * ((g @ d) / len(d)))


def dormant_means_no_gradient(n: Normed) -> bool:
    return not gradient_of_z(n)[n.centred() <= 0].any()


def gradient_steps(n: Normed) -> list[str]:
    d = n.centred()
    g = exact(n.v) * (d > 0).astype(int)
    return [
        f"d = z - mean z = {vector(d)}, variance {n.variance()}, so relu(LN(z)) is 0 where d ≤ 0",
        f"g = v where d > 0, else 0: {vector(g)}",
        "std · ∂f/∂z_i = g_i - mean g - (d_i / variance) · mean(g d)",
        f"mean g = {g.sum() / Fraction(len(d))}, mean(g d) = {(g @ d) / Fraction(len(d))}",
        f"std · ∂f/∂z = {vector(gradient_of_z(n))}: not 0 for a neuron with d ≤ 0",
    ]


LAYER_NORM_DORMANT = Claim(
    id="collapse.layer-norm-dormant",
    source="GraMa, Theorem 1; OCP, Theorem 1, of a layer with LayerNorm",
    origin="consequence",
    title="With LayerNorm a dormant neuron has no gradient",
    statement="f = Σ_i v_i relu(LN(z)_i), LN(z)_i ≤ 0  ⇒  ∂f/∂z_i = 0",
    given=(VARIES, NO_SHIFT),
    then=dormant_means_no_gradient,
    instances=normed,
    sizes=(2, 3, 4),
    verdict="refuted",
    counterexample=Normed(row(0, 1, 3), v=row(0, 0, 1)),
    breaks="z_i moves the mean and the variance that the other neurons are divided by",
    repaired_by=("recycling.grama-preactivation",),
    steps=gradient_steps,
)


CLAIMS: tuple[Claim[Any], ...] = (
    LAYER_NORM_REVIVES,
    LAYER_NORM_SHIFTED,
    LAYER_NORM_SHIFT,
    LAYER_NORM_LARGEST,
    LAYER_NORM_NORM,
    LAYER_NORM_DOMINANT,
    LAYER_NORM_DORMANT,
)
