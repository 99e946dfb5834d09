"""What one unit can lose under Adam: the papers train with Adam, section 3.2 speaks of SGD.

A unit has z = w·x, with an entry 1 of x for a bias that learns. Adam divides by the size of past
gradients, so the error's size drops out: the unit falls by α ‖x‖₁ a step, for an error of 1e-6 as
for one of 100. Only ε, of which no paper speaks, sets a size below which steps shrink. Moments:
m_t = β₁ m_{t-1} + (1 - β₁) g_t and v_t = β₂ v_{t-1} + (1 - β₂) g_t², m̂ and v̂ corrected for their
start at zero, w_t = w_{t-1} - α m̂_t/(√v̂_t + ε): `ref.optim.adam`.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import optim
from ref.checks import Array, require
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dominance.layer import ONE, ZERO, Vector, fractions

# ------------------------------------------------------------------------------ the first step


@dataclass(frozen=True)
class First:
    """A unit's first step of Adam: z at inputs x ≥ 0 (N,), dL/dz = p, rate α > 0, ε ≥ 0."""

    x: Vector
    z: Fraction
    p: Fraction
    alpha: Fraction
    epsilon: Fraction = ZERO

    def __post_init__(self) -> None:
        checks.row("x", self.x)
        checks.not_negative("x", self.x)
        checks.positive("alpha", self.alpha)
        checks.not_negative("epsilon", (self.epsilon,))

    def __str__(self) -> str:
        return (
            f"x = {vector(self.x)}, z = {self.z}, dL/dz = {self.p}, α = {self.alpha}, "
            f"ε = {self.epsilon}"
        )


def first(x: Any, z: Any, p: Any, alpha: Any = 1, epsilon: Any = 0) -> First:
    return First(fractions(*x), *map(Fraction, (z, p, alpha, epsilon)))


def gradient(s: First) -> Vector:
    """dL/dw = p x through an open gate, and 0 through a shut one."""
    return tuple(s.p * x * (s.z > 0) for x in s.x)


def after_adam(s: First) -> Fraction:
    """z after the step α g/(|g| + ε): at the first step m̂ = g and v̂ = g². 0/0 is no step."""
    moves = (g / (abs(g) + s.epsilon) if g else ZERO for g in gradient(s))
    return s.z - s.alpha * sum((x * m for x, m in zip(s.x, moves, strict=True)), ZERO)


def open_gate(s: First) -> bool:
    return s.z > 0


def some_error(s: First) -> bool:
    return s.p != 0


def no_epsilon(s: First) -> bool:
    return s.epsilon == 0


def norm_1(s: First) -> Fraction:
    return sum(s.x, ZERO)


def falls_by_norm(s: First) -> bool:
    """z moves by α ‖x‖₁, down for p > 0 and up otherwise: killed iff p > 0 and α ‖x‖₁ ≥ z."""
    after, step = after_adam(s), s.alpha * norm_1(s)
    return after == s.z + (-step if s.p > 0 else step) and (after <= 0) == (s.p > 0 and step >= s.z)


def firsts(width: int) -> SearchStrategy[First]:
    return st.builds(
        lambda x, z, p, alpha, epsilon: first(x, z, p, alpha, epsilon),
        st.lists(st.integers(0, 3), min_size=width, max_size=width),
        st.integers(-1, 6),
        st.sampled_from((-2, -1, 0, 1, Fraction(1, 1000), Fraction(1, 10), 100)),
        st.sampled_from(fractions(1, Fraction(1, 2), Fraction(1, 10), 2)),
        st.sampled_from((0, 0, 0, Fraction(1, 1000), 1)),
    )


ADAM_KILL = Claim(
    id="dominance.adam-kill",
    source="beside dominance.one-step-kill, which is of SGD",
    origin="ours",
    title="Under Adam a unit falls by α‖g‖₁, whatever the error is",
    statement="first step of Adam, ε = 0, z > 0, p = r v ≠ 0:  z becomes z - α sign(r v) ‖g‖₁\n"
    "so it is saturated after it  ⇔  r v > 0 and α ‖g‖₁ ≥ z",
    given=(
        Assumption("open gate", "z > 0", open_gate, said=False),
        Assumption("error", "r v ≠ 0", some_error, said=False),
        Assumption("no ε", "ε = 0", no_epsilon, said=False),
    ),
    then=falls_by_norm,
    instances=firsts,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "open gate": first((1,), -1, 1),
        "error": first((1,), 2, 0),
        "no ε": first((1,), 2, 1, 1, 1),
    },
    proof="m̂ = g_w and v̂ = g_w² at the first step: each weight with an input above 0 moves by α "
    "against the sign of r v, however small that is. Later steps: dominance.adam-longest-step.",
    remark="SGD: α r v ‖g‖² (dominance.one-step-kill), which vanishes with the error. At width "
    "256, α = 3e-4 and g_i about 1/3 a unit loses 0.03 a step for any error: a thousand steps of "
    "one sign kill what began at 25. Practice: what counts is α times the number of updates.",
)


def first_bound(s: First) -> Fraction:
    """α Σ_i x_i min(1, |p| x_i/(|p| x_i + ε)) is the fall; this is what bounds it in one line."""
    square = sum((x * x for x in s.x), ZERO)
    small = s.alpha * abs(s.p) * square / s.epsilon if s.epsilon else s.alpha * norm_1(s)
    return min(s.alpha * norm_1(s), small)


def first_slack(s: First) -> Fraction:
    return first_bound(s) - abs(after_adam(s) - s.z)


ADAM_SURVIVES = Claim(
    id="dominance.adam-first-step",
    source="new; with ε",
    origin="ours",
    title="Two ways to survive Adam's first step: far from 0, or ε above the gradient",
    statement="|z' - z| ≤ min( α ‖g‖₁, (α/ε) |r v| ‖g‖² )  at the first step of Adam",
    given=(),
    instances=firsts,
    sizes=(1, 2, 3),
    verdict="holds",
    slack=first_slack,
    tight_at=first((1, 2), 4, 1),
    proof="x |p x|/(|p x| + ε) is at most x, and at most |p| x²/ε; sum over the weights.",
    remark="With ε far above the gradients Adam's step is that of SGD with the rate α/ε: an error "
    "that vanishes cannot kill.",
)

# ------------------------------------------------------------------------------- later steps


@dataclass(frozen=True)
class Gradients:
    """One weight's gradients g_1, .., g_T, β₁ in [0, 1) and β₂ in (0, 1)."""

    g: Vector
    beta1: Fraction
    beta2: Fraction

    def __post_init__(self) -> None:
        checks.row("g", self.g)
        for name in ("beta1", "beta2"):
            checks.below_one(name, getattr(self, name))
        checks.positive("beta2", self.beta2)

    def __str__(self) -> str:
        return f"g = {vector(self.g)}, β = ({self.beta1}, {self.beta2})"

    def moments(self) -> list[tuple[Fraction, Fraction]]:
        """(m_t, v_t), without the correction, exactly."""
        m, v, rows = ZERO, ZERO, []
        for g in self.g:
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g * g
            rows.append((m, v))
        return rows


def longest_square(s: Gradients, t: int) -> Fraction:
    """K_t of m_t² ≤ K_t v_t: (1 - β₁)²/(1 - β₂) Σ_{k<t} (β₁²/β₂)^k, for β₂ > 0."""
    ratio = s.beta1**2 / s.beta2
    return (1 - s.beta1) ** 2 / (1 - s.beta2) * sum((ratio**k for k in range(t)), ZERO)


def longest_slack(s: Gradients) -> Fraction:
    rows = enumerate(s.moments(), 1)
    return min((longest_square(s, t) * v - m * m for t, (m, v) in rows), default=ZERO)


BETAS = ((Fraction(1, 2), Fraction(1, 2)), (Fraction(9, 10), Fraction(999, 1000)), (ZERO, ONE / 2))


def gradients(count: int) -> SearchStrategy[Gradients]:
    def build(numbers: list[int], which: int, worst: bool) -> Gradients:
        beta1, beta2 = BETAS[which]
        g = fractions(*numbers)
        if worst and beta1:  # the sequence of equality, but for its last entry
            g = (*((beta1 / beta2) ** (count - s) for s in range(1, count)), g[-1])
        return Gradients(g, beta1, beta2)

    numbers = st.lists(st.integers(-3, 3), min_size=count, max_size=count)
    return st.builds(build, numbers, st.integers(0, 2), st.booleans())


ADAM_LONGEST_STEP = Claim(
    id="dominance.adam-longest-step",
    source="new; beside Kingma & Ba, section 2.1",
    origin="ours",
    title="The longest step that Adam can take, in units of α",
    statement="m_t² ≤ K_t v_t,  K_t = (1-β₁)²/(1-β₂) · Σ_{k<t} (β₁²/β₂)^k,  for every gradient\n"
    "so for ε ≥ 0 a step is at most α √K_t √(1-β₂^t)/(1-β₁^t)",
    given=(),
    instances=gradients,
    sizes=(1, 2, 3, 5),
    verdict="holds",
    slack=longest_slack,
    tight_at=Gradients(fractions(ONE / 8, ONE / 4, ONE / 2, 1), ONE / 4, ONE / 2),
    proof="m_t = (1-β₁) Σ_s β₁^(t-s) g_s. Cauchy-Schwarz with the weights β₂^(t-s): m_t² ≤ "
    "(1-β₁)² Σ_s (β₁²/β₂)^(t-s) · Σ_s β₂^(t-s) g_s², and the last sum is v_t/(1-β₂). Equality "
    "for g_s = (β₁/β₂)^(t-s): gradients that grow as fast as memory fades.",
    remark="For (0.9, 0.999) at most 7.28 α: one gradient after a long silence takes 3.2 α and "
    "what follows by momentum. So a unit needs z/(7.28 α‖g‖₁) steps to die at the least.",
)

# ------------------------------------------------------------------------ scale, and its end


@dataclass(frozen=True)
class Path:
    """Gradients g (T, N) of a unit's weights, x (N,), z before, α = 1, β₁, β₂ > 0, ε; a weight
    decay λ and what the input changes by until the end, x → x + shift."""

    g: tuple[Vector, ...]
    x: Vector
    z: Fraction
    epsilon: Fraction
    beta1: Fraction = Fraction(9, 10)
    beta2: Fraction = Fraction(999, 1000)
    decay: Fraction = ZERO
    shift: Vector = ()

    def __post_init__(self) -> None:
        checks.row("x", self.x)
        require(any(self.x), "x", self.x, "an input that is not 0")
        checks.matrix("g", self.g, width=len(self.x))
        checks.not_negative("epsilon", (self.epsilon,))
        checks.not_negative("decay", (self.decay,))
        for name in ("beta1", "beta2"):
            checks.below_one(name, getattr(self, name))
        checks.positive("beta2", self.beta2)
        if self.shift:
            checks.row("shift", self.shift, len(self.x))

    def __str__(self) -> str:
        rows = ", ".join(map(vector, self.g))
        shift = f", x moves by {vector(self.shift)}" if any(self.shift) else ""
        decay = f", λ = {self.decay}" if self.decay else ""
        return (
            f"g_t: {rows}; x = {vector(self.x)}, z = {self.z}, ε = {self.epsilon}, "
            f"β = ({self.beta1}, {self.beta2}){decay}{shift}"
        )


def way(p: Path, scale: float = 1.0) -> Array:
    """The weights at steps 0, .., T of `ref.optim.adamw` with α = 1, (T + 1, N).

    They begin at z x/(x·x), so that w·x = z.
    """
    x = np.asarray(p.x, float)
    params = {"w": float(p.z) * x / (x @ x)}
    state, rows = optim.start_adam(params), [params["w"]]
    betas = float(p.beta1), float(p.beta2)
    for g in p.g:
        grads = {"w": scale * np.asarray(g, float)}
        settings = (1.0, float(p.decay), {"w": True}, betas, float(p.epsilon))
        params, state = optim.adamw(grads, state, params, *settings)
        rows.append(params["w"])
    return np.array(rows)


def corrected(p: Path) -> tuple[Array, Array]:
    """|m̂_t| and √v̂_t, (T, N) each."""
    sizes = np.zeros((2, len(p.g), len(p.x)))
    for i in range(len(p.x)):
        column = Gradients(tuple(row[i] for row in p.g), p.beta1, p.beta2)
        for t, (m, v) in enumerate(column.moments()):
            sizes[0, t, i] = abs(m / (1 - p.beta1 ** (t + 1)))
            sizes[1, t, i] = math.sqrt(v / (1 - p.beta2 ** (t + 1)))
    return sizes[0], sizes[1]


# Gradients, steps and weights are below 100 in size, and each of fewer than 1,000 operations
# rounds by half a unit in the last place: 1000 * 100 * 2**-53 = 1.1e-11.
ROUNDED = 1.2e-11


def path_without_epsilon(p: Path) -> bool:
    return p.epsilon == 0


def same_path(p: Path) -> bool:
    """Bit for bit: a power of 2 changes exponents alone, and nothing here under- or overflows."""
    return bool((way(p) == way(p, 2.0**-40)).all())


def paths(
    size: tuple[int, int], epsilons: tuple[Any, ...] = (0, 0, 0, Fraction(1, 100), 1, 4)
) -> SearchStrategy[Path]:
    """Of a size (steps, weights); often the gradients shrink from step to step."""
    steps, width = size
    number = steps * width

    def build(numbers: list[int], z: int, which: int, epsilon: Any, kind: int) -> Path:
        shrink = (ONE, ONE / 2, ONE / 10)[kind % 3]
        rows = [numbers[t * width : (t + 1) * width] for t in range(steps)]
        g = tuple(fractions(*(shrink**t * n for n in row)) for t, row in enumerate(rows))
        x = fractions(1, *(abs(n) for n in numbers[1:width]))
        beta = BETAS[which]
        decay = ONE + ONE if kind == 9 else ZERO
        shift = fractions(*[-2 * (kind == 8)] * width)
        return Path(g, x, Fraction(z), Fraction(epsilon), *beta, decay, shift)

    return st.builds(
        build,
        st.lists(st.integers(-3, 3), min_size=number, max_size=number),
        st.integers(0, 40),
        st.integers(0, 2),
        st.sampled_from(epsilons),
        st.integers(0, 9),
    )


ADAM_SCALE_FREE = Claim(
    id="dominance.adam-scale-free",
    source="beside dominance.epsilon-path",
    origin="ours",
    title="Without ε Adam's path does not shrink with the gradients",
    statement="ε = 0:  g_t → λ g_t for all t, λ > 0, leaves every step as it was",
    given=(Assumption("no ε", "ε = 0", path_without_epsilon),),
    then=same_path,
    instances=lambda size: paths(size).filter(lambda p: all(all(row) for row in p.g)),
    sizes=((1, 1), (2, 1), (3, 2)),
    verdict="holds",
    needs={"no ε": Path((fractions(1),), fractions(1), ONE, ONE)},
    proof="m̂ is multiplied by λ and √v̂ by λ: the quotient stays. So errors of 1e-6 move a "
    "network as far as errors of 1.",
    remark="Checked bit for bit on ref.optim.adamw with λ = 2^-40, on gradients that are not 0 "
    "(0/0 is no step but an error there).",
)


def per_step(s: Gradients) -> bool:
    """m̂_t² t ≥ (1 - β₁)² v̂_t at every step, exactly."""
    for t, (m, v) in enumerate(s.moments(), 1):
        m_hat, v_hat = m / (1 - s.beta1**t), v / (1 - s.beta2**t)
        if m_hat < 0 or m_hat**2 * t < (1 - s.beta1) ** 2 * v_hat:
            return False
    return True


def falling(s: Gradients) -> Fraction:
    """ρ, of gradients g_t = ρ^t."""
    return s.g[0]


def slow(s: Gradients) -> bool:
    return falling(s) ** 2 >= s.beta2


def is_geometric(s: Gradients) -> bool:
    return 0 < s.g[0] <= 1 and s.g == tuple(s.g[0] ** t for t in range(1, len(s.g) + 1))


def light_momentum(s: Gradients) -> bool:
    return s.beta1**2 < s.beta2


GEOMETRIC = Assumption("geometric", "g_t = ρ^t, 0 < ρ ≤ 1", is_geometric)


def geometric(count: int) -> SearchStrategy[Gradients]:
    def build(rho: Fraction, which: int, odd: int) -> Gradients:
        kinds = (*BETAS, (ONE / 10, ONE / 4), (ZERO, ONE / 100), (9 * ONE / 10, ONE / 4))
        last = {8: rho / 100, 9: ONE}.get(odd, rho**count)  # of 8 and 9 not geometric
        return Gradients((*(rho**t for t in range(1, count)), last), *kinds[which])

    rhos = st.integers(1, 40).map(lambda n: Fraction(n, 40))
    return st.builds(build, rhos, st.integers(0, 5), st.integers(0, 9))


ADAM_WALKS_ON = Claim(
    id="dominance.adam-walks-on",
    source="new; why layers die without a reward",
    origin="ours",
    title="Without ε a path is infinite though gradients vanish, if slowly enough",
    statement="ε = 0, g_t = ρ^t, ρ² ≥ β₂  ⇒  step t is at least α (1-β₁)/√t: the path is infinite",
    given=(GEOMETRIC, Assumption("slow", "ρ² ≥ β₂", slow, said=False)),
    then=per_step,
    instances=geometric,
    sizes=(2, 4, 6, 8),
    verdict="holds if",
    needs={
        "geometric": Gradients(fractions(1, ONE / 100), ZERO, ONE / 2),
        "slow": Gradients(tuple(Fraction(1, 100) ** t for t in range(1, 9)), ZERO, ONE / 2),
    },
    proof="m_t ≥ (1-β₁) ρ^t; v_t = (1-β₂) ρ^(2t) Σ_s (β₂/ρ²)^(t-s) ≤ (1-β₂) t ρ^(2t); and the "
    "corrections only help: 1/(1-β₁^t) ≥ 1, (1-β₂)/(1-β₂^t) ≤ 1. Σ 1/√t diverges.",
    remark="The threshold is sharp: for ρ² < β₂ (and β₁² < β₂) old gradients rule v and the path "
    "is finite, dominance.adam-stops. β₂ = 0.999: errors that shrink by less than 0.05 % a step.",
)


def total(s: Gradients) -> float:
    """Σ_t |m̂_t|/√v̂_t: the path by α."""
    ratios = (
        abs(m) / (1 - s.beta1**t) / math.sqrt(v / (1 - s.beta2**t))
        for t, (m, v) in enumerate(s.moments(), 1)
        if v
    )
    return float(sum(ratios))


def stops_slack(s: Gradients) -> float:
    """1/(√(1-β₂) (1-a)(1-b)) - Σ_t step_t/α, with a = β₁/√β₂ and b = ρ/√β₂; -∞ for b ≥ 1."""
    root = math.sqrt(s.beta2)
    a, b = float(s.beta1) / root, float(falling(s)) / root
    if b >= 1:
        return -math.inf
    return 1 / (math.sqrt(1 - s.beta2) * (1 - a) * (1 - b)) - total(s)


def stops(s: Gradients) -> bool:
    return stops_slack(s) >= -ROUNDED


def fast(s: Gradients) -> bool:
    return falling(s) ** 2 < s.beta2


ADAM_STOPS = Claim(
    id="dominance.adam-stops",
    source="beside dominance.adam-walks-on",
    origin="ours",
    title="Without ε a path is finite only if gradients vanish fast",
    statement="ε = 0, g_t = ρ^t, a = β₁/√β₂ < 1, b = ρ/√β₂ < 1\n"
    "⇒ the whole path is at most α / ( √(1-β₂) (1-a) (1-b) )",
    given=(
        GEOMETRIC,
        Assumption("fast", "ρ² < β₂", fast, said=False),
        Assumption("light momentum", "β₁² < β₂", light_momentum, said=False),
    ),
    then=stops,
    instances=geometric,
    sizes=(2, 4, 6, 8, 12, 16),
    verdict="holds if",
    needs={
        "geometric": Gradients(fractions(ONE / 20, 1), ZERO, ONE / 2),
        "fast": Gradients(fractions(1, 1), ZERO, ONE / 2),
        "light momentum": Gradients((ONE / 4,), 9 * ONE / 10, ONE / 4),
    },
    proof="v_t ≥ (1-β₂) β₂^(t-1) ρ², m_t = (1-β₁) Σ_s β₁^(t-s) ρ^s, 1 - β₁^t ≥ 1 - β₁: step t is "
    "at most α/√(1-β₂) Σ_{s≤t} a^(t-s) b^(s-1). Sum over t: two geometric series.",
)

# ------------------------------------------------------------------------------ the law of ε


def positive_epsilon(p: Path) -> bool:
    return p.epsilon > 0


def lengths(p: Path) -> tuple[float, float, float]:
    """Of weight 1: (α/ε) Σ|m̂_t|, the path's length, and the first by 1 + max √v̂_t/ε."""
    sizes, roots = corrected(p)
    path = float(np.abs(np.diff(way(p)[:, 0])).sum())
    with np.errstate(divide="ignore", invalid="ignore"):  # ε = 0 bounds nothing: ∞ or NaN
        most = float(sizes[:, 0].sum() / float(p.epsilon))
        return most, path, float(most / (1 + roots[:, 0].max() / float(p.epsilon)))


def epsilon_slack(p: Path) -> float:
    most, path, least = lengths(p)
    return min(most - path, path - least)


def epsilon_bounds(p: Path) -> bool:
    return p.epsilon > 0 and epsilon_slack(p) >= -ROUNDED


EPSILON_PATH = Claim(
    id="dominance.epsilon-path",
    source="new; the law of epsilon",
    origin="ours",
    title="With ε the whole path is at most (α/ε) Σ|m̂_t|",
    statement="M = (α/ε) Σ_t |m̂_t|, G = max_t √v̂_t:   M/(1 + G/ε) ≤ Σ_t |w_t - w_{t-1}| ≤ M",
    given=(
        Assumption("ε", "ε > 0", positive_epsilon),
        Assumption("no decay", "no weight decay besides", lambda p: p.decay == 0),
    ),
    then=epsilon_bounds,
    instances=lambda size: paths(size, (ONE / 100, 1, 4, 1, ONE / 100, 4, 0)).filter(
        lambda p: p.epsilon > 0 or all(all(row) for row in p.g)
    ),
    sizes=((1, 1), (2, 1), (4, 1), (8, 1)),
    verdict="holds",
    needs={
        "ε": Path((fractions(1),), fractions(1), ONE, ZERO),
        "no decay": Path((fractions(0),), fractions(1), ONE, ONE, decay=ONE / 4),
    },
    slack=epsilon_slack,
    error=ROUNDED,
    tight_at=Path((fractions(1), fractions(1)), fractions(1), ONE, ONE),
    proof="0 ≤ √v̂_t ≤ G, so |m̂|/(G + ε) ≤ |m̂|/(√v̂ + ε) ≤ |m̂|/ε; sum over t. The lower bound "
    "is an equality for constant gradients, the upper one is reached as G/ε → 0: no constant "
    "better than 1 will do on either side. For every T in Coq: theory/proofs/Epsilon.v.",
    remark="If |g_t| ≤ C ρ^t then Σ|m̂_t| ≤ κ C/(1-ρ) (dominance.epsilon-momentum): finite. "
    "Practice: choose ε above the gradients that remain when nothing is left to learn, and what "
    "is alive then stays alive.",
)


def kappa(beta: Fraction, count: int) -> Fraction:
    """Σ_{t≤T} (1-β₁) β₁^(t-1)/(1-β₁^t): how much the first gradient weighs in all m̂_t."""
    return sum(((1 - beta) * beta ** (t - 1) / (1 - beta**t) for t in range(1, count + 1)), ZERO)


def momentum_slack(s: Gradients) -> Fraction:
    """κ Σ|g_t| - Σ|m̂_t|."""
    total = sum((abs(m) / (1 - s.beta1**t) for t, (m, _) in enumerate(s.moments(), 1)), ZERO)
    return kappa(s.beta1, len(s.g)) * sum(map(abs, s.g), ZERO) - total


EPSILON_MOMENTUM = Claim(
    id="dominance.epsilon-momentum",
    source="new; the law of epsilon by gradients",
    origin="ours",
    title="Corrected momentum adds up to at most κ times the gradients",
    statement="Σ_t |m̂_t| ≤ κ Σ_t |g_t|,  κ = Σ_{t≤T} (1-β₁) β₁^(t-1)/(1-β₁^t)",
    given=(),
    instances=gradients,
    sizes=(1, 2, 3, 5),
    verdict="holds",
    slack=momentum_slack,
    tight_at=Gradients(fractions(1, 0, 0), ONE / 2, ONE / 2),
    proof="g_s weighs Σ_{t≥s} (1-β₁) β₁^(t-s)/(1-β₁^t) in Σ m̂_t: most for s = 1, where the "
    "correction divides by the least.",
    remark="κ → 3.01 for β₁ = 0.9 as T grows; 1 without the correction, or where the first "
    "gradients are not counted.",
)


def room(p: Path) -> float:
    """z - (α/ε) Σ_t Σ_i |x_i| |m̂_ti|."""
    sizes, _ = corrected(p)
    return float(p.z) - float((sizes @ np.abs(np.asarray(p.x, float))).sum()) / float(p.epsilon)


def has_room(p: Path) -> bool:
    return p.epsilon > 0 and room(p) > 0


def still(p: Path) -> bool:
    return not any(p.shift)


def lives(p: Path) -> bool:
    """z_t > 0 at each step, at x; at the last one at x + shift."""
    weights, x = way(p), np.asarray(p.x, float)
    end = x + np.asarray(p.shift or (0,) * len(x), float)
    return bool((weights[:-1] @ x > 0).all() and weights[-1] @ end > 0)


def roomy(size: tuple[int, int]) -> SearchStrategy[Path]:
    return paths(size, (1, 4, 4, 1, 4, 1))


EPSILON_SURVIVES = Claim(
    id="dominance.epsilon-survives",
    source="new; the law of epsilon",
    origin="ours",
    title="A unit that is farther from 0 than the path can be never dies",
    statement="z_0 > (α/ε) Σ_t Σ_i |x_i| |m̂_ti|  ⇒  z_t > 0 for all t",
    given=(
        Assumption("room", "z_0 > (α/ε) Σ_t Σ_i |x_i| |m̂_ti|, ε > 0", has_room, said=False),
        Assumption("still input", "x stays: the layer below does not move", still, said=False),
        Assumption("no decay", "no weight decay besides", lambda p: p.decay == 0, said=False),
    ),
    then=lives,
    instances=roomy,
    sizes=((1, 1), (2, 1), (3, 2), (4, 2)),
    verdict="holds if",
    needs={
        "room": Path((fractions(3),), fractions(1), ONE / 2, ONE),
        "still input": Path((fractions(0),), fractions(1), ONE, ONE, shift=fractions(-2)),
        "no decay": Path((fractions(0),), fractions(1), ONE, ONE, decay=Fraction(2)),
    },
    proof="|z_t - z_0| ≤ Σ_i |x_i| Σ_s |step_si| ≤ (α/ε) Σ_s Σ_i |x_i| |m̂_si| by "
    "dominance.epsilon-path. With |g_t| ≤ C ρ^t per weight z_0 > (α/ε) ‖x‖₁ κ C/(1-ρ) is enough. "
    "For every N and T in Coq: theory/proofs/Epsilon.v.",
    remark="Without ε nothing of the kind is true: dominance.noise-kills. Where the layer below "
    "moves too, each layer adds its own path.",
)

CLAIMS: tuple[Claim[Any], ...] = (
    ADAM_KILL,
    ADAM_SURVIVES,
    ADAM_LONGEST_STEP,
    ADAM_SCALE_FREE,
    ADAM_WALKS_ON,
    ADAM_STOPS,
    EPSILON_PATH,
    EPSILON_MOMENTUM,
    EPSILON_SURVIVES,
)
