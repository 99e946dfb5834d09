"""Eqs. (5) and (6): regression with fixed heads."""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import expm

from ref.checks import Array
from theory.claim import Assumption, Claim, Curve, vector
from theory.collapse.flows import (
    AFTER_6,
    BALANCED_SIZES,
    DISCOUNTED,
    FUNNEL,
    GAMMAS_TO_1,
    HALF,
    INTEGRATED,
    ONE,
    ONE_CLASS,
    SIZES,
    STAY,
    STAYS,
    ZERO,
    Matrix,
    Regression,
    exact,
    identity,
    integrate,
    kernel,
    positive,
    regression,
    regressions,
    show,
    spread,
)

balanced_or_not = partial(regressions, kinds=("any", "balanced", "balanced", "balanced"))


def fixed_heads(r: Regression) -> Array:
    """The semi-gradient flow of Phi for fixed heads: -A Phi sum w w'. (states, N)"""
    return -(r.a() @ exact(r.phi) @ r.gram())


def balanced(r: Regression) -> bool:
    return bool((r.gram() == identity(len(r.w))).all())


BALANCED = Assumption(
    "balanced heads", "Σ_m w^m w^m' = I, and the heads are fixed", balanced, False
)


def flow_as_printed(r: Regression) -> bool:
    psi = exact(r.phi).T
    if psi.shape[0] != len(r.transition):
        return False  # (I - gamma P) Psi does not exist
    return bool((-(r.a() @ psi) == fixed_heads(r).T).all())


def printed_steps(r: Regression) -> list[str]:
    psi, a = exact(r.phi).T, r.a()
    lines = [f"Ψ = {show(psi)} is {psi.shape[0]} × {psi.shape[1]}", f"I - γP = {show(a)}"]
    if psi.shape[0] == len(a):
        lines.append(f"as printed:       ∂Ψ = -(I - γP) Ψ  = {show(-(a @ psi))}")
    else:
        lines.append(f"(I - γP) Ψ does not exist: {len(a)} columns against {psi.shape[0]} rows")
    return [*lines, f"semi-gradient:    ∂Ψ = -Ψ (I - γP)' = {show(fixed_heads(r).T)}"]


EQ_5 = Claim(
    id="collapse.eq-5",
    source="Neuron Dominance, eq. (5)",
    origin="printed",
    title="The features' flow is -(I - γP) Ψ, for Ψ of N × |X|",
    statement="∂Ψ = -(I - γP) Ψ\nfor the semi-gradient of Σ_m |γPΨ'w^m - Ψ'w^m|² in Ψ",
    given=(BALANCED,),
    then=flow_as_printed,
    instances=balanced_or_not,
    sizes=BALANCED_SIZES,
    verdict="refuted",
    counterexample=regression(STAY, "1/2", [[1, 0]], STAYS),
    breaks="Lyle et al. have Φ of |X| × N; with Ψ = Φ' the operator acts from the right",
    repaired_by=("collapse.eq-5-transposed",),
    steps=printed_steps,
)


def square(r: Regression) -> bool:
    return len(r.phi) == len(r.w)


SQUARE = Assumption("square", "N = |X|, so that the product exists", square)


EQ_5_SQUARE = Claim(
    id="collapse.eq-5-square",
    source="Neuron Dominance, eq. (5), where its product exists",
    origin="reading",
    title="With N = |X| the flow is -(I - γP) Ψ",
    statement="N = |X|  ⇒  ∂Ψ = -(I - γP) Ψ",
    given=(BALANCED, SQUARE),
    then=flow_as_printed,
    instances=balanced_or_not,
    sizes=((1, 1, 1), (2, 2, 2), (3, 3, 3)),
    verdict="refuted",
    counterexample=regression(FUNNEL, "1/2", [[1, 0], [0, 0]], STAYS),
    breaks="rows of Ψ are neurons: as printed, P mixes neurons and not states",
    repaired_by=("collapse.eq-5-transposed",),
    steps=printed_steps,
)


def descends_the_squared_norm(r: Regression) -> bool:
    """Whether the semi-gradient is a positive multiple of the gradient of |A Phi W|^2."""
    semi = -fixed_heads(r).ravel()
    full = (r.a().T @ r.a() @ exact(r.phi) @ r.gram()).ravel()
    parallel = (np.outer(semi, full) == np.outer(full, semi)).all()
    return bool(parallel and (semi @ full > 0 or not semi.any()))


def squared_norm_steps(r: Regression) -> list[str]:
    a, phi, gram = r.a(), exact(r.phi), r.gram()
    return [
        f"I - γP = A = {show(a)}, Σ w w' = {show(gram)}",
        f"∇ of |A Φ W|² / 2:               A'A Φ Σww' = {show(a.T @ a @ phi @ gram)}",
        f"semi-gradient, as eq. (5) has it:  A Φ Σww' = {show(a @ phi @ gram)}, no multiple of it",
    ]


SQUARED_NORM = Claim(
    id="collapse.squared-norm",
    source="Neuron Dominance, section 4.2, before eq. (5)",
    origin="reading",
    title="Eq. (5) descends the squared temporal difference",
    statement="-(I - γP) Φ is a positive multiple of -∇_Φ Σ_m |(γP - I) Φ w^m|²",
    given=(BALANCED,),
    then=descends_the_squared_norm,
    instances=balanced_or_not,
    sizes=BALANCED_SIZES,
    verdict="refuted",
    counterexample=regression(FUNNEL, "1/2", [[0], [1]], [[1]]),
    breaks="that gradient is A'AΦ with A = I - γP; AΦ holds the target fixed: a semi-gradient",
    repaired_by=("collapse.eq-5-transposed",),
    steps=squared_norm_steps,
)


def transposed_flow(r: Regression) -> bool:
    return bool((fixed_heads(r) == -(r.a() @ exact(r.phi))).all())


EQ_5_TRANSPOSED = Claim(
    id="collapse.eq-5-transposed",
    source="repairs collapse.eq-5",
    origin="ours",
    title="Balanced fixed heads move Φ by -(I - γP) Φ",
    statement="Φ = Ψ' of |X| × N, heads fixed, Σ_m w^m w^m' = I\n"
    "⇒  semi-gradient flow ∂Φ = -(I - γP) Φ",
    given=(BALANCED,),
    then=transposed_flow,
    instances=balanced_or_not,
    sizes=BALANCED_SIZES,
    verdict="holds if",
    needs={"balanced heads": regression(STAY, 0, [[1]], [[0]])},
    proof="Head m errs by A Φ w^m, A = I - γP (the target without gradient), and moves Φ by\n"
    "-A Φ w^m w^m'. Summed over m: -A Φ Σ_m w^m w^m' = -A Φ.",
)


def closed_form(r: Regression) -> Array:
    """exp(-t (I - gamma P)) Phi_0, in floats: e^-t exp(t gamma P), without cancellation."""
    t, p = float(r.t), np.asarray(r.transition, float)
    grown = expm(t * float(r.gamma) * p) @ np.asarray(r.phi, float)
    return np.asarray(math.exp(-t) * grown)


def follows_the_closed_form(r: Regression) -> bool:
    return bool(np.abs(integrate(r, learned=False)[0] - closed_form(r)).max() <= INTEGRATED)


EQ_6 = Claim(
    id="collapse.eq-6",
    source="Neuron Dominance, eq. (6), of Φ",
    origin="reading",
    title="Φ_t = exp(-t (I - γP)) Φ_0 for balanced fixed heads",
    statement="Σ_m w^m w^m' = I, fixed  ⇒  Φ_t = exp(-t (I - γP)) Φ_0",
    given=(BALANCED,),
    then=follows_the_closed_form,
    instances=balanced_or_not,
    sizes=BALANCED_SIZES,
    verdict="holds if",
    needs={"balanced heads": regression(STAY, "1/2", [[1]], [[0]])},
    proof="A linear flow with constant coefficients. The semi-gradient flow, integrated, is\n"
    f"compared with it: in the maximum norm it contracts, so errors add up to {INTEGRATED}.",
    error=INTEGRATED,
)


def heads_not_zero(r: Regression) -> bool:
    return bool(all(column.any() for column in exact(r.w).T))


HEADS = Assumption("no head is 0", "w^m ≠ 0 for every m", heads_not_zero)


def ends_at_zero(r: Regression) -> bool:
    """Whether Phi_t -> 0 for fixed heads, exactly.

    What Phi does in the kernel of sum w w' never moves; elsewhere exp(-t A) tends to the
    projection on the kernel of A, which is 0 on Phi iff the left kernel of A is orthogonal to it.
    """
    phi = exact(r.phi)
    stays = [phi @ v for v in kernel(r.gram())] + [v @ phi for v in kernel(r.a().T)]
    return not any(kept.any() for kept in stays)


def fixed_heads_steps(r: Regression) -> list[str]:
    phi = exact(r.phi)
    lines = [f"Σ w w' = {show(r.gram())}"]
    for v in kernel(r.gram()):
        lines += [f"v = {vector(v)} has Σ w w' v = 0, so ∂(Φ v) = -A Φ (Σ w w' v) = 0:"]
        lines += [f"Φ_t v = Φ_0 v = {vector(phi @ v)} for ever"]
    return lines


FIXED_HEADS = Claim(
    id="collapse.fixed-heads",
    source=AFTER_6,
    origin="reading",
    title="With fixed heads and zero reward features collapse to zero",
    statement="R = 0, W fixed, w^m ≠ 0  ⇒  Φ_t → 0",
    given=(HEADS,),
    then=ends_at_zero,
    instances=regressions,
    sizes=SIZES,
    verdict="refuted",
    counterexample=regression(STAY, "1/2", [[0, 1]], [[1], [0]]),
    breaks="lim_M Σ w^m w^m' = I is used; M heads span at most M directions, the rest stays",
    repaired_by=("collapse.fixed-heads-span", "collapse.fixed-heads-limit"),
    steps=fixed_heads_steps,
)


spanning_or_not = partial(balanced_or_not, gammas=GAMMAS_TO_1)
regressions_to_1 = partial(regressions, gammas=GAMMAS_TO_1)


def heads_span(r: Regression) -> bool:
    return positive(r.gram(), strictly=True)


SPANNING = Assumption("spanning heads", "Σ_m w^m w^m' > 0: the heads span R^N", heads_span, False)


FIXED_HEADS_SPAN = Claim(
    id="collapse.fixed-heads-span",
    source="repairs collapse.fixed-heads",
    origin="ours",
    title="Features collapse if the fixed heads span all directions",
    statement="R = 0, γ < 1, W fixed, Σ_m w^m w^m' > 0  ⇒  Φ_t → 0",
    given=(SPANNING, DISCOUNTED),
    then=ends_at_zero,
    instances=spanning_or_not,
    sizes=BALANCED_SIZES,
    verdict="holds if",
    needs={
        "spanning heads": regression(STAY, "1/2", [[0, 1]], [[1], [0]]),
        "discounted": regression(STAY, 1, [[1]], [[1]]),
    },
    proof="With Σww' = Σ_i λ_i q_i q_i':  Φ_t = Σ_i exp(-λ_i t A) Φ_0 q_i q_i'. All\n"
    "eigenvalues of A = I - γP have real part ≥ 1-γ > 0, so a term tends to 0 iff λ_i > 0.",
    remark="A single fixed head collapses one direction of N; Lyle et al. need M → ∞ heads.",
)


def unread(r: Regression) -> Array:
    """The projection on the kernel of Σ w w', the directions that no head reads. (N, N)"""
    basis = kernel(r.gram())
    if not basis:
        return exact([[ZERO] * len(r.w)] * len(r.w))
    k = exact(basis).T
    # (K'K)^-1 K', column by column: the kernel of (K'K | -column) scaled to end with 1
    parts = [kernel(np.column_stack([k.T @ k, -column]))[0] for column in k]
    return np.asarray(k @ exact([part[:-1] / part[-1] for part in parts]).T)


def ends_unread(r: Regression) -> bool:
    """The flow is linear: the limit rests, and what Φ_0 is beyond it ends at 0."""
    limit = exact(r.phi) @ unread(r)
    rest = tuple(map(tuple, exact(r.phi) - limit))
    return not fixed_heads(replace(r, phi=tuple(map(tuple, limit)))).any() and ends_at_zero(
        replace(r, phi=rest)
    )


FIXED_HEADS_LIMIT = Claim(
    id="collapse.fixed-heads-limit",
    source="repairs collapse.fixed-heads, of any fixed heads",
    origin="ours",
    title="What no fixed head reads stays, and all else collapses",
    statement="R = 0, γ < 1, W fixed  ⇒  Φ_t → Φ_0 · (projection on the kernel of Σ w w')",
    given=(DISCOUNTED,),
    then=ends_unread,
    instances=regressions_to_1,
    sizes=SIZES,
    verdict="holds",
    needs={"discounted": regression(STAY, 1, [[1]], [[1]])},
    proof="As collapse.fixed-heads-span: the terms with λ_i = 0 stay, and those q_i span the "
    "kernel.",
)


# Sums and products of fewer than 100 numbers below 100, singular values and exponentials of small
# matrices: each has a relative error of a few 2^-52, all together less than 1e-11.
ROUNDED = 1e-11


def norm_slack(r: Regression) -> float:
    largest = float(np.abs(exact(r.phi)).max())
    bound = math.exp(-float((1 - r.gamma) * r.t)) * largest
    return bound - float(np.abs(closed_form(r)).max())


def rate_curve(slack: Callable[[Regression], float], name: str) -> Curve:
    """The largest feature, or the spread, of Phi_0 = (1, 0) on a chain of two states."""
    chain = ((Fraction(3, 4), Fraction(1, 4)), (HALF, HALF))
    values, truth, bound = [k / 4 for k in range(33)], [], []
    for t in values:
        r = Regression(chain, Fraction(9, 10), ((ONE,), (ZERO,)), ((ONE,),), Fraction(t))
        phi = closed_form(r)
        truth.append(float(spread(phi)[0] if name == "spread" else np.abs(phi).max()))
        bound.append(truth[-1] + slack(r))
    return Curve("t", values, {f"{name} of Φ_t": truth, "bound": bound}, name)


def norm_curve() -> Curve:
    return rate_curve(norm_slack, "norm")


RATE = Claim(
    id="collapse.rate",
    source="beyond eq. (6)",
    origin="ours",
    title="The largest feature decays at rate 1 - γ exactly",
    statement="max |Φ_t| ≤ e^(-(1-γ)t) max |Φ_0|,  with = for state-constant Φ_0\n"
    "(the maximum norm of exp(-t(I - γP)) is e^(-(1-γ)t))",
    given=(),
    instances=regressions,
    sizes=SIZES,
    verdict="holds",
    slack=norm_slack,
    error=ROUNDED,
    tight_at=regression(((0, 1), ("1/2", "1/2")), "1/2", [[1], [1]], [[1]]),
    curve=norm_curve,
    proof="exp(-t(I - γP)) = e^-t Σ_k (γt)^k P^k / k! has entries ≥ 0, and rows that sum to\n"
    "e^-t e^(γt), as P1 = 1.",
)


def dobrushin(transition: Matrix) -> Fraction:
    """The largest total variation between two rows of P: 0 if all are equal, at most 1."""
    p = exact(transition)
    return max(Fraction(abs(x - y).sum()) / 2 for x in p for y in p)


def spread_slack(r: Regression) -> float:
    rate = 1 - r.gamma * dobrushin(r.transition)
    bound = math.exp(-float(rate * r.t)) * spread(np.asarray(r.phi, float))
    return float((bound - spread(closed_form(r))).min())


def spread_curve() -> Curve:
    return rate_curve(spread_slack, "spread")


SPREAD = Claim(
    id="collapse.spread",
    source="beyond eq. (6)",
    origin="ours",
    title="Differences between states decay faster than features do",
    statement="δ(P) = max_xy ½ Σ_z |P_xz - P_yz|  (Dobrushin), spread = max - min over states\n"
    "spread Φ_t ≤ e^(-(1 - γδ)t) spread Φ_0,  for every feature",
    given=(),
    instances=regressions,
    sizes=SIZES,
    verdict="holds",
    slack=spread_slack,
    error=ROUNDED,
    tight_at=regression((("3/4", "1/4"), ("1/4", "3/4")), "1/2", [[1], [0]], [[1]]),
    curve=spread_curve,
    proof="spread(Pf) ≤ δ spread f, so spread(e^-t Σ (γt)^k P^k f / k!)\n≤ e^-t e^(γδt) spread f.",
    remark="So if δ < 1 features become one and the same for all states, relative to their\n"
    "size, before they vanish: srank falls to 1 at the rate γ(1 - δ).",
)


def direction(r: Regression) -> Array:
    """The limit of e^((1 - gamma) t) Phi_t = exp(-t gamma (I - P)) Phi_0, exactly.

    It is R (L R)^-1 L Phi_0, where R and L span the right and the left kernel of gamma (I - P).
    """
    generator = r.gamma * (identity(len(r.phi)) - exact(r.transition))
    right, left = exact(kernel(generator)).T, exact(kernel(generator.T))
    inner = left @ right
    aim = left @ exact(r.phi)
    # (L R)^-1 aim, column by column: the kernel of (L R | -aim) scaled to end with 1
    parts = [kernel(np.column_stack([inner, -column]))[0] for column in aim.T]
    return np.asarray(right @ exact([part[:-1] / part[-1] for part in parts]).T)


def ends_at_mean(r: Regression) -> bool:
    """The limit is π'Φ_0 in every row, for every π with π'P = π' and sum 1."""
    means = [
        v @ exact(r.phi) / v.sum() for v in kernel((identity(len(r.phi)) - exact(r.transition)).T)
    ]
    return all(bool((direction(r) == mean).all()) for mean in means)


def looks_ahead(r: Regression) -> bool:
    return r.gamma > 0


AHEAD = Assumption("looks ahead", "γ > 0", looks_ahead, False)


DIRECTION = Claim(
    id="collapse.direction",
    source="beyond eq. (6)",
    origin="ours",
    title="Normalised features tend to one row for all states",
    statement="e^((1-γ)t) Φ_t → 1 π'Φ_0,  π'P = π':  of rank ≤ 1",
    given=(ONE_CLASS, AHEAD),
    then=ends_at_mean,
    instances=regressions,
    sizes=SIZES,
    verdict="holds if",
    needs={
        "one class": regression(STAYS, "1/2", [[0], [1]], [[1]]),
        "looks ahead": regression(FUNNEL, 0, [[0], [1]], [[1]]),
    },
    proof="e^((1-γ)t) exp(-t(I - γP)) = exp(-tγ(I - P)). 0 is a semisimple eigenvalue of\n"
    "I - P, and its only one without positive real part; the projection on its kernel is 1π'.",
    remark="Periodic chains too: the limit is in continuous time.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    EQ_5,
    EQ_5_SQUARE,
    SQUARED_NORM,
    EQ_5_TRANSPOSED,
    EQ_6,
    FIXED_HEADS,
    FIXED_HEADS_SPAN,
    FIXED_HEADS_LIMIT,
    RATE,
    SPREAD,
    DIRECTION,
)
