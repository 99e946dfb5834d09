"""Theorem 3: with classification the features do not follow the printed flow."""

from typing import Any

import numpy as np

from theory.claim import Assumption, Claim, vector
from theory.collapse.flows import (
    AFTER_8,
    DIRECT,
    DISCOUNTED,
    LOGITS,
    STAY,
    Classifier,
    classifier,
    classifiers,
    direct_or_not,
    discounted_classifiers,
    equal,
    exact,
    identity,
    kernel,
    outer_flows,
    predictions,
    printed_flow,
    semi_gradient,
    show,
    targets,
)


def theorem_3(c: Classifier) -> bool:
    return equal(semi_gradient(c), printed_flow(c))


def theorem_3_steps(c: Classifier) -> list[str]:
    phat = predictions(c)
    p = targets(c, phat)
    move_w, move_psi = semi_gradient(c)
    printed_w, printed_psi = printed_flow(c)
    return [
        f"p̂ = softmax(Ψ'W) = {show(phat)}",
        f"p = γ P p̂ = {show(p)}, rows sum to {vector(p.sum(axis=1))}",
        f"eq. (18), Σ_i ψ p_i (e_i - p̂)':    ∂W = {show(move_w)}",
        f"eq. (7),  Ψ (γP - I) p̂:            ∂W = {show(printed_w)}",
        f"eq. (19), Σ_i p_i (w^i - W p̂):     ∂Ψ = ln 2 · {show(move_psi)}",
        f"eq. (8),  W ((γP - I) p̂)':         ∂Ψ = ln 2 · {show(printed_psi)}",
    ]


THEOREM_3 = Claim(
    id="collapse.theorem-3",
    source="Neuron Dominance, Theorem 3, eqs. (7) and (8)",
    origin="printed",
    title="Cross-entropy flows by Ψ (γP - I) p̂",
    statement="∂W = Ψ (γP - I) p̂  and  ∂Ψ = W ((γP - I) p̂)',  p̂ = softmax(Ψ'W)\n"
    "for the semi-gradient of -Σ_i p_i log p̂_i with p = γPp̂",
    given=(DIRECT,),
    then=theorem_3,
    instances=direct_or_not,
    sizes=LOGITS,
    verdict="refuted",
    counterexample=classifier(STAY, "1/2", [[1]], [[0, 0]], (0, 1), "direct"),
    breaks="from (21) to (22): Σ_i p_i (e_i - p̂)' = p' - (Σ_i p_i) p̂', and Σ_i p_i is γ, not 1",
    repaired_by=("collapse.theorem-3-derived", "collapse.line-22"),
    steps=theorem_3_steps,
    remark="Lines (23) and (24) also lose α and β. With one logit it fails as well.",
)


def no_softmax_loss(c: Classifier) -> bool:
    """Logit gradients J'g, J = diag(phat) - phat phat', sum to 0; what (7) has instead does not.

    As the slope g of a loss in phat stand here the centres, which are any numbers.
    """
    phat = predictions(c)
    slopes = [np.diag(p) @ c.centres - p * (p @ exact(c.centres)) for p in phat]
    move = c.gamma * exact(c.transition) - identity(len(phat))
    printed = (move @ phat).sum(axis=1)
    return not any(slope.sum() for slope in slopes) and bool((printed == c.gamma - 1).all())


def no_softmax_loss_for_all_reals(bins: int) -> bool:
    import z3

    p, g = ([z3.Real(f"{name}{i}") for i in range(bins)] for name in "pg")
    mean = z3.Sum([x * y for x, y in zip(p, g, strict=True)])
    total = z3.Sum([x * (y - mean) for x, y in zip(p, g, strict=True)])
    solver = z3.Solver()
    solver.add(z3.Sum(p) == 1, total != 0)
    return bool(solver.check() == z3.unsat)


NO_SOFTMAX_LOSS = Claim(
    id="collapse.no-softmax-loss",
    source="on Neuron Dominance, eq. (7)",
    origin="ours",
    title="Eq. (7) descends no loss of a softmax",
    statement="gradients of f(softmax(l)) in the logits sum to 0 over the bins, for any f\n"
    "(γP - I) p̂ sums to γ - 1",
    given=(),
    then=no_softmax_loss,
    instances=classifiers,
    sizes=LOGITS,
    verdict="holds",
    proof="softmax does not change if all logits rise by the same. And P1 = 1, p̂1 = 1.",
    proved=no_softmax_loss_for_all_reals,
    proved_at=(2, 3, 4),
    proved_size="G",
)


def mass_one(c: Classifier) -> bool:
    return bool((targets(c, predictions(c)).sum(axis=1) == 1).all())


MASS = Assumption("mass 1", "Σ_i p_i(x) = 1 for every x", mass_one, False)


def line_22(c: Classifier) -> bool:
    """Psi (p - phat) and W (p - phat)', as line (22) has them."""
    phat = predictions(c)
    return equal(semi_gradient(c), outer_flows(c, targets(c, phat) - phat))


LINE_22 = Claim(
    id="collapse.line-22",
    source="Neuron Dominance, Appendix A.3, line (22)",
    origin="printed",
    title="The flow is Ψ (p - p̂) for targets of mass 1",
    statement="Σ_i p_i(x) = 1 for every x  ⇒  ∂W = Ψ (p - p̂),  ∂Ψ = W (p - p̂)'",
    given=(MASS,),
    then=line_22,
    instances=discounted_classifiers,
    sizes=LOGITS,
    verdict="holds if",
    needs={"mass 1": classifier(STAY, "1/2", [[1]], [[0, 0]], (0, 1), "direct")},
    proof="Σ_i p_i (e_i - p̂)' = p' - (Σ_i p_i) p̂' = (p - p̂)'.",
)


def theorem_3_derived(c: Classifier) -> bool:
    """gamma Psi (P - I) phat and gamma W ((P - I) phat)'."""
    move = c.gamma * (exact(c.transition) - identity(len(c.transition)))
    return equal(semi_gradient(c), outer_flows(c, move @ predictions(c)))


THEOREM_3_DERIVED = Claim(
    id="collapse.theorem-3-derived",
    source="repairs collapse.theorem-3",
    origin="ours",
    title="With p = γPp̂ the flow is γ Ψ (P - I) p̂",
    statement="p = γPp̂  ⇒  ∂W = γ Ψ (P - I) p̂,  ∂Ψ = γ W ((P - I) p̂)'",
    given=(DIRECT,),
    then=theorem_3_derived,
    instances=direct_or_not,
    sizes=LOGITS,
    verdict="holds",
    needs={"p = γPp̂": classifier(STAY, "1/2", [[1]], [[0, 0]], (0, 1), "two-hot")},
    proof="p' - (Σ_i p_i) p̂' = γ (Pp̂)' - γ p̂', as P1 = 1 makes Σ_i p_i = γ.",
    remark="γ only changes the speed: this flow is a consensus of the states' p̂.",
)


def error_sums_cancel(c: Classifier) -> bool:
    """d(Psi Psi') = d(W W'), both by ln 2: the law of `conserved`, for cross-entropy."""
    move_w, move_psi = semi_gradient(c)
    rise, other = move_psi @ exact(c.psi).T, move_w @ exact(c.w).T
    return not (rise + rise.T - other - other.T).any()


CONSERVED_CLASSIFICATION = Claim(
    id="collapse.conserved-classification",
    source="beyond Theorem 3",
    origin="ours",
    title="Learning changes ΨΨ' and WW' alike under cross-entropy",
    statement="D = Ψ_t Ψ_t' - W_t W_t' is constant, for all targets",
    given=(),
    then=error_sums_cancel,
    instances=classifiers,
    sizes=LOGITS,
    verdict="holds",
    proof="As collapse.conserved, which asks nothing of the error: here it is p̂ Σ_i p_i - p.",
)


def full_rank(c: Classifier) -> bool:
    move = c.gamma * exact(c.transition) - identity(len(c.transition))
    return not kernel(move)


FULL_RANK = Claim(
    id="collapse.full-rank",
    source=AFTER_8,
    origin="printed",
    title="γP - I is of full rank",
    statement="γ < 1  ⇒  (γP - I) v = 0 only for v = 0",
    given=(DISCOUNTED,),
    then=full_rank,
    instances=classifiers,
    sizes=LOGITS,
    verdict="holds",
    needs={"discounted": classifier(STAY, 1, [[0]], [[0, 0]], (0, 1), "direct")},
    proof="v = γPv gives max|v| ≤ γ max|v|, so v = 0.",
    remark="But ((γP - I) p̂)' is multiplied by W, which is not of full rank: G > N, or W1 = 0.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    THEOREM_3,
    NO_SOFTMAX_LOSS,
    LINE_22,
    THEOREM_3_DERIVED,
    CONSERVED_CLASSIFICATION,
    FULL_RANK,
)
