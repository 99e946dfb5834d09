"""Where the corrected Theorem 3 ends: collapse that cross-entropy does not prevent."""

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import Array
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.collapse.flows import (
    CONSTANT,
    GAMMAS,
    HALF,
    LOGITS,
    ONE,
    STAY,
    STAYS,
    ZERO,
    Classifier,
    Matrix,
    Row,
    classifier,
    classifiers,
    discounted_classifiers,
    equal,
    exact,
    features_constant,
    identity,
    integers,
    positive,
    predictions,
    relu,
    row,
    rows,
    semi_gradient,
    shaped,
    show,
    softmax,
    supports,
    target_at_collapse,
    two_hot,
    uniform,
)


def state_constant_move(c: Classifier) -> bool:
    move = semi_gradient(c)[1]
    return bool((move == move[:, :1]).all())


STAYS_RANK_ONE = Claim(
    id="collapse.stays-rank-one",
    source="limit of the corrected Theorem 3",
    origin="ours",
    title="State-constant features stay so: no escape from rank one",
    statement="Ψ = ψ 1'  ⇒  ∂Ψ = (the same for all states), for all targets",
    given=(CONSTANT,),
    then=state_constant_move,
    instances=classifiers,
    sizes=LOGITS,
    verdict="holds",
    needs={"state-constant": classifier(STAYS, "1/2", [[0, 1]], [[0, 1]], (0, 1), "two-hot")},
    proof="All rows of p̂ are equal, and so those of Pp̂ and of p; ∂Ψ = W (..)' has equal ones.",
    remark="From Ψ = 0 cross-entropy may escape, but only to features of rank one, for ever.",
)


def full_rank_lost(c: Classifier) -> bool:
    """Psi Psi' - W W' > 0 fails; where it holds, Psi_t Psi_t' is at least that for ever.

    W W' is (ln 2)^2 w w' <= w w' / 2, so that the test below is exact and never says False wrongly.
    """
    psi, w = exact(c.psi), exact(c.w)
    return not positive(psi @ psi.T - w @ w.T / 2, strictly=True)


def wide(c: Classifier) -> bool:
    return len(c.psi) > 1


def rank_steps(c: Classifier) -> list[str]:
    psi, w = exact(c.psi), exact(c.w)
    return [
        f"ΨΨ' = {show(psi @ psi.T)}, WW' = (ln 2)² · {show(w @ w.T)}, and (ln 2)² < 1/2",
        "∂(ΨΨ') = ∂(WW') = W E'Ψ' + Ψ E W' for any error E = p - p̂: D = ΨΨ' - WW' never changes",
        f"D ≥ {show(psi @ psi.T - w @ w.T / 2)} > 0, so Ψ_t Ψ_t' = D + W_t W_t' > 0 for ever",
        "ψ 1' has rank 1, so Ψ_t keeps a distance from all of these",
    ]


WIDE = Assumption("wide", "N ≥ 2", wide)


ENDS_STATE_CONSTANT = Claim(
    id="collapse.ends-state-constant",
    source="beyond Theorem 3",
    origin="ours",
    title="Without reward cross-entropy makes features state-constant",
    statement="R = 0, N ≥ 2  ⇒  Ψ_t tends to matrices ψ 1', as p̂ does to 1 p'",
    given=(WIDE,),
    then=full_rank_lost,
    instances=discounted_classifiers,
    sizes=LOGITS,
    verdict="refuted",
    counterexample=classifier(STAYS, "1/2", STAYS, [[0, 0], [0, 0]], (0, 1), "direct"),
    breaks="that predictions agree says nothing on features that W does not read",
    repaired_by=("collapse.state-constant",),
    steps=rank_steps,
)


strong_weights_or_not = partial(classifiers, features=("constant", "any"), scale=2)


def predictions_agree(c: Classifier) -> bool:
    phat = predictions(c)
    return bool((phat == phat[0]).all())


def weights_strong(c: Classifier) -> bool:
    """Psi Psi' <= (W - wbar 1') (W - wbar 1')', in fact <= 12/25 of it by (ln 2)^2 > 12/25."""
    psi, w = exact(c.psi), exact(c.w)
    centred = w - w.sum(axis=1, keepdims=True) / Fraction(len(c.centres))
    return positive(centred @ centred.T * Fraction(12, 25) - psi @ psi.T)


AGREE = Assumption("predictions agree", "p̂(x) is the same for all x", predictions_agree)
STRONG_W = Assumption(
    "strong weights", "ΨΨ' ≤ (W - w̄1')(W - w̄1')', which no training changes", weights_strong
)


STATE_CONSTANT = Claim(
    id="collapse.state-constant",
    source="repairs collapse.ends-state-constant",
    origin="ours",
    title="Once predictions agree, features that started weaker are equal",
    statement="p̂ equal for all states, ΨΨ' ≤ MM' with M = W - w̄1'  ⇒  Ψ = ψ 1'\n"
    "ΨΨ' - MM' never changes, so the start decides",
    given=(AGREE, STRONG_W),
    then=features_constant,
    instances=strong_weights_or_not,
    sizes=LOGITS,
    verdict="holds",
    needs={
        "predictions agree": classifier(STAYS, "1/2", [[0, 1]], [[2, -2]], (0, 1), "direct"),
        "strong weights": classifier(STAYS, "1/2", [[0, 1]], [[0, 0]], (0, 1), "direct"),
    },
    proof="W1 never changes, as E1 = 0; so D = ΨΨ' - MM' is conserved like ΨΨ' - WW'. Let C\n"
    "= I - 11'/|X|. p̂ agrees: CΨ'M = 0, so CΨ'DΨC = C(Ψ'Ψ)²C ≥ 0; and D ≤ 0: it is 0: ΨC = 0.",
)


def target_not_uniform(c: Classifier) -> bool:
    return bool((target_at_collapse(c) != uniform(c)).any())


PUSH = Assumption("p* ≠ u", "the target at collapse is not uniform", target_not_uniform)


def linear_part(c: Classifier, psi: Array, w: Array) -> tuple[Array, Array]:
    """Of the flow (dPsi, dW) at Psi = 0, W = 0: (W q 1', Psi 1 q') with q = p* - u."""
    q = target_at_collapse(c) - uniform(c)
    ones = exact([ONE] * psi.shape[1])
    return np.outer(w @ q, ones), np.outer(psi @ ones, q)


def saddle(c: Classifier) -> bool:
    """On (v 1', v q') the square of the linear part is states |q|^2 > 0, for every v."""
    q = target_at_collapse(c) - uniform(c)
    square = len(c.transition) * (q @ q)
    for v in identity(len(c.psi)):
        start = np.outer(v, exact([ONE] * len(c.transition))), np.outer(v, q)
        twice = linear_part(c, *linear_part(c, *start))
        if not (square > 0 and equal(twice, (square * start[0], square * start[1]))):
            return False
    return True


SADDLE = Claim(
    id="collapse.saddle",
    source="limit of the corrected Theorem 3",
    origin="ours",
    title="Ψ = 0, W = 0 is a saddle that both can leave",
    statement="p* ≠ u  ⇒  at Ψ = 0, W = 0 (a fixed point) the linear part\n"
    "L(Ψ, W) = (Wq1', Ψ1q'), q = p* - u, has the eigenvalue √|X| |q| > 0 with multiplicity N",
    given=(PUSH,),
    then=saddle,
    instances=discounted_classifiers,
    sizes=LOGITS,
    verdict="holds",
    needs={"p* ≠ u": classifier(STAY, "1/2", [[0]], [[0, 0]], ("-1/2", "1/2"), "two-hot")},
    proof="p and p̂ there are p* and u up to terms of second order in (Ψ, W). L²(v1', vq') =\n"
    "|X||q|² (v1', vq') for every v; so (√|X| |q|) (v1', ..) + L(..) is an eigenvector.",
    remark="With MSE and R = 0 it is a degenerate minimum instead.",
)


@dataclass(frozen=True)
class Head:
    """Pre-activations z (states, N) of a ReLU layer; logits relu(z) W + c, where W = ln 2 w and
    c = ln 2 bias; two-hot targets on `centres`, and every state goes to itself."""

    z: Matrix
    w: Matrix
    bias: Row
    centres: Row
    gamma: Fraction

    def __post_init__(self) -> None:
        checks.matrix("z", self.z)
        checks.matrix("w", self.w, len(self.z[0]), len(self.centres))
        checks.row("bias", self.bias, len(self.centres))
        checks.increasing("centres", self.centres)
        checks.between("gamma", self.gamma, 0, 1)

    def __str__(self) -> str:
        return (
            f"z = {show(self.z)}, W = ln 2 · {show(self.w)}, c = ln 2 · {vector(self.bias)}, "
            f"bins at {vector(self.centres)}, γ = {self.gamma}"
        )


def dead_or_alive(size: tuple[int, int, int]) -> SearchStrategy[Head]:
    """Of a size (states, N, G); mostly z <= 0, and often bins and a bias that fit each other."""
    states, width, bins = size
    end = width * states
    last = end + width * bins

    def build(drawn: tuple[int, int, int, list[int]]) -> Head:
        kind, support, gamma, numbers = drawn
        z = np.array(numbers[:end]).reshape(states, width)
        fits = kind < 2 and bins == 2
        return Head(
            rows(z if kind == 3 else -np.abs(z)),
            shaped(numbers[end:last], bins),
            # two-hot of 0 on (-1, 2) is (2/3, 1/3) = softmax(ln 2 (1, 0))
            (ONE, ZERO) if fits else tuple(map(Fraction, numbers[last : last + bins])),
            (-ONE, Fraction(2)) if fits else supports(bins, support, numbers[last + bins :]),
            GAMMAS[gamma],
        )

    few = st.integers(0, 3)
    return st.tuples(few, few, few, integers(last + 2 * bins)).map(build)


def head_errors(h: Head) -> tuple[Array, Array]:
    """p - phat of cross-entropy, and (gamma - 1) logits / ln 2 of regression, (states, G)."""
    logits = relu(exact(h.z)) @ exact(h.w) + exact(h.bias)
    phat = softmax(logits)
    target = exact([two_hot(h.centres, h.gamma * v) for v in phat @ exact(h.centres)])
    return np.asarray(target - phat), np.asarray((h.gamma - 1) * logits)


def head_moves(h: Head, error: Array) -> tuple[Array, Array, Array]:
    """Of z, W and c: (error W') where z > 0, relu(z)'error, and the states' sum of the error."""
    z = exact(h.z)
    gate = (z > 0).astype(int)
    return (error @ exact(h.w).T) * gate, relu(z).T @ error, error.sum(axis=0)


def layer_dead(h: Head) -> bool:
    return bool((exact(h.z) <= 0).all())


def stays_dead(h: Head) -> bool:
    moved = [head_moves(h, error)[:2] for error in head_errors(h)]
    return not any(move.any() for pair in moved for move in pair)


DEAD = Assumption("saturated", "z ≤ 0 for all states and neurons", layer_dead)


DEAD_LAYER = Claim(
    id="collapse.dead-layer",
    source="limit of the corrected Theorem 3",
    origin="ours",
    title="A saturated layer is as dead under cross-entropy as under MSE",
    statement="z ≤ 0 for all states  ⇒  ∂z = 0 and ∂W = 0, with cross-entropy and with MSE:\n"
    "only the output bias moves (ReLU with relu'(0) = 0)",
    given=(DEAD,),
    then=stays_dead,
    instances=dead_or_alive,
    sizes=LOGITS,
    verdict="holds",
    needs={"saturated": Head(((ONE,),), ((ZERO, ZERO),), row(0, 0), row(0, 1), HALF)},
    proof="∂W = relu(z)'E = 0, and ∂z = (E W') where z > 0: nowhere. E is any error.",
    remark="So Theorem 3, of free features, does not speak of what section 3.1 observes.",
)


def bias_fits(h: Head) -> bool:
    phat = softmax([h.bias])[0]
    return two_hot(h.centres, h.gamma * (phat @ exact(h.centres))) == list(phat)


def rests_at_target(h: Head) -> bool:
    """Nothing moves, and p̂ = p in every state."""
    error = head_errors(h)[0]
    return not error.any() and not any(move.any() for move in head_moves(h, error))


FITS = Assumption("bias fits", "softmax(c) is the target of its own value", bias_fits, False)


OUTPUT_BIAS = Claim(
    id="collapse.output-bias",
    source="limit of the corrected Theorem 3",
    origin="ours",
    title="With an output bias, collapse may be an exact optimum",
    statement="z ≤ 0, and softmax(c) = the target of its own value\n"
    "⇒  nothing moves, W, z or c, and p̂ = p: the loss is the target's entropy, the least there is",
    given=(DEAD, FITS),
    then=rests_at_target,
    instances=dead_or_alive,
    sizes=((1, 1, 2), (2, 1, 2), (2, 2, 2)),
    verdict="holds if",
    needs={
        "saturated": Head(((ONE,),), ((ONE, ZERO),), row(0, 0), row("-1/2", "1/2"), HALF),
        "bias fits": Head(((ZERO,),), ((ZERO, ZERO),), row(0, 0), row(0, 1), HALF),
    },
    proof="p̂ = softmax(c) = p for all states: the error is 0. -Σ p ln q ≥ -Σ p ln p for every "
    "prediction q, as ln x ≤ x - 1 at x = q/p.",
    remark="Two-hot on (-1, 2): p = (2/3, 1/3), c = ln 2 (1, 0). For HL-Gauss such a c always\n"
    "exists, as all of its masses are above 0.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    STAYS_RANK_ONE,
    ENDS_STATE_CONSTANT,
    STATE_CONSTANT,
    SADDLE,
    DEAD_LAYER,
    OUTPUT_BIAS,
)
