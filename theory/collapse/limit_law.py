"""Where zero-reward TD with learned linear heads ends: the whole limit, not only whether at 0."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy.integrate import solve_ivp

from ref.checks import Array
from theory import checks
from theory.claim import Claim
from theory.collapse.flows import (
    ATOL,
    DISCOUNTED,
    GAMMAS_TO_1,
    INTEGRATED,
    ONE,
    RTOL,
    SIZES,
    STAY,
    Matrix,
    Regression,
    exact,
    regression,
    regressions,
    shaped,
    show,
)
from theory.collapse.learned_heads import learned_heads, weights_of_states


def split(d: Array) -> tuple[Array, Array]:
    """D_+ and D_-, both ≥ 0, with D = D_+ - D_- and D_+ D_- = 0."""
    values, vectors = np.linalg.eigh(d)
    up = (vectors * np.maximum(values, 0)) @ vectors.T
    return up, up - d


@dataclass(frozen=True)
class Pair:
    """Features (states, N) and heads (N, M)."""

    phi: Matrix
    w: Matrix

    def __post_init__(self) -> None:
        checks.matrix("phi", self.phi)
        checks.matrix("w", self.w, height=len(self.phi[0]))

    def __str__(self) -> str:
        return f"Φ = {show(self.phi)}, W = {show(self.w)}"

    def floats(self) -> tuple[Array, Array]:
        return np.asarray(self.phi, float), np.asarray(self.w, float)


def distance_slack(phi: Array, w: Array, d: Array) -> float:
    """|ΦW|² - |Φ'Φ - D_+|² (Frobenius)."""
    up, _ = split(d)
    return float(((phi @ w) ** 2).sum() - ((phi.T @ phi - up) ** 2).sum())


def pair_slack(p: Pair) -> float:
    phi, w = p.floats()
    return distance_slack(phi, w, phi.T @ phi - w @ w.T)


# Entries up to 3 in matrices of up to 3 rows: squared norms are below (3 * 27)² = 6561. LAPACK's
# eigenvalues of such matrices are within 40 eps ‖D‖, the rest are a few hundred roundings.
SPLIT_ERROR = 1e-9


def pairs(size: tuple[int, int, int]) -> SearchStrategy[Pair]:
    states, width, count = size
    numbers = states * width + width * count

    def build(entries: list[int]) -> Pair:
        cut = states * width
        return Pair(shaped(entries[:cut], width), shaped(entries[cut:], count))

    return st.lists(st.integers(-3, 3), min_size=numbers, max_size=numbers).map(build)


LIMIT_DISTANCE = Claim(
    id="collapse.limit-distance",
    source="new; the limit law, at any time",
    origin="ours",
    title="Features are as far from their limit as the outputs are large",
    statement="D = Φ'Φ - WW', D = D_+ - D_- its positive and negative part\n"
    "⇒  ‖Φ'Φ - D_+‖ ≤ ‖ΦW‖  (Frobenius), and the same for ‖WW' - D_-‖",
    given=(),
    instances=pairs,
    sizes=SIZES,
    verdict="holds",
    slack=pair_slack,
    error=SPLIT_ERROR,
    tight_at=Pair(((ONE,),), ((ONE,),)),
    proof="X = Φ'Φ - D_+ = WW' - D_-. ‖ΦW‖² = tr(Φ'Φ WW') = tr((D_+ + X)(D_- + X)) = tr X² + "
    "tr(D_+ X) + tr(D_- X), as D_+ D_- = 0. And tr(D_+ X) = tr(D_+ WW') ≥ 0, tr(D_- X) = "
    "tr(D_- Φ'Φ) ≥ 0: products of matrices ≥ 0.",
    remark="D never changes (collapse.conserved): so the end is known at the start.",
)


def follow(r: Regression) -> tuple[Array, Array, float]:
    """Phi_t, W_t and the integral of tr(Y'dY), in floats."""
    a, phi, w = (np.asarray(x, float) for x in (r.a(), r.phi, r.w))
    d, cut = np.asarray(weights_of_states(r), float)[:, None], phi.size

    def slope(_: float, state: Array) -> Array:
        phi_t, w_t = state[:cut].reshape(phi.shape), state[cut:-1].reshape(w.shape)
        y = phi_t @ w_t
        error = a @ y
        area = (d * y * y).sum()
        return np.concatenate([-(error @ w_t.T).ravel(), -(phi_t.T @ error).ravel(), [area]])

    start = np.concatenate([phi.ravel(), w.ravel(), [0.0]])
    end = solve_ivp(slope, (0, float(r.t)), start, method="DOP853", rtol=RTOL, atol=ATOL).y[:, -1]
    return end[:cut].reshape(phi.shape), end[cut:-1].reshape(w.shape), float(end[-1])


def obeys(r: Regression) -> bool:
    """At t: as near to the limit as the outputs are small; and their squares add up to a number.

    Where γ = 1 and nothing moves, what is away from the limit stays away.
    """
    phi, w = exact(r.phi), exact(r.w)
    at_rest = not any(move.any() for move in learned_heads(r))
    if at_rest and (phi @ w).any():
        return False
    if r.gamma == 1:
        return True
    phi_t, w_t, area = follow(r)
    balance = np.asarray(r.balance(), float)
    if distance_slack(phi_t, w_t, balance) < -INTEGRATED:
        return False
    d = np.asarray(weights_of_states(r), float)[:, None]
    fallen = (d * np.asarray(phi, float) ** 2).sum() - (d * phi_t**2).sum()
    return bool(fallen >= 2 * (1 - float(r.gamma) ** 0.5) * area - INTEGRATED)


def law_instances(size: tuple[int, int, int]) -> SearchStrategy[Regression]:
    return regressions(size, gammas=GAMMAS_TO_1)


LIMIT_LAW = Claim(
    id="collapse.limit-law",
    source="new; contains collapse.strong-heads and collapse.singular-values",
    origin="ours",
    title="The limit of zero-reward TD with learned linear heads",
    statement="R = 0, γ < 1, D = Φ_0'Φ_0 - W_0W_0'  ⇒  Φ_t'Φ_t → D_+ and W_tW_t' → D_-:\n"
    "‖Φ_t'Φ_t - D_+‖ ≤ ‖Φ_tW_t‖, and 2(1-√γ) ∫ tr(Y'dY) dt ≤ tr(Φ_0'dΦ_0), Y = ΦW",
    given=(DISCOUNTED,),
    then=obeys,
    instances=law_instances,
    sizes=SIZES,
    verdict="holds",
    needs={"discounted": regression(STAY, 1, [[1]], [[1]])},
    proof="collapse.limit-distance with the D of t = 0, by collapse.conserved. Its right side goes "
    "to 0: by collapse.never-grows tr(Φ'dΦ) falls at least at the rate 2(1-√γ) tr(Y'dY), so the "
    "integral of tr(Y'dY) is finite, and all is bounded, so Y is Lipschitz and tends to 0 "
    "(Barbalat).",
    remark="So the rank and the RMS scores that survive are those of D_+: c_j² = (D_+)_jj, and "
    "with M heads at most M directions die. Practice: a linear TD critic with fewer heads than "
    "features does not collapse; look for ReLU, biases and Adam.",
)


CLAIMS: tuple[Claim[Any], ...] = (LIMIT_DISTANCE, LIMIT_LAW)
