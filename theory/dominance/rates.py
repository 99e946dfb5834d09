"""The learning rates around eq. (2): which step kills a neuron of the next layer.

Eq. (2) is a step of plain SGD at one input, with the head as it is; the papers train with Adam, of
which `adam.py` has the same laws.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dominance.layer import (
    ND,
    PAIRS,
    Size,
    Vector,
    average,
    dot,
    fractions,
    products,
    sign,
    term,
)


@dataclass(frozen=True)
class Step:
    """One input: g (N,) of layer k, weights w (M, N) of layer k + 1, head v (M,), target y, rate α.

    ŷ = Σ_j v_j relu(z_j) with z_j = w_j · g, the loss is (ŷ - y)²/2. A bias that learns is a
    weight from an activation 1: append it to g. `signs`: a step is α times the gradient's sign, as
    Adam's is at first, and with β = 0 always. `head`: v learns too.
    """

    g: Vector
    w: tuple[Vector, ...]
    v: Vector
    y: Fraction
    alpha: Fraction
    signs: bool = False
    head: bool = False

    def __post_init__(self) -> None:
        checks.row("g", self.g)
        checks.not_negative("g", self.g)
        checks.matrix("w", self.w, len(self.v), len(self.g))
        checks.positive("alpha", self.alpha)

    def __str__(self) -> str:
        w = "; ".join(map(vector, self.w))
        more = ", steps by signs" * self.signs + ", v learned" * self.head
        return (
            f"g = {vector(self.g)}, w = {w}, v = {vector(self.v)}, y = {self.y}, α = {self.alpha}"
            + more
        )


def start(
    g: Sequence[int],
    w: Sequence[Sequence[Any]],
    v: Sequence[Any],
    y: Any,
    rate: Any,
    signs: bool = False,
    head: bool = False,
) -> Step:
    return Step(
        fractions(*g),
        tuple(fractions(*row) for row in w),
        fractions(*v),
        Fraction(y),
        Fraction(rate),
        signs,
        head,
    )


def inner(s: Step) -> Vector:
    """z_j of layer k + 1, (M,)."""
    return tuple(dot(row, s.g) for row in s.w)


def residual(s: Step) -> Fraction:
    """r = ŷ - y."""
    return dot(s.v, tuple(max(z, Fraction(0)) for z in inner(s))) - s.y


def move(s: Step, weight: Fraction, gradient: Fraction) -> Fraction:
    return weight - s.alpha * (Fraction(sign(gradient)) if s.signs else gradient)


def update(s: Step) -> Step:
    """Eq. (2) for every incoming weight of layer k + 1, with the gate that it leaves out."""
    r, z = residual(s), inner(s)
    rows = [
        tuple(move(s, w, r * v * g) for w, g in zip(row, s.g, strict=True)) if x > 0 else row
        for row, v, x in zip(s.w, s.v, z, strict=True)
    ]
    v = [move(s, v, r * max(x, Fraction(0))) for v, x in zip(s.v, z, strict=True)]
    return replace(s, w=tuple(rows), v=tuple(v) if s.head else s.v)


def gate_open(s: Step) -> bool:
    return inner(s)[0] > 0


def weight_positive(s: Step) -> bool:
    return s.w[0][0] > 0


def activation_positive(s: Step) -> bool:
    return s.g[0] > 0


def opposite(s: Step) -> bool:
    return residual(s) > 0 and s.v[0] < 0


def moves_down(s: Step) -> bool:
    return update(s).w[0][0] < s.w[0][0]


def state_lines(s: Step) -> list[str]:
    r = residual(s)
    heads = " + ".join(f"{term(v)}·relu({z})" for v, z in zip(s.v, inner(s), strict=True))
    return [
        *(f"z_{j} = {products(row, s.g)} = {dot(row, s.g)}" for j, row in enumerate(s.w, 1)),
        f"ŷ = {heads} = {r + s.y}, r = ŷ - y = {r + s.y} - {term(s.y)} = {r}",
    ]


def one_step(s: Step) -> list[str]:
    r, after, lines = residual(s), update(s), state_lines(s)
    for j, (row, v, z) in enumerate(zip(s.w, s.v, inner(s), strict=True), 1):
        if z <= 0:
            lines.append(f"z_{j} ≤ 0: the gate is shut and its weights stay")
            continue
        pulled = s.g[0] * r * v
        bound = row[0] / pulled if pulled else "none, as r v is 0"
        lines.append(f"Printed threshold w_1{j}/(g_1 r v_{j}): {bound}; α = {s.alpha}")
        for i, (w, g) in enumerate(zip(row, s.g, strict=True), 1):
            change = f"{s.alpha}·{term(r)}·{term(v)}·{g}"
            lines.append(f"w_{i}{j} - α r v_{j} g_{i} = {w} - {change} = {after.w[j - 1][i - 1]}")
    for j, row in enumerate(after.w, 1):
        lines.append(f"Then z_{j} = {products(row, s.g)} = {dot(row, s.g)}")
    return lines


RATES = fractions(Fraction(1, 16), Fraction(1, 4), Fraction(3, 8), Fraction(1, 2), 1, 2, 3)


def steps_of(size: Size) -> SearchStrategy[Step]:
    width, count = size
    total = width + count * width + count

    def build(numbers: list[int], y: int, rate: Fraction, kind: int) -> Step:
        g = [abs(x) for x in numbers[:width]]
        if kind:  # dominant, and every gate open
            g[0] += sum(g[1:]) + (kind == 1)
        flat = numbers[width : width + count * width]
        w = [flat[i * width : (i + 1) * width] for i in range(count)]
        if kind == 1:
            w = [[abs(x) for x in row] for row in w]
        if kind == 2:
            w = [[max(map(abs, row)), *row[1:]] for row in w]
        v = [x or 1 for x in numbers[-count:]] if kind else numbers[-count:]
        return start(g, w, v, y, rate)

    return st.builds(
        build,
        st.lists(st.integers(-2, 3), min_size=total, max_size=total),
        st.integers(-6, 6),
        st.sampled_from(RATES),
        st.integers(0, 2),
    )


def in_steps(s: Step) -> Step:
    """By signs, with weights and twice the target in units of the step: so they come back."""
    w = tuple(tuple(s.alpha * x for x in row) for row in s.w)
    return replace(s, w=w, y=s.alpha * s.y / 2, signs=True)


def swinging(s: Step, q: Fraction) -> Step:
    """One neuron with a head that learns, z = v: to q z, and back to z, for ever."""
    z = abs(s.v[0]) or Fraction(1)
    y = z * z * (1 - q + q * q)
    return Step(fractions(1), ((z,),), (z,), y, 1 / (q * z * z), head=True)


def any_steps(size: Size) -> SearchStrategy[Step]:
    """Half of them as eq. (2) has it, the others by signs or with a head that learns."""

    def build(s: Step, kind: int, q: Fraction) -> Step:
        if kind == 3 and size == (1, 1):
            return swinging(s, q)
        return (s, s, in_steps(s), replace(s, head=True))[kind]

    return st.builds(
        build,
        steps_of(size),
        st.integers(0, 3),
        st.sampled_from(fractions(Fraction(1, 2), Fraction(1, 4))),
    )


OPEN = Assumption("open gate", "z_j > 0", gate_open, said=False)
OPEN_AND_ON = (
    Assumption("active", "g_1 > 0", activation_positive),
    Assumption("positive weight", "w_1j > 0", weight_positive),
    OPEN,
)


RATE_DIRECTION = Claim(
    id="dominance.rate-direction",
    source=f"{ND}, below eq. (2), step 1",
    origin="printed",
    title="Opposite signs lower the dominant neuron's weight",
    statement="r = ŷ - y > 0 and v_j < 0, α > 0  ⇒  eq. (2) makes w_1j smaller",
    given=(*OPEN_AND_ON, Assumption("opposite", "r > 0, v_j < 0", opposite)),
    then=moves_down,
    instances=steps_of,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=start([1], [[1]], [-1], -2, Fraction(1, 4)),
    breaks="A sign: -α r v_j g_1 is positive. ŷ does fall, because w_1j rises under v_j < 0.",
    repaired_by=("dominance.one-step-kill",),
    steps=one_step,
)


def pull(s: Step) -> Fraction:
    """g_1 r v_j, which eq. (2) multiplies with α."""
    return s.g[0] * residual(s) * s.v[0]


def same(s: Step) -> bool:
    return residual(s) * s.v[0] > 0


def printed_rate(s: Step) -> bool:
    return pull(s) != 0 and s.alpha >= s.w[0][0] / pull(s)


def is_negative(s: Step) -> bool:
    return update(s).w[0][0] < 0


PRINTED_RATE = Assumption("rate", "α ≥ w_1j / (g_1 r v_j), r v_j ≠ 0", printed_rate)
SAME = Assumption("same sign", "r v_j > 0", same)


RATE_EQUALITY = Claim(
    id="dominance.rate-equality",
    source=f"{ND}, below eq. (2), step 2",
    origin="printed",
    title="At the threshold the weight turns negative",
    statement="r v_j > 0, α ≥ w_1j/(g_1 r v_j)  ⇒  w_1j < 0 after eq. (2)",
    given=(*OPEN_AND_ON, SAME, PRINTED_RATE),
    then=is_negative,
    instances=steps_of,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=start([1], [[1]], [1], 0, 1),
    breaks="With α equal to the threshold the weight is 0; the inequality must be strict.",
    repaired_by=("dominance.one-step-kill",),
    steps=one_step,
)


RATE_SIGN = Claim(
    id="dominance.rate-sign",
    source=f"{ND}, section 3.2 ('given a sufficiently large learning rate')",
    origin="printed",
    title="Above the threshold the weight turns negative",
    statement="α ≥ w_1j/(g_1 r v_j)  ⇒  w_1j < 0 after eq. (2)",
    given=(*OPEN_AND_ON, PRINTED_RATE),
    then=is_negative,
    instances=steps_of,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=start([1], [[1]], [1], 2, 1),
    breaks="For r v_j < 0 the threshold is negative: every α is above it, and w_1j grows.",
    repaired_by=("dominance.one-step-kill", "dominance.all-die"),
    steps=one_step,
)


def not_opposite(s: Step) -> bool:
    return residual(s) * s.v[0] >= 0


def some_rate_works(s: Step) -> bool:
    """w_11 - α g_1 r v_1 1[z_1 > 0] falls below 0 for some α ≥ 0."""
    return weight_positive(s) and gate_open(s) and pull(s) > 0


RATE_EXISTS = Claim(
    id="dominance.rate-exists",
    source=f"{ND}, section 3.2 ('sufficiently large')",
    origin="printed",
    title="Some learning rate turns the weight negative",
    statement="g_1 > 0, w_1j > 0, r v_j not negative  ⇒  w_1j < 0 after eq. (2) for some α",
    given=(*OPEN_AND_ON, Assumption("sign", "r v_j ≥ 0", not_opposite)),
    then=some_rate_works,
    instances=steps_of,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=start([1], [[1]], [1], 1, 1),
    breaks="Where the network is right, r = 0, nothing moves at any rate.",
    repaired_by=("dominance.all-die",),
    steps=one_step,
)


def gamma(s: Step) -> Fraction:
    """Γ = ‖g‖²."""
    return dot(s.g, s.g)


def fate(s: Step) -> tuple[frozenset[int], bool]:
    """The neurons of layer k + 1 that are active for ever, and whether r is 0 at some step.

    Exact. While the set A of active neurons stays, r_t = r_0 q^t with q = 1 - κ, κ = α Γ Σ_A v_j²,
    and z_j moves by -α Γ v_j r_0 (1 - q^t)/κ. If κ < 1 that is monotone and A is final if no limit
    is negative. If 1 < κ ≤ 2 it is widest at t = 1 for those that fall at first, and the others
    never fall below their start; so A is final if it survives one step. Else a neuron dies within
    finitely many steps, after which a shut gate stays shut: there are at most M rounds of this.
    Other steps than eq. (2) are followed until they come back to where they were.
    """
    if s.signs or s.head:
        return followed(s)
    c, z = s.alpha * gamma(s), list(inner(s))
    while True:
        active = [j for j, value in enumerate(z) if value > 0]
        r = sum((s.v[j] * z[j] for j in active), Fraction(0)) - s.y
        kappa = c * sum(s.v[j] ** 2 for j in active)
        if r == 0 or kappa == 0:
            return frozenset(active), r == 0
        after = {j: z[j] - c * s.v[j] * r for j in active}
        limits = [z[j] - c * s.v[j] * r / kappa for j in active]
        settled = min(limits) >= 0 if kappa < 1 else kappa <= 2 and min(after.values()) > 0
        if settled:  # for κ = 1 this step is the last, and lands on r = 0
            return frozenset(active), kappa == 1
        for j in active:
            z[j] = after[j]


def followed(s: Step) -> tuple[frozenset[int], bool]:
    """`fate`, of steps that come back; what has not by step 6 counts as it is then."""
    seen: set[Step] = set()
    while s not in seen and residual(s) != 0 and len(seen) < 6:
        seen.add(s)
        s = update(s)
    return frozenset(j for j, z in enumerate(inner(s)) if z > 0), residual(s) == 0


def rate_for_all(s: Step) -> bool:
    """α > w_1j/(g_1 r v_j) for every j, at the first step; and some r v_j > 0."""
    pulls = [s.g[0] * residual(s) * v for v in s.v]
    high = all(p != 0 and s.alpha > row[0] / p for p, row in zip(pulls, s.w, strict=True))
    return high and max(pulls) > 0


def all_gates_open(s: Step) -> bool:
    return min(inner(s)) > 0


def dominant_at_x(s: Step) -> bool:
    return s.g[0] > sum(s.g[1:])


def saturates_in_the_end(s: Step) -> bool:
    return not fate(s)[0]


def run_lines(s: Step) -> list[str]:
    lines, now = one_step(s), s
    for t in range(5):
        lines.append(f"step {t}: z = {vector(inner(now))}, r = {residual(now)}")
        now = update(now)
    alive = ", ".join(str(j + 1) for j in sorted(fate(s)[0])) or "none"
    return [*lines, f"active for ever: {alive}"]


RATE_EVENTUALLY = Claim(
    id="dominance.rate-eventually",
    source=f"{ND}, section 3.2 ('eventually ... fully saturated')",
    origin="printed",
    title="A large rate saturates layer k+1 in the end",
    statement="g_1 > Σ_{i≥2} g_i, α > w_1j/(g_1 r v_j) for every j, some r v_j > 0\n"
    "⇒ after enough steps of eq. (2) every neuron of layer k+1 is saturated",
    given=(
        Assumption("dominant", "g_1 > Σ_{i≥2} g_i", dominant_at_x),
        Assumption("open gates", "z_j > 0 for all j", all_gates_open, said=False),
        Assumption("rate", "α > w_1j/(g_1 r v_j) for all j, some r v_j > 0", rate_for_all),
    ),
    then=saturates_in_the_end,
    instances=steps_of,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=start([1], [[1], [1]], [1, -1], -3, Fraction(1, 2)),
    breaks="Neurons with r v_j < 0 fit what is left; r goes to 0 and they stay.",
    repaired_by=("dominance.all-die", "dominance.some-survive"),
    steps=run_lines,
)


def all_printed_weights(s: Step) -> bool:
    return all(row[0] >= average(row) for row in s.w)


def turned_negative(s: Step) -> bool:
    return all(row[0] < 0 for row in update(s).w)


def saturated_after(s: Step) -> bool:
    return max(inner(update(s))) <= 0


def hypothesis_steps(s: Step) -> list[str]:
    averages = [
        f"Then w_1{j} = {row[0]}, and the average of its weights is {average(row)}"
        for j, row in enumerate(update(s).w, 1)
    ]
    return one_step(s) + averages


RATE_THUS_SATURATED = Claim(
    id="dominance.rate-thus-saturated",
    source=f"{ND}, section 3.2 ('and thus')",
    origin="printed",
    title="Once its outgoing weights are negative, layer k+1 is saturated",
    statement="g_1 > Σ_{i≥2} g_i, w_1j ≥ mean_i w_ij before the step, all w_1j < 0 after it\n"
    "⇒ z_j ≤ 0 for all j after the step",
    given=(
        Assumption("dominant", "g_1 > Σ_{i≥2} g_i", dominant_at_x),
        Assumption("weights", "w_1j ≥ mean_i w_ij before", all_printed_weights),
        Assumption("negative", "all w_1j < 0 after", turned_negative),
    ),
    then=saturated_after,
    instances=steps_of,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=start([3, 2], [[1, 1]], [1], 4, Fraction(3, 8)),
    breaks="The step is proportional to g: w_1j turns negative before the rest does, and is "
    "then below the average: Theorem 1 no longer speaks of it.",
    repaired_by=("dominance.one-step-kill",),
    steps=hypothesis_steps,
)


def printed_weights_after(s: Step) -> bool:
    return all_printed_weights(update(s))


RATE_HYPOTHESIS = Claim(
    id="dominance.rate-hypothesis",
    source=f"{ND}, section 3.2 (Theorem 1 after eq. (2))",
    origin="reading",
    title="The update keeps what Theorem 1 assumes",
    statement="g_1 > Σ_{i≥2} g_i, w_1j ≥ mean_i w_ij  ⇒  the same after eq. (2)",
    given=(
        Assumption("dominant", "g_1 > Σ_{i≥2} g_i", dominant_at_x),
        Assumption("weights", "w_1j ≥ mean_i w_ij before", all_printed_weights),
    ),
    then=printed_weights_after,
    instances=steps_of,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=start([2, 1], [[1, 1]], [1], 2, Fraction(1, 4)),
    breaks="w_1j - mean_i w_ij changes by -α r v_j (g_1 - mean g): with r v_j > 0 the dominant "
    "neuron's weight falls fastest.",
    repaired_by=("dominance.one-step-kill",),
    steps=hypothesis_steps,
)


def plain_sgd(s: Step) -> bool:
    return not s.signs


def frozen_head(s: Step) -> bool:
    return not s.head


def dies_exactly_then(s: Step) -> bool:
    z = inner(s)[0]
    return (inner(update(s))[0] <= 0) == (s.alpha * residual(s) * s.v[0] * gamma(s) >= z)


def proved_kill(n: int) -> bool:
    """For all reals, N = n, an open gate: z' ≤ 0 ⇔ α r v Γ ≥ z."""
    import z3

    g, w = z3.RealVector("g", n), z3.RealVector("w", n)
    alpha, r, v = z3.Reals("alpha r v")
    z = sum(w[i] * g[i] for i in range(n))
    after = sum((w[i] - alpha * r * v * g[i]) * g[i] for i in range(n))
    square = sum(g[i] * g[i] for i in range(n))
    solver = z3.Solver()
    solver.add(z > 0, (after <= 0) != (alpha * r * v * square >= z))
    return bool(solver.check() == z3.unsat)


HALF = Fraction(1, 2)
SGD = Assumption("plain SGD", "the step is that of eq. (2): plain SGD", plain_sgd, said=False)
FROZEN = Assumption("frozen head", "v stays", frozen_head, said=False)


ONE_STEP_KILL = Claim(
    id="dominance.one-step-kill",
    source="repairs dominance.rate-direction, -equality, -sign, -thus-saturated",
    origin="ours",
    title="Exactly which rate saturates a neuron in one step",
    statement="one input, all incoming weights trained, plain SGD, Γ = ‖g‖², z_j > 0:\n"
    "z_j becomes z_j - α r v_j Γ, so it is ≤ 0 after the step  ⇔  α r v_j Γ ≥ z_j",
    given=(SGD, OPEN),
    then=dies_exactly_then,
    instances=any_steps,
    sizes=PAIRS,
    verdict="holds if",
    needs={
        "open gate": start([1], [[-1]], [1], 2, 1),
        "plain SGD": start([1], [[2]], [1], -2, 1, signs=True),
    },
    proof="Σ_i (w_i - α r v_j g_i) g_i = z_j - α r v_j Γ.",
    proved=proved_kill,
    proved_at=(1, 2, 3),
    remark="Γ ≥ g_1²: what is true of the story is that a large g_1 lowers the critical rate. The "
    "papers train with Adam: there z falls by α ‖g‖₁ whatever r is, dominance.adam-kill.",
)


def rate_of(s: Step) -> tuple[Fraction, Fraction]:
    """α Γ times the least and times the sum of v_j², over the active neurons; (0, 0) if none."""
    squares = [v * v for v, z in zip(s.v, inner(s), strict=True) if z > 0]
    c = s.alpha * gamma(s)
    return c * min(squares, default=Fraction(0)), c * sum(squares, Fraction(0))


def high_rate(s: Step) -> bool:
    return rate_of(s)[0] > 2


def never_fitted(s: Step) -> bool:
    return not fate(s)[1]


ALL_DIE = Claim(
    id="dominance.all-die",
    source="repairs dominance.rate-eventually",
    origin="ours",
    title="Above which rate every neuron dies",
    statement="plain SGD at one input, v frozen, α Γ min v_j² > 2 over the active j,\n"
    "and r_t ≠ 0 at every step t\n"
    "⇒ after finitely many steps every neuron of layer k+1 is saturated at x",
    given=(
        SGD,
        FROZEN,
        Assumption("rate", "α Γ v_j² > 2 for every active j, one at least", high_rate),
        Assumption("never fitted", "r_t ≠ 0 for all t", never_fitted, said=False),
    ),
    then=saturates_in_the_end,
    instances=any_steps,
    sizes=PAIRS,
    verdict="holds if",
    needs={
        "rate": start([1], [[3]], [1], 2, 2),
        "never fitted": start([1], [[1]], [1], 1, 3),
        "plain SGD": start([1], [[Fraction(3, 2)]], [2], 2, 1, signs=True),
        "frozen head": start([1], [[1]], [1], Fraction(13, 16), 4, head=True),
    },
    proof="While the set A of active neurons stays, r_t = r_0 q^t with q = 1 - αΓ Σ_A v_j² < "
    "-1, and z_j(t) = z_j(0) - αΓ v_j r_0 (1 - q^t)/(1 - q) takes negative values. So A loses "
    "a neuron, none comes back, and the condition holds for what is left. Induct.",
    remark="2 is sharp: at α Γ v² = 2 a neuron can swing between two values for ever. With signs "
    "for steps, as Adam's, or a head that learns, it can at a larger α too.",
)


def low_rate(s: Step) -> bool:
    return rate_of(s)[1] <= 1


def risers_survive(s: Step) -> bool:
    r = residual(s)
    risers = {j for j, (v, z) in enumerate(zip(s.v, inner(s), strict=True)) if z > 0 and v * r <= 0}
    return risers <= fate(s)[0]


@dataclass(frozen=True)
class Sharp:
    """g = 1, v = (1 + δ, -δ), z_1 = 1 + δ, z_2 = δ, α = 1, and y such that r = 1."""

    delta: Fraction

    def __str__(self) -> str:
        return f"δ = {self.delta}: {self.step()}"

    def step(self) -> Step:
        d = self.delta
        return start([1], [[1 + d], [d]], [1 + d, -d], (1 + d) ** 2 - d**2 - 1, 1)


def proved_step(neurons: int) -> bool:
    """One step, so many active neurons: of r > 0 it leaves r ≥ 0. So what rises goes on to.

    y occurs in r alone, so any r is some y's: without y the solver is a thousand times quicker.
    """
    import z3

    v, z = z3.RealVector("v", neurons), z3.RealVector("z", neurons)
    r, rate = z3.Reals("r rate")
    after = [b - rate * a * r for a, b in zip(v, z, strict=True)]
    lost = [a * (b - z3.If(c > 0, c, 0)) for a, b, c in zip(v, z, after, strict=True)]
    solver = z3.Solver()
    solver.add(rate >= 0, rate * z3.Sum([a * a for a in v]) <= 1, *(b > 0 for b in z), r > 0)
    solver.add(z3.Sum(lost) > r)
    return bool(solver.check() == z3.unsat)


SOME_SURVIVE = Claim(
    id="dominance.some-survive",
    source="repairs dominance.rate-eventually",
    origin="ours",
    title="Below which rate some neurons live for ever",
    statement="plain SGD at one input, v frozen, α Γ Σ v_j² ≤ 1 over the active j\n"
    "⇒ every active j with v_j r_0 ≤ 0 stays active for ever",
    given=(SGD, FROZEN, Assumption("rate", "α Γ Σ v_j² ≤ 1", low_rate, said=False)),
    then=risers_survive,
    instances=any_steps,
    sizes=PAIRS,
    verdict="holds if",
    needs={
        "rate": Sharp(Fraction(1, 8)).step(),
        "plain SGD": start([1], [[HALF], [HALF]], [HALF, -HALF], -HALF / 4, 1, signs=True),
        "frozen head": start([1], [[1]], [1], 10, 1, head=True),
    },
    proof="r_1 = (1 - αΓ Σ v_j²) r_0 - Σ_dead v_j z_j', where z_j' ≤ 0 and v_j has the sign of "
    "r_0: r keeps its sign or becomes 0, so such z_j never falls. The active set only shrinks.",
    remark="Under Adam nothing of the kind: dominance.extinction, dominance.epsilon-survives.",
    proved=proved_step,
    proved_at=(1, 2, 3, 4, 5),
    proved_size="active neurons, one step",
)


def sharp_positive(s: Sharp) -> bool:
    return s.delta > 0


def riser_dies(s: Sharp) -> bool:
    """κ = 1 + 2δ + 2δ² at first, v_2 r = -δ < 0, and yet neuron 2 dies."""
    step = s.step()
    high = rate_of(step)[1] == 1 + 2 * s.delta + 2 * s.delta**2
    return high and residual(step) == 1 and inner(step)[1] > 0 and 1 not in fate(step)[0]


def deltas(size: int) -> SearchStrategy[Sharp]:
    return st.builds(
        lambda a, b: Sharp(Fraction(a, b)), st.integers(0, 3 * size), st.integers(1, size)
    )


SOME_SURVIVE_SHARP = Claim(
    id="dominance.some-survive-sharp",
    source="repairs dominance.rate-eventually; new",
    origin="ours",
    title="No larger constant than 1 will do there",
    statement="g = 1, v = (1+δ, -δ), z = (1+δ, δ), r_0 = 1, α = 1, δ > 0:\n"
    "α Γ Σ v_j² = 1 + 2δ + 2δ², v_2 r_0 < 0, z_2 > 0, and yet neuron 2 dies",
    given=(Assumption("positive", "δ > 0", sharp_positive),),
    then=riser_dies,
    instances=deltas,
    sizes=(60, 600),
    verdict="holds",
    needs={"positive": Sharp(Fraction(0))},
    proof="The first step shuts gate 1 (z_1 = 0) and brings z_2 to 2δ, r to -2δ - 2δ². Alone, "
    "neuron 2 moves so as to make r = 0: to z_2 = 2δ - 2δ - 2 = -2, through 0.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    RATE_DIRECTION,
    RATE_EQUALITY,
    RATE_SIGN,
    RATE_EXISTS,
    RATE_EVENTUALLY,
    RATE_THUS_SATURATED,
    RATE_HYPOTHESIS,
    ONE_STEP_KILL,
    ALL_DIE,
    SOME_SURVIVE,
    SOME_SURVIVE_SHARP,
)
