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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import atan2, comb, pi, sqrt
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy import special

from ref import autograd as ag
from ref import dynamics, losses, mitigations, nn, optim, scores
from ref.checks import Array, Params, require
from theory.claim import Assumption, Claim, Curve, vector

# What `python -m theory show` says of the letters.
LETTERS = """\
Layer k has N neurons; g_j ≥ 0 is what neuron j gives for an input (after a ReLU).
D are the inputs, E a mean over them; an instance lists g for each: g ∈ {one, another, ..}.
u_i = N E g_i / Σ_j E g_j is the score of neuron i; Σ_j is the sum over all neurons j.
Neuron m of layer k+1 receives z = w_1 g_1 + .. + w_N g_N + b; m is mostly left out.
It is saturated if z ≤ 0 at every input, a zombie if z > 0 at every input.
In learning: ŷ = Σ_j v_j relu(z_j), target y, r = ŷ - y, learning rate α, Γ = g_1² + .. + g_N².
"""

F = Fraction
ONE, ZERO = F(1), F(0)
Vector = tuple[Fraction, ...]
Size = tuple[int, int]


def fractions(*numbers: int | Fraction) -> Vector:
    return tuple(map(F, numbers))


def sign(x: Any) -> int:
    return int(x > 0) - int(x < 0)


def dot(a: Any, b: Any) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), ZERO)


def average(numbers: Any) -> Fraction:
    return sum(numbers, ZERO) / len(numbers)


# ================================================================ Definition 1: dominant neurons


@dataclass(frozen=True)
class Means:
    """E g_j of a layer, (N,), of any sign; a ratio ρ > 0."""

    means: Vector
    rho: Fraction = ONE

    def __str__(self) -> str:
        return f"E g = {vector(self.means)}" + (f", ρ = {self.rho}" if self.rho != 1 else "")


def printed_scores(layer: Means) -> Vector:
    """u_i = E g_i / ((1/N) Σ_j E g_j): eq. (1), without an absolute value; () if the sum is 0."""
    total = sum(layer.means)
    return tuple(mean * len(layer.means) / total for mean in layer.means) if total else ()


def has_scores(layer: Means) -> bool:
    return sum(layer.means) != 0


def positive_sum(layer: Means) -> bool:
    return sum(layer.means) > 0


def not_negative(layer: Means) -> bool:
    return min(layer.means) >= 0


def threshold(n: int, rho: Fraction) -> Fraction:
    """N ρ/(1 + ρ), which is N/2 for ρ = 1."""
    return n * rho / (1 + rho)


def ratio_is_dominance(layer: Means) -> bool:
    first, *others = layer.means
    n = len(layer.means)
    high = any(u > threshold(n, layer.rho) for u in printed_scores(layer)[:1])
    return high == (first > layer.rho * sum(others))


def half_is_dominance(layer: Means) -> bool:
    return ratio_is_dominance(Means(layer.means))


def at_most_one(layer: Means) -> bool:
    return sum(u > F(len(layer.means), 2) for u in printed_scores(layer)) <= 1


def below_threshold(layer: Means) -> bool:
    return any(u <= threshold(len(layer.means), layer.rho) for u in printed_scores(layer)[:1])


def sign_is_lost(layer: Means) -> bool:
    """E z ≤ 0 for w = (1, -ρ, .., -ρ)."""
    first, *others = layer.means
    return first - layer.rho * sum(others) <= 0


def definition_steps(layer: Means) -> list[str]:
    n, total = len(layer.means), sum(layer.means)
    first, *others = layer.means
    score = printed_scores(layer)[0]
    return [
        f"Σ_j E g_j = {' + '.join(map(term, layer.means))} = {total}",
        f"u_1 = N · E g_1 / Σ_j E g_j = {n} · {term(first)} / {term(total)} = {score}",
        f"u_1 > N/2 = {F(n, 2)}?  {verdict(score, F(n, 2))}",
        f"E g_1 above the sum of the others?  {verdict(first, sum(others))}",
    ]


RATIOS = fractions(1, 1, 2, F(1, 2), 3)


def signed_means(size: int) -> SearchStrategy[Means]:
    numbers = st.lists(st.integers(-4, 9), min_size=size, max_size=size)

    def build(numbers: list[int], kind: int, rho: Fraction) -> Means:
        means = [abs(x) for x in numbers] if kind else numbers
        if kind == 2:  # a tie: E g_1 is ρ times the sum of the others
            return Means(fractions(rho * sum(means[1:]), *means[1:]), rho)
        return Means(fractions(*means), rho)

    return st.builds(build, numbers, st.integers(0, 3), st.sampled_from(RATIOS))


POSITIVE_SUM = Assumption("positive sum", "Σ_j E g_j > 0", positive_sum, said=False)

# ============================================================= a neuron of layer k + 1: Theorem 1


@dataclass(frozen=True)
class Neuron:
    """Activations g (inputs, N) ≥ 0 of layer k, a neuron w (N,), b of the next; a ratio ρ > 0."""

    g: tuple[Vector, ...]
    w: Vector
    b: Fraction = ZERO
    rho: Fraction = ONE

    def __str__(self) -> str:
        inputs = ", ".join(map(vector, self.g))
        rho = f", ρ = {self.rho}" if self.rho != 1 else ""
        return f"g ∈ {{{inputs}}}, w = {vector(self.w)}, b = {self.b}{rho}"


def neuron(g: Sequence[Sequence[int]], w: Sequence[int], b: int = 0, rho: Any = 1) -> Neuron:
    return Neuron(tuple(fractions(*row) for row in g), fractions(*w), F(b), F(rho))


def preactivations(n: Neuron) -> Array:
    """z at each input, (inputs,)."""
    return np.asarray(np.array(n.g) @ np.array(n.w) + n.b)


def means(n: Neuron) -> Array:
    """E g_j, (N,)."""
    return scores.mean_activation(np.array(n.g))


def margins(n: Neuron) -> Array:
    """Y = |w_1| g_1 - Σ_{j≥2} |w_j| g_j - |b| at each input, (inputs,)."""
    sizes = np.abs(np.array(n.w))
    sizes[1:] *= -1
    return np.asarray(np.array(n.g) @ sizes - abs(n.b))


def margin_of_means(n: Neuron) -> Fraction:
    """Δ = |w_1| E g_1 - Σ_{j≥2} |w_j| E g_j: the right side of the paper's Remark on biases."""
    return sum(margins(n), F(0)) / len(n.g) + abs(n.b)


# Conditions


def is_dominant(n: Neuron) -> bool:
    """u_1 > N ρ/(1 + ρ); for ρ = 1 Definition 1."""
    return bool(scores.activation_score(np.array(n.g))[0] > threshold(len(n.w), n.rho))


def dominates_everywhere(n: Neuron) -> bool:
    return all(row[0] > n.rho * sum(row[1:]) for row in n.g)


def printed_weights(n: Neuron) -> bool:
    return n.w[0] >= average(n.w)


def absolute_weights(n: Neuron) -> bool:
    return n.w[0] >= average([abs(w) for w in n.w])


def bounded_weights(n: Neuron) -> bool:
    return all(abs(w) <= n.rho * abs(n.w[0]) for w in n.w[1:])


def no_bias(n: Neuron) -> bool:
    return n.b == 0


def remarks_bias(n: Neuron) -> bool:
    return n.b <= margin_of_means(n)


def positive_weight(n: Neuron) -> bool:
    return n.w[0] > 0


def no_positive_weight(n: Neuron) -> bool:
    return n.w[0] <= 0


def equal_others(n: Neuron) -> bool:
    return len(set(means(n)[1:])) <= 1


def largest_mean(n: Neuron) -> bool:
    return bool((means(n)[0] > means(n)[1:]).all())


def same_side(n: Neuron) -> bool:
    return n.w[0] <= 0 or average(n.w) >= 0


def margin_everywhere(n: Neuron) -> bool:
    return bool((margins(n) > 0).all())


def margin_in_mean(n: Neuron) -> bool:
    return average(margins(n)) > 0


# Conclusions


def saturated_or_zombie(n: Neuron) -> bool:
    z = preactivations(n)[:, None]
    return bool(scores.saturated(z)[0] or scores.zombie(z)[0])


def not_both_signs(n: Neuron) -> bool:
    """Weaker than saturated or zombie: zeros count for either."""
    return len({sign(z) for z in preactivations(n)} - {0}) <= 1


def first_line(n: Neuron) -> bool:
    return margin_of_means(n) > 0


def mean_is_positive(n: Neuron) -> bool:
    return average(preactivations(n)) > 0


def mean_is_not_positive(n: Neuron) -> bool:
    return average(preactivations(n)) <= 0


def printed_display(n: Neuron) -> bool:
    """E z > 0 if w_1 > 0, E z ≤ 0 otherwise."""
    mean = average(preactivations(n))
    return mean > 0 if n.w[0] > 0 else mean <= 0


def margin_slack(n: Neuron) -> Fraction:
    """The least over the inputs of sign(w_1) z - Y."""
    return min(sign(n.w[0]) * preactivations(n) - margins(n), default=F(0))


def margin_holds(n: Neuron) -> bool:
    return margin_slack(n) >= 0


def follows_everywhere(n: Neuron) -> bool:
    return all(sign(z) == sign(n.w[0]) for z in preactivations(n))


def follows_in_mean(n: Neuron) -> bool:
    return sign(average(preactivations(n))) == sign(n.w[0])


def fraction_slack(n: Neuron) -> Fraction:
    """P(sign z = sign w_1) - m²/(m² + v)."""
    y = margins(n)
    m = average(y)
    v = average((y - m) ** 2)
    agree = F(sum(sign(z) == sign(n.w[0]) for z in preactivations(n)), len(n.g))
    return agree - (m**2 / (m**2 + v) if m else 0)


def fraction_holds(n: Neuron) -> bool:
    return fraction_slack(n) >= 0


def mirrored(n: Neuron) -> bool:
    mirror = replace(n, w=tuple(-w for w in n.w))
    return bool((preactivations(n) > 0).all()) == bool((preactivations(mirror) < 0).all())


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


# The same by hand


def term(x: Any) -> str:
    return f"({x})" if x < 0 else str(x)


def plus(terms: Sequence[str]) -> str:
    return f"({' + '.join(terms)})" if len(terms) > 1 else "".join(terms)


def equals(expression: str, value: Any) -> str:
    return expression if expression == str(value) else f"{expression} = {value}"


def mean_of(numbers: Sequence[Any]) -> str:
    count = f"/{len(numbers)}" if len(numbers) > 1 else ""
    return equals(plus([term(x) for x in numbers]) + count, average(numbers))


def products(weights: Any, activations: Any, bias: Any = 0) -> str:
    terms = [f"{term(w)}·{g}" for w, g in zip(weights, activations, strict=True)]
    return " + ".join([*terms, term(bias)] if bias else terms) or "0"


def verdict(x: Any, bound: Any) -> str:
    return f"{x} > {bound}: yes" if x > bound else f"{x} is not above {bound}: no"


def score_lines(n: Neuron) -> list[str]:
    N, mean = len(n.w), means(n)
    score = scores.activation_score(np.array(n.g))[0]
    columns = enumerate(zip(*n.g, strict=True), 1)
    return [
        f"Layer k has N = {N} neuron{'s' * (N > 1)}. Activations at each input of D:",
        *(f"  input {t}: g = {vector(row)}" for t, row in enumerate(n.g, 1)),
        *(f"Mean over the inputs: E g_{j} = {mean_of(column)}" for j, column in columns),
        f"Score: u_1 = N · E g_1 / (sum of all means) = "
        f"{N} · {mean[0]} / ({' + '.join(map(str, mean))}) = {score}",
        f"Dominant, u_1 > N/2 = {F(N, 2)}?  {verdict(score, F(N, 2))}",
        "A neuron of layer k+1 receives z = w_1 g_1 + .. + w_N g_N + b, with "
        f"w = {vector(n.w)}, b = {n.b}",
    ]


def weight_lines(n: Neuron) -> list[str]:
    above = "yes" if printed_weights(n) else "no"
    return [f"w_1 = {n.w[0]} at least the average weight, {mean_of(n.w)}?  {above}"]


def input_lines(n: Neuron) -> list[str]:
    z = preactivations(n)
    on, off = bool((z > 0).any()), bool((z <= 0).any())
    return [
        *(
            f"At input {t}: z = {products(n.w, row, n.b)} = {value} {'> 0' if value > 0 else '≤ 0'}"
            for t, (row, value) in enumerate(zip(n.g, z, strict=True), 1)
        ),
        "Saturated, z ≤ 0 at every input?  " + ("no" if on else "yes"),
        "A zombie, z > 0 at every input?  " + ("no" if off else "yes"),
    ]


def margin_lines(n: Neuron) -> list[str]:
    mean, sizes = means(n), [abs(w) for w in n.w]
    left, right = sizes[0] * mean[0], dot(sizes[1:], mean[1:])
    others = equals(products(sizes[1:], mean[1:]), right)
    return [
        f"Its own term: E|w_1 g_1| = {products(sizes[:1], mean[:1])} = {left}",
        f"All others: Σ_{{j≥2}} E|w_j g_j| = {others}",
        f"The first above the second?  {verdict(left, right)}; Δ = {left - right}",
        f"E z = {products(n.w, mean, n.b)} = {average(preactivations(n))}, while w_1 = {n.w[0]}",
    ]


def neuron_steps(n: Neuron) -> list[str]:
    return score_lines(n) + weight_lines(n) + input_lines(n)


def absolute_steps(n: Neuron) -> list[str]:
    size = mean_of([abs(w) for w in n.w])
    return [*score_lines(n), f"w_1 = {n.w[0]}, average size of a weight {size}", *input_lines(n)]


def expectation_steps(n: Neuron) -> list[str]:
    return score_lines(n) + weight_lines(n) + margin_lines(n)


def margin_steps(n: Neuron) -> list[str]:
    return score_lines(n) + margin_lines(n) + input_lines(n)


# The smallest that is mixed with z of both signs, and |w_j| ≤ |w_1| besides.
BOTH_SIGNS = neuron([(2, 0), (0, 1)], (1, -1))


def theorem_steps(n: Neuron) -> list[str]:
    end = "All that the theorem asks for is there, yet the neuron is neither of the two."
    lines = [*neuron_steps(n), end]
    if len(n.w) == 1:
        lines += ["", "The same with two neurons, so that there is something to dominate:", ""]
        lines += [*neuron_steps(BOTH_SIGNS), end]
    return lines


# Where they are searched: sizes are (N, inputs)


def neurons(size: Size) -> SearchStrategy[Neuron]:
    width, count = size
    total = width * count + width + 3

    def build(numbers: list[int], b: int, rho: Fraction) -> Neuron:
        flat = [abs(x) for x in numbers[: width * count]]
        rows = [flat[i * width : (i + 1) * width] for i in range(count)]
        w = fractions(*numbers[width * count : -3])
        lift, kind, equal = (abs(x) for x in numbers[-3:])
        if equal == 3:  # the others are alike
            rows = [[row[0], *[row[-1]] * (width - 1)] for row in rows]
        g = [fractions(*row) for row in rows]
        if lift in (1, 2):  # neuron 1 outdoes ρ times the rest at every input
            g = [(rho * sum(row[1:]) + row[0] + F(1, 2), *row[1:]) for row in g]
        elif lift == 3:  # or by its mean alone, and often exactly
            rest = rho * sum(sum(row[1:]) for row in g)
            g[0] = (rest + F(equal % 2), *g[0][1:])
        if kind == lift == 1:  # one weight is as heavy as an average of sizes allows
            w = (abs(w[0]), *[(1 - width) * abs(w[0])] * (width > 1), *[F(0)] * (width - 2))
        if kind > 1:  # |w_1| is large enough for |w_j| ≤ ρ |w_1|
            first = F(max(map(abs, numbers[width * count : -3]))) * max(ONE, 1 / rho)
            w = (first if kind == 2 else -first, *w[1:])
        return Neuron(tuple(g), w, F(b), rho)

    return st.builds(
        build,
        st.lists(st.integers(-3, 3), min_size=total, max_size=total),
        st.sampled_from((0, 0, 0, 0, 0, 1, -1, -2)),
        st.sampled_from(RATIOS),
    )


def printed_neurons(size: Size) -> SearchStrategy[Neuron]:
    """The same with the ratio ρ = 1 of Definition 1."""
    return neurons(size).map(lambda n: replace(n, rho=F(1)))


def level_neurons(size: Size) -> SearchStrategy[Neuron]:
    """Half of them such that what `dominance.equal-others` asks for mostly holds."""

    def level(n: Neuron) -> Neuron:
        g = tuple((row[0] + row[-1], *[row[-1]] * (len(row) - 1)) for row in n.g)
        first = max(n.w) if n.rho < 3 else min(F(0), *n.w)
        others = n.w[1:] if n.rho < 3 else tuple(-abs(w) for w in n.w[1:])
        return replace(n, g=g, w=(first, *others), rho=F(1))

    return printed_neurons(size) | neurons(size).map(level)


WIDTHS: tuple[Size, ...] = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2))
DOMINANT = Assumption("dominant", "u_1 > N/2", is_dominant)
RATIO = Assumption("ratio", "u_1 > N ρ/(1 + ρ)", is_dominant)
EVERYWHERE = Assumption(
    "everywhere", "g_1(x) > Σ_{j≥2} g_j(x) at every x", dominates_everywhere, said=False
)
RATIO_EVERYWHERE = replace(EVERYWHERE, says="g_1(x) > ρ Σ_{j≥2} g_j(x) at every x")
WEIGHTS = Assumption("weights", "w_1 ≥ (1/N) Σ_j w_j", printed_weights)
ABSOLUTE = Assumption("weights", "w_1 ≥ (1/N) Σ_j |w_j|", absolute_weights, said=False)
BOUNDED = Assumption("weights", "|w_j| ≤ ρ |w_1| for j ≥ 2", bounded_weights, said=False)
NO_BIAS = Assumption("bias", "b = 0", no_bias)
POSITIVE = Assumption("positive", "w_1 > 0", positive_weight)
CHARITABLE = replace(POSITIVE, said=False)
OTHERWISE = Assumption("otherwise", "w_1 ≤ 0", no_positive_weight)
LINE_1 = Assumption("line 1", "E|w_1 g_1| > Σ_{j≥2} E|w_j g_j|", first_line)
MARGIN = Assumption(
    "margin", "|w_1| g_1(x) > Σ_{j≥2} |w_j| g_j(x) + |b| at every x", margin_everywhere, said=False
)
MEAN_MARGIN = Assumption(
    "margin", "|w_1| E g_1 > Σ_{j≥2} |w_j| E g_j + |b|", margin_in_mean, said=False
)
NO_DOMINANCE = neuron([(1, 1)], (1, -1))
HEAVY_WEIGHT = neuron([(2, 1)], (1, -3))
HEAVY_BIAS = neuron([(1,)], (1,), -1)
REPAIRS = ("dominance.pointwise", "dominance.expectation", "dominance.fraction")

# ------------------------------------------------------------ no threshold below N rescues it


@dataclass(frozen=True)
class Peak:
    """g_1 = 1/ε² with probability ε, else 0; g_2 = 1; w = (1, -1), b = 0."""

    epsilon: Fraction

    def __str__(self) -> str:
        return (
            f"ε = {self.epsilon}: g_1 = {1 / self.epsilon**2} with probability ε, else 0; g_2 = 1"
        )

    def neuron(self) -> Neuron:
        peaks, count = self.epsilon.numerator, self.epsilon.denominator
        rows = [(1 / self.epsilon**2, F(1))] * peaks + [fractions(0, 1)] * (count - peaks)
        return Neuron(tuple(rows), fractions(1, -1))


def is_rare(peak: Peak) -> bool:
    return peak.epsilon < 1


def dominates_yet_is_rarely_on(peak: Peak) -> bool:
    n = peak.neuron()
    share = scores.activation_score(np.array(n.g))[0] / 2
    on = average([F(z > 0) for z in preactivations(n)])
    return bool(share == 1 / (1 + peak.epsilon)) and on == peak.epsilon and not not_both_signs(n)


def peaks(size: int) -> SearchStrategy[Peak]:
    counts = st.integers(1, size)
    return st.builds(lambda a, b: Peak(F(min(a, b), max(a, b))), counts, counts)


# ------------------------------------------------------------------------------ random weights


@dataclass(frozen=True)
class Inputs:
    """Activations g (inputs, N) at one to three inputs, signed or not; random weights, b = 0."""

    g: tuple[Vector, ...]

    def __str__(self) -> str:
        return f"g ∈ {{{', '.join(map(vector, self.g))}}}, w ~ N(0, I)"


# Angles and incomplete beta functions each come with a relative error of a few dozen units in the
# last place (below 1e-14), of numbers that are at most 1, and fewer than 10 of them are added.
CONE_ERROR = 1e-12


def inputs(*rows: Sequence[int]) -> Inputs:
    return Inputs(tuple(fractions(*row) for row in rows))


def first_is_on(layer: Inputs) -> bool:
    return all(row[0] > 0 for row in layer.g)


def rectified(layer: Inputs) -> bool:
    return all(min(row) >= 0 for row in layer.g)


def angle(a: Vector, b: Vector) -> float:
    aa, bb, ab = (
        sum(x * y for x, y in zip(*pair, strict=True)) for pair in ((a, a), (b, b), (a, b))
    )
    return atan2(sqrt(aa * bb - ab**2), ab)


def mixed_probability(layer: Inputs) -> float:
    """P_w(neither saturated nor zombie), exact but for rounding.

    Two inputs are parted by z = 0 with probability angle/π; of three either no pair is parted or
    exactly two pairs are. With a dead input (g = 0, z = 0) none is a zombie: the rest has to be
    below 0, which is half of where it is not parted.
    """
    live = [g for g in layer.g if any(g)]
    pairs = [angle(a, b) for i, a in enumerate(live) for b in live[:i]]
    parted = sum(pairs) / pi / max(1, len(live) - 1)
    return parted if len(live) in (0, len(layer.g)) else (1 + parted) / 2


def squared_sine(layer: Inputs) -> float:
    """sin² φ, where tan φ is the largest ‖(g_2, .., g_N)‖ / |g_1| over the live inputs."""
    squares = [[x * x for x in g] for g in layer.g if any(g)]
    return float(max((sum(g[1:]) / sum(g) for g in squares), default=ZERO))


def student(degrees: int, sine2: float) -> float:
    """P(|t_k| ≤ √k tan φ) = I_{sin² φ}(1/2, k/2), and 0 for k = 0."""
    return float(special.betainc(0.5, degrees / 2, sine2)) if degrees else 0.0


def cone_bound(width: int, sine2: float) -> float:
    return student(width - 1, sine2)


def rectified_bound(width: int, sine2: float) -> float:
    """Σ_k C(N-1, k) 2^-(N-1) P(|t_k| ≤ √k tan φ): of N - 1 weights a random half counts."""
    ways = [comb(width - 1, k) / 2 ** (width - 1) for k in range(width)]
    return float(sum(way * student(k, sine2) for k, way in enumerate(ways)))


def cone_slack(layer: Inputs) -> float:
    return cone_bound(len(layer.g[0]), squared_sine(layer)) - mixed_probability(layer)


def rectified_slack(layer: Inputs) -> float:
    return rectified_bound(len(layer.g[0]), squared_sine(layer)) - mixed_probability(layer)


def cone_holds(layer: Inputs) -> bool:
    return cone_slack(layer) >= -CONE_ERROR


def rectified_holds(layer: Inputs) -> bool:
    return rectified_slack(layer) >= -CONE_ERROR


def layers_of_inputs(size: Size) -> SearchStrategy[Inputs]:
    width, count = size
    number = width * count

    def build(numbers: list[int], kind: int) -> Inputs:
        values = [abs(x) for x in numbers] if kind % 2 else numbers
        rows = [values[i * width : (i + 1) * width] for i in range(count)]
        if kind > 1:  # the first is on
            rows = [[abs(row[0]) + 1, *row[1:]] for row in rows]
        return Inputs(tuple(fractions(*row) for row in rows))

    return st.builds(
        build, st.lists(st.integers(-3, 3), min_size=number, max_size=number), st.integers(0, 3)
    )


def fraction_curve() -> Curve:
    """Activations as exponential quantiles; neuron 1 is scaled up against a second one."""
    count = 16
    quantiles = [F(-np.log1p(-(i + 0.5) / count)) for i in range(count)]
    other = [quantiles[5 * i % count] for i in range(count)]
    shares, truths, bounds = [], [], []
    for step in range(25):
        scale = F(5, 4) ** step * F(9, 8)
        g = tuple((scale * a, b) for a, b in zip(quantiles, other, strict=True))
        n = Neuron(g, fractions(1, -1))
        m, truth = average(margins(n)), average([F(z > 0) for z in preactivations(n)])
        shares.append(float(scale / (1 + scale)))
        truths.append(float(truth))
        bounds.append(float(truth - fraction_slack(n)) if m > 0 else 0.0)
    lines = {"P(sign z = sign w_1)": truths, "m²/(m² + v)": bounds}
    return Curve("u_1 / N", shares, lines, "share of the inputs")


def cone_curve() -> Curve:
    """Width 64: mixed neurons among 4,000 drawn, for 200 drawn inputs on the cone's surface."""
    width, generator = 64, np.random.default_rng(0)
    others = np.abs(generator.standard_normal((200, width - 1)))
    others *= generator.random(others.shape) < 0.1  # few neurons are on: directions apart
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    w = generator.standard_normal((width, 4000))
    tangents = np.linspace(0, 0.5, 26)
    lines: dict[str, list[float]] = {"truth (drawn)": [], "ReLU bound": [], "any layer": []}
    for tangent in tangents:
        z = w[0] + tangent * others @ w[1:]
        sine2 = tangent**2 / (1 + tangent**2)
        lines["truth (drawn)"].append(float(((z > 0).any(0) & (z <= 0).any(0)).mean()))
        lines["ReLU bound"].append(rectified_bound(width, sine2))
        lines["any layer"].append(cone_bound(width, sine2))
    return Curve("tan φ", [float(x) for x in tangents], lines, "P(neither saturated nor zombie)")


# ==================================================================== learning: around eq. (2)


@dataclass(frozen=True)
class Step:
    """One input: g (N,) of layer k, weights w (M, N) of layer k + 1, head v (M,), target y, rate α.

    ŷ = Σ_j v_j relu(z_j) with z_j = w_j · g, the loss is (ŷ - y)²/2. A bias that learns is a
    weight from an activation 1: append it to g.
    """

    g: Vector
    w: tuple[Vector, ...]
    v: Vector
    y: Fraction
    alpha: Fraction

    def __str__(self) -> str:
        w = "; ".join(map(vector, self.w))
        return (
            f"g = {vector(self.g)}, w = {w}, v = {vector(self.v)}, y = {self.y}, α = {self.alpha}"
        )


def start(
    g: Sequence[int], w: Sequence[Sequence[Any]], v: Sequence[Any], y: Any, rate: Any
) -> Step:
    return Step(fractions(*g), tuple(fractions(*row) for row in w), fractions(*v), F(y), F(rate))


def inner(s: Step) -> Vector:
    """z_j of layer k + 1, (M,)."""
    return tuple(dot(row, s.g) for row in s.w)


def residual(s: Step) -> Fraction:
    """r = ŷ - y."""
    return dot(s.v, tuple(max(z, F(0)) for z in inner(s))) - s.y


def update(s: Step) -> Step:
    """Eq. (2) for every incoming weight of layer k + 1, with the gate that it leaves out."""
    r = residual(s)
    rows = [
        tuple(w - s.alpha * r * v * g for w, g in zip(row, s.g, strict=True)) if z > 0 else row
        for row, v, z in zip(s.w, s.v, inner(s), strict=True)
    ]
    return replace(s, w=tuple(rows))


def gamma(s: Step) -> Fraction:
    """Γ = ‖g‖²."""
    return dot(s.g, s.g)


def rate_of(s: Step) -> tuple[Fraction, Fraction]:
    """α Γ times the least and times the sum of v_j², over the active neurons; (0, 0) if none."""
    squares = [v * v for v, z in zip(s.v, inner(s), strict=True) if z > 0]
    c = s.alpha * gamma(s)
    return c * min(squares, default=F(0)), c * sum(squares, F(0))


def fate(s: Step) -> tuple[frozenset[int], bool]:
    """The neurons of layer k + 1 that are active for ever, and whether r is 0 at some step.

    Exact. While the set A of active neurons stays, r_t = r_0 q^t with q = 1 - κ, κ = α Γ Σ_A v_j²,
    and z_j moves by -α Γ v_j r_0 (1 - q^t)/κ. If κ < 1 that is monotone and A is final if no limit
    is negative. If 1 < κ ≤ 2 it is widest at t = 1 for those that fall at first, and the others
    never fall below their start; so A is final if it survives one step. Else a neuron dies within
    finitely many steps, after which a shut gate stays shut: there are at most M rounds of this.
    """
    c, z = s.alpha * gamma(s), list(inner(s))
    while True:
        active = [j for j, value in enumerate(z) if value > 0]
        r = sum((s.v[j] * z[j] for j in active), F(0)) - s.y
        kappa = c * sum(s.v[j] ** 2 for j in active)
        if r == 0 or kappa == 0:
            return frozenset(active), r == 0
        after = {j: z[j] - c * s.v[j] * r for j in active}
        limits = [z[j] - c * s.v[j] * r / kappa for j in active]
        settled = min(limits) >= 0 if kappa < 1 else kappa <= 2 and min(after.values()) > 0
        if settled:  # for κ = 1 this step is the last, and lands on r = 0
            return frozenset(active), kappa == 1
        for j in active:
            z[j] = after[j]


# Conditions. Claims on one neuron of layer k + 1 are on its first, which has index 0 in Python.


def gate_open(s: Step) -> bool:
    return inner(s)[0] > 0


def weight_positive(s: Step) -> bool:
    return s.w[0][0] > 0


def activation_positive(s: Step) -> bool:
    return s.g[0] > 0


def pull(s: Step) -> Fraction:
    """g_1 r v_j, which eq. (2) multiplies with α."""
    return s.g[0] * residual(s) * s.v[0]


def opposite(s: Step) -> bool:
    return residual(s) > 0 and s.v[0] < 0


def same(s: Step) -> bool:
    return residual(s) * s.v[0] > 0


def not_opposite(s: Step) -> bool:
    return residual(s) * s.v[0] >= 0


def printed_rate(s: Step) -> bool:
    return pull(s) != 0 and s.alpha >= s.w[0][0] / pull(s)


def rate_for_all(s: Step) -> bool:
    """α > w_1j/(g_1 r v_j) for every j, at the first step; and some r v_j > 0."""
    pulls = [s.g[0] * residual(s) * v for v in s.v]
    high = all(p != 0 and s.alpha > row[0] / p for p, row in zip(pulls, s.w, strict=True))
    return high and max(pulls) > 0


def all_gates_open(s: Step) -> bool:
    return min(inner(s)) > 0


def dominant_at_x(s: Step) -> bool:
    return s.g[0] > sum(s.g[1:])


def all_printed_weights(s: Step) -> bool:
    return all(row[0] >= average(row) for row in s.w)


def turned_negative(s: Step) -> bool:
    return all(row[0] < 0 for row in update(s).w)


def high_rate(s: Step) -> bool:
    return rate_of(s)[0] > 2


def low_rate(s: Step) -> bool:
    return rate_of(s)[1] <= 1


def never_fitted(s: Step) -> bool:
    return not fate(s)[1]


# Conclusions


def moves_down(s: Step) -> bool:
    return update(s).w[0][0] < s.w[0][0]


def is_negative(s: Step) -> bool:
    return update(s).w[0][0] < 0


def some_rate_works(s: Step) -> bool:
    """w_11 - α g_1 r v_1 1[z_1 > 0] falls below 0 for some α ≥ 0."""
    return weight_positive(s) and gate_open(s) and pull(s) > 0


def saturates_in_the_end(s: Step) -> bool:
    return not fate(s)[0]


def saturated_after(s: Step) -> bool:
    return max(inner(update(s))) <= 0


def printed_weights_after(s: Step) -> bool:
    return all_printed_weights(update(s))


def dies_exactly_then(s: Step) -> bool:
    z = inner(s)[0]
    return (inner(update(s))[0] <= 0) == (s.alpha * residual(s) * s.v[0] * gamma(s) >= z)


def risers_survive(s: Step) -> bool:
    r = residual(s)
    risers = {j for j, (v, z) in enumerate(zip(s.v, inner(s), strict=True)) if z > 0 and v * r <= 0}
    return risers <= fate(s)[0]


def proved_kill(n: int) -> bool:
    """For all reals, N = n, an open gate: z' ≤ 0 ⇔ α r v Γ ≥ z."""
    import z3

    g, w = z3.RealVector("g", n), z3.RealVector("w", n)
    alpha, r, v = z3.Reals("alpha r v")
    z = sum(w[i] * g[i] for i in range(n))
    after = sum((w[i] - alpha * r * v * g[i]) * g[i] for i in range(n))
    square = sum(g[i] * g[i] for i in range(n))
    solver = z3.Solver()
    solver.add(z > 0, (after <= 0) != (alpha * r * v * square >= z))
    return bool(solver.check() == z3.unsat)


# The same by hand


def state_lines(s: Step) -> list[str]:
    r = residual(s)
    heads = " + ".join(f"{term(v)}·relu({z})" for v, z in zip(s.v, inner(s), strict=True))
    return [
        *(f"z_{j} = {products(row, s.g)} = {dot(row, s.g)}" for j, row in enumerate(s.w, 1)),
        f"ŷ = {heads} = {r + s.y}, r = ŷ - y = {r + s.y} - {term(s.y)} = {r}",
    ]


def one_step(s: Step) -> list[str]:
    r, after, lines = residual(s), update(s), state_lines(s)
    for j, (row, v, z) in enumerate(zip(s.w, s.v, inner(s), strict=True), 1):
        if z <= 0:
            lines.append(f"z_{j} ≤ 0: the gate is shut and its weights stay")
            continue
        pulled = s.g[0] * r * v
        bound = row[0] / pulled if pulled else "none, as r v is 0"
        lines.append(f"Printed threshold w_1{j}/(g_1 r v_{j}): {bound}; α = {s.alpha}")
        for i, (w, g) in enumerate(zip(row, s.g, strict=True), 1):
            change = f"{s.alpha}·{term(r)}·{term(v)}·{g}"
            lines.append(f"w_{i}{j} - α r v_{j} g_{i} = {w} - {change} = {after.w[j - 1][i - 1]}")
    for j, row in enumerate(after.w, 1):
        lines.append(f"Then z_{j} = {products(row, s.g)} = {dot(row, s.g)}")
    return lines


def hypothesis_steps(s: Step) -> list[str]:
    averages = [
        f"Then w_1{j} = {row[0]}, and the average of its weights is {average(row)}"
        for j, row in enumerate(update(s).w, 1)
    ]
    return one_step(s) + averages


def run_lines(s: Step) -> list[str]:
    lines, now = one_step(s), s
    for t in range(5):
        lines.append(f"step {t}: z = {vector(inner(now))}, r = {residual(now)}")
        now = update(now)
    alive = ", ".join(str(j + 1) for j in sorted(fate(s)[0])) or "none"
    return [*lines, f"active for ever: {alive}"]


# Where they are searched: sizes are (N, M)

RATES = fractions(F(1, 16), F(1, 4), F(3, 8), F(1, 2), 1, 2, 3)


def steps_of(size: Size) -> SearchStrategy[Step]:
    width, count = size
    total = width + count * width + count

    def build(numbers: list[int], y: int, rate: Fraction, kind: int) -> Step:
        g = [abs(x) for x in numbers[:width]]
        if kind:  # dominant, and every gate open
            g[0] += sum(g[1:]) + (kind == 1)
        flat = numbers[width : width + count * width]
        w = [flat[i * width : (i + 1) * width] for i in range(count)]
        if kind == 1:
            w = [[abs(x) for x in row] for row in w]
        if kind == 2:
            w = [[max(map(abs, row)), *row[1:]] for row in w]
        v = [x or 1 for x in numbers[-count:]] if kind else numbers[-count:]
        return start(g, w, v, y, rate)

    return st.builds(
        build,
        st.lists(st.integers(-2, 3), min_size=total, max_size=total),
        st.integers(-6, 6),
        st.sampled_from(RATES),
        st.integers(0, 2),
    )


PAIRS: tuple[Size, ...] = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3))
OPEN = Assumption("open gate", "z_j > 0", gate_open, said=False)
OPEN_AND_ON = (
    Assumption("active", "g_1 > 0", activation_positive),
    Assumption("positive weight", "w_1j > 0", weight_positive),
    OPEN,
)
PRINTED_RATE = Assumption("rate", "α ≥ w_1j / (g_1 r v_j), r v_j ≠ 0", printed_rate)
SAME = Assumption("same sign", "r v_j > 0", same)


@dataclass(frozen=True)
class Sharp:
    """g = 1, v = (1 + δ, -δ), z_1 = 1 + δ, z_2 = δ, α = 1, and y such that r = 1."""

    delta: Fraction

    def __str__(self) -> str:
        return f"δ = {self.delta}: {self.step()}"

    def step(self) -> Step:
        d = self.delta
        return start([1], [[1 + d], [d]], [1 + d, -d], (1 + d) ** 2 - d**2 - 1, 1)


def sharp_positive(s: Sharp) -> bool:
    return s.delta > 0


def riser_dies(s: Sharp) -> bool:
    """κ = 1 + 2δ + 2δ² at first, v_2 r = -δ < 0, and yet neuron 2 dies."""
    step = s.step()
    high = rate_of(step)[1] == 1 + 2 * s.delta + 2 * s.delta**2
    return high and residual(step) == 1 and inner(step)[1] > 0 and 1 not in fate(step)[0]


def deltas(size: int) -> SearchStrategy[Sharp]:
    return st.builds(lambda a, b: Sharp(F(a, b)), st.integers(0, 3 * size), st.integers(1, size))


# ----------------------------------------------------------------- C.2: the gradient below


@dataclass(frozen=True)
class Below:
    """One input: g (N,), layer k + 1 with w (M, N), b (M,), head v (M,), a skip weight (N,) from g
    past layer k + 1 to the output, and the derivative `kink` that relu has at 0."""

    g: Vector
    w: tuple[Vector, ...]
    b: Vector
    v: Vector
    skip: Vector
    kink: Fraction

    def __str__(self) -> str:
        w = "; ".join(map(vector, self.w))
        return (
            f"g = {vector(self.g)}, w = {w}, b = {vector(self.b)}, v = {vector(self.v)}, "
            f"skip = {vector(self.skip)}, relu'(0) = {self.kink}"
        )


def below(weight: int, bias: int, skip: int = 0, kink: int = 0) -> Below:
    """g = 1, one neuron above it and v = 1."""
    one = fractions(1)
    return Below(one, (fractions(weight),), fractions(bias), one, fractions(skip), F(kink))


def below_inner(s: Below) -> Vector:
    return tuple(dot(row, s.g) + b for row, b in zip(s.w, s.b, strict=True))


def above_saturated(s: Below) -> bool:
    return max(below_inner(s)) <= 0


def no_skip(s: Below) -> bool:
    return not any(s.skip)


def kink_shut(s: Below) -> bool:
    return s.kink == 0


def gradient_below(s: Below) -> Vector:
    """dŷ/dg = skip + Σ_j v_j relu'(z_j) w_j, (N,): every loss's gradient is a multiple of it."""
    slopes = [s.kink if z == 0 else F(z > 0) for z in below_inner(s)]
    return tuple(
        skip + sum(v * slope * row[i] for v, slope, row in zip(s.v, slopes, s.w, strict=True))
        for i, skip in enumerate(s.skip)
    )


def no_gradient_below(s: Below) -> bool:
    return not any(gradient_below(s))


def belows(size: Size) -> SearchStrategy[Below]:
    width, count = size
    total = 2 * width + count * width + 2 * count

    def build(numbers: list[int], kind: int, kink: int) -> Below:
        values = iter(numbers)
        g = fractions(*(abs(next(values)) for _ in range(width)))
        w = tuple(fractions(*(next(values) for _ in range(width))) for _ in range(count))
        v = fractions(*(next(values) for _ in range(count)))
        b = fractions(*(next(values) for _ in range(count)))
        if kind:  # a bias that shuts the gate, at times just so
            b = tuple(min(x, F(0)) - max(dot(row, g), F(0)) for x, row in zip(b, w, strict=True))
        skip = fractions(*(next(values) if kind == 1 else 0 for _ in range(width)))
        return Below(g, w, b, v, skip, F(kink, 2))

    return st.builds(
        build,
        st.lists(st.integers(-2, 2), min_size=total, max_size=total),
        st.integers(0, 3),
        st.sampled_from((0, 0, 1, 2)),
    )


# ============================================================ on a network: do the conditions hold?


def on_network(params: Params, x: Array) -> list[dict[str, Any]]:
    """A row for each neuron of dense1, dense2, .. of an MLP of `ref.nn` on inputs x (batch, in).

    "hypothesis": Theorem 1's for this neuron: u_1 > N/2 and w_1 ≥ mean w, with the bias of its
    Remark; 1 is the largest neuron below. "pointwise", "expectation": the displays of the repairs,
    by more than what rounding may change. Not for layers with LayerNorm, where z is another.
    """
    require(
        not any(name.startswith("norm") for name in params), "params", sorted(params), "no norm"
    )
    taps: nn.Taps = {}
    nn.mlp(params, x, taps=taps)
    rows = []
    for k in range(1, len(taps)):
        h, (z, _) = taps[f"dense{k - 1}"][1], taps[f"dense{k}"]
        weight, bias = params[f"dense{k}.weight"], params[f"dense{k}.bias"]
        first = int(np.argmax(scores.mean_activation(h)))
        terms = h[:, None, :] * np.abs(weight)  # (batch, M, N)
        whole = terms.sum(2)
        delta = 2 * terms[..., first] - whole
        # sums of N terms and a bias, and of these a mean over the batch
        rounding = (whole + np.abs(bias)) * (h.shape[1] + len(h) + 4) * np.finfo(float).eps
        dominant = bool(scores.dominant(h)[first])
        with_bias = (bias == 0) | (bias <= delta.mean(0))
        hypothesis = dominant & (weight[:, first] >= weight.mean(1)) & with_bias
        pointwise = (delta - np.abs(bias) > rounding).all(0)
        expectation = (delta - np.abs(bias)).mean(0) > rounding.mean(0)
        saturated, zombie = scores.saturated(z), scores.zombie(z)
        for m in range(len(weight)):
            rows.append(
                {
                    "layer": f"dense{k}",
                    "neuron": m,
                    "share": float(scores.largest_share(h)),  # u_1/N
                    "on": float((h[:, first] > 0).mean()),  # of the inputs, for neuron 1
                    "w_1": float(weight[m, first]),
                    "E z": float(z[:, m].mean()),
                    "hypothesis": bool(hypothesis[m]),
                    "pointwise": bool(pointwise[m]),
                    "expectation": bool(expectation[m]),
                    "saturated": bool(saturated[m]),
                    "zombie": bool(zombie[m]),
                }
            )
    return rows


def summary(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares of the rows; "kept": of those with the hypothesis, how many are not mixed (or NaN)."""

    def share(of: Sequence[dict[str, Any]], *keys: str) -> float:
        return sum(any(row[key] for key in keys) for row in of) / len(of) if of else float("nan")

    supposed = [row for row in rows if row["hypothesis"]]
    return {
        "network": name,
        "neurons": len(rows),
        "u_1/N": average([row["share"] for row in rows]),
        "neuron 1 on": average([row["on"] for row in rows]),
        "hypothesis": share(rows, "hypothesis"),
        "kept": share(supposed, "saturated", "zombie"),
        "pointwise": share(rows, "pointwise"),
        "expectation": share(rows, "expectation"),
        "saturated": share(rows, "saturated"),
        "zombie": share(rows, "zombie"),
        "mixed": 1 - share(rows, "saturated", "zombie"),
    }


FACTOR = 1e7  # Neuron Dominance, B.3
RATE = 0.005  # of Adam, there too
Task = Callable[[Params], Any]  # parameters -> loss


def adam_steps(loss: Task, params: Params, steps: int) -> Params:
    state, gradient = optim.start_adam(params), ag.grad(loss)
    for _ in range(steps):
        params, state = optim.adam(gradient(params), state, params, RATE)
    return params


def trained(seed: int, low: float, steps: int = 200) -> tuple[Params, Array, Task]:
    """An MLP (8, 32, 32, 1) after Adam on a quadratic of 64 inputs in [low, 1]^8; these; the loss.

    With low = 0, as for pictures or for features after a ReLU, a neuron can be on everywhere.
    """
    generator = np.random.default_rng(seed)
    x = generator.uniform(low, 1, (64, 8))
    target = x[:, :1] * x[:, 1:2] - x[:, 2:3] * x[:, 3:4]
    params = nn.init_mlp(generator, (8, 32, 32, 1))

    def loss(p: Params) -> Any:
        return losses.mse(nn.mlp(p, x), target)

    return adam_steps(loss, params, steps), x, loss


def intervened(params: Params, x: Array) -> Params:
    """Section 3.2: the incoming weights of the largest neuron of dense0, times 1e7."""
    taps: nn.Taps = {}
    nn.mlp(params, x, taps=taps)
    largest = int(np.argmax(scores.mean_activation(taps["dense0"][1])))
    return mitigations.scale_incoming(params, "dense0", largest, FACTOR)


def network_table(seeds: Sequence[int] = range(4)) -> list[dict[str, Any]]:
    """How often the conditions hold and what follows: trained, scaled, and under TD learning."""
    stages: dict[str, list[dict[str, Any]]] = {}

    def add(name: str, params: Params, x: Array) -> None:
        stages.setdefault(name, []).extend(on_network(params, x))

    for low in (-1, 0):
        for seed in seeds:
            params, x, loss = trained(seed, low)
            name = f"inputs in [{low}, 1]: "
            add(name + "trained by Adam", params, x)
            scaled = intervened(params, x)
            add(name + "largest neuron scaled by 1e7", scaled, x)
            add(name + "and 20 more steps", adam_steps(loss, scaled, 20), x)
    for seed in seeds:
        generator = np.random.default_rng(seed)
        transition = np.full((16, 16), 1 / 16)
        chain = dynamics.Chain(transition, np.zeros(16), 0.9)
        x = generator.standard_normal((16, 4))
        params, net, done = nn.init_mlp(generator, (4, 32, 32, 1)), dynamics.network(x), 0
        for stage in (0, 100, 300):
            more, regression = stage - done, dynamics.regression()
            params, _ = dynamics.learn(chain, params, regression, net, more, 0.05, 0, more or 1)
            add(f"zero-reward TD, step {stage}", params, x)
            done = stage
    return [summary(name, rows) for name, rows in stages.items()]


# ======================================================================================== claims

ND = "Neuron Dominance"
CLAIMS: tuple[Claim, ...] = (
    # ---------------------------------------------------------------------- Definition 1
    Claim(
        id="dominance.definition-1",
        source=f"{ND}, Definition 1",
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
    ),
    Claim(
        id="dominance.definition-1-signed",
        source=f"{ND}, Definition 1 with eq. (1) as printed",
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
    ),
    Claim(
        id="dominance.ratio",
        source="repairs dominance.definition-1-signed, for any ratio",
        title="The threshold that belongs to a ratio ρ",
        statement="u_1 > N ρ/(1 + ρ)  ⇔  E g_1 > ρ Σ_{j≥2} E g_j        (ρ > 0)",
        given=(POSITIVE_SUM,),
        then=ratio_is_dominance,
        instances=signed_means,
        sizes=(1, 2, 3, 4),
        verdict="holds if",
        needs={"positive sum": Means(fractions(-3, 1), F(2))},
        proof="E g_1/S > ρ/(1 + ρ)  ⇔  E g_1 (1 + ρ) > ρ S  ⇔  E g_1 > ρ (S - E g_1).",
    ),
    Claim(
        id="dominance.at-most-one",
        source=f"{ND}, Definition 1 ('the dominant neuron')",
        title="A layer has at most one dominant neuron",
        statement="u_i > N/2 for at most one i",
        given=(Assumption("not negative", "E g_j ≥ 0 for all j", not_negative, said=False),),
        then=at_most_one,
        instances=signed_means,
        sizes=(1, 2, 3, 4),
        verdict="holds if",
        needs={"not negative": Means(fractions(2, 2, -3))},
        proof="The scores add up to N; two above N/2 leave less than nothing for the rest.",
    ),
    # ------------------------------------------------------------- Theorem 1, as printed
    Claim(
        id="dominance.theorem-1",
        source=f"{ND}, Theorem 1",
        title="A dominant neuron leaves only saturated and zombie neurons",
        statement="u_1 > N/2, w_1m ≥ (1/N) Σ_j w_jm and b_m = 0 for every neuron m of layer k+1\n"
        "⇒ every m is saturated (z ≤ 0 on D) or a zombie (z > 0 on D)",
        given=(DOMINANT, WEIGHTS, NO_BIAS),
        then=saturated_or_zombie,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=neuron([(1,), (0,)], (1,)),
        breaks="Twice. Line 1, E|w_1 g_1| > Σ_{j≥2} E|w_j g_j|, does not follow: w_1 ≥ mean w is "
        "no bound on |w_j| (dominance.line-1). And the last line goes from the sign of a mean, "
        "E z, to the sign of z at every input (dominance.last-line): that is what fails above.",
        repaired_by=(*REPAIRS, "dominance.cone-relu"),
        steps=theorem_steps,
        remark="For independent symmetric continuous weights w_1 ≥ mean w has probability 1/2, so "
        "for all of 256 neurons 2^-256.",
    ),
    Claim(
        id="dominance.line-1",
        source=f"{ND}, proof of Theorem 1, line 1",
        title="The dominant neuron's term outweighs all others in expectation",
        statement="u_1 > N/2, w_1 ≥ (1/N) Σ_j w_j, w_1 > 0  ⇒  E|w_1 g_1| > Σ_{j≥2} E|w_j g_j|",
        given=(DOMINANT, WEIGHTS, CHARITABLE),
        then=first_line,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=HEAVY_WEIGHT,
        breaks="An average of signed weights says nothing about their sizes. (At w_1 = 0 the line "
        "fails for nothing; w_1 > 0 is added out of charity.)",
        repaired_by=("dominance.expectation",),
        steps=expectation_steps,
    ),
    Claim(
        id="dominance.positive-weight",
        source=f"{ND}, proof of Theorem 1, first case",
        title="A positive weight gives a positive mean pre-activation",
        statement="u_1 > N/2, w_1 ≥ (1/N) Σ_j w_j, b = 0, w_1 > 0  ⇒  E z > 0",
        given=(DOMINANT, WEIGHTS, NO_BIAS, POSITIVE),
        then=mean_is_positive,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=HEAVY_WEIGHT,
        breaks="It rests on line 1: one large negative weight outweighs a dominant neuron.",
        repaired_by=("dominance.expectation-ratio", "dominance.equal-others"),
        steps=expectation_steps,
    ),
    Claim(
        id="dominance.otherwise",
        source=f"{ND}, proof of Theorem 1, second case ('otherwise')",
        title="Otherwise the mean pre-activation is not positive",
        statement="u_1 > N/2, w_1 ≥ (1/N) Σ_j w_j, b = 0, w_1 ≤ 0  ⇒  E z ≤ 0",
        given=(DOMINANT, WEIGHTS, NO_BIAS, OTHERWISE),
        then=mean_is_not_positive,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=neuron([(3, 1, 0)], (0, 1, -1)),
        breaks="A positive weight may sit on an active neuron and the negative one that lowers the "
        "average on a dead one. N = 3 is the least: at N = 2, w_2 ≤ w_1 ≤ 0.",
        repaired_by=("dominance.expectation-ratio", "dominance.equal-others"),
        steps=expectation_steps,
        remark="w_1 < 0 fails too: g = (6, 2, 0), w = (-1, 4, -6) has z = 2.",
    ),
    Claim(
        id="dominance.last-line",
        source=f"{ND}, proof of Theorem 1, last line",
        title="The sign in expectation is the sign at every input",
        statement="u_1 > N/2, E|w_1 g_1| > Σ_{j≥2} E|w_j g_j|, |w_j| ≤ |w_1|, b = 0\n"
        "⇒ z does not take both signs on D",
        given=(DOMINANT, LINE_1, replace(BOUNDED, says="|w_j| ≤ |w_1| for j ≥ 2"), NO_BIAS),
        then=not_both_signs,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=BOTH_SIGNS,
        breaks="Granted line 1, |w_j| ≤ |w_1|, and zeros of z for either kind: a neuron that is "
        "large on average may be off at an input where another is on.",
        repaired_by=("dominance.pointwise", "dominance.fraction"),
        steps=margin_steps,
        remark="A network has these: g_1 = relu(2x), g_2 = relu(-x) at x = 1 and x = -1.",
    ),
    Claim(
        id="dominance.theorem-1-everywhere",
        source=f"{ND}, Theorem 1, with dominance at every input",
        title="Theorem 1, had it asked for dominance at every input",
        statement="g_1(x) > Σ_{j≥2} g_j(x) on D, w_1 ≥ (1/N) Σ_j w_j, b = 0\n⇒ saturated or zombie",
        given=(EVERYWHERE, WEIGHTS, NO_BIAS),
        then=saturated_or_zombie,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=neuron([(2, 1), (2, 0)], (1, -3)),
        breaks="Line 1 alone: w_2 = -3 has three times the size of w_1.",
        repaired_by=("dominance.pointwise-ratio",),
        steps=neuron_steps,
    ),
    Claim(
        id="dominance.theorem-1-absolute",
        source=f"{ND}, Theorem 1, read with absolute weights",
        title="Theorem 1, had it averaged the sizes of the weights",
        statement="g_1(x) > Σ_{j≥2} g_j(x) on D, w_1 ≥ (1/N) Σ_j |w_j|, b = 0\n"
        "⇒ saturated or zombie",
        given=(EVERYWHERE, ABSOLUTE, NO_BIAS),
        then=saturated_or_zombie,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=neuron([(3, 2, 0), (3, 0, 0)], (1, -2, 0)),
        breaks="An average of sizes allows one of them to be up to (N - 1) w_1. N = 3 is the "
        "least: at N = 2 it says |w_2| ≤ w_1.",
        repaired_by=("dominance.pointwise-ratio",),
        steps=absolute_steps,
    ),
    Claim(
        id="dominance.no-threshold",
        source=f"{ND}, Definition 1 ('half of the layer width ... guarantees')",
        title="No threshold below N rescues Theorem 1",
        statement="g_1 = 1/ε² with probability ε, else 0; g_2 = 1; w = (1, -1); b = 0:\n"
        "u_1/N = 1/(1 + ε), P(z > 0) = ε, and z takes both signs, for every 0 < ε < 1",
        given=(Assumption("rare", "ε < 1", is_rare),),
        then=dominates_yet_is_rarely_on,
        instances=peaks,
        sizes=(40, 80),
        verdict="holds",
        needs={"rare": Peak(F(1))},
        proof="E g_1 = 1/ε, so u_1/2 = (1/ε)/(1/ε + 1). z = 1/ε² - 1 > 0 with probability ε, else "
        "-1.",
        remark="As ε → 0 the share of neuron 1 tends to all, and the neuron above is off at almost "
        "every input although w_1 > 0. At u_1 = N itself z = w_1 g_1: mixed if w_1 > 0 and g_1 is "
        "0 somewhere.",
    ),
    Claim(
        id="dominance.bias-remark",
        source=f"{ND}, proof of Theorem 1, Remark",
        title="The bias may be as large as the margin",
        statement="b ≤ Δ := E|w_1 g_1| - Σ_{j≥2} E|w_j g_j| instead of b = 0\n"
        "(and all else repaired: g_1(x) > Σ_{j≥2} g_j(x) on D, |w_j| ≤ |w_1|)\n"
        "⇒ saturated or zombie",
        given=(
            EVERYWHERE,
            replace(BOUNDED, says="|w_j| ≤ |w_1| for j ≥ 2"),
            Assumption("bias", "b ≤ Δ", remarks_bias),
        ),
        then=saturated_or_zombie,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="refuted",
        counterexample=neuron([(1,), (3,)], (1,), -2),
        breaks="One-sided: for w_1 > 0 it is a low bias that does harm. In expectation |b| < Δ is "
        "right, at every input the margin must exceed |b| there.",
        repaired_by=("dominance.expectation", "dominance.pointwise"),
        steps=margin_steps,
        remark="Nor does E z > 0 follow here: E z = 0.",
    ),
    # -------------------------------------------------------------------- Theorem 1, repaired
    Claim(
        id="dominance.margin",
        source="repairs dominance.line-1",
        title="How far the dominant neuron's sign prevails",
        statement="sign(w_1) z ≥ Y := |w_1| g_1 - Σ_{j≥2} |w_j| g_j - |b| at every input",
        given=(),
        then=margin_holds,
        instances=neurons,
        sizes=WIDTHS,
        verdict="holds",
        proof="For w_1 ≠ 0: sign(w_1) z = |w_1| g_1 + sign(w_1)(Σ_{j≥2} w_j g_j + b), and no "
        "number is below minus its size. For w_1 = 0: 0 ≥ -Σ_{j≥2} |w_j| g_j - |b|.",
        slack=margin_slack,
        tight_at=neuron([(2, 1)], (1, -1), -1),
        proved=proved_margin,
        proved_at=(1, 2, 3, 4),
    ),
    Claim(
        id="dominance.pointwise",
        source="repairs dominance.theorem-1",
        title="Theorem 1, if the margin is positive at every input",
        statement="|w_1| g_1(x) > Σ_{j≥2} |w_j| g_j(x) + |b| for every x of D\n"
        "⇒ zombie if w_1 > 0, saturated if w_1 < 0 (and w_1 ≠ 0)",
        given=(MARGIN,),
        then=follows_everywhere,
        instances=neurons,
        sizes=WIDTHS,
        verdict="holds if",
        needs={"margin": NO_DOMINANCE},
        proof="By dominance.margin sign(w_1) z(x) ≥ Y(x) > 0.",
        proved=proved_margin,
        proved_at=(1, 2, 3, 4),
    ),
    Claim(
        id="dominance.pointwise-ratio",
        source="repairs dominance.theorem-1-everywhere, -absolute",
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
    ),
    Claim(
        id="dominance.expectation",
        source="repairs dominance.line-1, dominance.bias-remark",
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
    ),
    Claim(
        id="dominance.expectation-ratio",
        source="repairs dominance.positive-weight, dominance.otherwise",
        title="The same in the paper's words: scores and weights",
        statement="u_1 > N ρ/(1 + ρ), |w_j| ≤ ρ |w_1| for j ≥ 2, b = 0  ⇒  sign E z = sign w_1",
        given=(RATIO, BOUNDED, NO_BIAS),
        then=follows_in_mean,
        instances=neurons,
        sizes=WIDTHS,
        verdict="holds if",
        needs={"ratio": NO_DOMINANCE, "weights": HEAVY_WEIGHT, "bias": HEAVY_BIAS},
        proof="By dominance.ratio E g_1 > ρ Σ_{j≥2} E g_j. If w_1 = 0 all weights are 0 and E z = "
        "0. Else Σ_{j≥2} |w_j| E g_j ≤ |w_1| ρ Σ_{j≥2} E g_j < |w_1| E g_1, and "
        "dominance.expectation applies.",
        remark="ρ = 1 is Definition 1 with |w_j| ≤ |w_1|. w_1 ≠ 0 is not needed.",
    ),
    Claim(
        id="dominance.threshold-sharp",
        source="repairs dominance.no-threshold",
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
    ),
    Claim(
        id="dominance.equal-others",
        source="repairs dominance.positive-weight, dominance.otherwise",
        title="Where the printed weights do suffice in expectation",
        statement="E g_2 = .. = E g_N < E g_1, w_1 ≥ mean w, b = 0, and w_1 ≤ 0 or mean w ≥ 0\n"
        "⇒ E z > 0 if w_1 > 0, E z ≤ 0 otherwise        (N ≥ 2)",
        given=(
            Assumption("equal", "E g_j is the same for all j ≥ 2", equal_others, said=False),
            Assumption("largest", "E g_1 > E g_j for j ≥ 2", largest_mean),
            WEIGHTS,
            Assumption("side", "w_1 ≤ 0 or mean w ≥ 0", same_side, said=False),
            NO_BIAS,
        ),
        then=printed_display,
        instances=level_neurons,
        sizes=((2, 1), (2, 2), (3, 1), (3, 2)),
        verdict="holds if",
        needs={
            "equal": neuron([(3, 1, 0)], (0, 1, -1)),
            "largest": NO_DOMINANCE,
            "weights": neuron([(2, 1)], (-1, 3)),
            "side": HEAVY_WEIGHT,
            "bias": neuron([(1, 0)], (1, 0), -1),
        },
        proof="With c = E g_2: E z = w_1 (E g_1 - c) + c N mean w. If w_1 > 0 the first term is "
        "positive and the second not negative; if w_1 ≤ 0 then mean w ≤ 0 and neither is positive.",
        remark="Of dominance only E g_1 > E g_j is used.",
    ),
    Claim(
        id="dominance.fraction",
        source="repairs dominance.last-line",
        title="At which share of the inputs the sign prevails",
        statement="m = E Y > 0, v = Var Y, Y = |w_1| g_1 - Σ_{j≥2} |w_j| g_j - |b|\n"
        "⇒ P(sign z = sign w_1) ≥ m²/(m² + v)",
        given=(MEAN_MARGIN,),
        then=fraction_holds,
        instances=neurons,
        sizes=(*WIDTHS, (2, 3)),
        verdict="holds if",
        needs={"margin": neuron([(1, 2)], (1, -1))},
        proof="By dominance.margin sign z = sign w_1 where Y > 0, and Cantelli's inequality gives "
        "P(Y ≤ 0) = P(Y - m ≤ -m) ≤ v/(v + m²).",
        slack=fraction_slack,
        tight_at=neuron([(1,), (0,)], (1,)),
        curve=fraction_curve,
        remark="Tight where Y is 0 or one positive number, as at the counterexample to Theorem 1.",
    ),
    Claim(
        id="dominance.cone",
        source="repairs dominance.theorem-1, for random weights",
        title="Few mixed neurons, if neuron 1 dominates in norm",
        statement="w ~ N(0, I), b = 0, and at every input g_1 > 0 and ‖(g_2 .. g_N)‖ ≤ g_1 tan φ\n"
        "⇒ P(neither saturated nor zombie) ≤ P(|t_{N-1}| ≤ √(N-1) tan φ)\n"
        "with Student's t of N - 1 degrees of freedom; that is below √(2(N-1)/π) tan φ",
        given=(Assumption("on", "g_1 > 0 at every input", first_is_on, said=False),),
        then=cone_holds,
        instances=layers_of_inputs,
        sizes=((1, 2), (2, 2), (3, 2), (2, 3), (3, 3)),
        verdict="holds if",
        needs={"on": inputs((1, 0), (-1, 0))},
        proof="|Σ_{j≥2} w_j g_j| ≤ ‖(w_2 .. w_N)‖ g_1 tan φ (Cauchy-Schwarz), so the sign of z is "
        "fixed if |w_1| > ‖(w_2 .. w_N)‖ tan φ; √(N-1) w_1/‖(w_2 .. w_N)‖ has the law t_{N-1}. It "
        "depends on the direction of w alone: any rotation-invariant law will do.",
        slack=cone_slack,
        error=CONE_ERROR,
        tight_at=inputs((1, 1), (1, -1)),
        curve=cone_curve,
        remark="The truth of an instance is computed from the angles between its inputs.",
    ),
    Claim(
        id="dominance.cone-relu",
        source="repairs dominance.theorem-1; sharpens dominance.cone",
        title="Fewer still, as activations are not negative",
        statement="As dominance.cone, and g ≥ 0\n"
        "⇒ P(neither) ≤ E P(|t_K| ≤ √K tan φ) with K ~ Binomial(N - 1, 1/2)",
        given=(
            Assumption("on", "g_1 > 0 at every input", first_is_on, said=False),
            Assumption("ReLU", "g ≥ 0", rectified),
        ),
        then=rectified_holds,
        instances=layers_of_inputs,
        sizes=((1, 2), (2, 2), (3, 2), (2, 3), (3, 3)),
        verdict="holds if",
        needs={"on": inputs((1, 0), (0, 0)), "ReLU": inputs((1, 1), (1, -1))},
        proof="If w_1 > 0, only negative weights lower z: z ≥ g_1 (w_1 - ‖(w_j)⁻‖ tan φ) over j ≥ "
        "2. If w_1 < 0, only positive ones raise it. Each time K ~ Binomial(N - 1, 1/2) of the N - "
        "1 weights count, and given K their norm is that of K normals independent of w_1. Equality "
        "for a layer that fills the part of the cone with g ≥ 0.",
        slack=rectified_slack,
        error=CONE_ERROR,
        tight_at=inputs((1, 0), (1, 1)),
        curve=cone_curve,
    ),
    Claim(
        id="dominance.mirror",
        source=f"{ND}, section 3.1 ('complete saturation')",
        title="As many zombies as saturated neurons",
        statement="b = 0:  z > 0 on D under w  ⇔  z < 0 on D under -w\n"
        "so for weights with a symmetric law P(zombie) = P(z < 0 on D) ≤ P(saturated)",
        given=(NO_BIAS,),
        then=mirrored,
        instances=printed_neurons,
        sizes=WIDTHS,
        verdict="holds",
        needs={"bias": neuron([(0,)], (0,), 1)},
        proof="z is odd in w.",
        remark="So a dominant neuron over random weights gives about half of each kind: Theorem 1, "
        "however repaired, does not saturate a whole layer.",
    ),
    # ------------------------------------------------------- learning rates, as printed
    Claim(
        id="dominance.rate-direction",
        source=f"{ND}, below eq. (2), step 1",
        title="Opposite signs lower the dominant neuron's weight",
        statement="r = ŷ - y > 0 and v_j < 0, α > 0  ⇒  eq. (2) makes w_1j smaller",
        given=(*OPEN_AND_ON, Assumption("opposite", "r > 0, v_j < 0", opposite)),
        then=moves_down,
        instances=steps_of,
        sizes=PAIRS,
        verdict="refuted",
        counterexample=start([1], [[1]], [-1], -2, F(1, 4)),
        breaks="A sign: -α r v_j g_1 is positive. ŷ does fall, because w_1j rises under v_j < 0.",
        repaired_by=("dominance.one-step-kill",),
        steps=one_step,
    ),
    Claim(
        id="dominance.rate-equality",
        source=f"{ND}, below eq. (2), step 2",
        title="At the threshold the weight turns negative",
        statement="r v_j > 0, α ≥ w_1j/(g_1 r v_j)  ⇒  w_1j < 0 after eq. (2)",
        given=(*OPEN_AND_ON, SAME, PRINTED_RATE),
        then=is_negative,
        instances=steps_of,
        sizes=PAIRS,
        verdict="refuted",
        counterexample=start([1], [[1]], [1], 0, 1),
        breaks="With α equal to the threshold the weight is 0; the inequality must be strict.",
        repaired_by=("dominance.one-step-kill",),
        steps=one_step,
    ),
    Claim(
        id="dominance.rate-sign",
        source=f"{ND}, section 3.2 ('given a sufficiently large learning rate')",
        title="Above the threshold the weight turns negative",
        statement="α ≥ w_1j/(g_1 r v_j)  ⇒  w_1j < 0 after eq. (2)",
        given=(*OPEN_AND_ON, PRINTED_RATE),
        then=is_negative,
        instances=steps_of,
        sizes=PAIRS,
        verdict="refuted",
        counterexample=start([1], [[1]], [1], 2, 1),
        breaks="For r v_j < 0 the threshold is negative: every α is above it, and w_1j grows.",
        repaired_by=("dominance.one-step-kill", "dominance.all-die"),
        steps=one_step,
    ),
    Claim(
        id="dominance.rate-exists",
        source=f"{ND}, section 3.2 ('sufficiently large')",
        title="Some learning rate turns the weight negative",
        statement="g_1 > 0, w_1j > 0, r v_j not negative  ⇒  w_1j < 0 after eq. (2) for some α",
        given=(*OPEN_AND_ON, Assumption("sign", "r v_j ≥ 0", not_opposite)),
        then=some_rate_works,
        instances=steps_of,
        sizes=PAIRS,
        verdict="refuted",
        counterexample=start([1], [[1]], [1], 1, 1),
        breaks="Where the network is right, r = 0, nothing moves at any rate.",
        repaired_by=("dominance.all-die",),
        steps=one_step,
    ),
    Claim(
        id="dominance.rate-eventually",
        source=f"{ND}, section 3.2 ('eventually ... fully saturated')",
        title="A large rate saturates layer k+1 in the end",
        statement="g_1 > Σ_{i≥2} g_i, α > w_1j/(g_1 r v_j) for every j, some r v_j > 0\n"
        "⇒ after enough steps of eq. (2) every neuron of layer k+1 is saturated",
        given=(
            Assumption("dominant", "g_1 > Σ_{i≥2} g_i", dominant_at_x),
            Assumption("open gates", "z_j > 0 for all j", all_gates_open, said=False),
            Assumption("rate", "α > w_1j/(g_1 r v_j) for all j, some r v_j > 0", rate_for_all),
        ),
        then=saturates_in_the_end,
        instances=steps_of,
        sizes=PAIRS,
        verdict="refuted",
        counterexample=start([1], [[1], [1]], [1, -1], -3, F(1, 2)),
        breaks="Neurons with r v_j < 0 fit what is left; r goes to 0 and they stay.",
        repaired_by=("dominance.all-die", "dominance.some-survive"),
        steps=run_lines,
    ),
    Claim(
        id="dominance.rate-thus-saturated",
        source=f"{ND}, section 3.2 ('and thus')",
        title="Once its outgoing weights are negative, layer k+1 is saturated",
        statement="g_1 > Σ_{i≥2} g_i, w_1j ≥ mean_i w_ij before the step, all w_1j < 0 after it\n"
        "⇒ z_j ≤ 0 for all j after the step",
        given=(
            Assumption("dominant", "g_1 > Σ_{i≥2} g_i", dominant_at_x),
            Assumption("weights", "w_1j ≥ mean_i w_ij before", all_printed_weights),
            Assumption("negative", "all w_1j < 0 after", turned_negative),
        ),
        then=saturated_after,
        instances=steps_of,
        sizes=PAIRS,
        verdict="refuted",
        counterexample=start([3, 2], [[1, 1]], [1], 4, F(3, 8)),
        breaks="The step is proportional to g: w_1j turns negative before the rest does, and is "
        "then below the average: Theorem 1 no longer speaks of it.",
        repaired_by=("dominance.one-step-kill",),
        steps=hypothesis_steps,
    ),
    Claim(
        id="dominance.rate-hypothesis",
        source=f"{ND}, section 3.2 (Theorem 1 after eq. (2))",
        title="The update keeps what Theorem 1 assumes",
        statement="g_1 > Σ_{i≥2} g_i, w_1j ≥ mean_i w_ij  ⇒  the same after eq. (2)",
        given=(
            Assumption("dominant", "g_1 > Σ_{i≥2} g_i", dominant_at_x),
            Assumption("weights", "w_1j ≥ mean_i w_ij before", all_printed_weights),
        ),
        then=printed_weights_after,
        instances=steps_of,
        sizes=PAIRS,
        verdict="refuted",
        counterexample=start([2, 1], [[1, 1]], [1], 2, F(1, 4)),
        breaks="w_1j - mean_i w_ij changes by -α r v_j (g_1 - mean g): with r v_j > 0 the dominant "
        "neuron's weight falls fastest.",
        repaired_by=("dominance.one-step-kill",),
        steps=hypothesis_steps,
    ),
    # ------------------------------------------------------- learning rates, repaired
    Claim(
        id="dominance.one-step-kill",
        source="repairs dominance.rate-direction, -equality, -sign, -thus-saturated",
        title="Exactly which rate saturates a neuron in one step",
        statement="all incoming weights trained, Γ = ‖g‖², z_j > 0:\n"
        "z_j becomes z_j - α r v_j Γ, so it is ≤ 0 after the step  ⇔  α r v_j Γ ≥ z_j",
        given=(OPEN,),
        then=dies_exactly_then,
        instances=steps_of,
        sizes=PAIRS,
        verdict="holds if",
        needs={"open gate": start([1], [[-1]], [1], 2, 1)},
        proof="Σ_i (w_i - α r v_j g_i) g_i = z_j - α r v_j Γ.",
        proved=proved_kill,
        proved_at=(1, 2, 3),
        remark="Γ ≥ g_1²: what is true of the story is that a large g_1 lowers the critical rate.",
    ),
    Claim(
        id="dominance.all-die",
        source="repairs dominance.rate-eventually",
        title="Above which rate every neuron dies",
        statement="α Γ min v_j² > 2 over the active j, and r_t ≠ 0 at every step t\n"
        "⇒ after finitely many steps every neuron of layer k+1 is saturated at x",
        given=(
            Assumption("rate", "α Γ v_j² > 2 for every active j, one at least", high_rate),
            Assumption("never fitted", "r_t ≠ 0 for all t", never_fitted, said=False),
        ),
        then=saturates_in_the_end,
        instances=steps_of,
        sizes=PAIRS,
        verdict="holds if",
        needs={
            "rate": start([1], [[3]], [1], 2, 2),
            "never fitted": start([1], [[1]], [1], 1, 3),
        },
        proof="While the set A of active neurons stays, r_t = r_0 q^t with q = 1 - αΓ Σ_A v_j² < "
        "-1, and z_j(t) = z_j(0) - αΓ v_j r_0 (1 - q^t)/(1 - q) takes negative values. So A loses "
        "a neuron, none comes back, and the condition holds for what is left. Induct.",
        remark="2 is sharp: at α Γ v² = 2 a neuron can swing between two values for ever.",
    ),
    Claim(
        id="dominance.some-survive",
        source="repairs dominance.rate-eventually",
        title="Below which rate some neurons live for ever",
        statement="α Γ Σ v_j² ≤ 1 over the active j\n"
        "⇒ every active j with v_j r_0 ≤ 0 stays active for ever",
        given=(Assumption("rate", "α Γ Σ v_j² ≤ 1", low_rate, said=False),),
        then=risers_survive,
        instances=steps_of,
        sizes=PAIRS,
        verdict="holds if",
        needs={"rate": Sharp(F(1, 8)).step()},
        proof="r_1 = (1 - αΓ Σ v_j²) r_0 - Σ_dead v_j z_j', where z_j' ≤ 0 and v_j has the sign of "
        "r_0: r keeps its sign or becomes 0, so such z_j never falls. The active set only shrinks.",
    ),
    Claim(
        id="dominance.some-survive-sharp",
        source="repairs dominance.rate-eventually; new",
        title="No larger constant than 1 will do there",
        statement="g = 1, v = (1+δ, -δ), z = (1+δ, δ), r_0 = 1, α = 1, δ > 0:\n"
        "α Γ Σ v_j² = 1 + 2δ + 2δ², v_2 r_0 < 0, z_2 > 0, and yet neuron 2 dies",
        given=(Assumption("positive", "δ > 0", sharp_positive),),
        then=riser_dies,
        instances=deltas,
        sizes=(60, 600),
        verdict="holds",
        needs={"positive": Sharp(F(0))},
        proof="The first step shuts gate 1 (z_1 = 0) and brings z_2 to 2δ, r to -2δ - 2δ². Alone, "
        "neuron 2 moves so as to make r = 0: to z_2 = 2δ - 2δ - 2 = -2, through 0.",
    ),
    Claim(
        id="dominance.gradient-below",
        source=f"{ND}, section C.2",
        title="A saturated layer passes no gradient down",
        statement="z_j ≤ 0 for all j of layer k+1  ⇒  dL/dg = 0 for every loss, at this input",
        given=(
            Assumption("saturated", "z_j ≤ 0 for all j", above_saturated),
            Assumption("no skip", "g reaches the output through layer k+1 alone", no_skip),
            Assumption("kink", "relu'(0) = 0", kink_shut, said=False),
        ),
        then=no_gradient_below,
        instances=belows,
        sizes=PAIRS,
        verdict="holds if",
        needs={
            "saturated": below(weight=1, bias=0),
            "no skip": below(weight=-1, bias=0, skip=1),
            "kink": below(weight=1, bias=-1, kink=1),
        },
        proof="dL/dg = dL/dŷ Σ_j v_j relu'(z_j) w_j, and every relu'(z_j) is 0.",
    ),
)
