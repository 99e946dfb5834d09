"""Theorem 1 of section 3.2 and every line of its proof, as printed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import scores
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dominance.layer import (
    BOUNDED,
    EVERYWHERE,
    HEAVY_WEIGHT,
    ND,
    NO_BIAS,
    WEIGHTS,
    WIDTHS,
    Neuron,
    average,
    dot,
    fractions,
    is_dominant,
    margins,
    means,
    neuron,
    preactivations,
    printed_neurons,
    printed_weights,
    products,
    sign,
    term,
    verdict,
)


def saturated_or_zombie(n: Neuron) -> bool:
    z = preactivations(n)[:, None]
    return bool(scores.saturated(z)[0] or scores.zombie(z)[0])


def plus(terms: Sequence[str]) -> str:
    return f"({' + '.join(terms)})" if len(terms) > 1 else "".join(terms)


def equals(expression: str, value: Any) -> str:
    return expression if expression == str(value) else f"{expression} = {value}"


def mean_of(numbers: Sequence[Any]) -> str:
    count = f"/{len(numbers)}" if len(numbers) > 1 else ""
    return equals(plus([term(x) for x in numbers]) + count, average(numbers))


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
        f"Dominant, u_1 > N/2 = {Fraction(N, 2)}?  {verdict(score, Fraction(N, 2))}",
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


def neuron_steps(n: Neuron) -> list[str]:
    return score_lines(n) + weight_lines(n) + input_lines(n)


# The smallest that is mixed with z of both signs, and |w_j| ≤ |w_1| besides.
BOTH_SIGNS = neuron([(2, 0), (0, 1)], (1, -1))


def theorem_steps(n: Neuron) -> list[str]:
    end = "All that the theorem asks for is there, yet the neuron is neither of the two."
    return [*neuron_steps(n), end]


DOMINANT = Assumption("dominant", "u_1 > N/2", is_dominant)
REPAIRS = ("dominance.pointwise", "dominance.expectation", "dominance.fraction")


THEOREM_1 = Claim(
    id="dominance.theorem-1",
    source=f"{ND}, Theorem 1",
    origin="printed",
    title="A dominant neuron leaves only saturated and zombie neurons",
    statement="u_1 > N/2, w_1m ≥ (1/N) Σ_j w_jm and b_m = 0 for every neuron m of layer k+1\n"
    "⇒ every m is saturated (z ≤ 0 on D) or a zombie (z > 0 on D)",
    given=(DOMINANT, WEIGHTS, NO_BIAS),
    then=saturated_or_zombie,
    instances=printed_neurons,
    sizes=WIDTHS,
    verdict="refuted",
    counterexample=BOTH_SIGNS,
    breaks="Twice. Line 1, E|w_1 g_1| > Σ_{j≥2} E|w_j g_j|, does not follow: w_1 ≥ mean w is "
    "no bound on |w_j| (dominance.line-1). And the last line goes from the sign of a mean, "
    "E z, to the sign of z at every input (dominance.last-line): that is what fails above.",
    repaired_by=(*REPAIRS, "dominance.cone-relu"),
    steps=theorem_steps,
    remark="For independent symmetric continuous weights w_1 ≥ mean w has probability 1/2, so "
    "for all of 256 neurons 2^-256. A layer of one neuron that is on for some inputs does it too: "
    "g ∈ {(1), (0)}, w = (1).",
)


def margin_of_means(n: Neuron) -> Fraction:
    """Δ = |w_1| E g_1 - Σ_{j≥2} |w_j| E g_j: the right side of the paper's Remark on biases."""
    return sum(margins(n), Fraction(0)) / len(n.g) + abs(n.b)


def positive_weight(n: Neuron) -> bool:
    return n.w[0] > 0


def first_line(n: Neuron) -> bool:
    return margin_of_means(n) > 0


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


def expectation_steps(n: Neuron) -> list[str]:
    return score_lines(n) + weight_lines(n) + margin_lines(n)


POSITIVE = Assumption("positive", "w_1 > 0", positive_weight)
CHARITABLE = replace(POSITIVE, said=False)


LINE_1 = Claim(
    id="dominance.line-1",
    source=f"{ND}, proof of Theorem 1, line 1",
    origin="printed",
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
)


def mean_is_positive(n: Neuron) -> bool:
    return average(preactivations(n)) > 0


POSITIVE_WEIGHT = Claim(
    id="dominance.positive-weight",
    source=f"{ND}, proof of Theorem 1, first case",
    origin="printed",
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
)


def no_positive_weight(n: Neuron) -> bool:
    return n.w[0] <= 0


def mean_is_not_positive(n: Neuron) -> bool:
    return average(preactivations(n)) <= 0


NOT_POSITIVE = Assumption("otherwise", "w_1 ≤ 0", no_positive_weight)


OTHERWISE = Claim(
    id="dominance.otherwise",
    source=f"{ND}, proof of Theorem 1, second case ('otherwise')",
    origin="printed",
    title="Otherwise the mean pre-activation is not positive",
    statement="u_1 > N/2, w_1 ≥ (1/N) Σ_j w_j, b = 0, w_1 ≤ 0  ⇒  E z ≤ 0",
    given=(DOMINANT, WEIGHTS, NO_BIAS, NOT_POSITIVE),
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
)


def not_both_signs(n: Neuron) -> bool:
    """Weaker than saturated or zombie: zeros count for either."""
    return len({sign(z) for z in preactivations(n)} - {0}) <= 1


def margin_steps(n: Neuron) -> list[str]:
    return score_lines(n) + margin_lines(n) + input_lines(n)


FIRST_LINE = Assumption("line 1", "E|w_1 g_1| > Σ_{j≥2} E|w_j g_j|", first_line)


LAST_LINE = Claim(
    id="dominance.last-line",
    source=f"{ND}, proof of Theorem 1, last line",
    origin="reading",
    title="The sign in expectation is the sign at every input",
    statement="u_1 > N/2, E|w_1 g_1| > Σ_{j≥2} E|w_j g_j|, |w_j| ≤ |w_1|, b = 0\n"
    "⇒ z does not take both signs on D",
    given=(DOMINANT, FIRST_LINE, replace(BOUNDED, says="|w_j| ≤ |w_1| for j ≥ 2"), NO_BIAS),
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
)


THEOREM_1_EVERYWHERE = Claim(
    id="dominance.theorem-1-everywhere",
    source=f"{ND}, Theorem 1, with dominance at every input",
    origin="reading",
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
)


def absolute_weights(n: Neuron) -> bool:
    return n.w[0] >= average([abs(w) for w in n.w])


def absolute_steps(n: Neuron) -> list[str]:
    size = mean_of([abs(w) for w in n.w])
    return [*score_lines(n), f"w_1 = {n.w[0]}, average size of a weight {size}", *input_lines(n)]


ABSOLUTE = Assumption("weights", "w_1 ≥ (1/N) Σ_j |w_j|", absolute_weights, said=False)


THEOREM_1_ABSOLUTE = Claim(
    id="dominance.theorem-1-absolute",
    source=f"{ND}, Theorem 1, read with absolute weights",
    origin="reading",
    title="Theorem 1, had it averaged the sizes of the weights",
    statement="g_1(x) > Σ_{j≥2} g_j(x) on D, w_1 ≥ (1/N) Σ_j |w_j|, b = 0\n⇒ saturated or zombie",
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
)


@dataclass(frozen=True)
class Peak:
    """g_1 = 1/ε² with probability ε, else 0; g_2 = 1; w = (1, -1), b = 0."""

    epsilon: Fraction

    def __post_init__(self) -> None:
        checks.positive("epsilon", self.epsilon)

    def __str__(self) -> str:
        return (
            f"ε = {self.epsilon}: g_1 = {1 / self.epsilon**2} with probability ε, else 0; g_2 = 1"
        )

    def neuron(self) -> Neuron:
        peaks, count = self.epsilon.numerator, self.epsilon.denominator
        rows = [(1 / self.epsilon**2, Fraction(1))] * peaks + [fractions(0, 1)] * (count - peaks)
        return Neuron(tuple(rows), fractions(1, -1))


def is_rare(peak: Peak) -> bool:
    return peak.epsilon < 1


def dominates_yet_is_rarely_on(peak: Peak) -> bool:
    n = peak.neuron()
    share = scores.activation_score(np.array(n.g))[0] / 2
    on = average([Fraction(z > 0) for z in preactivations(n)])
    return bool(share == 1 / (1 + peak.epsilon)) and on == peak.epsilon and not not_both_signs(n)


def peaks(size: int) -> SearchStrategy[Peak]:
    counts = st.integers(1, size)
    return st.builds(lambda a, b: Peak(Fraction(min(a, b), max(a, b))), counts, counts)


NO_THRESHOLD = Claim(
    id="dominance.no-threshold",
    source=f"{ND}, Definition 1 ('half of the layer width ... guarantees')",
    origin="ours",
    title="No threshold below N rescues Theorem 1",
    statement="g_1 = 1/ε² with probability ε, else 0; g_2 = 1; w = (1, -1); b = 0:\n"
    "u_1/N = 1/(1 + ε), P(z > 0) = ε, and z takes both signs, for every 0 < ε < 1",
    given=(Assumption("rare", "ε < 1", is_rare),),
    then=dominates_yet_is_rarely_on,
    instances=peaks,
    sizes=(40, 80),
    verdict="holds",
    needs={"rare": Peak(Fraction(1))},
    proof="E g_1 = 1/ε, so u_1/2 = (1/ε)/(1/ε + 1). z = 1/ε² - 1 > 0 with probability ε, else -1.",
    remark="As ε → 0 the share of neuron 1 tends to all, and the neuron above is off at almost "
    "every input although w_1 > 0. At u_1 = N itself z = w_1 g_1: mixed if w_1 > 0 and g_1 is "
    "0 somewhere.",
)


def remarks_bias(n: Neuron) -> bool:
    return n.b <= margin_of_means(n)


BIAS_REMARK = Claim(
    id="dominance.bias-remark",
    source=f"{ND}, proof of Theorem 1, Remark",
    origin="printed",
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
)


CLAIMS: tuple[Claim[Any], ...] = (
    THEOREM_1,
    LINE_1,
    POSITIVE_WEIGHT,
    OTHERWISE,
    LAST_LINE,
    THEOREM_1_EVERYWHERE,
    THEOREM_1_ABSOLUTE,
    NO_THRESHOLD,
    BIAS_REMARK,
)
