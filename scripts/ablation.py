"""Ablate the last survivor of `ref/survivor.py`: 15 arms, 8 seeds, two critics each; half an hour.

A row of heads.csv is a critic: when a neuron of its first hidden layer first held more than half
of the activation (empty: never), what was then, and the largest activation that any neuron of the
layer had before. What is in heads.csv is not run again, so a second call goes on where the first
one stopped. curves.csv has every head at every fiftieth of its updates. Printed at the end, for
results/README.md: what came out, and whether each of CONDITIONS holds, which stand here before the
runs that they judge.
"""

import argparse
import csv
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from ref.survivor import Settings, learn  # noqa: E402

OUT = ROOT / "results" / "last-survivor"
SEEDS = range(10, 18)  # 0 to 3 were looked at while the conditions were written
CRITICS, SCORED, POINTS = 2, 200, 50  # rows of a run, and those of them that are kept
BASE = Settings()
ARMS = {  # those of other learning rates are of the same length, rate times updates
    "base": BASE,  # eps 1e-8
    "eps 1e-6": replace(BASE, eps=1e-6),
    "eps 1e-5": replace(BASE, eps=1e-5),
    "eps 1e-4": replace(BASE, eps=1e-4),
    "beta2 0.9": replace(BASE, beta2=0.9),
    "rate x3": replace(BASE, rate=3 * BASE.rate, updates=BASE.updates // 3),
    "averaging 0.005": replace(BASE, averaging=0.005),
    "no trunk norm": replace(BASE, trunk_norm=False),
    "head norm": replace(BASE, head_norm=True),
    "width 32": replace(BASE, width=32),
    "batch 8": replace(BASE, batch=8),
    "uncorrelated": replace(BASE, correlation=0.0),
    "rate /3": replace(BASE, rate=BASE.rate / 3, updates=BASE.updates * 3),
    "width 128": replace(BASE, width=128),
    "batch 128": replace(BASE, batch=128),
}


class Head(NamedTuple):
    """One critic of one run; `next_` is its second hidden layer."""

    arm: str
    seed: int
    head: int
    first: float  # update with a share above 1/2, NaN if there was none
    saturated: float  # share of the layer at `first`
    activation: float  # mean activation of the dominant neuron at `first`
    before: float  # largest mean activation of any neuron of the layer until `first`
    largest_share: float  # ever
    next_saturated: float  # share of the next layer at `first`
    next_largest_share: float  # ever
    updates: int


Heads = Sequence[Head]


def head(arm: str, seed: int, critic: int, rows: Sequence[dict[str, float]]) -> Head:
    """What heads.csv says of one critic, from the rows of `learn`."""

    def column(layer: str, score: str) -> list[float]:
        return [row[f"critic{critic}/{layer}/{score}"] for row in rows]

    shares, sizes = column("dense0", "largest_share"), column("dense0", "largest")
    at = next((i for i, share in enumerate(shares) if share > 0.5), None)
    return Head(
        arm=arm,
        seed=seed,
        head=critic,
        first=math.nan if at is None else float(rows[at]["update"]),
        saturated=math.nan if at is None else column("dense0", "saturated")[at],
        activation=math.nan if at is None else sizes[at],
        before=max(sizes if at is None else sizes[: at + 1]),
        largest_share=max(share for share in shares if not math.isnan(share)),
        next_saturated=math.nan if at is None else column("dense1", "saturated")[at],
        next_largest_share=max(x for x in column("dense1", "largest_share") if not math.isnan(x)),
        updates=int(rows[-1]["update"]),
    )


# --- the conditions -------------------------------------------------------------------------------


def dominated(heads: Heads, arm: str) -> list[Head]:
    return [head for head in heads if head.arm == arm and head.first == head.first]


def count(heads: Heads, arm: str) -> int:
    return len(dominated(heads, arm))


def median_first(heads: Heads, arm: str) -> float:
    """The median of `first` over an arm's heads, with infinity for those that have none."""
    never = (math.inf if head.first != head.first else head.first for head in heads_of(heads, arm))
    return statistics.median(never)


def heads_of(heads: Heads, arm: str) -> list[Head]:
    return [head for head in heads if head.arm == arm]


def first_of_seed(heads: Heads, arm: str) -> dict[int, float]:
    """When the first of a seed's critics has a dominant neuron; infinity if none has."""
    found = dict.fromkeys((head.seed for head in heads_of(heads, arm)), math.inf)
    for one in dominated(heads, arm):
        found[one.seed] = min(found[one.seed], one.first)
    return found


def earlier(heads: Heads, arm: str) -> int:
    """In how many seeds the arm's first dominant neuron comes before the base's."""
    mine, base = first_of_seed(heads, arm), first_of_seed(heads, "base")
    return sum(mine[seed] < base[seed] for seed in mine)


def path(heads: Heads, arm: str) -> float:
    """The median of learning rate times updates until a neuron is dominant."""
    return ARMS[arm].rate * median_first(heads, arm)


def ratios(heads: Heads) -> list[float]:
    """The dominant neuron's activation over the largest that any had before, in the base."""
    return [one.activation / one.before for one in dominated(heads, "base")]


class Condition(NamedTuple):
    says: str
    arms: tuple[str, ...]  # all of whose heads it needs
    holds: Callable[[Heads], bool]


EPS_ARMS = ("base", "eps 1e-6", "eps 1e-5", "eps 1e-4")
CONDITIONS = {
    "appears": Condition(
        "of 16 heads at least 12 have a dominant neuron at eps 1e-8",
        ("base",),
        lambda heads: count(heads, "base") >= 12,
    ),
    "spared": Condition(
        "of 16 heads at most 1 has a dominant neuron at eps 1e-5",
        ("eps 1e-5",),
        lambda heads: count(heads, "eps 1e-5") <= 1,
    ),
    "dose-response": Condition(
        "from eps 1e-8 to 1e-4 heads with a dominant neuron never become more, and fewer in all",
        EPS_ARMS,
        lambda heads: (
            sorted(counts := [count(heads, arm) for arm in EPS_ARMS], reverse=True) == counts
            and counts[-1] < counts[0]
        ),
    ),
    "last-of-its-layer": Condition(
        "when a neuron becomes dominant at least 94 % of its layer is saturated, in every head",
        ("base",),
        lambda heads: all(one.saturated >= 0.94 for one in dominated(heads, "base")),
    ),
    "survives": Condition(
        "the dominant neuron's activation is below half of the layer's largest before, in the "
        "median head",
        ("base",),
        lambda heads: bool(found := ratios(heads)) and statistics.median(found) < 0.5,
    ),
    "never-grows": Condition(
        "in no head is the dominant neuron's activation the largest that its layer has had",
        ("base",),
        lambda heads: all(ratio < 1 for ratio in ratios(heads)),
    ),
    "next-layer-lives": Condition(
        "when a neuron becomes dominant the next layer is not wholly saturated, in every head",
        ("base",),
        lambda heads: all(one.next_saturated < 1 for one in dominated(heads, "base")),
    ),
    "short-memory": Condition(
        "with beta2 0.9 it comes earlier, in at least 7 of 8 seeds",
        ("base", "beta2 0.9"),
        lambda heads: earlier(heads, "beta2 0.9") >= 7,
    ),
    "path": Condition(
        "at a third of the learning rate it comes after the same learning rate x updates, to a "
        "factor of 1.5 in the median head",
        ("base", "rate /3"),
        lambda heads: 2 / 3 < path(heads, "rate /3") / path(heads, "base") < 3 / 2,
    ),
    "not-at-3e-3": Condition(
        "at three times the learning rate fewer than 8 of 16 heads have one on the same path",
        ("rate x3",),
        lambda heads: count(heads, "rate x3") < 8,
    ),
    "slow-target": Condition(
        "with averaging 0.005 at least 12 of 16 heads have one, at a median update within a "
        "factor of 1.5",
        ("base", "averaging 0.005"),
        lambda heads: (
            count(heads, "averaging 0.005") >= 12
            and 2 / 3 < median_first(heads, "averaging 0.005") / median_first(heads, "base") < 3 / 2
        ),
    ),
    "needs-alike-inputs": Condition(
        "without the trunk's LayerNorm fewer heads have one in the first layer",
        ("base", "no trunk norm"),
        lambda heads: count(heads, "no trunk norm") < count(heads, "base"),
    ),
    "moves-with-norm": Condition(
        "with LayerNorm before the ReLUs no head has one in its first layer, at least one in "
        "its second",
        ("head norm",),
        lambda heads: (
            not count(heads, "head norm")
            and any(one.next_largest_share > 0.5 for one in heads_of(heads, "head norm"))
        ),
    ),
    "later-if-wide": Condition(
        "the median update of the first share above 1/2 grows with the width, 32, 64, 128",
        ("width 32", "base", "width 128"),
        lambda heads: (
            median_first(heads, "width 32")
            < median_first(heads, "base")
            < median_first(heads, "width 128")
        ),
    ),
    "any-batch": Condition(
        "at batches of 8 and of 128 at least 12 of 16 heads have one",
        ("batch 8", "batch 128"),
        lambda heads: min(count(heads, "batch 8"), count(heads, "batch 128")) >= 12,
    ),
    "any-data": Condition(
        "where the next state tells nothing of the last at least 12 of 16 heads have one",
        ("uncorrelated",),
        lambda heads: count(heads, "uncorrelated") >= 12,
    ),
}


def verdict(condition: Condition, heads: Heads) -> str:
    """`holds`, `contradicted`, or `not decided` where a head of an arm that it needs is missing."""
    wanted = [(seed, critic) for seed in SEEDS for critic in range(CRITICS)]
    for arm in condition.arms:
        if sorted((one.seed, one.head) for one in heads_of(heads, arm)) != wanted:
            return "not decided"
    return "holds" if condition.holds(heads) else "contradicted"


def table(heads: Heads) -> str:
    """Markdown: what each arm that was run came to, and what each condition says of it."""
    lines = [
        "| arm | heads with a dominant neuron | rate x updates until then | its layer off then | "
        "its activation / the largest before | next layer off then |",
        "|---|---|---|---|---|---|",
    ]
    for arm in (arm for arm in ARMS if heads_of(heads, arm)):
        own = dominated(heads, arm)
        parts = (
            [ARMS[arm].rate * one.first for one in own],
            [one.saturated for one in own],
            [one.activation / one.before for one in own],
            [one.next_saturated for one in own],
        )
        cells = [spread(part) for part in parts]
        whole = len(heads_of(heads, arm))
        lines.append(f"| {arm} | {len(own)} of {whole} | {' | '.join(cells)} |")
    lines += ["", "| condition | verdict |", "|---|---|"]
    lines += [f"| {one.says} | {verdict(one, heads)} |" for one in CONDITIONS.values()]
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


# --- the runs -------------------------------------------------------------------------------------

CURVES = ("arm", "seed", "head", "update", "share", "saturated", "largest")


def curves(arm: str, seed: int, critic: int, rows: Sequence[dict[str, float]]) -> list[list[str]]:
    """A critic's first layer at every fiftieth of the updates, to four digits."""
    name = f"critic{critic}/dense0"
    step = max(1, len(rows) // POINTS)
    return [
        [arm, str(seed), str(critic), f"{row['update']:.0f}"]
        + [f"{row[f'{name}/{score}']:.4g}" for score in ("largest_share", "saturated", "largest")]
        for row in rows[::step]
    ]


def read(file: Path) -> list[Head]:
    """The rows of heads.csv; none if there is no such file."""
    if not file.exists():
        return []
    kinds = Head.__annotations__
    rows = csv.DictReader(file.open())
    return [Head(**{k: kinds[k](v or "nan") for k, v in row.items()}) for row in rows]


def cell(x: object) -> object:
    """A number to six digits; empty where there is none."""
    return x if not isinstance(x, float) else "" if math.isnan(x) else f"{x:.6g}"


def write(file: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """A CSV, whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([[cell(x) for x in row] for row in rows])
    part.replace(file)


def run(out: Path, arms: dict[str, Settings], seeds: Iterable[int]) -> list[Head]:
    """Every run that heads.csv does not have, an arm after the other; all heads."""
    out.mkdir(parents=True, exist_ok=True)
    heads = read(out / "heads.csv")
    done = {(one.arm, str(one.seed)) for one in heads}
    known = list(csv.reader((out / "curves.csv").open()))[1:] if heads else []
    points = [row for row in known if tuple(row[:2]) in done]
    for arm, settings in arms.items():
        for seed in seeds:
            if (arm, str(seed)) in done:
                continue
            rows = list(learn(settings, seed, every=max(1, settings.updates // SCORED)))
            for critic in range(CRITICS):
                heads.append(head(arm, seed, critic, rows))
                points += curves(arm, seed, critic, rows)
            write(out / "curves.csv", CURVES, points)
            write(out / "heads.csv", Head._fields, heads)
            print(*heads[-2:], sep="\n", flush=True)
    return read(out / "heads.csv")


# --- the picture ----------------------------------------------------------------------------------

COLOURS = ("#D55E00", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#8C510A")


def draw(out: Path, heads: Heads) -> None:
    """last-survivor.png from the two CSVs."""
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    (firsts, doses), (sizes, others) = figure.subplots(2, 2)
    there = [arm for arm in ARMS if heads_of(heads, arm)]
    for i, arm in enumerate(there):
        own, whole = dominated(heads, arm), heads_of(heads, arm)
        paths = [ARMS[arm].rate * one.first for one in own]
        firsts.plot(paths, [i] * len(own), "o", color=COLOURS[2], alpha=0.5)
        firsts.text(46, i, f"{len(own)} of {len(whole)}", va="center")
    firsts.set(title="A share above 1/2 comes first at", xlim=(0, 54), xlabel="rate x updates")
    firsts.set_yticks(range(len(there)), there)
    firsts.invert_yaxis()
    _living(doses, out, [arm for arm in EPS_ARMS if arm in there])
    doses.set_title("Living neurons of the first layer, by epsilon (mean of heads)")
    _living(others, out, [arm for arm in there if arm not in EPS_ARMS][: len(COLOURS)])
    others.set_title("and by what else was changed")
    for one in dominated(heads, "base"):
        sizes.plot(one.saturated, one.activation / one.before, "o", color=COLOURS[0])
    sizes.axhline(1, color="k", lw=1)
    sizes.set(
        title="When a neuron becomes dominant (base, a point a head)",
        xlabel="saturated share of its layer",
        ylabel="its activation / the largest before",
        xlim=(0.5, 1.01),
        ylim=(0, 1.05),
    )
    figure.savefig(out / "last-survivor.png", dpi=110, metadata={"Software": None})


def _living(axes: Axes, out: Path, arms: Sequence[str]) -> None:
    living: dict[tuple[str, int], list[float]] = {}
    for row in csv.DictReader((out / "curves.csv").open()):
        if row["arm"] in arms:
            found = living.setdefault((row["arm"], int(row["update"])), [])
            found.append(1 - float(row["saturated"]))
    for arm, colour in zip(arms, COLOURS, strict=False):
        points = sorted(
            (ARMS[arm].rate * update, statistics.mean(values))
            for (of, update), values in living.items()
            if of == arm
        )
        axes.plot(*zip(*points, strict=True), color=colour, label=arm)
    axes.set(xlabel="rate x updates", ylim=(0, 1))
    if arms:
        axes.legend(frameon=False, fontsize=8)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--look", action="store_true", help="at what is there, without more runs")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="in this order")
    options = parser.parse_args()
    arms = {} if options.look else {arm: ARMS[arm] for arm in options.arms}
    heads = run(options.out, arms, SEEDS)
    draw(options.out, heads)
    print(table(heads))
    return 0


if __name__ == "__main__":
    sys.exit(main())
