"""The remark after Theorem 3: what happens at collapsed features."""

from functools import partial
from typing import Any

import numpy as np

from ref.checks import Array
from theory.claim import Assumption, Claim
from theory.collapse.flows import (
    AFTER_8,
    COLLAPSED,
    CONSTANT,
    DIRECT,
    DISCOUNTED,
    FUNNEL,
    HISTOGRAM,
    LOGITS,
    ONE,
    PROJECTED,
    STAY,
    ZERO,
    Bins,
    Classifier,
    bin_sets,
    classifier,
    collapsed_or_not,
    direct_or_not,
    exact,
    predictions,
    printed_flow,
    projected_or_not,
    semi_gradient,
    show,
    target_at_collapse,
    targets,
    uniform,
)


def weights_matter(c: Classifier) -> bool:
    """The columns of W are not all one: the features have a say in phat. And they do not cancel."""
    w = exact(c.w)
    return bool((w != w[:, :1]).any())


MATTERS = Assumption("W matters", "the columns of W are not all equal", weights_matter)


def moves_as_printed(c: Classifier) -> bool:
    return bool(printed_flow(c)[1].any())


def collapse_steps(c: Classifier) -> list[str]:
    phat = predictions(c)
    p = targets(c, phat)
    return [
        f"Ψ = 0, so p̂ = u = {show(phat)}; the targets are {show(p)}",
        f"W (p - p̂)' = ln 2 · {show(exact(c.w) @ (p - phat).T)}",
        f"eq. (19): ∂Ψ = ln 2 · {show(semi_gradient(c)[1])}",
        f"eq. (8) as printed: ∂Ψ = ln 2 · {show(printed_flow(c)[1])}",
    ]


REMARK_PRINTED = Claim(
    id="collapse.remark-printed",
    source=AFTER_8,
    origin="printed",
    title="By eq. (8), collapsed features have a non-zero gradient",
    statement="Ψ = 0, the columns of W not all equal, γ < 1  ⇒  W ((γP - I) p̂)' ≠ 0",
    given=(COLLAPSED, MATTERS, DISCOUNTED),
    then=moves_as_printed,
    instances=collapsed_or_not,
    sizes=LOGITS,
    verdict="refuted",
    counterexample=classifier(STAY, "1/2", [[0]], [[1, -1]], (0, 1), "direct"),
    breaks="γP - I takes no p̂ ≠ 0 to 0, but W may take what comes out, (γ-1) 1u', to 0",
    repaired_by=("collapse.printed-push",),
    steps=collapse_steps,
)


def printed_push(c: Classifier) -> bool:
    """(8) at Psi = 0 is -(1 - gamma) wbar 1': 0 iff the columns of W sum to 0, or gamma = 1."""
    mean = exact(c.w).sum(axis=1) / len(c.centres)
    push = -np.outer((1 - c.gamma) * mean, exact([ONE] * len(c.transition)))
    return bool((printed_flow(c)[1] == push).all())


PRINTED_PUSH = Claim(
    id="collapse.printed-push",
    source="repairs collapse.remark-printed",
    origin="ours",
    title="Eq. (8) moves collapsed features by -(1-γ) w̄ 1'",
    statement="Ψ = 0  ⇒  W ((γP - I) p̂)' = -(1-γ) w̄ 1',  w̄ the mean column of W:\n"
    "0 iff the columns of W sum to 0, or γ = 1",
    given=(COLLAPSED,),
    then=printed_push,
    instances=collapsed_or_not,
    sizes=LOGITS,
    verdict="holds",
    needs={"collapsed": classifier(STAY, "1/2", [[1]], [[0, 1]], (0, 1), "direct")},
    proof="p̂ = 1u', Pp̂ = p̂, so (γP - I) p̂ = (γ-1) 1u' and Wu = w̄.",
    remark="To add one vector to all columns of W changes no p̂, and this push at will.",
)


def sum_matters(c: Classifier) -> bool:
    return bool(exact(c.w).sum(axis=1).any())


SUM_MATTERS = Assumption("W1 ≠ 0", "the columns of W do not sum to 0", sum_matters)


def moves(c: Classifier) -> bool:
    return bool(semi_gradient(c)[1].any())


REMARK_DERIVED = Claim(
    id="collapse.remark-derived",
    source=AFTER_8,
    origin="reading",
    title="Under cross-entropy collapsed features have a non-zero gradient",
    statement="p = γPp̂, Ψ = 0, W1 ≠ 0, columns of W not all equal  ⇒  ∂Ψ ≠ 0",
    given=(DIRECT, COLLAPSED, MATTERS, SUM_MATTERS),
    then=moves,
    instances=direct_or_not,
    sizes=LOGITS,
    verdict="refuted",
    counterexample=classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "direct"),
    breaks="with the right flow, γ W ((P - I) p̂)', a p̂ that is the same for all states rests",
    repaired_by=("collapse.derived-rests", "collapse.fixed-point"),
    steps=collapse_steps,
)


def rests(c: Classifier) -> bool:
    return not any(move.any() for move in semi_gradient(c))


DERIVED_RESTS = Claim(
    id="collapse.derived-rests",
    source="repairs collapse.remark-derived",
    origin="ours",
    title="With p = γPp̂ collapse is a fixed point, for every W",
    statement="p = γPp̂, Ψ = ψ 1'  ⇒  ∂W = 0, ∂Ψ = 0",
    given=(DIRECT, CONSTANT),
    then=rests,
    instances=direct_or_not,
    sizes=LOGITS,
    verdict="holds",
    needs={
        "p = γPp̂": classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "two-hot"),
        "state-constant": classifier(FUNNEL, "1/2", [[0, 1]], [[0, 1]], (0, 1), "direct"),
    },
    proof="p̂ has equal rows, so (P - I) p̂ = 0.",
)


def simplex(c: Classifier) -> bool:
    return c.encode != "direct"


SIMPLEX = Assumption("simplex", "the targets are distributions: zero-bin, two-hot, C51", simplex)


PREVENTS = Claim(
    id="collapse.prevents",
    source="Neuron Dominance, section 4.2, its title",
    origin="printed",
    title="Classification losses prevent representation collapse",
    statement="distributions as targets, Ψ = 0, columns of W not all equal  ⇒  ∂Ψ ≠ 0",
    given=(SIMPLEX, COLLAPSED, MATTERS),
    then=moves,
    instances=collapsed_or_not,
    sizes=LOGITS,
    verdict="refuted",
    counterexample=classifier(STAY, "1/2", [[0]], [[0, 1]], ("-1/2", "1/2"), "two-hot"),
    breaks="the uniform histogram is the target of its own value, if that value is 0",
    repaired_by=("collapse.fixed-point", "collapse.uniform-target"),
    steps=collapse_steps,
)


def rests_iff(c: Classifier) -> bool:
    """Collapse is a fixed point iff W (p* - u) = 0, for the flow by its definition."""
    return rests(c) == (not (exact(c.w) @ (target_at_collapse(c) - uniform(c))).any())


FIXED_POINT = Claim(
    id="collapse.fixed-point",
    source="repairs collapse.remark-derived",
    origin="ours",
    title="Collapse is a fixed point iff W (p* - u) = 0",
    statement="distributions as targets, R = 0, no output bias, Ψ = 0\n"
    "⇒  ∂W = 0,  and ∂Ψ = 0 iff W (p* - u) = 0\n"
    "u = 1/G, p* the target of the value z̄ of u",
    given=(SIMPLEX, COLLAPSED),
    then=rests_iff,
    instances=collapsed_or_not,
    sizes=LOGITS,
    verdict="holds",
    needs={
        "simplex": classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "direct"),
        "collapsed": classifier(STAY, "1/2", [[1]], [[0, 1]], ("-1/2", "1/2"), "two-hot"),
    },
    proof="p̂ = 1u' has equal rows, so P p̂ = p̂ and all targets are p*; ∂Ψ = W (p* - u) 1', and\n"
    "∂W = Ψ (..) = 0. A condition of N equations on W; empty iff p* = u.",
)


first_bin_or_not = partial(collapsed_or_not, encoders=("zero-bin", "zero-bin", "direct"))


def first_bin_push(c: Classifier) -> bool:
    """With the lacking mass on the first bin: dPsi = (1 - gamma) (w^0 - wbar) 1'."""
    w = exact(c.w)
    push = (1 - c.gamma) * (w[:, 0] - w.sum(axis=1) / len(c.centres))
    return bool((semi_gradient(c)[1] == push[:, None]).all())


def zero_bin_targets(c: Classifier) -> bool:
    return c.encode == "zero-bin"


FIRST_BIN = Assumption("zero-bin", "p = γPp̂ + (1-γ) 1 e_1'", zero_bin_targets)


FIRST_BIN_PUSH = Claim(
    id="collapse.first-bin-push",
    source="repairs collapse.remark-derived",
    origin="ours",
    title="With the lost mass at value 0, collapse is pushed",
    statement="p = γPp̂ + (1-γ) 1 e_1', Ψ = 0  ⇒  ∂Ψ = (1-γ) (w^1 - w̄) 1'",
    given=(FIRST_BIN, COLLAPSED),
    then=first_bin_push,
    instances=first_bin_or_not,
    sizes=LOGITS,
    verdict="holds",
    needs={
        "zero-bin": classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "direct"),
        "collapsed": classifier(STAY, "1/2", [[1]], [[0, 1]], (0, 1), "zero-bin"),
    },
    proof="p* - u = γu + (1-γ) e_1 - u = (1-γ) (e_1 - u).",
    remark="The nearest true statement to the paper's: what p = γPp̂ means if bin 1 is value 0.",
)


def target_uniform_iff(c: Classifier) -> bool:
    uniform_target = bool((target_at_collapse(c) == uniform(c)).all())
    return uniform_target == (len(c.centres) == 2 and sum(c.centres) == 0)


UNIFORM_TARGET = Claim(
    id="collapse.uniform-target",
    source="beyond Theorem 3",
    origin="ours",
    title="Two-hot and C51 targets are uniform only for ±z",
    statement="two-hot or C51, γ < 1:  p* = u  iff  G = 2 and z_1 + z_2 = 0",
    given=(PROJECTED, DISCOUNTED),
    then=target_uniform_iff,
    instances=projected_or_not,
    sizes=LOGITS,
    verdict="holds",
    needs={
        "projected": classifier(STAY, 0, [[0]], [[0, 0]], ("-1/2", "1/2"), "zero-bin"),
        "discounted": classifier(STAY, 1, [[0]], [[0, 0]], (0, 1), "two-hot"),
    },
    proof="Two-hot has at least G - 2 zeros. C51, G ≥ 3: if z_(G-1) ≥ 0 the top atom gets\n"
    "less than 1/G, else z_2 < 0 and the bottom one does. G = 2: if z_1 ≤ 0 ≤ z_2 nothing is\n"
    "clipped, means are kept and p* = u gives γz̄ = z̄, so z̄ = 0; else everything moves towards\n"
    "0, and the end next to it gets more than 1/2.",
)


def hl_target(b: Bins) -> Array:
    return b.read(float(b.gamma * (b.low + b.high) / 2))[0]


def hl_uniform_iff(b: Bins) -> bool:
    uniform_target = bool(np.abs(hl_target(b) - 1 / b.bins).max() <= HISTOGRAM)
    return uniform_target == (b.bins == 2 and b.low + b.high == 0)


UNIFORM_HL_GAUSS = Claim(
    id="collapse.uniform-hl-gauss",
    source="beyond Theorem 3",
    origin="ours",
    title="HL-Gauss targets are uniform only for two bins ±",
    statement="G ≥ 2 equal bins on [low, high], σ from 1/2 to 3 bins, γ < 1:\n"
    "HL-Gauss has p* = u  iff  G = 2 and low + high = 0",
    given=(DISCOUNTED,),
    then=hl_uniform_iff,
    instances=bin_sets,
    sizes=(2, 3, 4, 7),
    verdict="holds",
    needs={"discounted": Bins(ZERO, ONE, 2, ONE)},
    error=HISTOGRAM,
    proof="Masses of a normal in equal bins are strictly log-concave: p_1 p_3 < p_2², so not\n"
    "equal for G ≥ 3. For G = 2 they are equal iff γm is the middle edge m, iff m = 0.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    REMARK_PRINTED,
    PRINTED_PUSH,
    REMARK_DERIVED,
    DERIVED_RESTS,
    PREVENTS,
    FIXED_POINT,
    FIRST_BIN_PUSH,
    UNIFORM_TARGET,
    UNIFORM_HL_GAUSS,
)
