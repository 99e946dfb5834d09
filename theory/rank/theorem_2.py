"""Theorem 2 of Neuron Dominance as printed, in its other readings, and in units of the features."""

import math
from fractions import Fraction
from functools import partial
from typing import Any

from hypothesis.strategies import SearchStrategy

from theory.claim import Assumption, Claim, Curve
from theory.rank import proof
from theory.rank.features import (
    CENTRED,
    ERROR,
    FIRST_LARGEST,
    LAW_NON_NEGATIVE,
    MEAN_NOT_ZERO,
    NEVER_ZERO,
    PAPER,
    SHAPES,
    Law,
    Number,
    Scaled,
    e1k_bound,
    expected,
    factor_at_least_one,
    first_largest,
    law,
    law_curve,
    law_limit,
    law_lines,
    law_steps,
    mean_ratio,
    moment,
    never_zero,
    ordered_laws,
    quotient,
    ratio,
    reaches_root,
    root,
    scaled_laws,
    score,
    sum_moment,
    sum_variance,
    theta,
    times_first,
    variance,
    width,
)

TWO_VALUES = law(2, ("1/2", (0,)), ("1/2", (1,)))
MORE_OF_THEOREM_2 = (  # further violations: three samples; one neuron that is constant
    law(3, ("1/2", ("1/10", 0)), ("1/2", ("1/10", "1/10"))),
    law(3, ("1/3", ("1/1000", 0)), ("1/3", (0, "1/1000")), ("1/3", ("1/1000", "1/1000"))),
)


def several(of: Law) -> bool:
    return law_limit(of) >= 2


SEVERAL = Assumption("n ≥ 2", "B ≥ 2 and N ≥ 2", several, said=False)
BREAKS_THEOREM_2 = law(2, ("2/3", ("1/2", 0)), ("1/3", (0, "1/2")))


def printed_square(of: Law, var: Fraction) -> Number:
    """The square of the right-hand side of (4), with `var` for its Var(s_i)."""
    b, n = of.batch, law_limit(of)
    return Fraction(1, n * b) + quotient(Fraction(2 * (b - 1), n), b * (1 + var) + theta(of))


def printed_in_words(of: Law, var: Fraction) -> str:
    b, n = of.batch, law_limit(of)
    summed = f"1/({n}·{b}) + 2·{b - 1}/({n}·[{b}·(1 + {var}) + {theta(of)}])"
    return f"{summed} = {printed_square(of, var)}"


def theta_in_words(of: Law) -> str:
    rest = " + ".join(str(sum_moment(of, i, 2)) for i in range(1, width(of)))
    return f"({rest or 0}) / ({sum_moment(of, 0, 1)})² = {theta(of)}"


def widest_in_words(of: Law) -> str:
    return f"{widest_variance(of)}, the largest: a larger one makes the right side smaller"


def widest_variance(of: Law) -> Fraction:
    """The index i of Var(s_i) is unbound in (4): this reading makes the bound weakest."""
    return max(sum_variance(of, j) for j in range(width(of)))


def theorem_2(of: Law) -> bool:
    return reaches_root(expected(of, ratio), printed_square(of, widest_variance(of)))


def printed_bound(of: Law) -> float:
    return math.sqrt(printed_square(of, sum_variance(of, 0)))


# Of the claims of proof.py, which are (9) to (17).
PRINTED_PROOF = "\n".join(
    f"  ({line.id.rpartition('-')[2]}) {line.verdict}: " + "; ".join(line.statement.splitlines())
    for line in proof.PRINTED
)


def printed_curve() -> Curve:
    return law_curve({"(4), with Var(s_1)": printed_bound, "E1k": e1k_bound})


THEOREM_2 = Claim(
    id="rank.theorem-2",
    source=f"{PAPER}, Theorem 2, eq. (4)",
    origin="printed",
    title="Dominance bounds E R from below",
    statement="i.i.d. rows, E s_1 ≥ E s_j  ⇒  "
    "E R ≥ √( 1/(nB) + 2(B-1) / (n [B(1 + Var(s_i)) + θ]) )\n"
    "θ = Σ_{i≥2} E s_i² / (E s_1)²; of all Var(s_i) the one that makes the bound weakest",
    given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO, SEVERAL),
    then=theorem_2,
    instances=ordered_laws,
    sizes=((2, 2), (3, 2), (2, 3)),
    verdict="refuted",
    counterexample=BREAKS_THEOREM_2,
    breaks="Its proof, line by line; each line is a claim of its own, rank.line-9 and so on:\n"
    f"{PRINTED_PROOF}\n"
    "(14) uses Jensen's inequality for U/V, which is not convex; (17) uses it the wrong way: a "
    "root is concave, so a mean of roots is below the root of the mean. Also E R has no unit and "
    "the bound has one (rank.theorem-2-units).",
    repaired_by=("rank.e1", "rank.e1k", "rank.e4", "rank.rms-share"),
    steps=law_steps(
        ("θ = Σ_{i≥2} E s_i² / (E s_1)²", theta_in_words),
        ("Var(s_i)", widest_in_words),
        ("E R", mean_ratio),
        ("(right of (4))²", lambda of: printed_in_words(of, widest_variance(of))),
        ("right of (4)", lambda of: root(printed_square(of, widest_variance(of)))),
    ),
    curve=printed_curve,
)


def normalised_laws(size: tuple[int, int]) -> SearchStrategy[Law]:
    """Features scaled so that E s_1 = 1, where they can be."""

    def scale(of: Law) -> Law:
        first = of.batch * moment(of, 0, 1)
        return times_all(of, 1 / first) if first > 0 else of

    return ordered_laws(size).map(scale)


def normalised(of: Law) -> bool:
    return of.batch * moment(of, 0, 1) == 1


THEOREM_2_NORMALISED = Claim(
    id="rank.theorem-2-normalised",
    source=f"{PAPER}, Theorem 2, eq. (4), of features scaled to E s_1 = 1",
    title="Theorem 2 in the units that its line (16) needs",
    statement="i.i.d. rows, E s_1 = 1 ≥ E s_j  ⇒  E R ≥ the right side of (4), read as weakest",
    given=(
        FIRST_LARGEST,
        LAW_NON_NEGATIVE,
        NEVER_ZERO,
        SEVERAL,
        Assumption("E s_1 = 1", "E s_1 = 1: then (16) holds too", normalised, said=False),
    ),
    then=theorem_2,
    instances=normalised_laws,
    sizes=((2, 2), (3, 2)),
    verdict="refuted",
    counterexample=law(3, ("1/2", ("1/3", 0)), ("1/2", ("1/3", "1/3"))),
    breaks="Lines (13), (14), (15) and (17), of which no unit is to blame. Neuron 1 is constant, "
    "the other one is on half of the time.",
    repaired_by=("rank.e1", "rank.e1k", "rank.e4", "rank.rms-share"),
    steps=law_steps(
        ("θ = Σ_{i≥2} E s_i² / (E s_1)²", theta_in_words),
        ("Var(s_i)", widest_in_words),
        ("E R", mean_ratio),
        ("(right of (4))²", lambda of: printed_in_words(of, widest_variance(of))),
        ("right of (4)", lambda of: root(printed_square(of, widest_variance(of)))),
    ),
    origin="reading",
)


THEOREM_2_ONE_NEURON = Claim(
    id="rank.theorem-2-one-neuron",
    source=f"{PAPER}, Theorem 2, eq. (4)",
    origin="consequence",
    title="Theorem 2 for a layer of one neuron",
    statement="N = 1  ⇒  E R = 1 ≥ √( 1/B + 2(B-1) / (B (1 + Var(s_1))) )",
    given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO),
    then=theorem_2,
    instances=ordered_laws,
    sizes=((1, 1), (2, 1), (3, 1)),
    verdict="refuted",
    counterexample=law(2, (1, (1,))),
    breaks="R ≤ 1 always; for N = 1, B ≥ 2 the bound exceeds 1 whenever Var(s_1) < 1.",
    repaired_by=("rank.e1",),
    steps=law_steps(
        ("E R", mean_ratio),
        ("(right of (4))²", lambda of: printed_in_words(of, widest_variance(of))),
    ),
)


def theorem_2_first(of: Law) -> bool:
    """With Var(s_1) for Var(s_i), as in line (15)."""
    return reaches_root(expected(of, ratio), printed_square(of, sum_variance(of, 0)))


THEOREM_2_SIGNED = Claim(
    id="rank.theorem-2-signed",
    source=f"{PAPER}, Theorem 2, eq. (4), Var(s_i) read as Var(s_1)",
    origin="reading",
    title="Theorem 2 for activations of both signs",
    statement="i.i.d. rows, E s_1 ≥ E s_j  ⇒  E R ≥ right side of (4) with Var(s_1)",
    given=(FIRST_LARGEST, NEVER_ZERO, SEVERAL),
    then=theorem_2_first,
    instances=ordered_laws,
    sizes=((2, 2), (3, 2), (2, 3)),
    verdict="refuted",
    counterexample=law(2, ("1/2", (1, 1)), ("1/2", (1, -1))),
    breaks="Line (11) needs non-negative entries, beside all that breaks for those.",
    repaired_by=("rank.e1",),
    steps=law_steps(
        ("θ = Σ_{i≥2} E s_i² / (E s_1)²", theta_in_words),
        ("E R", mean_ratio),
        ("(right of (4))²", lambda of: printed_in_words(of, sum_variance(of, 0))),
    ),
)


def times_all(of: Law, factor: Fraction) -> Law:
    """The law with every neuron multiplied."""
    return Law(tuple((p, tuple(factor * e for e in r)) for p, r in of.points), of.batch)


def scaled_fine(i: Scaled) -> bool:
    return first_largest(i.law) and never_zero(i.law)


def factor_not_zero(i: Scaled) -> bool:
    return i.factor != 0


def units_do_not_matter(i: Scaled) -> bool:
    scaled = times_all(i.law, i.factor)
    return bool(
        printed_square(scaled, widest_variance(scaled))
        == printed_square(i.law, widest_variance(i.law))
    )


def units_steps(i: Scaled) -> list[str]:
    scaled = times_all(i.law, i.factor)
    sides = (
        ("θ = Σ_{i≥2} E s_i² / (E s_1)²", theta_in_words),
        ("E R", mean_ratio),
        ("(right of (4))²", lambda of: printed_in_words(of, widest_variance(of))),
    )
    return [*law_lines(sides, i.law), "all features in other units:", *law_lines(sides, scaled)]


THEOREM_2_UNITS = Claim(
    id="rank.theorem-2-units",
    source=f"{PAPER}, Theorem 2, eq. (4)",
    origin="consequence",
    title="The bound of Theorem 2 is free of units, as R is",
    statement="the right side of (4) is the same for X and cX, c ≠ 0",
    given=(
        Assumption("fine", "E s_1 > 0 is the largest; X ≠ 0 almost surely", scaled_fine),
        Assumption("c ≠ 0", "c ≠ 0", factor_not_zero),
    ),
    then=units_do_not_matter,
    instances=scaled_laws,
    sizes=((2, 2), (3, 2), (2, 3)),
    verdict="refuted",
    counterexample=Scaled(BREAKS_THEOREM_2, Fraction(2)),
    breaks="Var(s_i) has the unit squared of the features, and it is added to 1. As c → ∞ "
    "the bound falls to 1/√(nB), which is trivial; as c → 0 it rises above the truth.",
    repaired_by=("rank.e1",),
    steps=units_steps,
)


def printed_rises(i: Scaled) -> bool:
    scaled = times_first(i.law, i.factor)
    after = printed_square(scaled, sum_variance(scaled, 0))
    return bool(after >= printed_square(i.law, sum_variance(i.law, 0)))


def rises_steps(i: Scaled) -> list[str]:
    sides = (
        ("u_1", score),
        ("θ = Σ_{i≥2} E s_i² / (E s_1)²", theta_in_words),
        ("(right of (4))² with Var(s_1)", lambda of: printed_in_words(of, sum_variance(of, 0))),
    )
    after = times_first(i.law, i.factor)
    return [*law_lines(sides, i.law), "neuron 1 multiplied:", *law_lines(sides, after)]


BOUND_RISES = Claim(
    id="rank.bound-rises",
    source=f"{PAPER}, section 3.3, Var(s_i) read as Var(s_1)",
    origin="reading",
    title="The bound of Theorem 2 rises with dominance",
    statement="neuron 1 multiplied by a ≥ 1 (θ falls)  ⇒  the right side of (4) does not fall",
    given=(
        Assumption("fine", "E s_1 > 0 is the largest; X ≠ 0 almost surely", scaled_fine),
        Assumption("a ≥ 1", "a ≥ 1", factor_at_least_one),
    ),
    then=printed_rises,
    instances=scaled_laws,
    sizes=((2, 2), (3, 2), (2, 3)),
    verdict="refuted",
    counterexample=Scaled(law(2, ("1/2", ("1/2", 1)), ("1/2", ("3/2", 1))), Fraction(2)),
    breaks="Var(s_1) grows by a² and outweighs what θ loses.",
    repaired_by=("rank.e1-rises",),
    steps=rises_steps,
    remark="With Var(s_2) it rises, since only θ changes; with the largest Var(s_i) it falls "
    "here too.",
)


def printed_slack(of: Law) -> Number:
    b, n = of.batch, law_limit(of)
    return Fraction(2 * b - 1, n * b) - printed_square(of, widest_variance(of))


THEOREM_2_SMALL = Claim(
    id="rank.theorem-2-small",
    source=f"{PAPER}, Theorem 2, eq. (4)",
    origin="consequence",
    title="The printed bound never exceeds √((2B-1)/(nB))",
    statement="E s_1 ≠ 0  ⇒  right side of (4) ≤ √((2B-1)/(nB))\n"
    "(N = 256, B = 512: ≤ 0.0884, so it could certify srank_δ = 1 for no δ < 0.91)",
    given=(MEAN_NOT_ZERO,),
    instances=ordered_laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"μ_1 ≠ 0": CENTRED},
    undefined=("μ_1 ≠ 0",),
    proof="Var ≥ 0 and θ ≥ 0, so the second term is at most 2(B-1)/(nB).",
    slack=printed_slack,
    tight_at=law(2, (1, (1, 0))),
)


def rescaled_square(of: Law) -> Number:
    """The square of the right side of (4) with every scale repaired."""
    b, mean = of.batch, moment(of, 0, 1)
    bottom = 1 + quotient(variance(of, 0), mean**2) + b * theta(of)
    return (1 + (b - 1) / bottom) / (law_limit(of) * b)


def rescaled(of: Law) -> bool:
    return reaches_root(mean_ratio(of), rescaled_square(of))


THEOREM_2_RESCALED = Claim(
    id="rank.theorem-2-rescaled",
    source=f"{PAPER}, Theorem 2, with every scale repaired",
    origin="reading",
    title="Theorem 2 in units of the features, dead batches included",
    statement="E R ≥ √( (1 + (B-1)/(1 + v_1/μ_1² + Bθ)) / (nB) )     (X = 0 counted as R = 0)",
    given=(FIRST_LARGEST, LAW_NON_NEGATIVE, SEVERAL),
    then=rescaled,
    instances=ordered_laws,
    sizes=((2, 2), (3, 2), (2, 3), (3, 3)),
    verdict="refuted",
    counterexample=law(2, ("1/3", (1, 0)), ("2/3", (0, 0))),
    breaks="A sparse neuron leaves many batches dead, E R ≤ Pr(X ≠ 0) → 0 with its "
    "probability, and the bound stays above 1/√(nB).",
    repaired_by=("rank.e1",),
    remark="Without dead rows it is open: rank.theorem-2-rescaled-alive.",
    steps=law_steps(
        ("v_1/μ_1²", lambda of: quotient(variance(of, 0), moment(of, 0, 1) ** 2)),
        ("θ = Σ_{i≥2} E s_i² / (E s_1)²", theta_in_words),
        ("E R", mean_ratio),
        ("(E R)²", lambda of: mean_ratio(of) ** 2),
        ("(right side)²", rescaled_square),
    ),
)


def rescaled_bound(of: Law) -> float:
    return math.sqrt(rescaled_square(of))


def rescaled_slack(of: Law) -> Number:
    return mean_ratio(of) - rescaled_bound(of)


THEOREM_2_RESCALED_ALIVE = Claim(
    id="rank.theorem-2-rescaled-alive",
    source=f"{PAPER}, Theorem 2, with every scale repaired",
    origin="reading",
    title="Theorem 2 in units of the features, no dead rows",
    statement="no row is 0  ⇒  E R ≥ √( (1 + (B-1)/(1 + v_1/μ_1² + Bθ)) / (nB) )",
    given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO, SEVERAL),
    then=rescaled,
    instances=ordered_laws,
    sizes=((2, 2), (3, 2), (2, 3), (3, 3)),
    verdict="open",
    slack=rescaled_slack,
    error=ERROR,
    curve=partial(law_curve, {"rescaled (4), open": rescaled_bound, "E1k": e1k_bound}),
    remark="Neither proved nor refuted; it follows from rank.stronger. The right side is at most "
    "1/√n, so it would be useless for srank; it does not follow from (10) alone. With dead rows it "
    "is false. Its slack has the infimum 0: rank.stronger-slack.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    THEOREM_2,
    THEOREM_2_NORMALISED,
    THEOREM_2_ONE_NEURON,
    THEOREM_2_SIGNED,
    THEOREM_2_UNITS,
    BOUND_RISES,
    THEOREM_2_SMALL,
    THEOREM_2_RESCALED,
    THEOREM_2_RESCALED_ALIVE,
)
