"""Dominance by extinction: without a reward, a neuron becomes dominant because the others die.

In every run here in which a neuron became dominant its own activation had fallen, and nearly all
others of its layer were saturated (`ref.survivor`). The simplest model in which that
must happen: one input (as where the layers below have become the same for all inputs), heads of
one sign that do not learn, Adam. Then all living units fall alike, so the smallest die first and
the largest share can only rise. In practice signs are noise: then Adam without ε is a random walk,
which takes every unit to 0; with ε the walk is finite, and where it is shorter than what the units
have, none dies and none can become dominant (`dominance.epsilon-spares`).

z_1 ≥ z_2 ≥ .. are what the units have at the start, h_j = relu(z_j - c) after a fall by c.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise, product
from math import comb
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import Array, require
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dominance.layer import ZERO, Vector, fractions

# ---------------------------------------------------------------------------- all fall alike


@dataclass(frozen=True)
class Fall:
    """Pre-activations z (N,) > 0, the largest first, and how far each has fallen, (N,) ≥ 0."""

    z: Vector
    fall: Vector

    def __post_init__(self) -> None:
        checks.row("z", self.z)
        checks.row("fall", self.fall, len(self.z))
        checks.not_negative("fall", self.fall)

    def __str__(self) -> str:
        return f"z = {vector(self.z)}, fallen by {vector(self.fall)}"


def falls(z: Any, fall: Any) -> Fall:
    return Fall(fractions(*z), fractions(*fall))


def left(f: Fall) -> Vector:
    return tuple(max(z - c, ZERO) for z, c in zip(f.z, f.fall, strict=True))


def alike(f: Fall) -> bool:
    return len(set(f.fall)) == 1


def largest_lives(f: Fall) -> bool:
    return left(f)[0] > 0


def share_slack(f: Fall) -> Fraction:
    """The share of neuron 1 after less before, times both sums: no division."""
    h = left(f)
    return h[0] * sum(f.z) - f.z[0] * sum(h)


def share_rises(f: Fall) -> bool:
    h = left(f)
    return share_slack(f) >= 0 and h[0] <= f.z[0] and sum(h) > 0


def common(size: int) -> SearchStrategy[Fall]:
    def build(z: list[int], c: int, other: int) -> Fall:
        z = sorted(z, reverse=True)
        fall = [Fraction(c, 2)] * size
        if other > 9 and size > 1:
            fall[-(other % 2)] += other - 9
        return falls(z, fall)

    numbers = st.lists(st.integers(1, 12), min_size=size, max_size=size)
    return st.builds(build, numbers, st.integers(0, 24), st.integers(0, 12))


ALIKE = Assumption("alike", "all fall by the same c", alike, said=False)
LIVES = Assumption("alive", "z_1 > c", largest_lives)


COMMON_FALL = Claim(
    id="dominance.common-fall",
    source="new; why a share can rise while everything falls",
    origin="ours",
    title="Where all units fall alike the largest share only rises",
    statement="h_j = relu(z_j - c) with z_1 the largest: h_1 falls with c, and h_1/Σ_j h_j rises",
    given=(ALIKE, LIVES),
    then=share_rises,
    instances=common,
    sizes=(1, 2, 3, 5),
    verdict="holds if",
    needs={"alike": falls((2, 1), (1, 0)), "alive": falls((1, 1), (1, 1))},
    slack=share_slack,
    tight_at=falls((2, 2), (1, 1)),
    proof="(z_1 - c) Σ z_j - z_1 Σ (z_j - c)⁺ ≥ 0 term by term: for z_j > c it is c (z_1 - z_j), "
    "for z_j ≤ c it is (z_1 - c) z_j.",
    remark="A rising largest score says nothing of growth: look at the activation itself.",
)


def gaps(f: Fall) -> Vector:
    """z_1 - z_j for j ≥ 2, increasing."""
    return tuple(sorted(f.z[0] - z for z in f.z[1:]))


def onset(f: Fall) -> Fraction | None:
    """min_{k≥2} (d_2 + .. + d_{k+1})/(k - 1), for at least two others."""
    d = gaps(f)
    return min((sum(d[:k], ZERO) / (k - 1) for k in range(2, len(d) + 1)), default=None)


def is_dominant(h: Vector) -> bool:
    return h[0] > sum(h[1:])


def onset_is_exact(f: Fall) -> bool:
    h, bound, d = left(f), onset(f), gaps(f)
    unique = not d or d[0] > 0
    dominant = h[0] > 0 and unique and (bound is None or h[0] < bound)
    dead = all(g < sum(d[:2]) or z <= c for g, z, c in zip(
        (f.z[0] - z for z in f.z[1:]), f.z[1:], f.fall[1:], strict=True))  # fmt: skip
    return is_dominant(h) == dominant and (not dominant or len(d) < 2 or dead)


LAST_SURVIVORS = Claim(
    id="dominance.last-survivors",
    source="new; the extinction theorem, its algebra",
    origin="ours",
    title="Exactly when the largest of units that fall alike is dominant",
    statement="h_j = relu(z_j - c), d_j = z_1 - z_j sorted, N ≥ 3:\n"
    "h_1 > Σ_{j≥2} h_j  ⇔  d_2 > 0 and 0 < h_1 < min_{k≥2} (d_2 + .. + d_{k+1})/(k-1)\n"
    "so then every neuron that began d_2 + d_3 or more below the largest is dead",
    given=(ALIKE,),
    then=onset_is_exact,
    instances=common,
    sizes=(2, 3, 4, 6),
    verdict="holds if",
    needs={"alike": falls((3, 3, 3), (0, 3, 3))},
    proof="Σ_{j≥2} (h_1 - d_j)⁺ = max_{k≥0} (k h_1 - d_2 - .. - d_{k+1}), as the d are sorted. It "
    "is below h_1 iff (k-1) h_1 < d_2 + .. + d_{k+1} for all k: k = 0 says h_1 > 0, k = 1 that "
    "d_2 > 0. k = 2: h_1 < d_2 + d_3, and h_j = (h_1 - d_j)⁺.",
    remark="Exact, so no constant can be better. Of 256 units that begin at random the first gaps "
    "are a few hundredths of z_1: dominance is when 98 % are dead, and shows in no other way.",
)

# ------------------------------------------------------------- Adam on one input: it must happen


@dataclass(frozen=True)
class Fading:
    """Units W (N, inputs) > 0 on the rows of x (states, inputs) ≥ 0, heads v (N,), no reward.

    Q(x) = Σ_j v_j relu(w_j·x) + b, learned by TD with the loss (Q - γ mean Q)²: from each state
    all come next alike. Adam moves W and, if `bias`, also b from 0 on; v stays.
    """

    w: tuple[Vector, ...]
    x: tuple[Vector, ...]
    v: Vector
    alpha: Fraction
    gamma: Fraction = Fraction(1, 2)
    betas: tuple[Fraction, Fraction] = (ZERO, ZERO)
    epsilon: Fraction = ZERO
    bias: bool = False

    def __post_init__(self) -> None:
        checks.matrix("w", self.w, height=len(self.v))
        checks.matrix("x", self.x, width=len(self.w[0]))
        checks.positive("alpha", self.alpha)
        checks.between("gamma", self.gamma, 0, 1)
        checks.row("betas", self.betas, 2)
        for beta in self.betas:
            checks.below_one("betas", beta)
        checks.not_negative("epsilon", (self.epsilon,))

    def __str__(self) -> str:
        w, x = ("; ".join(map(vector, rows)) for rows in (self.w, self.x))
        bias = ", output bias learned" if self.bias else ""
        return (
            f"w = {w}; x = {x}, v = {vector(self.v)}, α = {self.alpha}, γ = {self.gamma}, "
            f"β = {vector(self.betas)}, ε = {self.epsilon}{bias}"
        )


def fading(z: Any, v: Any, alpha: Any, **options: Any) -> Fading:
    """One input x = 1: w_j = z_j."""
    w = tuple(fractions(value) for value in z)
    return Fading(w, (fractions(1),), fractions(*v), Fraction(alpha), **options)


LIMIT = 400  # steps, after which a run that has not come to its end or back is given up


def fade(f: Fading) -> tuple[list[Array], bool]:
    """z (states, N) at each step until all units are dead, and whether they are.

    In floats, of which dyadic numbers are exact where β = 0. It ends where it comes back to where
    it was, too: then it goes on so for ever.
    """
    w, x, v = (np.array(a, float) for a in (f.w, f.x, f.v))
    beta1, beta2, alpha, epsilon = map(float, (*f.betas, f.alpha, f.epsilon))
    p = np.append(w.ravel(), 0.0)
    m, s = np.zeros_like(p), np.zeros_like(p)
    way: list[Array] = []
    seen: set[bytes] = set()
    for t in range(1, LIMIT):
        z = x @ p[:-1].reshape(w.shape).T
        way.append(z)
        if z.max() <= 0:
            return way, True
        if beta1 == beta2 == 0 and p.tobytes() in seen:
            return way, False
        seen.add(p.tobytes())
        q = np.maximum(z, 0) @ v + p[-1]
        e = q - float(f.gamma) * q.mean()
        g = np.append(((e[:, None] * v * (z > 0)).T @ x).ravel(), e.sum() * f.bias)
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g
        root = np.sqrt(s / (1 - beta2**t)) + epsilon
        step = np.divide(m / (1 - beta1**t), root, out=np.zeros_like(m), where=root > 0)
        p = p - alpha * step
    return way, False


# z stays below 30 and a step rounds a few dozen times: 400 * 50 * 30 * 2**-53 = 6.7e-11.
NEAR = 7e-11


def extinct(f: Fading) -> bool:
    """All of it: they fall alike, the largest falls, at the first dominance those far below it are
    dead, there is one, and in the end all are dead."""
    way, dead = fade(f)
    for before, after in pairwise(way):
        drop = (before - after)[:, (after > 0).all(axis=0)]
        if drop.size and (np.ptp(drop) > NEAR or drop.min() < -NEAR):
            return False
    layers = (np.maximum(z, 0).mean(axis=0) for z in way)
    first = next((h for h in layers if 2 * h.max() > h.sum()), None)
    if first is None or not dead:
        return False
    start = way[0].max(axis=0)
    d = start.max() - start
    return bool((first[d > np.sort(d)[1:3].sum() + NEAR] <= NEAR).all() or len(d) < 3)


def one_input(f: Fading) -> bool:
    return len(set(f.x)) == 1


def one_sign(f: Fading) -> bool:
    return min(f.v) > 0 or max(f.v) < 0


def discounted(f: Fading) -> bool:
    return f.gamma < 1


def no_epsilon(f: Fading) -> bool:
    return f.epsilon == 0


def no_bias(f: Fading) -> bool:
    return not f.bias


def small_step(f: Fading) -> bool:
    """α ‖x‖₁ is at most the gap between the two largest, which is above 0."""
    z = sorted((sum(map(Fraction.__mul__, w, f.x[0]), ZERO) for w in f.w), reverse=True)
    return 0 < f.alpha * sum(f.x[0]) <= (z[0] - z[1] if len(z) > 1 else z[0])


def memory(f: Fading) -> bool:
    return f.betas[0] <= f.betas[1]


def fadings(size: tuple[int, int]) -> SearchStrategy[Fading]:
    """Of a size (N, inputs)."""
    width, inputs = size

    def build(z: list[int], v: list[int], x: list[int], odd: int, which: int) -> Fading:
        z = sorted(z, reverse=True)
        z[0] += (odd != 8) + (z[1] if odd == 9 and width > 1 else 0)
        if odd == 11 and inputs == 2:  # a state for each weight
            states = fractions(1, 0), fractions(0, 1)
            return Fading(tuple(fractions(a, 1) for a in z), states, fractions(*v), Fraction(1))
        norm = sum(x)
        w = tuple(fractions(*[Fraction(value, norm)] * inputs) for value in z)
        half, most = Fraction(1, 2), (Fraction(9, 10), Fraction(999, 1000))
        betas = ((ZERO, ZERO), (half, half), most, (half, ZERO))[which]
        heads = [-a for a in v] if odd % 2 else v
        if odd == 7:
            heads[0] = -heads[0]
        f = Fading(w, (fractions(*x),), fractions(*heads), Fraction(1, norm), betas=betas)
        if odd == 4:
            return replace(f, epsilon=Fraction(1))
        return replace(f, gamma=Fraction(1)) if odd == 5 else replace(f, bias=odd == 6)

    some = st.integers(1, 3)
    return st.builds(
        build,
        st.lists(st.integers(1, 6), min_size=width, max_size=width),
        st.lists(some, min_size=width, max_size=width),
        st.lists(some, min_size=inputs, max_size=inputs),
        st.integers(0, 12),
        st.integers(0, 3),
    )


EXTINCTION = Claim(
    id="dominance.extinction",
    source="new; the extinction theorem",
    origin="ours",
    title="Without reward Adam kills all, the largest last: dominance by extinction",
    statement="one input x ≥ 0, z_j = w_j·x > 0, Q = Σ_j v_j relu(z_j), all v_j of one sign and "
    "fixed,\nTD with R = 0 and γ < 1, Adam with ε = 0, β₁ ≤ β₂, α ‖x‖₁ ≤ z_1 - z_2:\n"
    "all living z_j fall by the same amount at each step; after finitely many steps all are dead;\n"
    "before that neuron 1 is dominant, and not before all that began d_2 + d_3 or more\n"
    "below it are dead (d_2, d_3: how far the second and third began below the first)",
    given=(
        Assumption("one input", "x is the same for all states", one_input, said=False),
        Assumption("one sign", "all v_j > 0, or all v_j < 0", one_sign, said=False),
        Assumption("fixed head", "no output bias learns", no_bias, said=False),
        Assumption("discounted", "γ < 1", discounted),
        Assumption("no ε", "ε = 0", no_epsilon, said=False),
        Assumption("small step", "0 < α ‖x‖₁ ≤ z_1 - z_2", small_step, said=False),
        Assumption("memory", "β₁ ≤ β₂", memory),
    ),
    then=extinct,
    instances=fadings,
    sizes=((1, 1), (2, 1), (3, 1), (3, 2), (5, 2)),
    verdict="holds if",
    needs={
        "one input": Fading(
            (fractions(8, 1), fractions(6, 1)),
            (fractions(1, 0), fractions(0, 1)),
            fractions(1, 1),
            Fraction(1),
        ),
        "one sign": fading((3, 1), (1, -1), 1),
        "fixed head": fading((5, 4), (1, 1), 1, bias=True),
        "discounted": fading((2, 1), (1, 1), 1, gamma=Fraction(1)),
        "no ε": fading((2, 1), (1, 2), 1, epsilon=Fraction(1)),
        "small step": fading((1, 1), (1, 1), 1),
        "memory": fading((20, *[19] * 5), [1] * 6, 1, betas=(Fraction(1, 2), ZERO)),
    },
    proof="The gradient of w_ji is e_t v_j x_i with e_t = (1-γ) Q_t ≠ 0 while one lives, and e_t "
    "v_j > 0 for all j. By dominance.adam-scale-free the factors v_j x_i drop out: every weight "
    "moves by α ψ_t, ψ_t = m̂_t/√v̂_t of the errors e_1 .. e_t alone, and z_j by α ‖x‖₁ ψ_t. |e| "
    "falls, so m̂ (a mean with more weight on the recent) is at most the mean with v̂'s weights, "
    "and that at most √v̂ (Jensen): 0 < ψ_t ≤ 1. The dead only go on falling, by momentum. So "
    "dominance.last-survivors applies, and neuron 1 is alone at some step, as a step is at most "
    "z_1 - z_2. If some lived for ever, Σψ would be finite; then either e_t → e > 0 and ψ_t → 1, "
    "a contradiction, or the last one's z and e = κ z tend to 0, √v̂ too; but z falls by at least "
    "α ‖x‖₁ (1-β₁) κ z/√v̂ > z as soon as √v̂ is small enough.",
    remark="ref.dynamics.learn, with a fixed final layer, takes the same path (tests). The same "
    "in a real network: ref.survivor. Practice: a largest share that rises is a "
    "layer that dies; look at the saturated share and at the activation itself before a neuron is "
    "pruned.",
)

# ----------------------------------------------------------- noise: without ε it ends so, too


@dataclass(frozen=True)
class Walk:
    """z_1 = k α ‖x‖₁; gradients ρ^t times independent random signs; T steps of Adam with β = 0."""

    k: int
    steps: int
    rho: Fraction
    epsilon: Fraction = ZERO

    def __post_init__(self) -> None:
        require(self.k >= 0, "k", self.k, "no number below 0")
        checks.between("steps", self.steps, 1, 12)  # all 2^T signs are tried
        checks.positive("rho", self.rho)
        checks.not_negative("epsilon", (self.epsilon,))

    def __str__(self) -> str:
        return (
            f"z_1 = {self.k} α‖x‖₁, g_t = ±({self.rho})^t, {self.steps} steps, ε = {self.epsilon}"
        )


def survivors(w: Walk) -> Fraction:
    """P(z_1 > 0 at all of the steps), exactly, over all 2^T signs."""
    lengths = [w.rho**t / (w.rho**t + w.epsilon) for t in range(1, w.steps + 1)]
    alive = 0
    for signs in product((-1, 1), repeat=w.steps):
        height, lowest = Fraction(w.k), Fraction(w.k)
        for s, length in zip(signs, lengths, strict=True):
            height += s * length
            lowest = min(lowest, height)
        alive += lowest > 0
    return Fraction(alive, 2**w.steps)


def reflected(w: Walk) -> Fraction:
    """k C(T, ⌊T/2⌋)/2^T: there are k ends, none likelier than the one in the middle."""
    return Fraction(w.k * comb(w.steps, w.steps // 2), 2**w.steps)


def walk_slack(w: Walk) -> Fraction:
    return reflected(w) - survivors(w)


def walk_ends(w: Walk) -> bool:
    """The bound, and it is the number of ends in [-k, k) of the walk that is not absorbed."""
    ends = sum(comb(w.steps, up) for up in range(w.steps + 1) if -w.k <= 2 * up - w.steps < w.k)
    return walk_slack(w) >= 0 and survivors(w) == Fraction(ends, 2**w.steps)


def walks(size: int) -> SearchStrategy[Walk]:
    rhos = st.fractions(Fraction(1, 4), 1, max_denominator=12)
    return st.builds(Walk, st.integers(1, 3), st.just(size), rhos, st.sampled_from((ZERO,) * 7))


NOISE_KILLS = Claim(
    id="dominance.noise-kills",
    source="new; the extinction theorem for noise",
    origin="ours",
    title="Without ε noise kills every unit, however fast it vanishes",
    statement="g_t = ρ^t times independent signs, Adam with β = 0 and ε = 0, z_1 = k α‖x‖₁:\n"
    "P(z_1 alive after T steps) = P(-k ≤ S_T < k) ≤ k C(T, ⌊T/2⌋)/2^T ≈ k √(2/(πT)) → 0",
    given=(Assumption("no ε", "ε = 0", lambda w: w.epsilon == 0, said=False),),
    then=walk_ends,
    instances=walks,
    sizes=(1, 2, 3, 4, 5, 6),
    verdict="holds if",
    needs={"no ε": Walk(1, 6, Fraction(1, 2), Fraction(1))},
    slack=walk_slack,
    tight_at=Walk(1, 1, Fraction(1)),
    proof="A step is α‖x‖₁ times a sign, whatever ρ is: a simple random walk, absorbed at 0. By "
    "the reflection principle P(max_{t≤T} S_t ≥ k) = P(S_T ≥ k) + P(S_T > k), so 1 minus that is "
    "P(-k ≤ S_T < k): k ends of the parity of T, of which none is likelier than the middle. All "
    "units of a layer with heads of one sign walk together: at a new minimum the layer is as "
    "dominance.last-survivors has it, so with probability 1 the layer dies and neuron 1 was "
    "dominant before, if α‖x‖₁ ≤ z_1 - z_2.",
    remark="Noise alone takes T ~ k² updates; steps of one sign (dominance.extinction) take k: the "
    "runs' rule that α times the number of updates decides speaks for the latter.",
)

# ------------------------------------------------------------------- with ε: it cannot happen


@dataclass(frozen=True)
class Spared:
    """Pre-activations z (N,), the largest first, what each moves by (N,), and a bound B ≥ 0."""

    z: Vector
    move: Vector
    bound: Fraction

    def __post_init__(self) -> None:
        checks.row("z", self.z)
        checks.row("move", self.move, len(self.z))
        checks.not_negative("bound", (self.bound,))

    def __str__(self) -> str:
        return f"z = {vector(self.z)} moves by {vector(self.move)}, B = {self.bound}"


def spared(z: Any, move: Any, bound: Any) -> Spared:
    return Spared(fractions(*z), fractions(*move), Fraction(bound))


def within(s: Spared) -> bool:
    return max(map(abs, s.move)) <= s.bound


def roomy(s: Spared) -> bool:
    """z_1 + B ≤ Σ_{j≥2} (z_j - B)."""
    return s.z[0] + s.bound <= sum(s.z[1:]) - (len(s.z) - 1) * s.bound


def spared_slack(s: Spared) -> Fraction:
    """What the others have more than neuron 1."""
    h = [max(z + m, ZERO) for z, m in zip(s.z, s.move, strict=True)]
    return sum(h[1:], ZERO) - h[0]


def spareds(size: int) -> SearchStrategy[Spared]:
    def build(z: list[int], move: list[int], bound: int, far: int) -> Spared:
        reach = bound + 20 * (far == 0)
        moves = [max(-reach, min(reach, m * (1 + reach))) for m in move]
        return spared(sorted(z, reverse=True), moves, bound)

    return st.builds(
        build,
        st.lists(st.integers(4, 9), min_size=size, max_size=size),
        st.lists(st.integers(-3, 3), min_size=size, max_size=size),
        st.integers(0, 2),
        st.integers(0, 5),
    )


EPSILON_SPARES = Claim(
    id="dominance.epsilon-spares",
    source="new; the extinction theorem, where it cannot happen",
    origin="ours",
    title="With ε large enough no neuron can become dominant",
    statement="each z_j moves by at most B, z_1 the largest, z_1 + B ≤ Σ_{j≥2} (z_j - B)\n"
    "⇒ neuron 1 is not dominant. By dominance.epsilon-survives B = (α/ε) Σ_t Σ_i |x_i| |m̂_ti|",
    given=(
        Assumption("bound", "|move of z_j| ≤ B for all j", within, said=False),
        Assumption("room", "z_1 + B ≤ Σ_{j≥2} (z_j - B)", roomy, said=False),
    ),
    instances=spareds,
    sizes=(3, 4, 6, 8),
    verdict="holds if",
    needs={"bound": spared((1, 1), (1, 0), 0), "room": spared((2, 1), (0, 0), 0)},
    slack=spared_slack,
    tight_at=spared((3, 2, 2), (Fraction(1, 3), *[Fraction(-1, 3)] * 2), Fraction(1, 3)),
    proof="h_1 ≤ z_1 + B and h_j ≥ z_j - B.",
    remark="The same for any of the neurons, in the place of the first. With ε = 0 and noise B is "
    "infinite: dominance.noise-kills. So one number decides, and Adam's ε is it; measured: "
    "results/last-survivor: with 1e-5 no layer died, though shares above 1/2 came.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    COMMON_FALL,
    LAST_SURVIVORS,
    EXTINCTION,
    NOISE_KILLS,
    EPSILON_SPARES,
)
