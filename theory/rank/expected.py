"""Theorem 2 repaired in expectation, over i.i.d. rows."""

import math
from fractions import Fraction
from functools import partial
from typing import Any

from theory.claim import Assumption, Claim
from theory.rank.features import (
    CENTRED,
    DEAD,
    ERROR,
    FIRST_NOT_ZERO,
    MEAN_NOT_ZERO,
    SHAPES,
    Law,
    LawCut,
    Number,
    Scaled,
    batches,
    certain,
    e1k_bound,
    factor_at_least_one,
    first_not_zero,
    kurtosis,
    law,
    law_curve,
    law_cuts,
    law_limit,
    laws,
    mean_not_zero,
    mean_ratio,
    moment,
    quotient,
    rest_rms,
    rms,
    scaled_laws,
    sum_moment,
    sum_variance,
    theta,
    times_first,
    variance,
    width,
)

BERNOULLI = law(1, ("1/2", (1, 0)), ("1/2", (0, 0)))


def e1_bound(of: Law) -> Number:
    mean = moment(of, 0, 1)
    noise, rest = quotient(variance(of, 0), mean**2), quotient(rest_rms(of), abs(mean))
    return 1 / ((1 + noise) * (1 + rest))


def e4_bound(of: Law) -> Number:
    noise = of.batch * quotient(sum_variance(of, 0), sum_moment(of, 0, 1) ** 2)
    return 1 / ((1 + noise) * (1 + math.sqrt((law_limit(of) - 1) * of.batch * theta(of))))


def e1_slack(of: Law) -> Number:
    return mean_ratio(of) - e1_bound(of)


E_CURVE = partial(law_curve, {"E1": e1_bound, "E1k": e1k_bound, "E4": e4_bound})


E1 = Claim(
    id="rank.e1",
    source="repairs rank.theorem-2",
    origin="ours",
    title="Dominance by moments bounds E R",
    statement="μ_1 ≠ 0  ⇒  E R ≥ 1 / ((1 + v_1/μ_1²)(1 + Δ))\n"
    "Δ = min( Σ_{j≥2} q_j, √((n-1) Σ_{j≥2} q_j²) ) / |μ_1|     (X = 0 counted as R = 0)",
    given=(MEAN_NOT_ZERO,),
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"μ_1 ≠ 0": CENTRED},
    undefined=("μ_1 ≠ 0",),
    proof="a = c_1, b = min(Σ_{j≥2} c_j, √((n-1) Σ_{j≥2} c_j²)): R ≥ a/(a+b), by "
    "rank.rms-share and by rank.direction with v = e_1. Cauchy-Schwarz: E[a/(a+b)] ≥ "
    "(E √a)²/E(a+b). Hölder: E √a ≥ (E a)^(3/2)/(E a²)^(1/2). Together E R ≥ (E a)³ / "
    "(E a² (E a + E b)), which rises in E a. Jensen: E a ≥ √B |μ_1|, E a² = B q_1², "
    "E b ≤ √B Δ |μ_1|.",
    slack=e1_slack,
    error=ERROR,
    tight_at=BERNOULLI,
    curve=E_CURVE,
    remark="Free of units; no sign is needed; rows need only be identically distributed.",
)


def scaled_mean_not_zero(i: Scaled) -> bool:
    return mean_not_zero(i.law)


def e1_rises_slack(i: Scaled) -> Number:
    return e1_bound(times_first(i.law, i.factor)) - e1_bound(i.law)


E1_RISES = Claim(
    id="rank.e1-rises",
    source="repairs rank.bound-rises",
    origin="ours",
    title="The repaired bound rises with dominance",
    statement="μ_1 ≠ 0, neuron 1 multiplied by a ≥ 1  ⇒  the bound of rank.e1 does not fall",
    given=(
        Assumption("μ_1 ≠ 0", "E x_1 ≠ 0", scaled_mean_not_zero),
        Assumption("a ≥ 1", "a ≥ 1", factor_at_least_one),
    ),
    instances=scaled_laws,
    sizes=SHAPES,
    verdict="holds",
    needs={
        "μ_1 ≠ 0": Scaled(CENTRED, Fraction(2)),
        "a ≥ 1": Scaled(law(2, (1, (1, 1))), Fraction(1, 2)),
    },
    undefined=("μ_1 ≠ 0",),
    proof="v_1/μ_1² keeps its value, and Δ is divided by a; strictly, unless q_j = 0 for all "
    "j ≥ 2 or n = 1.",
    slack=e1_rises_slack,
    error=ERROR,
    tight_at=Scaled(law(2, (1, (1, 1))), Fraction(1)),
)


def e1k_slack(of: Law) -> Number:
    return mean_ratio(of) - e1k_bound(of)


E1K = Claim(
    id="rank.e1k",
    source="repairs rank.theorem-2",
    origin="ours",
    title="The same with the fourth moment, tight for large batches",
    statement="E x_1² ≠ 0, i.i.d. rows, κ_4 = E x_1⁴/q_1⁴, "
    "l = max( |μ_1|, q_1/√(1 + (κ_4-1)/B) )\n"
    "⇒  E R ≥ l³ / ( q_1² (l + min(Σ_{j≥2} q_j, √((n-1) Σ_{j≥2} q_j²))) )",
    given=(FIRST_NOT_ZERO,),
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"q_1 ≠ 0": DEAD},
    undefined=("q_1 ≠ 0",),
    proof="As rank.e1, with E a ≥ √B l: by Hölder E a ≥ (E a²)^(3/2)/(E a⁴)^(1/2), and "
    "E a⁴ = B² q_1⁴ (1 + (κ_4-1)/B) for i.i.d. rows.",
    slack=e1k_slack,
    error=ERROR,
    tight_at=law(2, (1, (1, 0))),
    curve=E_CURVE,
    remark="Never below rank.e1, and μ_1 = 0 is allowed. As B → ∞ it tends to the RMS share "
    "q_1/(q_1 + Σ_{j≥2} q_j), which neurons that are never active together attain.",
)


def e4_slack(of: Law) -> Number:
    return mean_ratio(of) - e4_bound(of)


E4 = Claim(
    id="rank.e4",
    source="repairs rank.theorem-2",
    origin="ours",
    title="Dominance in the paper's own degree bounds E R",
    statement="E s_1 ≠ 0, i.i.d. rows  ⇒  "
    "E R ≥ 1 / ( (1 + B Var(s_1)/(E s_1)²)(1 + √((n-1) B θ)) )",
    given=(MEAN_NOT_ZERO,),
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"μ_1 ≠ 0": CENTRED},
    undefined=("μ_1 ≠ 0",),
    proof="v_1/μ_1² = B Var(s_1)/(E s_1)². And E s_j² = B v_j + B² μ_j² ≥ B q_j², so "
    "Σ_{j≥2} q_j²/μ_1² ≤ B θ, Δ ≤ √((n-1) B θ): rank.e1.",
    slack=e4_slack,
    error=ERROR,
    tight_at=BERNOULLI,
    curve=E_CURVE,
)


def some_mean_not_zero(of: Law) -> bool:
    return any(moment(of, j, 1) for j in range(width(of)))


SOME_MEAN = Assumption("μ ≠ 0", "some μ_j ≠ 0", some_mean_not_zero, said=False)


def layer_variation(of: Law) -> Number:
    """C² = Σ v_i / Σ μ_i²."""
    js = range(width(of))
    return quotient(sum(variance(of, j) for j in js), sum(moment(of, j, 1) ** 2 for j in js))


def e2_bound(of: Law) -> Number:
    b, c2 = of.batch, layer_variation(of)
    return 1 / ((1 + c2 / b) * (1 + math.sqrt(c2 * (law_limit(of) - 1) * (1 - Fraction(1, b)))))


def e3_bound(of: Law) -> Number:
    c2 = layer_variation(of)
    return 1 / (math.sqrt(law_limit(of) * (1 + c2)) * (1 + c2 / of.batch))


def e2_slack(of: Law) -> Number:
    return mean_ratio(of) - e2_bound(of)


E2_CURVE = partial(law_curve, {"E2": e2_bound, "E3": e3_bound})


E2 = Claim(
    id="rank.e2",
    source="repairs the proof of rank.theorem-2",
    origin="ours",
    title="A layer that varies little has a large E R",
    statement="C² = Σ v_i / Σ μ_i², uncorrelated rows  ⇒  "
    "E R ≥ 1 / ( (1 + C²/B)(1 + C √((n-1)(1 - 1/B))) )",
    given=(SOME_MEAN,),
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"μ ≠ 0": CENTRED},
    undefined=("μ ≠ 0",),
    proof="P the projection on constants, a = ||PX||_F = ||s||/√B, d = ||X - PX||_F: R ≥ "
    "a/(a + √(n-1) d) (rank.variation). As in rank.e1, E R ≥ (E a)³/(E a² (E a + √(n-1) E d)); "
    "with m² = Σ μ_i²: E a ≥ √B m, E a² = B m² (1 + C²/B), E d ≤ √(E d²) = C m √(B-1).",
    slack=e2_slack,
    error=ERROR,
    tight_at=BERNOULLI,
    curve=E2_CURVE,
    remark="What the all-ones vector of line (9) can give: nothing about dominance.",
)


def e3_slack(of: Law) -> Number:
    return mean_ratio(of) - e3_bound(of)


E3 = Claim(
    id="rank.e3",
    source="repairs rank.line-17",
    origin="ours",
    title="The printed proof with Hölder for Jensen",
    statement="E R ≥ n^(-1/2) (1 + C²/B)^(-1) (1 + C²)^(-1/2)",
    given=(SOME_MEAN,),
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"μ ≠ 0": CENTRED},
    undefined=("μ ≠ 0",),
    proof="It is below rank.e2 (rank.e3-weaker). Directly: by (10) R ≥ a/(√n ||X||_F) with "
    "a = ||s||/√B; E[a/||X||] ≥ (E √a)²/E||X|| ≥ (E a)³/(E a² √(E||X||²)), and "
    "E||X||_F² = B m² (1 + C²), the rest as in rank.e2.",
    slack=e3_slack,
    error=ERROR,
    tight_at=law(2, (1, (1,))),
    curve=E2_CURVE,
)


def e3_weaker_slack(of: Law) -> Number:
    return min(e2_bound(of), 1 / math.sqrt(law_limit(of))) - e3_bound(of)


E3_WEAKER = Claim(
    id="rank.e3-weaker",
    source="compares rank.e3 with rank.e2",
    origin="ours",
    title="The repaired printed proof gives at most 1/√n",
    statement="the bound of rank.e3 is at most that of rank.e2, and at most 1/√n",
    given=(SOME_MEAN,),
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"μ ≠ 0": CENTRED},
    undefined=("μ ≠ 0",),
    proof="(1 + C√(n-1))² ≤ n (1 + C²) by Cauchy-Schwarz. So dividing by √n, not Jensen's "
    "inequality, is what makes the approach useless for srank.",
    slack=e3_weaker_slack,
    error=ERROR,
    tight_at=law(2, (1, (1,))),
)


def cut_first_not_zero(i: LawCut) -> bool:
    return first_not_zero(i.law)


def p1_bound(i: LawCut) -> Number:
    spread_of_energy = (kurtosis(i.law) - 1) / i.law.batch
    rest = quotient(sum(rms(i.law, j) for j in range(1, width(i.law))), rms(i.law, 0))
    return 9 / (9 + 16 * spread_of_energy) - 2 * (1 - i.delta) / i.delta * rest


def p1_slack(i: LawCut) -> Number:
    return certain(batches(i.law), i.delta) - p1_bound(i)


P1 = Claim(
    id="rank.p1",
    source="repairs the use of rank.theorem-2",
    origin="ours",
    title="Dominance by RMS makes srank 1 likely",
    statement="E x_1² ≠ 0, i.i.d. rows, V = (κ_4-1)/B  ⇒  "
    "Pr(srank_δ = 1) ≥ 9/(9 + 16V) - 2(1-δ)/δ Σ_{j≥2} q_j/q_1",
    given=(Assumption("q_1 ≠ 0", "x_1 is not 0 almost surely", cut_first_not_zero),),
    instances=law_cuts,
    sizes=SHAPES,
    verdict="holds",
    needs={"q_1 ≠ 0": LawCut(DEAD, Fraction(1, 2))},
    undefined=("q_1 ≠ 0",),
    proof="c_1²/(B q_1²) has mean 1 and variance V, so c_1 > √B q_1/2 but for 16V/(9 + 16V) "
    "(Cantelli at 1/4). By Markov Σ_{j≥2} c_j ≤ δ/(1-δ) √B q_1/2 but for the last term. Else "
    "rank.rms-dominant.",
    slack=p1_slack,
    error=ERROR,
    tight_at=LawCut(law(2, (1, (1, 0))), Fraction(1, 2)),
)


CLAIMS: tuple[Claim[Any], ...] = (
    E1,
    E1_RISES,
    E1K,
    E4,
    E2,
    E3,
    E3_WEAKER,
    P1,
)
