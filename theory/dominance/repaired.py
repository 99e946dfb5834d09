"""Theorem 1 repaired: the margin at each input, in expectation, on a fraction of the inputs."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from hypothesis.strategies import SearchStrategy

from theory.claim import Assumption, Claim, Curve
from theory.dominance.layer import (
    BOUNDED,
    EVERYWHERE,
    HEAVY_WEIGHT,
    ND,
    NO_BIAS,
    POSITIVE_SUM,
    WEIGHTS,
    WIDTHS,
    Means,
    Neuron,
    Size,
    average,
    fractions,
    is_dominant,
    margins,
    means,
    neuron,
    neurons,
    preactivations,
    printed_neurons,
    printed_scores,
    sign,
    signed_means,
    threshold,
)


def margin_slack(n: Neuron) -> Fraction:
    """The least over the inputs of sign(w_1) z - Y."""
    return min(sign(n.w[0]) * preactivations(n) - margins(n), default=Fraction(0))


def proved_margin(n: int) -> bool:
    """For all reals, N = n: sign(w_1) z ≥ Y, and Y > 0 implies sign z = sign w_1 ≠ 0."""
    import z3

    g, w, b = z3.RealVector("g", n), z3.RealVector("w", n), z3.Real("b")

    def absolute(x: Any) -> Any:
        return z3.If(x < 0, -x, x)

    def of_sign(x: Any, positive: Any, negative: Any, zero: Any) -> Any:
        return z3.If(x > 0, positive, z3.If(x < 0, negative, zero))

    z = sum(w[j] * g[j] for j in range(n)) + b
    y = absolute(w[0]) * g[0] - sum(absolute(w[j]) * g[j] for j in range(1, n)) - absolute(b)
    lemma = of_sign(w[0], z, -z, 0) >= y
    agrees = z3.Implies(y > 0, of_sign(w[0], z > 0, z < 0, False))
    solver = z3.Solver()
    solver.add(*(x >= 0 for x in g), z3.Not(z3.And(lemma, agrees)))
    return bool(solver.check() == z3.unsat)


MARGIN = Claim(
    id="dominance.margin",
    source="repairs dominance.line-1",
    origin="ours",
    title="How far the dominant neuron's sign prevails",
    statement="sign(w_1) z ≥ Y := |w_1| g_1 - Σ_{j≥2} |w_j| g_j - |b| at every input",
    given=(),
    instances=neurons,
    sizes=WIDTHS,
    verdict="holds",
    proof="For w_1 ≠ 0: sign(w_1) z = |w_1| g_1 + sign(w_1)(Σ_{j≥2} w_j g_j + b), and no "
    "number is below minus its size. For w_1 = 0: 0 ≥ -Σ_{j≥2} |w_j| g_j - |b|.",
    slack=margin_slack,
    tight_at=neuron([(2, 1)], (1, -1), -1),
    proved=proved_margin,
    proved_at=(1, 2, 3, 4),
)


def margin_everywhere(n: Neuron) -> bool:
    return bool((margins(n) > 0).all())


def follows_everywhere(n: Neuron) -> bool:
    return all(sign(z) == sign(n.w[0]) for z in preactivations(n))


MARGIN_EVERYWHERE = Assumption(
    "margin", "|w_1| g_1(x) > Σ_{j≥2} |w_j| g_j(x) + |b| at every x", margin_everywhere, said=False
)
NO_DOMINANCE = neuron([(1, 1)], (1, -1))


POINTWISE = Claim(
    id="dominance.pointwise",
    source="repairs dominance.theorem-1",
    origin="ours",
    title="Theorem 1, if the margin is positive at every input",
    statement="|w_1| g_1(x) > Σ_{j≥2} |w_j| g_j(x) + |b| for every x of D\n"
    "⇒ zombie if w_1 > 0, saturated if w_1 < 0 (and w_1 ≠ 0)",
    given=(MARGIN_EVERYWHERE,),
    then=follows_everywhere,
    instances=neurons,
    sizes=WIDTHS,
    verdict="holds if",
    needs={"margin": NO_DOMINANCE},
    proof="By dominance.margin sign(w_1) z(x) ≥ Y(x) > 0.",
    proved=proved_margin,
    proved_at=(1, 2, 3, 4),
)


RATIO_EVERYWHERE = replace(EVERYWHERE, says="g_1(x) > ρ Σ_{j≥2} g_j(x) at every x")
HEAVY_BIAS = neuron([(1,)], (1,), -1)


def proved_pointwise_ratio(n: int) -> bool:
    """For all reals, N = n: sign z = sign w_1."""
    import z3

    g, w, rho = z3.RealVector("g", n), z3.RealVector("w", n), z3.Real("rho")
    z = z3.Sum([w[j] * g[j] for j in range(n)])
    size = [z3.If(x < 0, -x, x) for x in w]
    solver = z3.Solver()
    solver.add(rho > 0, *(x >= 0 for x in g), g[0] > rho * z3.Sum([*g[1:], z3.RealVal(0)]))
    solver.add(*(size[j] <= rho * size[0] for j in range(1, n)))
    solver.add(z3.Not(z3.And((w[0] > 0) == (z > 0), (w[0] < 0) == (z < 0))))
    return bool(solver.check() == z3.unsat)


POINTWISE_RATIO = Claim(
    id="dominance.pointwise-ratio",
    source="repairs dominance.theorem-1-everywhere, -absolute",
    origin="ours",
    title="The same in terms of a ratio ρ",
    statement="g_1(x) > ρ Σ_{j≥2} g_j(x) for every x of D, |w_j| ≤ ρ |w_1|, b = 0\n"
    "⇒ sign z(x) = sign w_1 for every x of D: zombie or saturated",
    given=(RATIO_EVERYWHERE, BOUNDED, NO_BIAS),
    then=follows_everywhere,
    instances=neurons,
    sizes=WIDTHS,
    verdict="holds if",
    needs={"everywhere": NO_DOMINANCE, "weights": HEAVY_WEIGHT, "bias": HEAVY_BIAS},
    proof="If w_1 = 0 all weights are 0, and z = 0. Else Σ_{j≥2} |w_j| g_j ≤ ρ |w_1| Σ_{j≥2} "
    "g_j < |w_1| g_1: the margin is positive. With w = (1, -ρ, .., -ρ) z has both signs as "
    "soon as g_1 is above ρ Σ_{j≥2} g_j at one input and below at another: the ratio is sharp.",
    remark="w_1 ≠ 0 is not needed, the sign of 0 being 0.",
    proved=proved_pointwise_ratio,
    proved_at=(1, 2, 3, 4),
)


def margin_in_mean(n: Neuron) -> bool:
    return average(margins(n)) > 0


def follows_in_mean(n: Neuron) -> bool:
    return sign(average(preactivations(n))) == sign(n.w[0])


MEAN_MARGIN = Assumption(
    "margin", "|w_1| E g_1 > Σ_{j≥2} |w_j| E g_j + |b|", margin_in_mean, said=False
)


EXPECTATION = Claim(
    id="dominance.expectation",
    source="repairs dominance.line-1, dominance.bias-remark",
    origin="ours",
    title="What the printed proof proves once repaired",
    statement="|w_1| E g_1 > Σ_{j≥2} |w_j| E g_j + |b|  ⇒  sign E z = sign w_1 ≠ 0",
    given=(MEAN_MARGIN,),
    then=follows_in_mean,
    instances=neurons,
    sizes=WIDTHS,
    verdict="holds if",
    needs={"margin": NO_DOMINANCE},
    proof="The mean of dominance.margin: sign(w_1) E z ≥ E Y > 0. Equivalently |b| < Δ.",
    proved=proved_margin,
    proved_at=(1, 2, 3, 4),
)


ABOVE_RATIO = Assumption("ratio", "u_1 > N ρ/(1 + ρ)", is_dominant)


EXPECTATION_RATIO = Claim(
    id="dominance.expectation-ratio",
    source="repairs dominance.positive-weight, dominance.otherwise",
    origin="ours",
    title="The same in the paper's words: scores and weights",
    statement="u_1 > N ρ/(1 + ρ), |w_j| ≤ ρ |w_1| for j ≥ 2, b = 0  ⇒  sign E z = sign w_1",
    given=(ABOVE_RATIO, BOUNDED, NO_BIAS),
    then=follows_in_mean,
    instances=neurons,
    sizes=WIDTHS,
    verdict="holds if",
    needs={"ratio": NO_DOMINANCE, "weights": HEAVY_WEIGHT, "bias": HEAVY_BIAS},
    proof="By dominance.ratio E g_1 > ρ Σ_{j≥2} E g_j. If w_1 = 0 all weights are 0 and E z = "
    "0. Else Σ_{j≥2} |w_j| E g_j ≤ |w_1| ρ Σ_{j≥2} E g_j < |w_1| E g_1, and "
    "dominance.expectation applies.",
    remark="ρ = 1 is Definition 1 with |w_j| ≤ |w_1|. w_1 ≠ 0 is not needed.",
)


def below_threshold(layer: Means) -> bool:
    return any(u <= threshold(len(layer.means), layer.rho) for u in printed_scores(layer)[:1])


def sign_is_lost(layer: Means) -> bool:
    """E z ≤ 0 for w = (1, -ρ, .., -ρ)."""
    first, *others = layer.means
    return first - layer.rho * sum(others) <= 0


THRESHOLD_SHARP = Claim(
    id="dominance.threshold-sharp",
    source="repairs dominance.no-threshold",
    origin="ours",
    title="No lower threshold would do in expectation",
    statement="u_1 ≤ N ρ/(1 + ρ)  ⇒  w = (1, -ρ, .., -ρ), b = 0 has E z ≤ 0 although w_1 > 0",
    given=(POSITIVE_SUM, Assumption("below", "u_1 ≤ N ρ/(1 + ρ)", below_threshold)),
    then=sign_is_lost,
    instances=signed_means,
    sizes=(2, 3, 4),
    verdict="holds if",
    needs={"positive sum": Means(fractions(3, -5)), "below": Means(fractions(2, 1))},
    proof="E z = E g_1 - ρ Σ_{j≥2} E g_j, which is ≤ 0 by dominance.ratio. So N/2 is exactly "
    "right for |w_j| ≤ |w_1|, as a statement on E z and not on z.",
)


def several(n: Neuron) -> bool:
    return len(n.w) >= 2


def equal_others(n: Neuron) -> bool:
    return len(set(means(n)[1:])) <= 1


def largest_mean(n: Neuron) -> bool:
    return bool((means(n)[0] > means(n)[1:]).all())


def same_side(n: Neuron) -> bool:
    return n.w[0] <= 0 or average(n.w) >= 0


def printed_display(n: Neuron) -> bool:
    """E z > 0 if w_1 > 0, E z ≤ 0 otherwise."""
    mean = average(preactivations(n))
    return mean > 0 if n.w[0] > 0 else mean <= 0


def level_neurons(size: Size) -> SearchStrategy[Neuron]:
    """Half of them such that what `dominance.equal-others` asks for mostly holds."""

    def level(n: Neuron) -> Neuron:
        g = tuple((row[0] + row[-1], *[row[-1]] * (len(row) - 1)) for row in n.g)
        first = max(n.w) if n.rho < 3 else min(Fraction(0), *n.w)
        others = n.w[1:] if n.rho < 3 else tuple(-abs(w) for w in n.w[1:])
        return replace(n, g=g, w=(first, *others), rho=Fraction(1))

    return printed_neurons(size) | neurons(size).map(level)


def proved_equal_others(n: int) -> bool:
    """For all reals, N = n, in terms of the means: a of neuron 1, c of each other one."""
    import z3

    w, a, c = z3.RealVector("w", n), z3.Real("a"), z3.Real("c")
    total = z3.Sum(w)
    mean = w[0] * a + c * (total - w[0])
    solver = z3.Solver()
    solver.add(c >= 0, a > c, n * w[0] >= total, z3.Or(w[0] <= 0, total >= 0))
    solver.add((w[0] > 0) != (mean > 0))
    return bool(solver.check() == z3.unsat)


EQUAL_OTHERS = Claim(
    id="dominance.equal-others",
    source="repairs dominance.positive-weight, dominance.otherwise",
    origin="ours",
    title="Where the printed weights do suffice in expectation",
    statement="N ≥ 2, E g_2 = .. = E g_N < E g_1, w_1 ≥ mean w, b = 0, and w_1 ≤ 0 or mean w ≥ 0\n"
    "⇒ E z > 0 if w_1 > 0, E z ≤ 0 otherwise",
    given=(
        Assumption("several", "N ≥ 2", several),
        Assumption("equal", "E g_j is the same for all j ≥ 2", equal_others, said=False),
        Assumption("largest", "E g_1 > E g_j for j ≥ 2", largest_mean),
        WEIGHTS,
        Assumption("side", "w_1 ≤ 0 or mean w ≥ 0", same_side, said=False),
        NO_BIAS,
    ),
    then=printed_display,
    instances=level_neurons,
    sizes=((1, 1), (2, 1), (2, 2), (3, 1), (3, 2)),
    verdict="holds if",
    needs={
        "several": neuron([(0,)], (1,)),
        "equal": neuron([(3, 1, 0)], (0, 1, -1)),
        "largest": NO_DOMINANCE,
        "weights": neuron([(2, 1)], (-1, 3)),
        "side": HEAVY_WEIGHT,
        "bias": neuron([(1, 0)], (1, 0), -1),
    },
    proof="With c = E g_2: E z = w_1 (E g_1 - c) + c N mean w. If w_1 > 0 the first term is "
    "positive and the second not negative; if w_1 ≤ 0 then mean w ≤ 0 and neither is positive.",
    remark="Of dominance only E g_1 > E g_j is used.",
    proved=proved_equal_others,
    proved_at=(2, 3, 4, 6),
)


def fraction_slack(n: Neuron) -> Fraction:
    """P(sign z = sign w_1) - m²/(m² + v)."""
    y = margins(n)
    m = average(y)
    v = average((y - m) ** 2)
    agree = Fraction(sum(sign(z) == sign(n.w[0]) for z in preactivations(n)), len(n.g))
    return agree - (m**2 / (m**2 + v) if m else 0)


def fraction_curve() -> Curve:
    """Activations as exponential quantiles; neuron 1 is scaled up against a second one."""
    count = 16
    quantiles = [Fraction(-np.log1p(-(i + 0.5) / count)) for i in range(count)]
    other = [quantiles[5 * i % count] for i in range(count)]
    shares, truths, bounds = [], [], []
    for step in range(25):
        scale = Fraction(5, 4) ** step * Fraction(9, 8)
        g = tuple((scale * a, b) for a, b in zip(quantiles, other, strict=True))
        n = Neuron(g, fractions(1, -1))
        m, truth = average(margins(n)), average([Fraction(z > 0) for z in preactivations(n)])
        shares.append(float(scale / (1 + scale)))
        truths.append(float(truth))
        bounds.append(float(truth - fraction_slack(n)) if m > 0 else 0.0)
    lines = {"P(sign z = sign w_1)": truths, "m²/(m² + v)": bounds}
    return Curve("u_1 / N", shares, lines, "share of the inputs")


def proved_fraction(inputs: int) -> bool:
    """For all real margins at so many inputs: #(Y > 0) Σ Y² ≥ (Σ Y)², which is Cantelli's."""
    import z3

    y = z3.RealVector("y", inputs)
    above = z3.Sum([z3.If(x > 0, z3.RealVal(1), z3.RealVal(0)) for x in y])
    total = z3.Sum(y)
    solver = z3.Solver()
    solver.add(total > 0, above * z3.Sum([x * x for x in y]) < total * total)
    return bool(solver.check() == z3.unsat)


FRACTION = Claim(
    id="dominance.fraction",
    source="repairs dominance.last-line",
    origin="ours",
    title="At which share of the inputs the sign prevails",
    statement="m = E Y > 0, v = Var Y, Y = |w_1| g_1 - Σ_{j≥2} |w_j| g_j - |b|\n"
    "⇒ P(sign z = sign w_1) ≥ m²/(m² + v)",
    given=(MEAN_MARGIN,),
    instances=neurons,
    sizes=(*WIDTHS, (2, 3)),
    verdict="holds if",
    needs={"margin": neuron([(1, 2)], (1, -1))},
    proof="By dominance.margin sign z = sign w_1 where Y > 0, and Cantelli's inequality gives "
    "P(Y ≤ 0) = P(Y - m ≤ -m) ≤ v/(v + m²).",
    slack=fraction_slack,
    tight_at=neuron([(1,), (0,)], (1,)),
    curve=fraction_curve,
    remark="Tight where Y is 0 or one positive number.",
    proved=proved_fraction,
    proved_at=(1, 2, 3, 5),
    proved_size="inputs",
)


def mirrored(n: Neuron) -> bool:
    mirror = replace(n, w=tuple(-w for w in n.w))
    return bool((preactivations(n) > 0).all()) == bool((preactivations(mirror) < 0).all())


MIRROR = Claim(
    id="dominance.mirror",
    source=f"{ND}, section 3.1 ('complete saturation')",
    origin="ours",
    title="As many zombies as saturated neurons",
    statement="b = 0:  z > 0 on D under w  ⇔  z < 0 on D under -w",
    given=(NO_BIAS,),
    then=mirrored,
    instances=printed_neurons,
    sizes=WIDTHS,
    verdict="holds",
    needs={"bias": neuron([(0,)], (0,), 1)},
    proof="z is odd in w.",
)


def signs_level(n: Neuron) -> bool:
    """Over all signs of the weights, equally likely."""
    flips = product(*((w, -w) for w in n.w))
    z = [preactivations(replace(n, w=w)) for w in flips]
    zombies, below, saturated = (
        sum(bool(side.all()) for side in sides)
        for sides in ([x > 0 for x in z], [x < 0 for x in z], [x <= 0 for x in z])
    )
    return zombies == below <= saturated


MIRROR_LAW = Claim(
    id="dominance.mirror-law",
    source=f"{ND}, section 3.1 ('complete saturation'), of random weights",
    origin="ours",
    title="No more zombies than saturated neurons, on average",
    statement="b = 0, each weight's sign + or - with probability 1/2, on its own\n"
    "⇒ P(zombie) = P(z < 0 on D) ≤ P(saturated)",
    given=(NO_BIAS,),
    then=signs_level,
    instances=printed_neurons,
    sizes=WIDTHS,
    verdict="holds",
    needs={"bias": neuron([(0,)], (0,), 1)},
    proof="w and -w are equally likely: dominance.mirror. So it is for every symmetric law.",
    remark="So a dominant neuron over random weights gives about half of each kind: Theorem 1, "
    "however repaired, does not saturate a whole layer.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    MARGIN,
    POINTWISE,
    POINTWISE_RATIO,
    EXPECTATION,
    EXPECTATION_RATIO,
    THRESHOLD_SHARP,
    EQUAL_OTHERS,
    FRACTION,
    MIRROR,
    MIRROR_LAW,
)
