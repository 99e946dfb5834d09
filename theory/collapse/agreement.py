"""Do the states' predictions come to agree when there is no reward? Not always, and when they do.

With HL-Gauss targets on G bins of width 1 from 0 on, after Neuron Dominance, section 4.2. E is the
error p - p̂, so that ∂Ψ = W E' and ∂W = Ψ E: both rest iff Ψ E = 0 and W E' = 0, which E = 0 is not
needed for. That a flow does rest where p̂ differs is proved in ball arithmetic (python-flint): see
`rest_near`.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy import optimize, special
from scipy.integrate import solve_ivp

from ref import losses
from ref.checks import Array, require
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.collapse.flows import (
    ATOL,
    GAMMAS,
    HALF,
    HISTOGRAM,
    INTEGRATED,
    ONE,
    ONE_CLASS,
    RTOL,
    ZERO,
    Bins,
    Classifier,
    Matrix,
    Row,
    chain,
    classifier,
    exact,
    integers,
    row,
    rows,
    shaped,
    show,
    spread,
)

# ------------------------------------------------------------------- the flow, as far as floats see


def hl_gauss_flow(c: Classifier, psi: Array, w: Array) -> tuple[Array, Array]:
    """(dPsi, dW) of line (22) in floats, W itself and not by ln 2: HL-Gauss targets without reward.

    On as many bins of width 1 from 0 on as W has columns.
    """
    bins = Bins(ZERO, Fraction(len(c.centres)), len(c.centres), c.gamma)
    edges = losses.bin_edges(0.0, float(bins.high), bins.bins)
    phat = special.softmax(psi.T @ w, axis=1)
    backup = np.asarray(c.transition, float) @ losses.decode(phat, losses.centres(edges))
    error = losses.hl_gauss(float(c.gamma) * backup, edges, float(bins.sigma))[0] - phat
    return w @ error.T, psi @ error


@lru_cache(maxsize=8)
def way(c: Classifier, until: float = 10_000) -> tuple[tuple[Array, Array], ...]:
    """(Psi_t, W_t) of that flow at some times from 0 on."""
    psi, w = np.asarray(c.psi, float), math.log(2) * np.asarray(c.w, float)
    cut = psi.size

    def split(state: Array) -> tuple[Array, Array]:
        return state[:cut].reshape(psi.shape), state[cut:].reshape(w.shape)

    def slope(_: float, state: Array) -> Array:
        return np.concatenate([move.ravel() for move in hl_gauss_flow(c, *split(state))])

    start = np.concatenate([psi.ravel(), w.ravel()])
    done = solve_ivp(slope, (0, until), start, method="LSODA", rtol=RTOL, atol=ATOL)
    return tuple(map(split, done.y.T))


def differences(c: Classifier, until: float = 10_000) -> list[float]:
    """The largest difference of two states' p̂ on that way."""
    logits = [psi_t.T @ w_t for psi_t, w_t in way(c, until)]
    return [float(spread(special.softmax(x, axis=1)).max()) for x in logits]


# ------------------------------------------------------------------ the proof that it rests apart

BITS = 200  # of a ball's midpoint
RADIUS = 60  # the box has sides of 2^-60 to both sides
NEAR = 1e-3  # how far from an instance, in each coordinate, its rest point may be
STILL = 1e-2  # what moves faster than this has none so near, and is not asked


@dataclass(frozen=True)
class Rest:
    """Of two states and one neuron: balls around the coordinates, the values and p̂ (2, G)."""

    coordinates: Any
    values: Any
    predictions: Any


def coordinates(c: Classifier) -> list[float]:
    """(ψ_1, w_1, .., w_{G-1}), scaled so that ψ_2 = 1 and w sums to 0: neither matters to rest."""
    psi, w = (np.asarray(x[0], float) for x in (c.psi, c.w))
    w = math.log(2) * psi[1] * (w - w.mean())
    return [float(psi[0] / psi[1]), *map(float, w[:-1])]


def at_rest(c: Classifier, point: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """(what is 0 at rest, values, p̂) at coordinates that are balls, or series of them.

    Ψ E = 0 in the first G - 1 bins and w·E(1) = 0. The rest follows: the rows of E sum to 0, and
    E(2) = -ψ_1 E(1).
    """
    from flint import arb

    def ball(x: Fraction) -> Any:
        return arb(x.numerator) / x.denominator

    def normal(x: Any) -> Any:
        """Its distribution function, but for the factor and the constant that cancel."""
        return (x / arb(2).sqrt()).erf()

    bins = Bins(ZERO, Fraction(len(c.centres)), len(c.centres), c.gamma)
    w = [*point[1:], -sum(point[1:])]
    phat = []
    for psi in (point[0], arb(1)):
        powers = [(psi * x).exp() for x in w]
        phat.append([x / sum(powers) for x in powers])
    values = [sum(p * ball(z) for p, z in zip(q, bins.centres(), strict=True)) for q in phat]
    errors = []
    for chances, q in zip(c.transition, phat, strict=True):
        target = sum(ball(c.gamma * p) * v for p, v in zip(chances, values, strict=True))
        below = [normal((k - target) / ball(bins.sigma)) for k in range(bins.bins + 1)]
        mass = below[-1] - below[0]
        errors.append([(below[k + 1] - below[k]) / mass - q[k] for k in range(bins.bins)])
    moves = [point[0] * x + y for x, y in zip(*errors, strict=True)]
    return [*moves[:-1], sum(x * e for x, e in zip(w, errors[0], strict=True))], values, phat


def jacobian(c: Classifier, point: list[Any]) -> Any:
    """Of what is 0 at rest: one coordinate at a time is a power series of two terms."""
    from flint import arb_mat, arb_series

    columns = []
    for j in range(len(point)):
        moved = [*point[:j], arb_series([point[j], 1]), *point[j + 1 :]]
        columns.append([arb_series(x)[1] for x in at_rest(c, moved)[0]])
    return arb_mat(columns).transpose()


@lru_cache(maxsize=8)
def rest_near(c: Classifier) -> Rest | None:
    """A rest point of the flow within NEAR of an instance, if one is proved to exist there.

    Krawczyk's test: from the instance Newton's steps lead to a point x. With Y about the inverse of
    the Jacobian J there, and B the box of sides 2^-60 around x, the map K(B) = x - Y f(x) +
    (I - Y J(B)) (B - x) contains every x - Y f(x), x of B. If K(B) lies in the interior of B then f
    has a zero in B, by Brouwer. Balls enclose what they are computed from, rounding included. None
    also says that the instance is not of two states and one neuron, or that flint is not installed.
    """
    try:
        from flint import arb, arb_mat, ctx
    except ImportError:
        return None
    if len(c.transition) != 2 or len(c.psi) != 1 or c.psi[0][1] == 0:
        return None
    before, ctx.prec = ctx.prec, BITS
    try:
        start = coordinates(c)
        x = [arb(number) for number in start]
        if max(abs(float(f)) for f in at_rest(c, x)[0]) > STILL:
            return None
        for _ in range(8):
            step = jacobian(c, x).solve(arb_mat([[f] for f in at_rest(c, x)[0]]))
            x = [(a - step[i, 0]).mid() for i, a in enumerate(x)]
        box = [a + arb(0, arb(2) ** -RADIUS) for a in x]
        y = arb_mat([[e.mid() for e in line] for line in jacobian(c, x).inv().tolist()])
        same = arb_mat([[int(i == j) for j in range(len(x))] for i in range(len(x))])
        aside = arb_mat([[b - a] for a, b in zip(x, box, strict=True)])
        step = y * arb_mat([[f] for f in at_rest(c, x)[0]])
        image = (same - y * jacobian(c, box)) * aside - step
        inside = [b.contains_interior(x[i] + image[i, 0]) for i, b in enumerate(box)]
        moved = max(abs(float(a) - s) for a, s in zip(x, start, strict=True))
        if not all(inside) or moved > NEAR:
            return None
        _, values, phat = at_rest(c, box)
        return Rest(box, values, phat)
    except ZeroDivisionError:  # Newton met a singular matrix
        return None
    finally:
        ctx.prec = before


def rests_apart(c: Classifier) -> bool:
    """Proved: a flow that starts within NEAR of this rests there, with different predictions."""
    rest = rest_near(c)
    return rest is not None and any(
        not (a - b).contains(0) for a, b in zip(*rest.predictions, strict=True)
    )


def predictions_close(c: Classifier) -> bool:
    """Not if a rest point apart is proved; else what can be seen of a limit: t = 10,000."""
    return not rests_apart(c) and differences(c)[-1] <= INTEGRATED


def sticky(size: tuple[int, int, int]) -> SearchStrategy[Classifier]:
    """Two states that mostly stay, one neuron of either sign, small weights or none."""
    bins = size[2]

    def build(kind: int, leave: int, gamma: int, scale: int, numbers: list[int]) -> Classifier:
        first, second, *w = numbers
        away = (Fraction(1, 20), Fraction(leave, 20))
        chain = rows([[1 - away[0], away[0]], [away[1], 1 - away[1]]])
        psi = rows([[first * scale, second]])
        weights = shaped(w if kind == 1 else [0] * bins, bins)
        return Classifier(chain, GAMMAS[gamma], psi, weights, row(*range(bins)), "direct")

    few = st.integers(1, 3)
    return st.builds(build, few, few, st.sampled_from((0, 3, 3)), few, integers(2 + bins))


STICKY = (("19/20", "1/20"), ("1/20", "19/20"))
SEVEN = classifier(
    STICKY,
    "9/10",
    [["-4.288", "1.463"]],
    [["-.096", "-.541", "-.565", ".374", ".549", ".155", ".124"]],
    range(7),
    "direct",
)
TEN = classifier(
    STICKY,
    "1/2",
    [["-4.372", "1.415"]],
    [["-.811", "-.823", ".453", ".878", ".1", ".041", *[".04"] * 4]],
    range(10),
    "direct",
)


def rest_steps(c: Classifier) -> list[str]:
    end = f"From this very start p̂ differs by {differences(c)[-1]:.6f} at t = 10,000 (measured)."
    rest = rest_near(c)
    if rest is None:
        return [end]
    psi, *w = (x.str(6, radius=False) for x in rest.coordinates)
    apart = max((abs(a - b) for a, b in zip(*rest.predictions, strict=True)), key=float)
    return [
        f"Scaled to ψ_2 = 1, Σ w = 0: around ψ_1 = {psi}, w = ({', '.join(w)}, ..)",
        f"is, at most 2^-{RADIUS} away in each coordinate, a point where Ψ E = 0 and W E' = 0.",
        f"(Krawczyk's test in ball arithmetic of {BITS} bits.) There p̂ of one bin differs by",
        f"{apart.str(12)}, and the values are {' and '.join(v.str(12) for v in rest.values)}.",
        end,
    ]


PREDICTIONS_AGREE = Claim[Classifier](
    id="collapse.predictions-agree",
    source="beyond Theorem 3",
    origin="ours",
    title="Without reward the states' predictions come to agree",
    statement="R = 0, HL-Gauss targets, one recurrent class  ⇒  p̂_t(x) - p̂_t(y) → 0",
    given=(ONE_CLASS,),
    then=predictions_close,
    instances=sticky,
    sizes=((2, 1, 7),),
    verdict="refuted",
    counterexample=SEVEN,
    breaks="To rest asks for Ψ E = 0 and W E' = 0, not for E = 0. Of two states and one neuron it\n"
    "leaves E(2) = -(ψ_1/ψ_2) E(1) and w·E(1) = 0: G equations for the G numbers ψ_1/ψ_2 and w.",
    repaired_by=("collapse.wide-unlearns", "collapse.backup-contracts"),
    steps=rest_steps,
    remark="In practice: with fewer than G - 1 neurons before G logits (100 for 101 bins) values\n"
    "may stay apart without reward, and far from 0, however long one trains. With 10 bins and\n"
    "γ = 1/2 they rest at 2.1 and 5.1 (the same proof).\n"
    "For G ≤ 6 no such rest was met from W_0 = 0. The instance is near a rest point: proved is\n"
    "what a start at that point itself does. Flows from there and from Ψ_0 = (-4, 2), W_0 = 0 end\n"
    "at it (measured). Ψ/s and sW rest for every s, but scaled to ψ_2 = 1 flows leave this point.",
)


# ----------------------------------------------------------------------- what makes them agree


@dataclass(frozen=True)
class Backup:
    """Bins, a chain and the values (states,) that are backed up without reward."""

    bins: Bins
    transition: Matrix
    values: Row

    def __post_init__(self) -> None:
        require(self.bins.low == 0, "bins", self.bins, "bins from 0 on")
        checks.chain("transition", self.transition)
        checks.row("values", self.values, len(self.transition))
        for value in self.values:
            checks.between("values", value, 0, self.bins.high)

    def __str__(self) -> str:
        return f"{self.bins}, P = {show(self.transition)}, V = {vector(self.values)}"


def backed_up(size: tuple[int, int]) -> SearchStrategy[Backup]:
    """Of a size (states, G), on [0, G]; the values are in it."""
    states, count = size
    cut = states * states

    def build(kind: int, gamma: int, sigma: int, numbers: list[int]) -> Backup:
        bins = Bins(ZERO, Fraction(count), count, GAMMAS[gamma], Fraction(sigma, 4))
        values = row(*((x + 2) * Fraction(count, 4) for x in numbers[cut:]))
        return Backup(bins, chain(states, kind, numbers[:cut]), values)

    few = st.integers(0, 3)
    return st.builds(build, few, few, st.integers(1, 4), integers(cut + states))


GRID = 16  # points a bin
# The same readings stand on both sides: what is left are a few roundings of numbers below 100.
SLOPES = 1e-12


def steepest(bins: Bins, points: list[Fraction]) -> float:
    """The largest slope of D between neighbours, D(v) what is read from the histogram of v."""
    read = np.array([bins.read(float(point))[1] for point in points])
    return float((np.diff(read) / np.diff(np.asarray(points, float))).max(initial=0.0))


@lru_cache(maxsize=64)
def steepest_on_grid(bins: Bins) -> float:
    steps = range(GRID * bins.bins + 1)
    return steepest(bins, [bins.low + bins.width() * Fraction(k, GRID) for k in steps])


def contraction_slack(b: Backup) -> float:
    """gamma L spread(V) - spread(D(gamma P V)).

    L is the largest slope on a grid and among the targets gamma P V: no more than D's Lipschitz
    constant.
    """
    targets = b.bins.gamma * (exact(b.transition) @ exact(b.values))
    largest = max(steepest_on_grid(b.bins), steepest(b.bins, sorted(set(targets))))
    ends = [b.bins.read(float(target))[1] for target in targets]
    reach = float(b.bins.gamma * (max(b.values) - min(b.values)))
    return largest * reach - (max(ends) - min(ends))


BACKUP_CONTRACTS = Claim(
    id="collapse.backup-contracts",
    source="repairs collapse.predictions-agree",
    origin="ours",
    title="A backup without reward brings values γL times nearer",
    statement="D(v) = decode(encode(v)) with HL-Gauss, L its Lipschitz constant\n"
    "⇒ spread of D(γPV) ≤ γL · spread of V\n"
    "so if p̂ = p in all states and γL < 1, then p̂ is the same for all states",
    given=(),
    instances=backed_up,
    sizes=((1, 2), (2, 3), (2, 5), (3, 8)),
    verdict="holds",
    slack=contraction_slack,
    error=SLOPES,
    tight_at=Backup(Bins(ZERO, Fraction(3), 3, HALF), rows([[1, 0], [0, 1]]), row(1, 1)),
    proof="(PV)(x) is a mean of values, so γPV has at most γ times their spread, and D at most L\n"
    "times that. If p̂ = p everywhere then V = D(γPV), so spread V ≤ γL spread V: it is 0, all\n"
    "targets γPV are one number, and p(x) is its histogram.",
    remark="For σ = 3/4 bins L is 1 + 3·10⁻⁵ (measured), so γ ≤ 0.9999 will do. For σ → 0 D is a\n"
    "staircase, L infinite, and values a bin apart may rest.",
)


@dataclass(frozen=True)
class HalfDead:
    """Two states: at 1 all ReLUs are shut; state 2 goes there with probability `leave`."""

    leave: Fraction
    gamma: Fraction
    bins: int

    def __post_init__(self) -> None:
        checks.between("leave", self.leave, 0, 1)
        checks.between("gamma", self.gamma, 0, 1)
        require(self.bins >= 2, "bins", self.bins, "at least two")

    def __str__(self) -> str:
        return f"P(2 → 1) = {self.leave}, γ = {self.gamma}, {self.bins} bins on [0, {self.bins}]"


def half_dead(bins: int) -> SearchStrategy[HalfDead]:
    def build(leave: int, gamma: int) -> HalfDead:
        return HalfDead(Fraction(leave, 20), (*GAMMAS, ONE)[gamma], bins)

    return st.builds(build, st.integers(0, 20), st.integers(0, 4))


def next_value(h: HalfDead, value: float) -> float:
    """γ (P_21 G/2 + P_22 V(2))."""
    leave = float(h.leave)
    return float(h.gamma) * (leave * h.bins / 2 + (1 - leave) * value)


def rest_value(h: HalfDead) -> float:
    """V(2) = D(next value): a root between 0 and G."""
    bins = Bins(ZERO, Fraction(h.bins), h.bins, h.gamma)
    root = optimize.brentq(lambda v: bins.read(next_value(h, v))[1] - v, 0, h.bins, xtol=1e-14)
    return float(root)


def apart_for_ever(h: HalfDead) -> bool:
    """Whether p̂(2), which fits its target, is not uniform, as p̂(1) is."""
    bins = Bins(ZERO, Fraction(h.bins), h.bins, h.gamma)
    masses = bins.read(next_value(h, rest_value(h)))[0]
    return bool(np.abs(masses - 1 / h.bins).max() > HISTOGRAM)


def three_bins(h: HalfDead) -> bool:
    return h.bins >= 3


HALF_DEAD = Claim(
    id="collapse.dead-state-apart",
    source="sharpens collapse.predictions-agree",
    origin="ours",
    title="A layer that is shut in one state keeps predictions apart",
    statement="h = relu(z) free, logits h'W without an output bias, R = 0, HL-Gauss, G ≥ 3:\n"
    "for every γ and every chain of two states there is a point of rest with z(1) ≤ 0, where\n"
    "p̂(1) is uniform and p̂(2) is not",
    given=(Assumption("three bins", "G ≥ 3", three_bins),),
    then=apart_for_ever,
    instances=half_dead,
    sizes=(3, 5, 10),
    verdict="holds",
    needs={"three bins": HalfDead(ONE, ONE, 2)},
    proof="z(1) ≤ 0: no logit of state 1 is ever other than 0, and no gradient moves z(1). v -\n"
    "D(γ(P_21 G/2 + P_22 v)) is negative at 0 and positive at G, as 0 < D < G; so it has a root\n"
    "V(2), of the target p. With h(2) = 1 and W = log p state 2 fits p: E(2) = 0, and nothing\n"
    "moves. p is not uniform by collapse.uniform-hl-gauss.",
    remark="So with ReLU the question is open only for features that stay above 0.",
)


def stays_positive(c: Classifier) -> bool:
    """As far as can be seen: on the way to t = 10,000."""
    return all(float(psi.min()) > 0 for psi, _ in way(c))


def positive_starts(size: tuple[int, int, int]) -> SearchStrategy[Classifier]:
    def above_zero(c: Classifier) -> Classifier:
        return replace(c, psi=tuple(tuple(abs(x) + 1 for x in line) for line in c.psi))

    return sticky(size).map(above_zero)


POSITIVE_AGREE = Claim(
    id="collapse.predictions-agree-positive",
    source="beyond Theorem 3; left open by collapse.predictions-agree",
    origin="ours",
    title="Features that stay positive come to agree without reward",
    statement="R = 0, HL-Gauss targets, one recurrent class, all entries of Ψ_t > 0 at all t\n"
    "⇒ p̂_t(x) - p̂_t(y) → 0",
    given=(ONE_CLASS, Assumption("positive", "Ψ_t > 0 for all t", stays_positive)),
    then=predictions_close,
    instances=positive_starts,
    sizes=((2, 1, 3), (2, 1, 6)),
    verdict="open",
    remark="All counterexamples to collapse.predictions-agree that were found have ψ_1 ψ_2 < 0.\n"
    "Open gates are needed (collapse.dead-state-apart). For γ ≤ 9/10; nearer to 1 the flow is not\n"
    "at its end at t = 10,000.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    PREDICTIONS_AGREE,
    BACKUP_CONTRACTS,
    HALF_DEAD,
    POSITIVE_AGREE,
)
