"""Scores of activation: ReDo, Definition 3.1 and section 3."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy

from ref import scores
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dormancy.activations import ints


@dataclass(frozen=True)
class Layer:
    """Mean activations a_i = E|h_i| of a layer, a threshold, and a factor for all activations."""

    means: tuple[Fraction, ...]
    tau: Fraction = Fraction(1, 10)
    c: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        checks.row("means", self.means)
        checks.not_negative("means", self.means)
        checks.not_negative("tau", (self.tau,))

    def __str__(self) -> str:
        factor = "" if self.c == 1 else f", times c = {self.c}"
        return f"E|h| = {vector(self.means)}, τ = {self.tau}{factor}"

    @property
    def sample(self) -> Any:
        """A batch (1, N) with these means."""
        return np.array([self.means], dtype=object)


def layers(size: int) -> SearchStrategy[Layer]:
    def layer(drawn: list[int]) -> Layer:
        tau, c, kind, *means = drawn
        means = (
            [means[0]] * size if kind == 0 else means if kind == 1 else [max(m, 0) for m in means]
        )
        taus = (
            Fraction(1, 10),
            Fraction(0),
            Fraction(1, 2),
            Fraction(1),
            Fraction(9, 10),
            Fraction(3, 2),
            Fraction(1, 4),
            Fraction(1, 10),
        )
        factors = (
            Fraction(1),
            Fraction(2),
            Fraction(1, 10**12),
            Fraction(10**6),
            Fraction(0),
            Fraction(1, 10**9),
            Fraction(1, 3),
            Fraction(1),
        )
        return Layer(tuple(Fraction(abs(m)) for m in means), taus[tau], factors[c])

    heads = st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 2)).map(list)
    return st.tuples(heads, ints(size, -2, 4)).map(lambda two: layer(two[0] + two[1]))


def alive(layer: Layer) -> bool:
    return any(layer.means)


def sums_to_one(layer: Layer) -> bool:
    return bool(scores.activation_score(layer.sample).sum() == 1)


def low(h: Any, tau: Any) -> list[bool]:
    """Which neurons are τ-dormant."""
    return list(scores.dormant(h, tau))


def awake(layer: Layer) -> int:
    """How many neurons are not τ-dormant."""
    return low(layer.sample, layer.tau).count(False)


def layer_steps(layer: Layer) -> list[str]:
    n, total = len(layer.means), sum(layer.means)
    lines = [f"mean of the layer: {total}/{n} = {total / n}"]
    if total:
        lines += [
            f"s_{i} = {a} / {total / n} = {a * n / total}" for i, a in enumerate(layer.means, 1)
        ]
        lines += [f"sum of the scores: {sum(a * n / total for a in layer.means)}, and N = {n}"]
    return [*lines, f"not {layer.tau}-dormant: {awake(layer)} of {n}"]


ALIVE = Assumption("alive", "Σ_j E|h_j| > 0", alive, said=False)


SUM_TO_ONE = Claim(
    id="dormancy.sum-to-one",
    source="ReDo, Definition 3.1; Neuron Dominance, eq. (1)",
    origin="printed",
    title="The scores of a layer sum to 1",
    statement="s_i = E|h_i| / ((1/N) Σ_j E|h_j|)\n⇒ Σ_i s_i = 1",
    given=(ALIVE,),
    then=sums_to_one,
    instances=layers,
    sizes=(1, 2, 3),
    verdict="refuted",
    counterexample=Layer((Fraction(1), Fraction(1))),
    breaks="E|h_i| is divided by the mean of the layer and not by the sum: the 1/N is left over.",
    repaired_by=("dormancy.average-one",),
    steps=layer_steps,
    remark="True for N = 1 only. Public code has the same sentence as a comment.",
)


def averages_one(layer: Layer) -> bool:
    s = scores.activation_score(layer.sample)
    return bool(s.sum() == len(s) and 1 <= s.max() <= len(s))


def proved_average(n: int) -> bool:
    import z3

    a, s = z3.Reals([f"a{i}" for i in range(n)]), z3.Reals([f"s{i}" for i in range(n)])
    given = [x >= 0 for x in a] + [z3.Sum(a) > 0]
    given += [s[i] * z3.Sum(a) == n * a[i] for i in range(n)]
    top = z3.Or([x >= 1 for x in s])
    then = z3.And(z3.Sum(s) == n, top, *[x <= n for x in s])
    solver = z3.Solver()
    solver.add(*given, z3.Not(then))
    return bool(solver.check() == z3.unsat)


AVERAGE_ONE = Claim(
    id="dormancy.average-one",
    source="repairs dormancy.sum-to-one",
    origin="ours",
    title="Scores average to 1; the largest is from 1 to N",
    statement="Σ_i s_i = N\n1 ≤ max_i s_i ≤ N",
    given=(ALIVE,),
    then=averages_one,
    instances=layers,
    sizes=(1, 2, 3, 5),
    verdict="holds if",
    needs={"alive": Layer((Fraction(0),))},
    proof="Σ_i N a_i / Σ_j a_j = N. The largest of N numbers is at least their mean, 1, and "
    "as all "
    "are ≥ 0 at most their sum, N. A dead layer is 0/0.",
    proved=proved_average,
    proved_at=(1, 2, 3, 5),
    steps=layer_steps,
)


def tenth(layer: Layer) -> bool:
    return layer.tau == Fraction(1, 10)


def at_most_nine(layer: Layer) -> bool:
    return awake(layer) <= 9


AT_MOST_NINE = Claim(
    id="dormancy.at-most-nine",
    source="follows from ReDo, Definition 3.1, as printed",
    origin="consequence",
    title="At τ = 1/10 at most 9 neurons are not dormant",
    statement="Σ_i s_i = 1 and τ = 1/10\n⇒ #{i : s_i > τ} ≤ 9, in a layer of any width",
    given=(Assumption("tau", "τ = 1/10", tenth),),
    then=at_most_nine,
    instances=layers,
    sizes=(1, 9, 10),
    verdict="refuted",
    counterexample=Layer((Fraction(1),) * 10),
    breaks="It would be so if scores summed to 1. They sum to N.",
    repaired_by=("dormancy.few-large-shares", "dormancy.one-awake"),
    steps=layer_steps,
)


def positive_tau(layer: Layer) -> bool:
    return layer.tau > 0


def few_slack(layer: Layer) -> int:
    large = sum(a > layer.tau * sum(layer.means) for a in layer.means)
    return math.ceil(1 / layer.tau) - 1 - large if layer.tau else -1


def proved_few(n: int) -> bool:
    """n shares of n or more neurons above τ: then n τ < 1. The others only add to the sum."""
    import z3

    a, rest, tau = z3.Reals([f"a{i}" for i in range(n)]), z3.Real("rest"), z3.Real("tau")
    total = z3.Sum(a) + rest
    solver = z3.Solver()
    solver.add(tau > 0, total > 0, rest >= 0, *[x >= 0 for x in a])
    solver.add(*[x > tau * total for x in a], n * tau >= 1)
    return bool(solver.check() == z3.unsat)


FEW_LARGE_SHARES = Claim(
    id="dormancy.few-large-shares",
    source="repairs dormancy.at-most-nine",
    origin="ours",
    title="Of shares, which do sum to 1, few exceed τ",
    statement="p_i = E|h_i| / Σ_j E|h_j|, τ > 0\n⇒ #{i : p_i > τ} ≤ ⌈1/τ⌉ - 1",
    given=(Assumption("positive tau", "τ > 0", positive_tau),),
    instances=layers,
    sizes=(1, 2, 4, 10),
    verdict="holds",
    needs={"positive tau": Layer((Fraction(1),), Fraction(0))},
    proof="m shares larger than τ sum to more than m τ, and to at most 1: m < 1/τ.",
    slack=few_slack,
    tight_at=Layer((Fraction(1),) * 9),
    proved=proved_few,
    proved_at=(1, 2, 5, 12),
    proved_size="large shares",
)


def below_one(layer: Layer) -> bool:
    return layer.tau < 1


def awake_slack(layer: Layer) -> int:
    return awake(layer) - 1


def proved_awake(n: int) -> bool:
    import z3

    a, tau = z3.Reals([f"a{i}" for i in range(n)]), z3.Real("tau")
    solver = z3.Solver()
    solver.add(z3.Sum(a) > 0, tau < 1, tau >= 0, *[x >= 0 for x in a])
    solver.add(*[n * x <= tau * z3.Sum(a) for x in a])
    return bool(solver.check() == z3.unsat)


BELOW_ONE = Assumption("tau below one", "τ < 1", below_one, said=False)


ONE_AWAKE = Claim(
    id="dormancy.one-awake",
    source="repairs dormancy.at-most-nine; the definition of τ-dormant",
    origin="ours",
    title="Not all neurons of a live layer are τ-dormant",
    statement="τ < 1, Σ_j E|h_j| > 0\n⇒ #{i : s_i > τ} ≥ 1: a relative score never finds 100 %",
    given=(ALIVE, BELOW_ONE),
    instances=layers,
    sizes=(1, 2, 3, 5),
    verdict="holds if",
    needs={"alive": Layer((Fraction(0),)), "tau below one": Layer((Fraction(1),), Fraction(1))},
    proof="Otherwise every s_i ≤ τ < 1, but their mean is 1. One live neuron among dead ones: "
    "tight.",
    slack=awake_slack,
    tight_at=Layer((Fraction(1), Fraction(0), Fraction(0))),
    proved=proved_awake,
    proved_at=(1, 2, 3, 4),
    remark="So a layer that shuts off as a whole is seen by its gates (saturated), not by scores.",
)


def positive_factor(layer: Layer) -> bool:
    return layer.c > 0


def coded(layer: Layer, c: Fraction) -> list[bool]:
    """Which neurons are τ-dormant by public code, which divides by mean + 1e-9, after factor c."""
    mean = c * sum(layer.means) / len(layer.means)
    return [c * a / (mean + Fraction(1, 10**9)) <= layer.tau for a in layer.means]


def code_is_invariant(layer: Layer) -> bool:
    return coded(layer, layer.c) == coded(layer, Fraction(1))


def code_steps(layer: Layer) -> list[str]:
    lines = []
    for c in (Fraction(1), layer.c):
        a, mean = c * layer.means[0], c * sum(layer.means) / len(layer.means)
        s = a / (mean + Fraction(1, 10**9))
        verdict = "dormant" if s <= layer.tau else "not dormant"
        lines.append(f"c = {c}: s_1 = {a} / ({mean} + 1/10⁹) = {s} ≈ {float(s):.6f}: {verdict}")
    return lines


SCALE_INVARIANT_CODE = Claim(
    id="dormancy.scale-invariant-code",
    source="public code of ReDo: division by mean + 1e-9",
    origin="public code",
    title="The coded scores do not depend on the layer's scale",
    statement="s_i = E|h_i| / ((1/N) Σ_j E|h_j| + 10⁻⁹), c > 0\n⇒ c·h has the τ-dormant "
    "neurons of h",
    given=(Assumption("positive factor", "c > 0", positive_factor), ALIVE),
    then=code_is_invariant,
    instances=layers,
    sizes=(1, 2, 3),
    verdict="refuted",
    counterexample=Layer((Fraction(1),), Fraction(1, 10), Fraction(1, 10**12)),
    breaks="10⁻⁹ is not scaled with the layer: once the mean is below it every score is near 0.",
    repaired_by=("dormancy.scale-invariant",),
    steps=code_steps,
)


def set_is_invariant(layer: Layer) -> bool:
    return low(layer.sample * layer.c, layer.tau) == low(layer.sample, layer.tau)


def proved_scale(n: int) -> bool:
    import z3

    a, tau, c = z3.Reals([f"a{i}" for i in range(n)]), z3.Real("tau"), z3.Real("c")
    before = n * a[0] <= tau * z3.Sum(a)
    after = n * (c * a[0]) <= tau * z3.Sum([c * x for x in a])
    solver = z3.Solver()
    solver.add(c > 0, tau >= 0, *[x >= 0 for x in a], before != after)
    return bool(solver.check() == z3.unsat)


SCALE_INVARIANT = Claim(
    id="dormancy.scale-invariant",
    source="repairs dormancy.scale-invariant-code",
    origin="ours",
    title="Without the epsilon dormancy does not depend on scale",
    statement="E|h_i| ≤ τ (1/N) Σ_j E|h_j|, c > 0\n⇒ c·h has the τ-dormant neurons of h",
    given=(Assumption("positive factor", "c > 0", positive_factor),),
    then=set_is_invariant,
    instances=layers,
    sizes=(1, 2, 4),
    verdict="holds",
    needs={"positive factor": Layer((Fraction(1),), Fraction(1, 10), Fraction(0))},
    proof="Both sides of the inequality are multiplied by c > 0.",
    remark="No division: a dead layer is wholly dormant by definition; only its scores are "
    "undefined.",
    proved=proved_scale,
    proved_at=(1, 2, 4, 8),
)


CLAIMS: tuple[Claim[Any], ...] = (
    SUM_TO_ONE,
    AVERAGE_ONE,
    AT_MOST_NINE,
    FEW_LARGE_SHARES,
    ONE_AWAKE,
    SCALE_INVARIANT_CODE,
    SCALE_INVARIANT,
)
