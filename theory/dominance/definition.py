"""Definition 1: the score of dominance, as printed and in words."""

from fractions import Fraction
from typing import Any

from theory.claim import Assumption, Claim
from theory.dominance.layer import (
    ND,
    POSITIVE_SUM,
    Means,
    fractions,
    printed_scores,
    signed_means,
    term,
    threshold,
    verdict,
)


def ratio_is_dominance(layer: Means) -> bool:
    first, *others = layer.means
    n = len(layer.means)
    high = any(u > threshold(n, layer.rho) for u in printed_scores(layer)[:1])
    return high == (first > layer.rho * sum(others))


def half_is_dominance(layer: Means) -> bool:
    return ratio_is_dominance(Means(layer.means))


def proved_half(n: int) -> bool:
    """For all reals, N = n, of a positive sum: u_1 > N/2 ⇔ E g_1 > Σ_{j≥2} E g_j."""
    import z3

    means, score = z3.RealVector("m", n), z3.Real("u")
    total = z3.Sum(means)
    solver = z3.Solver()
    solver.add(total > 0, score * total == n * means[0])
    solver.add((2 * score > n) != (2 * means[0] > total))
    return bool(solver.check() == z3.unsat)


DEFINITION_1 = Claim(
    id="dominance.definition-1",
    source=f"{ND}, Definition 1",
    origin="printed",
    title="Dominant: more than all others together",
    statement="u_1 > N/2  ⇔  E g_1 > Σ_{j≥2} E g_j",
    given=(POSITIVE_SUM,),
    then=half_is_dominance,
    instances=signed_means,
    sizes=(1, 2, 3, 4),
    verdict="holds if",
    needs={"positive sum": Means(fractions(-3, 1))},
    proof="With S = Σ E g_j > 0:  N E g_1/S > N/2  ⇔  2 E g_1 > S  ⇔  E g_1 > S - E g_1.",
    remark="A layer of ReLUs that is not dead has S > 0. At N = 1 every such layer's only "
    "neuron is dominant.",
    proved=proved_half,
    proved_at=(1, 2, 5, 30),
)


def has_scores(layer: Means) -> bool:
    return sum(layer.means) != 0


def definition_steps(layer: Means) -> list[str]:
    n, total = len(layer.means), sum(layer.means)
    first, *others = layer.means
    score = printed_scores(layer)[0]
    return [
        f"Σ_j E g_j = {' + '.join(map(term, layer.means))} = {total}",
        f"u_1 = N · E g_1 / Σ_j E g_j = {n} · {term(first)} / {term(total)} = {score}",
        f"u_1 > N/2 = {Fraction(n, 2)}?  {verdict(score, Fraction(n, 2))}",
        f"E g_1 above the sum of the others?  {verdict(first, sum(others))}",
    ]


DEFINITION_1_SIGNED = Claim(
    id="dominance.definition-1-signed",
    source=f"{ND}, Definition 1 with eq. (1) as printed",
    origin="consequence",
    title="The same for activations of any sign",
    statement="Σ_j E g_j ≠ 0:  u_1 > N/2  ⇔  E g_1 > Σ_{j≥2} E g_j",
    given=(Assumption("scores", "Σ_j E g_j ≠ 0", has_scores),),
    then=half_is_dominance,
    instances=signed_means,
    sizes=(2, 3),
    verdict="refuted",
    counterexample=Means(fractions(-3, 1)),
    breaks="Eq. (1) takes no absolute value. Dividing by a negative sum turns > round.",
    repaired_by=("dominance.definition-1",),
    steps=definition_steps,
    remark="N = 1 fails with it: E g = (-1) has u_1 = 1 > 1/2.",
)


def proved_ratio(n: int) -> bool:
    """The same of any ratio ρ > 0: u_1 > N ρ/(1 + ρ) ⇔ E g_1 > ρ Σ_{j≥2} E g_j."""
    import z3

    means, score, rho = z3.RealVector("m", n), z3.Real("u"), z3.Real("rho")
    total = z3.Sum(means)
    solver = z3.Solver()
    solver.add(rho > 0, total > 0, score * total == n * means[0])
    solver.add((score * (1 + rho) > n * rho) != (means[0] > rho * (total - means[0])))
    return bool(solver.check() == z3.unsat)


RATIO = Claim(
    id="dominance.ratio",
    source="repairs dominance.definition-1-signed, for any ratio",
    origin="ours",
    title="The threshold that belongs to a ratio ρ",
    statement="u_1 > N ρ/(1 + ρ)  ⇔  E g_1 > ρ Σ_{j≥2} E g_j        (ρ > 0)",
    given=(POSITIVE_SUM,),
    then=ratio_is_dominance,
    instances=signed_means,
    sizes=(1, 2, 3, 4),
    verdict="holds if",
    needs={"positive sum": Means(fractions(-3, 1), Fraction(2))},
    proof="E g_1/S > ρ/(1 + ρ)  ⇔  E g_1 (1 + ρ) > ρ S  ⇔  E g_1 > ρ (S - E g_1).",
    proved=proved_ratio,
    proved_at=(1, 2, 4, 8),
)


def not_negative(layer: Means) -> bool:
    return min(layer.means) >= 0


def at_most_one(layer: Means) -> bool:
    return sum(u > Fraction(len(layer.means), 2) for u in printed_scores(layer)) <= 1


AT_MOST_ONE = Claim(
    id="dominance.at-most-one",
    source=f"{ND}, Definition 1 ('the dominant neuron')",
    origin="consequence",
    title="A layer has at most one dominant neuron",
    statement="u_i > N/2 for at most one i",
    given=(Assumption("not negative", "E g_j ≥ 0 for all j", not_negative, said=False),),
    then=at_most_one,
    instances=signed_means,
    sizes=(1, 2, 3, 4),
    verdict="holds if",
    needs={"not negative": Means(fractions(2, 2, -3))},
    proof="The scores add up to N; two above N/2 leave less than nothing for the rest.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    DEFINITION_1,
    DEFINITION_1_SIGNED,
    RATIO,
    AT_MOST_ONE,
)
