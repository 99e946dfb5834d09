"""The value interval of footnote 5, eqs. (18) to (21) and what follows them, and many heads."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import autograd as ag
from ref import losses
from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.collapse.flows import (
    LOGITS,
    ONE,
    STAY,
    ZERO,
    Classifier,
    classifier,
    classifiers,
    equal,
    exact,
    identity,
    predictions,
    semi_gradient,
    targets,
)

# --------------------------------------------------------------------------- the value interval

FOOTNOTE = "Neuron Dominance, footnote 5"
STEPS = 1000  # control steps of an episode of DM-Control


@dataclass(frozen=True)
class Episode:
    """1000 control steps of reward r each, `repeat` of them under one action; an entropy bonus.

    The agent's value discounts by γ an action, and adds `bonus` (-α log π) at each.
    """

    reward: Fraction
    repeat: int
    gamma: Fraction = Fraction(99, 100)
    bonus: Fraction = ZERO

    def __post_init__(self) -> None:
        checks.between("repeat", self.repeat, 1, STEPS)
        checks.below_one("gamma", self.gamma)

    def __str__(self) -> str:
        bonus = f", -α log π = {self.bonus}" if self.bonus else ""
        return (
            f"reward {self.reward} a control step, action repeat {self.repeat}, γ = {self.gamma}"
            + (bonus)
        )

    def value(self) -> Fraction:
        count = STEPS // self.repeat
        return (self.repeat * self.reward + self.bonus) * (1 - self.gamma**count) / (1 - self.gamma)


def unit_reward(e: Episode) -> bool:
    return 0 <= e.reward <= 1


def papers_gamma(e: Episode) -> bool:
    return e.gamma == Fraction(99, 100)


def no_bonus(e: Episode) -> bool:
    return e.bonus == 0


def from_0_to_100(e: Episode) -> bool:
    return 0 <= e.value() <= 100


def within_repeat(e: Episode) -> bool:
    return 0 <= e.value() <= e.repeat / (1 - e.gamma)


def episodes(size: int) -> SearchStrategy[Episode]:
    return st.builds(
        lambda reward, repeat, gamma, bonus: Episode(
            Fraction(reward, 4), repeat, (Fraction(99, 100), Fraction(1, 2))[gamma], Fraction(bonus)
        ),
        st.integers(0, 5),
        st.sampled_from((1, 2, 4, 8)[:size]),
        st.integers(0, 1),
        st.sampled_from((0, 0, 0, 0, -1, 2)),
    )


UNIT = Assumption("unit reward", "0 ≤ reward ≤ 1 at each control step", unit_reward)
PAPERS = Assumption("γ", "γ = 0.99", papers_gamma)
HARD = Assumption("no entropy", "no entropy bonus in the values", no_bonus, said=False)


def episode_steps(e: Episode) -> list[str]:
    actions, each = STEPS // e.repeat, e.repeat * e.reward + e.bonus
    return [
        f"{STEPS} control steps are {actions} actions, each of {e.repeat}: γ counts actions",
        f"an action brings {e.repeat}·{e.reward} + {e.bonus} = {each}",
        f"V = Σ_(t<{actions}) {e.gamma}^t · {each} = {float(e.value()):.4f}, not within [0, 100]",
    ]


VALUE_INTERVAL = Claim(
    id="collapse.value-interval",
    source=f"{FOOTNOTE} ('exactly the ground-truth value interval for all DM-Control tasks')",
    origin="printed",
    title="Values of DM-Control lie in [0, 100]",
    statement="rewards in [0, 1], 1000 steps, γ = 0.99  ⇒  0 ≤ V ≤ Σ_{t<1000} γ^t ≤ 100",
    given=(UNIT, PAPERS, HARD),
    then=from_0_to_100,
    instances=episodes,
    sizes=(1, 2, 3, 4),
    verdict="refuted",
    counterexample=Episode(ONE, 2),
    breaks="DrQ repeats an action (2 to 8 times) and adds the rewards: γ discounts actions, so a "
    "reward of 1 a step is worth up to repeat/(1-γ): 199 with 2, 800 with 8.",
    steps=episode_steps,
    repaired_by=("collapse.value-interval-repeat",),
    remark="At action repeat 1 it is true: 99.9957. Cheetah-run, which the footnote's paragraph "
    "says wants 1000, has repeat 4.",
)


VALUE_INTERVAL_REPEAT = Claim(
    id="collapse.value-interval-repeat",
    source="repairs collapse.value-interval",
    origin="ours",
    title="With action repeat k they lie in [0, k/(1-γ)]",
    statement="rewards in [0, 1], action repeat k, γ < 1, no entropy  ⇒  0 ≤ V ≤ k/(1-γ)",
    given=(UNIT, HARD),
    then=within_repeat,
    instances=lambda size: st.builds(
        lambda e, extra: Episode(e.reward * extra, e.repeat, e.gamma, e.bonus),
        episodes(4),
        st.integers(1, 12).map(lambda k: Fraction(k, 10)),
    ),
    sizes=(1, 2),
    verdict="holds if",
    needs={
        "unit reward": Episode(Fraction(-1), 1),
        "no entropy": Episode(ZERO, 1, bonus=Fraction(-1)),
    },
    proof="Each action brings between 0 and k, and Σ γ^t ≤ 1/(1-γ).",
    remark="Soft values are not in it: with a density π > 1 at the action the bonus -α log π is "
    "below 0, and so are values at a reward of 0. Practice: set HL-Gauss's interval by the repeat.",
)

# ------------------------------------------------------------------------------ eqs. (18) to (21)


def derivative_error(c: Classifier, p: Any) -> float:
    """Sums of fewer than 1000 products of an entry and a mass, and p̂ errs by eps times a logit."""
    psi, w = exact(c.psi), exact(c.w)
    entry = max(1, abs(psi).max(), abs(w).max())
    return 1000 * 2.0**-52 * float(entry * max(1, abs(p).max()) * (1 + abs(psi.T @ w).max()))


def derivatives(c: Classifier) -> bool:
    """(18), (19): of -Σ p_i log p̂_i by ref.autograd, for p that need not sum to 1; (20), (21)."""
    psi, w = np.asarray(c.psi, float), np.log(2) * np.asarray(c.w, float)
    p = targets(c, predictions(c))
    move_w, move_psi = semi_gradient(c)
    many = len(c.transition)
    loss = ag.grad(lambda leaves: losses.cross_entropy(ag.swap(leaves["psi"]) @ leaves["w"], p))(
        {"psi": psi, "w": w}
    )
    apart = [
        np.abs(many * loss["w"] + np.asarray(move_w, float)).max(),
        np.abs(many * loss["psi"] / np.log(2) + np.asarray(move_psi, float)).max(),
    ]
    return max(apart) <= derivative_error(c, p) and equal((move_w,), (line_21(c, p),))


def line_21(c: Classifier, p: Any) -> Any:
    """Σ_i Ψ diag(p^i) ([e^i .. e^i]' - p̂)."""
    psi, phat, unit = exact(c.psi), predictions(c), identity(len(c.centres))
    return sum(psi @ (p[:, [i]] * (unit[i] - phat)) for i in range(len(c.centres)))


EQS_18_21 = Claim(
    id="collapse.eqs-18-21",
    source="Neuron Dominance, proof of Theorem 3, eqs. (18) to (21)",
    origin="printed",
    title="The proof of Theorem 3 is right up to eq. (21)",
    statement="-∂/∂W of -Σ_i p_i log p̂_i is Σ_i ψ p_i (e_i - p̂)', -∂/∂ψ is Σ_i p_i (w^i - W p̂)\n"
    "for any p held fixed; over all states Σ_i Ψ diag(p^i) ([e^i .. e^i]' - p̂)",
    given=(),
    then=derivatives,
    instances=classifiers,
    sizes=LOGITS,
    verdict="holds",
    proof="∂ log p̂_i/∂(logit j) = 1[i = j] - p̂_j, and the chain rule; column by column.",
    remark="The next line, (22), takes Σ_i p_i for 1: collapse.line-22.",
)


def direct_is_target(c: Classifier) -> bool:
    """The targets are γ P p̂."""
    p = targets(c, predictions(c))
    return equal((p,), (c.gamma * exact(c.transition) @ predictions(c),))


def has_reward_classes(c: Classifier) -> bool:
    return c.encode != "direct"


def target_steps(c: Classifier) -> list[str]:
    phat = predictions(c)
    p, applied = targets(c, phat), c.gamma * exact(c.transition) @ phat
    return [
        f"p̂ of state 1 is softmax(W'ψ) = {vector(phat[0])}",
        f"its value is Σ p̂_i c_i = {phat[0] @ exact(c.centres)}, backed up with γ = {c.gamma}",
        f"the histogram of that is p = {vector(p[0])}, of mass {sum(p[0])}",
        f"γ P p̂ = {vector(applied[0])} has the mass {sum(applied[0])}: not p",
    ]


APPLY_P = Claim(
    id="collapse.apply-p",
    source="Neuron Dominance, proof of Theorem 3 ('can be directly applied to p̂')",
    origin="printed",
    title="Without reward HL-Gauss's target is the chain applied to p̂",
    statement="R = 0, targets made from values (histograms)  ⇒  p = γ P p̂",
    given=(Assumption("from values", "p is the histogram of γ P V", has_reward_classes),),
    then=direct_is_target,
    instances=classifiers,
    sizes=LOGITS,
    verdict="refuted",
    counterexample=classifier(STAY, "1/2", [[0]], [[0, 0]], (0, 1), "two-hot"),
    breaks="γ P p̂ has the mass γ and is no distribution; a histogram of γ P V has the mass 1, and "
    "its shape is that of the encoding, not of p̂.",
    steps=target_steps,
    repaired_by=("collapse.theorem-3-derived",),
    remark="Both have the same mean where no value is clipped and bins are at k times their width.",
)

# ------------------------------------------------------------------------- eq. (5), many heads


@dataclass(frozen=True)
class Heads:
    """N features, M heads of independent entries a with probability 1/(1 + a²), else -1/a.

    Their mean is 0, their variance 1. `tied`: all heads are one and the same.
    """

    features: int
    heads: int
    a: Fraction
    tied: bool = False

    def __post_init__(self) -> None:
        for name in ("features", "heads"):
            require(
                getattr(self, name) >= 1, name, getattr(self, name), "a whole number, 1 or more"
            )
        require(self.a != 0, "a", self.a, "a number other than 0")

    def __str__(self) -> str:
        tied = ", all heads the same" * self.tied
        return f"N = {self.features}, M = {self.heads}, entries {self.a} or {-1 / self.a}{tied}"


def mean_square(h: Heads) -> Fraction:
    """E ‖WW'/M - I‖² (Frobenius), exactly, over all W."""
    law = {h.a: 1 / (1 + h.a**2), -1 / h.a: h.a**2 / (1 + h.a**2)}
    count = 1 if h.tied else h.heads
    found = ZERO
    for entries in product(law, repeat=h.features * count):
        w = exact(entries).reshape(h.features, count)
        off = w @ w.T / Fraction(count) - identity(h.features)
        found += prod((law[x] for x in entries), start=ONE) * (off * off).sum()
    return found


def as_many_heads(h: Heads) -> bool:
    """N (N - 1 + κ - 1)/M with κ = E a⁴."""
    fourth = (h.a**4 + h.a**-2) / (1 + h.a**2)
    return mean_square(h) == h.features * (h.features + fourth - 2) / Fraction(h.heads)


def independent(h: Heads) -> bool:
    return not h.tied


def many(size: tuple[int, int]) -> SearchStrategy[Heads]:
    entry = st.builds(Fraction, st.integers(1, 9), st.integers(1, 9))
    return st.builds(lambda a, odd: Heads(*size, a, odd == 0), entry, st.integers(0, 9))


MANY_HEADS = Claim(
    id="collapse.many-heads",
    source="Neuron Dominance, eqs. (5) and (6), for random heads",
    origin="ours",
    title="Random heads are orthonormal enough, at the rate 1/M",
    statement="entries of W independent, mean 0, variance 1, fourth moment κ\n"
    "⇒ E‖WW'/M - I‖² = N (N + κ - 2)/M → 0 as M → ∞",
    given=(Assumption("independent", "heads are independent", independent),),
    then=as_many_heads,
    instances=many,
    sizes=((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (2, 3)),
    verdict="holds",
    needs={"independent": Heads(2, 2, ONE, tied=True)},
    proof="Entry ij of WW'/M is a mean of M independent products: of mean 0 and variance 1/M for "
    "i ≠ j, of mean 1 and variance (κ - 1)/M for i = j. Add up.",
    remark="Normal heads: κ = 3, N(N+1)/M. So eq. (5) is a limit in M at each t: M has to go to "
    "infinity before t, with error 1/√M; a value network has M = 1.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    VALUE_INTERVAL,
    VALUE_INTERVAL_REPEAT,
    EQS_18_21,
    APPLY_P,
    MANY_HEADS,
)
