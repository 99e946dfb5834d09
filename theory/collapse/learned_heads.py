"""Regression with learned heads: what is conserved, what may collapse."""

import math
from functools import partial
from typing import Any

import numpy as np

from ref.checks import Array
from theory.claim import Assumption, Claim
from theory.collapse.flows import (
    AFTER_6,
    BALANCED_SIZES,
    DISCOUNTED,
    GAMMAS_TO_1,
    INTEGRATED,
    SIZES,
    STAY,
    STAYS,
    Regression,
    exact,
    integrate,
    kernel,
    positive,
    regression,
    regressions,
    show,
)


def value_not_zero(r: Regression) -> bool:
    return bool((exact(r.phi) @ exact(r.w)).any())


def may_collapse(r: Regression) -> bool:
    """D <= 0, exactly. If Phi_t -> 0 then v'Dv = lim |Phi_t v|^2 - |W_t'v|^2 <= 0 for every v."""
    return positive(-r.balance())


def learned_steps(r: Regression) -> list[str]:
    d = r.balance()
    return [
        f"Φ'Φ - WW' = {show(d)} at t = 0",
        "∂(Φ'Φ) = -(W E'Φ + Φ'E W') = ∂(WW') for any error E: the difference never changes",
        "so Φ_t'Φ_t = D + W_t W_t' ≥ D, and if Φ_t went to 0 then D ≤ 0; but",
        *[f"D_{i + 1}{i + 1} = {d[i, i]} > 0, so |Φ_t e_{i + 1}|² ≥ {d[i, i]} for ever"
          for i in range(len(d)) if d[i, i] > 0],
    ]  # fmt: skip


VALUE = Assumption("values are not 0", "Φ_0 W_0 ≠ 0: there is something to learn", value_not_zero)


LEARNED_HEADS = Claim(
    id="collapse.learned-heads",
    source=AFTER_6,
    origin="reading",
    title="In a value network, zero reward collapses the features",
    statement="R = 0, Φ and W learned, Φ_0 W_0 ≠ 0  ⇒  Φ_t → 0",
    given=(VALUE,),
    then=may_collapse,
    instances=regressions,
    sizes=SIZES,
    verdict="refuted",
    counterexample=regression(STAY, "1/2", [[2]], [[1]]),
    breaks="the heads of eqs. (5) and (6) never learn; a head that learns goes to 0 itself",
    repaired_by=("collapse.strong-heads", "collapse.weak-heads", "collapse.singular-values"),
    steps=learned_steps,
)


regressions_to_1 = partial(regressions, gammas=GAMMAS_TO_1)


def learned_heads(r: Regression) -> tuple[Array, Array]:
    """The semi-gradient flow of Phi and of W, whose error is E = A Phi W."""
    phi, w = exact(r.phi), exact(r.w)
    error = r.a() @ phi @ w
    return -error @ w.T, -phi.T @ error


def conserved(r: Regression) -> bool:
    phi, w = exact(r.phi), exact(r.w)
    move_phi, move_w = learned_heads(r)
    for alpha, beta in ((1, 1), (2, 3)):
        rise, other = beta * (alpha * move_phi).T @ phi, alpha * (beta * move_w) @ w.T
        if (rise + rise.T - other - other.T).any():
            return False
    return True


def conserved_for_all_reals(size: int) -> bool:
    """With any error signal E, for `size` states, features and heads."""
    import z3

    def matrix(name: str) -> Any:
        return np.array([[z3.Real(f"{name}{i}{j}") for j in range(size)] for i in range(size)])

    phi, w, error = matrix("phi"), matrix("w"), matrix("e")
    rise, other = (-error @ w.T).T @ phi, (-phi.T @ error) @ w.T
    drift = rise + rise.T - other - other.T
    solver = z3.Solver()
    solver.add(z3.Or([z3.simplify(x, som=True) != 0 for x in drift.ravel()]))
    return bool(solver.check() == z3.unsat)


CONSERVED = Claim(
    id="collapse.conserved",
    source="beyond eq. (6)",
    origin="ours",
    title="Learning changes Φ'Φ and WW' alike",
    statement="D = Φ_t'Φ_t - W_t W_t' is constant, for every error signal E\n"
    "(if Φ learns at the rate α and W at the rate β: β Φ'Φ - α W W')",
    given=(),
    then=conserved,
    instances=regressions_to_1,
    sizes=SIZES,
    verdict="holds",
    proof="∂Φ = -E W', ∂W = -Φ'E  ⇒  ∂(Φ'Φ) = -(W E'Φ + Φ'E W') = ∂(WW').",
    proved=conserved_for_all_reals,
    proved_at=(1, 2, 3),
    proved_size="states, features and heads",
)


def singular_slack(r: Regression) -> float:
    """Of sigma_i(Phi_t)^2 >= sigma_(i + M)(Phi_0)^2, the least over i; infinite without an i."""

    def squares(phi: Array) -> Array:
        return np.asarray(np.linalg.eigvalsh(phi.T @ phi)[::-1])

    now, start = squares(integrate(r, learned=True)[0]), squares(np.asarray(r.phi, float))
    count = len(r.w[0])
    return float(np.min(now[: len(start[count:])] - start[count:], initial=math.inf))


SINGULAR_VALUES = Claim(
    id="collapse.singular-values",
    source="repairs collapse.learned-heads",
    origin="ours",
    title="M learned heads leave all but M directions alive",
    statement="σ_i(Φ_t) ≥ σ_{i+M}(Φ_0)  for all t and i, with M learned heads",
    given=(),
    instances=regressions,
    sizes=SIZES,
    verdict="holds",
    slack=singular_slack,
    error=INTEGRATED,
    tight_at=regression(STAYS, "1/2", STAYS, [[1], [0]]),
    proof="Φ_t'Φ_t = D + W_t W_t' ≥ D = Φ_0'Φ_0 - W_0 W_0', and W_0 W_0' has rank ≤ M:\n"
    "by Weyl λ_i(D) ≥ λ_{i+M}(Φ_0'Φ_0).",
    remark="With one head and two independent features there is no collapse, ever, and under\n"
    "any loss: the smallest case is Φ_0 = I, w = (1, 0), of which column 2 stays (0, 1).",
)


def weights_of_states(r: Regression) -> Array:
    """d' = (1 - gamma) u' (I - gamma P)^-1, u uniform: where a discounted walk is, exactly."""
    states = len(r.phi)
    start = exact([(1 - r.gamma) / states] * states)
    found = kernel(np.column_stack([r.a().T, -start]))[0]
    return np.asarray(found[:-1] / found[-1])


def norm_never_grows(r: Regression) -> bool:
    """-dV/dt / 2 = tr(Y'dAY) >= (1 - sqrt gamma) tr(Y'dY) >= 0 with Y = Phi W, exactly."""
    if r.gamma == 1:
        return False  # d is 0/0
    d, y = weights_of_states(r), exact(r.phi) @ exact(r.w)
    move, _ = learned_heads(r)
    falls = -(d[:, None] * exact(r.phi) * move).sum()
    whole = (d[:, None] * y * y).sum()
    gap = whole - falls  # falls >= (1 - sqrt gamma) whole  iff  gap <= sqrt(gamma) whole
    return bool(gap <= 0 or gap * gap <= r.gamma * whole * whole)


def never_grows_for_all_reals(states: int) -> bool:
    """For each head: γ y'dPy ≤ √γ y'dy, if γ d'P ≤ d' and P is a stochastic matrix."""
    import z3

    p = [[z3.Real(f"p{i}{j}") for j in range(states)] for i in range(states)]
    d, y, root = z3.RealVector("d", states), z3.RealVector("y", states), z3.Real("root")
    each = range(states)
    solver = z3.Solver()
    solver.add(root > 0, root < 1, *(x >= 0 for x in d), *(x >= 0 for line in p for x in line))
    solver.add(*(z3.Sum(line) == 1 for line in p))
    solver.add(*(root * root * z3.Sum([d[i] * p[i][j] for i in each]) <= d[j] for j in each))
    ahead = z3.Sum([d[i] * y[i] * p[i][j] * y[j] for i in each for j in each])
    solver.add(root * ahead > z3.Sum([d[i] * y[i] * y[i] for i in each]))
    return bool(solver.check() == z3.unsat)


NEVER_GROWS = Claim(
    id="collapse.never-grows",
    source="beyond eq. (6)",
    origin="ours",
    title="Without reward learned features never grow in one norm",
    statement="γ < 1, d' = (1-γ) u'(I - γP)^-1, Y = ΦW, V = tr(Φ'dΦ)\n"
    "⇒  -∂V/2 = tr(Y'd(I - γP)Y) ≥ (1 - √γ) tr(Y'dY) ≥ 0",
    given=(DISCOUNTED,),
    then=norm_never_grows,
    instances=regressions,
    sizes=SIZES,
    verdict="holds",
    needs={"discounted": regression(STAY, 1, [[1]], [[1]])},
    undefined=("discounted",),
    proof="d'P ≤ d'/γ, so |Py|_d² ≤ Σ_x d_x Σ_z P_xz y_z² ≤ |y|_d²/γ:\nγ <y, Py>_d ≤ √γ |y|_d².",
    remark="So semi-gradient TD with a learned linear head cannot diverge on free features.",
    proved=never_grows_for_all_reals,
    proved_at=(1, 2),
    proved_size="states",
)


strong_or_not = partial(
    regressions, gammas=GAMMAS_TO_1, kinds=("any", "balanced", "strong", "strong")
)


def strong_slack(r: Regression) -> float:
    """Of V_t <= V_0 / (1 + 2 (1 - sqrt gamma) V_0 t / (min(N, states) max d))."""
    if r.gamma == 1:
        return math.nan  # d is 0/0, and with one state Φ rests
    d = np.asarray(weights_of_states(r), float)[:, None]
    start = float((d * np.asarray(r.phi, float) ** 2).sum())
    rate = 2 * (1 - math.sqrt(r.gamma)) / (min(len(r.phi), len(r.w)) * d.max())
    now, _ = integrate(r, learned=True)
    return float(start / (1 + rate * start * float(r.t)) - (d * now**2).sum())


STRONG = Assumption("strong heads", "Φ_0'Φ_0 ≤ W_0 W_0' (as matrices)", may_collapse, False)


STRONG_HEADS = Claim(
    id="collapse.strong-heads",
    source="repairs collapse.learned-heads",
    origin="ours",
    title="Learned heads collapse the features iff they start stronger",
    statement="γ < 1, Φ_0'Φ_0 ≤ W_0 W_0'  ⇒  V_t ≤ V_0 / (1 + 2(1-√γ) V_0 t / (r max d)) → 0\n"
    "V = tr(Φ'dΦ), d' = (1-γ) u'(I - γP)^-1, r = min(N, |X|)",
    given=(DISCOUNTED, STRONG),
    instances=strong_or_not,
    sizes=BALANCED_SIZES,
    verdict="holds if",
    needs={
        "discounted": regression(STAY, 1, [[1]], [[1]]),
        "strong heads": regression(STAY, 0, [[2]], [[1]]),
    },
    undefined=("discounted",),
    slack=strong_slack,
    error=INTEGRATED,
    tight_at=regression(STAY, 0, [[1]], [[1]]),
    proof="WW' = Φ'Φ - D ≥ Φ'Φ, so -∂V/2 ≥ (1-√γ) tr(Φ'dΦ WW') ≥ (1-√γ) tr(Φ'dΦ Φ'Φ)\n"
    "≥ (1-√γ) tr((Φ'dΦ)²) / max d ≥ (1-√γ) V² / (r max d); integrate.",
    remark="Φ'Φ ≤ WW' needs at least rank Φ heads. What keeps features alive is this balance\n"
    "at the start, and not the loss. Without it they never vanish (collapse.weak-heads).",
)


def weak_slack(r: Regression) -> float:
    """The least eigenvalue of Φ_t'Φ_t - D."""
    phi, _ = integrate(r, learned=True)
    return float(np.linalg.eigvalsh(phi.T @ phi - np.asarray(r.balance(), float))[0])


WEAK_HEADS = Claim(
    id="collapse.weak-heads",
    source="repairs collapse.learned-heads; the converse of collapse.strong-heads",
    origin="ours",
    title="Where learned heads start weaker, features never vanish",
    statement="D = Φ_0'Φ_0 - W_0W_0'  ⇒  Φ_t'Φ_t ≥ D (as matrices) for all t:\n"
    "|Φ_t v|² ≥ v'Dv for ever, so Φ_t → 0 only if D ≤ 0",
    given=(),
    instances=strong_or_not,
    sizes=BALANCED_SIZES,
    verdict="holds",
    slack=weak_slack,
    error=INTEGRATED,
    tight_at=regression(STAY, 0, [[1]], [[0]]),
    proof="By collapse.conserved Φ_t'Φ_t - D = W_tW_t', which is not negative.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    LEARNED_HEADS,
    CONSERVED,
    SINGULAR_VALUES,
    NEVER_GROWS,
    STRONG_HEADS,
    WEAK_HEADS,
)
