"""Recycling whole layers: where no neuron has a gradient ReGraMa takes them all.

Not of the papers: seen of ReGraMa on DACER, whose policy has no gradient while all of its actions
are clipped (results/README.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy

from ref import mitigations, scores
from ref.mitigations import Reader
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.recycling.arrays import ONE, ZERO, Row, exact, positive

READERS = {"dense0": [Reader("dense1")], "dense1": [Reader("final")]}


@dataclass(frozen=True)
class Deep:
    """g = relu(w x + b), h = relu(V g + c), f = out·h + d, loss (f - y)²/2 on pairs (x, y) with
    equal weight; V (N, N) row by row.

    ReGraMa by dL/dw of the batch at `tau`, of `layers`; `fresh` is every new weight, `bias` every
    new bias; `then` is the target that is asked for afterwards.
    """

    w: Row
    b: Row
    v: Row
    c: Row
    out: Row
    d: Fraction
    xs: Row
    ys: Row
    layers: tuple[str, ...] = ("dense0", "dense1")
    tau: Fraction = ZERO
    fresh: Fraction = ONE
    bias: Fraction = ZERO
    outgoing: str = "zero"
    then: Fraction = ONE

    def __post_init__(self) -> None:
        checks.row("w", self.w)
        for name in ("b", "c", "out"):
            checks.row(name, getattr(self, name), len(self.w))
        checks.row("v", self.v, len(self.w) ** 2)
        checks.row("xs", self.xs)
        checks.row("ys", self.ys, len(self.xs))

    def __str__(self) -> str:
        rows = ", ".join(
            f"{name} = {vector(getattr(self, name))}"
            for name in ("w", "b", "v", "c", "out", "xs", "ys")
        )
        more = "outgoing weights drawn anew, " if self.outgoing == "fresh" else ""
        return (
            f"{rows}, d = {self.d}; ReGraMa at {self.tau} of {' and '.join(self.layers)}, new "
            f"weights {self.fresh}, biases {self.bias}, {more}then y = {self.then}"
        )


def params_of(net: Deep) -> dict[str, Any]:
    n = len(net.w)
    return {
        "dense0.weight": exact(net.w)[:, None],
        "dense0.bias": exact(net.b),
        "dense1.weight": exact(net.v).reshape(n, n),
        "dense1.bias": exact(net.c),
        "final.weight": exact([net.out]),
        "final.bias": exact([net.d]),
    }


def forward(net: Deep, params: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Both layers before their ReLU, (batch, N), and f, (batch, 1)."""
    x = exact(net.xs)[:, None]
    z0 = x @ params["dense0.weight"].T + params["dense0.bias"]
    z1 = positive(z0) @ params["dense1.weight"].T + params["dense1.bias"]
    return z0, z1, positive(z1) @ params["final.weight"].T + params["final.bias"]


def gradients(net: Deep, params: dict[str, Any], ys: Any) -> dict[str, Any]:
    """Of the batch's loss, with relu'(0) = 0."""
    z0, z1, f = forward(net, params)
    df = (f - ys[:, None]) / len(net.xs)
    dz1 = df @ params["final.weight"] * (z1 > 0)
    dz0 = dz1 @ params["dense1.weight"] * (z0 > 0)
    return {
        "dense0.weight": dz0.T @ exact(net.xs)[:, None],
        "dense0.bias": dz0.sum(0),
        "dense1.weight": dz1.T @ positive(z0),
        "dense1.bias": dz1.sum(0),
        "final.weight": df.T @ positive(z1),
        "final.bias": df.sum(0),
    }


def chosen_of(net: Deep) -> dict[str, Any]:
    found = gradients(net, params_of(net), exact(net.ys))
    return {
        layer: scores.gradient_dormant(found[f"{layer}.weight"], float(net.tau), "incoming")
        for layer in net.layers
    }


def recycled(net: Deep) -> dict[str, Any]:
    """The parameters after ReGraMa, by ref."""
    params = params_of(net)
    fresh = {
        name: exact(np.full(value.shape, net.bias if name.endswith("bias") else net.fresh))
        for name, value in params.items()
    }
    new, _ = mitigations.recycle(params, {}, chosen_of(net), fresh, READERS, outgoing=net.outgoing)
    return {name: exact(value) for name, value in new.items()}


def later_gradients(net: Deep, params: dict[str, Any]) -> dict[str, Any]:
    """Where all targets are `then`."""
    return gradients(net, params, exact([net.then] * len(net.xs)))


def afterwards(net: Deep) -> dict[str, Any]:
    """These of what ReGraMa leaves."""
    return later_gradients(net, recycled(net))


def any_but_the_last(found: dict[str, Any]) -> bool:
    """Some parameter in front of d has a gradient."""
    return any(value.any() for name, value in found.items() if name != "final.bias")


def learns(net: Deep) -> bool:
    return any_but_the_last(afterwards(net))


def would_learn(net: Deep) -> bool:
    return any_but_the_last(later_gradients(net, params_of(net)))


def learns_nothing(net: Deep) -> bool:
    return not learns(net)


def whole(layer: str) -> Callable[[Deep], bool]:
    return lambda net: layer in net.layers and bool(chosen_of(net)[layer].all())


def zero_outgoing(net: Deep) -> bool:
    return net.outgoing == "zero"


def no_bias(net: Deep) -> bool:
    return net.bias <= 0


def missed(net: Deep) -> bool:
    """The output after ReGraMa lies on one side of its target, on the whole batch."""
    error = forward(net, recycled(net))[2] - net.then
    return bool((error > 0).all() or (error < 0).all())


def second_alone(net: Deep) -> bool:
    return net.layers == ("dense1",)


def fires(net: Deep) -> bool:
    """A new neuron of the second layer is active on the whole batch, on the first as it is."""
    seen = positive(forward(net, params_of(net))[0]).sum(1)
    return bool((net.fresh * seen + net.bias > 0).all())


def deep(size: int, alone: bool = False) -> SearchStrategy[Deep]:
    """N = `size`; most often y = f(x), so that no neuron has a gradient.

    `alone`: layer 2 most often recycled alone, with inputs and targets for which new neurons fire.
    """

    def net(drawn: list[int]) -> Deep:
        fit, layers, outgoing, more, tau, fresh, bias, then, *rest = drawn
        numbers = iter(map(Fraction, rest))

        def take(n: int) -> Row:
            return tuple(next(numbers) for _ in range(n))

        w, b, v, c, out = (take(n) for n in (size, size, size**2, size, size))
        (d,), xs, ys = take(1), take(1 + more), take(1 + more)
        both, second, first = ("dense0", "dense1"), ("dense1",), ("dense0",)
        which: tuple[tuple[str, ...], ...] = (both, both, both, both, second, first)
        if alone:
            which, fresh, then = (second,) * 5 + (both,), fresh or 1, 5 * then
            w, b, xs = (tuple(map(abs, row)) for row in (w, b, xs))
        made = Deep(
            w, b, v, c, out, d, xs, ys,
            which[layers],
            Fraction((0, 0, 1, 5)[tau]),
            Fraction(fresh),
            Fraction((0, 0, -1, 1)[bias]),
            "fresh" if outgoing == 1 else "zero",
            Fraction(then),
        )  # fmt: skip
        if fit:
            made = replace(made, ys=tuple(forward(made, params_of(made))[2][:, 0]))
        return made

    head = st.tuples(
        *[st.integers(0, 5)] * 3,
        st.integers(0, 1),
        st.integers(0, 3),
        st.integers(-1, 2),
        st.integers(0, 3),
        st.integers(-2, 2),
    ).map(list)
    count = 4 * size + size**2 + 5
    return st.tuples(head, st.lists(st.integers(-2, 2), min_size=count, max_size=count)).map(
        lambda two: net(two[0] + two[1])
    )


def steps(net: Deep) -> list[str]:
    before = gradients(net, params_of(net), exact(net.ys))
    lines = [f"before: d/d {name}: {vector(value.ravel())}" for name, value in before.items()]
    lines += [f"taken of {k}: {vector(taken.astype(int))}" for k, taken in chosen_of(net).items()]
    lines += [f"{name} = {vector(value.ravel())}" for name, value in recycled(net).items()]
    return lines + [
        f"then: d/d {name}: {vector(value.ravel())}" for name, value in afterwards(net).items()
    ]


MISSED = Assumption("missed", "f(x) < y on the batch afterwards, or f(x) > y", missed)


def plain(**other: Any) -> Deep:
    """N = 1 and all is 1 or 0, fitted: f(1) = 1."""
    values: dict[str, Any] = {"w": (ONE,), "b": (ZERO,), "v": (ONE,), "c": (ZERO,), "out": (ONE,)}
    return Deep(**values | {"d": ZERO, "xs": (ONE,), "ys": (ONE,)} | other)


RESTORES = Claim(
    id="recycling.regrama-restores",
    source="GraMa, abstract of its contributions: ReGraMa 'effectively restores neuronal activity'",
    origin="reading",
    title="After ReGraMa a network can learn",
    statement="f could learn the targets that come then, and after ReGraMa at τ misses them\n"
    "⇒ some parameter but the last bias has a gradient",
    given=(
        Assumption("alive", "without ReGraMa some parameter but d has a gradient", would_learn),
        MISSED,
    ),
    then=learns,
    instances=deep,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=plain(then=Fraction(2)),
    breaks="A batch that is fitted gives no neuron a gradient: all scores are at most any τ, 0/0 "
    "where they are divided. So every neuron is taken, and what is left is a constant that does "
    "not learn.",
    repaired_by=("recycling.one-layer-at-a-time",),
    steps=steps,
    remark="Of a batch without a gradient nothing is known: it should recycle no neuron. A limit "
    "to the share that is taken (GraMa, Table 7, of one task) leaves some alive.",
)

WHOLE_LAYERS = Claim(
    id="recycling.whole-layers",
    source="DACER with ReGraMa, results/README.md",
    origin="ours",
    title="Two layers recycled as a whole are dead for good",
    statement="all neurons of two successive layers are recycled, outgoing weights := 0, new "
    "biases ≤ 0\n⇒ no parameter in front of the last bias has a gradient, for any loss",
    given=(
        Assumption("first", "all of layer 1 is taken", whole("dense0")),
        Assumption("second", "all of layer 2 is taken", whole("dense1")),
        Assumption("zero outgoing", "outgoing weights := 0, not fresh", zero_outgoing),
        Assumption("biases", "new biases ≤ 0", no_bias),
    ),
    then=learns_nothing,
    instances=deep,
    sizes=(1, 2),
    verdict="holds",
    needs={
        "first": plain(layers=("dense1",), then=Fraction(2)),
        "second": plain(layers=("dense0",), c=(ONE,), ys=(Fraction(2),), then=Fraction(3)),
        "zero outgoing": plain(outgoing="fresh", then=Fraction(2)),
        "biases": plain(bias=ONE, then=Fraction(2)),
    },
    proof="A weight between two taken neurons counts as outgoing: V = 0 and out = 0. So "
    "h = relu(c) = 0, dL/dout = r h = 0, and dL/dh = r out = 0 stops at the last layer. f is d; "
    "a step moves d alone, and the same holds again.",
    steps=steps,
    remark="ReGraMa finds them inactive each time, and recycles them into the same state.",
)

ONE_AT_A_TIME = Claim(
    id="recycling.one-layer-at-a-time",
    source="repairs recycling.regrama-restores",
    origin="ours",
    title="With the layer below kept, a network learns after ReGraMa",
    statement="ReGraMa of layer 2 alone; a new neuron is active on the batch; f misses what comes "
    "then\n⇒ some parameter but the last bias has a gradient",
    given=(
        Assumption("alone", "layer 1 is not recycled", second_alone),
        Assumption("active", "new weights · g + new bias > 0 on the batch", fires),
        MISSED,
    ),
    then=learns,
    instances=partial(deep, alone=True),
    sizes=(1, 2),
    verdict="holds",
    needs={
        "alone": plain(then=Fraction(2)),
        "active": plain(layers=("dense1",), fresh=-ONE, then=Fraction(2)),
        "missed": plain(layers=("dense1",), then=ZERO),
    },
    proof="Is neuron i of layer 2 new, dL/dout_i = E[r h_i] is not 0, as r has one sign and h_i > "
    "0. Is none new, each has E[r' out_i g 1(z_i > 0)] ≠ 0, so an x with out_i, g and the gate not "
    "0; with r of one sign and g ≥ 0 the mean of r out_i g is not 0 either.",
    steps=steps,
)

CLAIMS: tuple[Claim[Any], ...] = (RESTORES, WHOLE_LAYERS, ONE_AT_A_TIME)
