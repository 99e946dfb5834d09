"""`python -m theory`: decide every claim, show one, search for a counterexample, draw a bound."""

import argparse
import io
import json
import multiprocessing
import os
import shutil
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ref import dynamics
from theory import proofs
from theory.claim import Claim, Outcome, find
from theory.decide import CHAPTERS, CLAIMS, FOR_ALL, UP_TO, Decision, decide, with_proofs
from theory.dominance import networks
from theory.dormancy import activations
from theory.recycling import training

WHOSE = {
    "printed": "The paper states it.",
    "reading": "The paper can charitably be read to state it.",
    "consequence": "It follows at once from what the paper states.",
    "public code": "It is what the public code rests on.",
    "ours": "No paper states it: it is ours.",
}
MEANING = {
    "holds": "it is true, the proof is below",
    "holds if": "it is true, with an assumption that the paper does not say",
    "refuted": "it is false, as the counterexample shows",
    "open": "neither proved nor refuted",
}


def decide_all(options: argparse.Namespace) -> int:
    start = time.perf_counter()
    arguments = (options.examples, options.seed, options.search)
    # spawn: a solver or a BLAS that has begun to work does not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, context) as pool:
        coq = pool.submit(proofs.unproved) if proofs.installed() else None
        futures = [pool.submit(decide, id, *arguments) for id in CLAIMS]
        decisions = []
        for future in futures:
            decisions.append(future.result())
            if sys.stderr.isatty():
                print(f"\r{len(decisions)}/{len(CLAIMS)} claims", end="", file=sys.stderr)
        if coq is not None:
            decisions = with_proofs(decisions, coq.result())
    if sys.stderr.isatty():
        print("\r" + " " * 20 + "\r", end="", file=sys.stderr)
    open_ = sum(claim.verdict == "open" for claim in CLAIMS.values())
    bad = [decision for decision in decisions if decision.problems]
    if options.json:
        rows = [as_json(CLAIMS[d.id], d) for d in decisions]
        print(json.dumps({"claims": rows, "seed": options.seed}, indent=2, ensure_ascii=False))
    else:
        print_table(decisions)
        decided = f"{len(decisions) - open_ - len(bad)} decided, {open_} open"
        failed = f", {len(bad)} NOT re-established" if bad else ""
        took = f"{time.perf_counter() - start:.0f} s, seed {options.seed}"
        print(f"\n{len(decisions)} claims in {took}: {decided}{failed}")
        by_coq, by_solver = (sum(how in d.evidence for d in decisions) for how in (FOR_ALL, UP_TO))
        print(f"{by_coq} proved for all N by Coq; {by_solver} by an SMT solver, for small N alone")
    for decision in bad:
        print(f"{decision.id}: {'; '.join(decision.problems)}", file=sys.stderr)
    return int(bool(bad))


def as_json(claim: Claim[Any], decision: Decision) -> dict[str, object]:
    example = claim.counterexample
    return {
        "id": claim.id,
        "source": claim.source,
        "title": claim.title,
        "statement": claim.statement,
        "assumptions": [
            {
                "name": a.name,
                "says": a.says,
                "said": a.said,
                "needed": str(claim.needs.get(a.name)),
                "else undefined": a.name in claim.undefined,
            }
            for a in claim.given
        ],
        "origin": claim.origin,
        "verdict": claim.verdict,
        "counterexample": None if example is None else str(example),
        "repaired_by": list(claim.repaired_by),
        **{k: v for k, v in asdict(decision).items() if k != "id"},
    }


def print_table(decisions: list[Decision]) -> None:
    """id and verdict, then what it says and where, its evidence and its repair."""
    widths = {"id": max(map(len, CLAIMS)), "verdict": len("holds if")}
    total = max(100, shutil.get_terminal_size((140, 24)).columns)
    evidence = max(len(decision.evidence) for decision in decisions)
    title = max(24, total - sum(widths.values()) - evidence - 6)
    chapter = ""
    for decision in decisions:
        claim = CLAIMS[decision.id]
        if chapter != (chapter := claim.id.partition(".")[0]):
            print(f"\n{chapter.upper()}")
        verdict = claim.verdict if not decision.problems else "FAILED"
        repairs = ", ".join(r.removeprefix(f"{chapter}.") for r in claim.repaired_by)
        says = f"{claim.title} [{claim.source}]" + (f" -> {repairs}" if repairs else "")
        lines = textwrap.wrap(says, title, break_on_hyphens=False)
        print(
            f"{claim.id:<{widths['id']}}  {verdict:<{widths['verdict']}}  {lines[0]:<{title}}  "
            f"{decision.evidence}".rstrip()
        )
        for line in lines[1:]:
            print(" " * (sum(widths.values()) + 4) + line)


README = Path(__file__).parent / "README.md"
TABLE = "## The claims\n\n"  # what comes after it is made by `python -m theory --readme`


def counts(claims: Iterable[Claim[Any]], by: Callable[[Claim[Any]], str]) -> str:
    """3 holds, 2 refuted."""
    kinds = Counter(map(by, claims))
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def table() -> str:
    """All claims as theory/README.md has them, without running any."""
    refuted = [claim for claim in CLAIMS.values() if claim.verdict == "refuted"]
    solved = sum(claim.proved is not None for claim in CLAIMS.values())
    lines = [
        f"{len(CLAIMS)} claims: {counts(CLAIMS.values(), lambda c: c.verdict)}.",
        f"Of the refuted ones {counts(refuted, lambda c: c.origin)}.",
        f"Of the others {len(proofs.PROOFS)} are proved for all N by Coq.",
        f"An SMT solver proves {solved}, for small N alone.\n",
    ]
    for chapter in CHAPTERS:
        name = chapter.__name__.rpartition(".")[2]
        verdicts = counts(chapter.CLAIMS, lambda c: c.verdict)
        lines += [
            f"<details><summary><b>{name}</b>: {verdicts}</summary>\n",
            "| claim | what it says | source | whose | verdict | by machine | repaired by |",
            "|---|---|---|---|---|---|---|",
        ]
        for claim in chapter.CLAIMS:
            short = [id.removeprefix(f"{name}.") for id in (claim.id, *claim.repaired_by)]
            cells = (short[0], claim.title, claim.source, claim.origin, claim.verdict)
            row = (*cells, by_machine(claim), ", ".join(short[1:]))
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
        lines.append("\n</details>\n")
    return "\n".join(lines)


def by_machine(claim: Claim[Any]) -> str:
    """What a run of `python -m theory` does for a claim."""
    if claim.verdict == "refuted":
        return "certificate"
    proved = [FOR_ALL] if claim.id in proofs.PROOFS else []
    proved += [f"{UP_TO} {claim.proved_size} = {max(claim.proved_at)}"] if claim.proved else []
    return ", ".join(proved) or "drawn examples"


def write_readme(options: argparse.Namespace) -> int:
    head = README.read_text().partition(TABLE)[0]
    README.write_text(head + TABLE + table())
    print(README)
    return 0


def show(options: argparse.Namespace) -> int:
    claim = CLAIMS[options.id]
    print(f"{claim.id}\n{claim.source}\n{WHOSE[claim.origin]}\n")
    _section("Statement", claim.statement)
    _section("Letters", next(c for c in CHAPTERS if claim in c.CLAIMS).LETTERS)
    if claim.given:
        print("Assumptions")
        for a in claim.given:
            unsaid = "" if a.said else " (unsaid in the paper)"
            print(f"  {a.says}{unsaid}" if a.name == a.says else f"  {a.name}{unsaid}: {a.says}")
            if a.name in claim.needs:
                fails = "means nothing" if a.name in claim.undefined else "fails"
                needed = f"    needed: without it the conclusion {fails} for {claim.needs[a.name]}"
                print(_wrapped(needed))
        print()
    _section("Verdict", f"{claim.verdict}: {MEANING[claim.verdict]}")
    if claim.counterexample is not None:
        end = "All that is assumed is true of it; what is claimed is not."
        _section("Counterexample", f"{claim.counterexample}\n{end}")
        if claim.steps is not None:
            _section("Step by step", "\n".join(claim.steps(claim.counterexample)))
    _section("Where the proof breaks", claim.breaks)
    _section("Proof", claim.proof)
    if claim.id in proofs.PROOFS:
        proof = proofs.PROOFS[claim.id]
        _section(f"Proved for all N by Coq, {proof.file}", proof.statement())
    if claim.tight_at is not None:
        _section("Tight at", str(claim.tight_at))
    _section("Remark", claim.remark)
    for repair in claim.repaired_by:
        fixed = CLAIMS[repair]
        _section(f"Repaired by {repair}", fixed.statement)
        for a in fixed.given:
            print(f"  if {a.name}: {a.says}")
        _section("Its proof", fixed.proof)
    return 0


def _section(title: str, text: str) -> None:
    if text:
        print(title)
        for line in text.strip().splitlines():
            print(_wrapped(line))
        print()


def _wrapped(line: str) -> str:
    """Indented by two more than the line is, and so where it goes on."""
    indent = " " * (2 + len(line) - len(line.lstrip()))
    return textwrap.fill(
        line.strip(), 98, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def search(options: argparse.Namespace) -> int:
    claim = CLAIMS[options.id]
    names = [a.name for a in claim.given]
    if options.without is not None and options.without not in names:
        accepted = ", ".join(names) or "none: the claim has no assumption"
        print(f"--without: {options.without!r} is unknown; accepted: {accepted}", file=sys.stderr)
        return 2

    def progress(size: object, tried: int) -> None:
        print(f"size {size}: {tried} instances tried so far", flush=True)

    found: Outcome[Any] = find(claim, options.without, options.examples, options.seed, progress)
    if found.violation is None:
        print(f"no counterexample among {found.tried} instances")
    else:
        print(f"counterexample of size {found.size}: {found.violation}")
        if claim.steps is not None:
            print("\n".join(f"  {line}".rstrip() for line in claim.steps(found.violation)))
    return 0


def plot(options: argparse.Namespace) -> int:
    claim = CLAIMS[options.id]
    if claim.curve is None:
        having = ", ".join(id for id, c in CLAIMS.items() if c.curve is not None)
        print(f"{claim.id} has nothing to draw; accepted: {having}", file=sys.stderr)
        return 2
    os.environ["MPLBACKEND"] = "agg"  # a notebook gives its own to its shell, whether it is here
    from matplotlib.figure import Figure

    curve = claim.curve()
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for (name, values), style in zip(curve.lines.items(), ["-", "--", "-.", ":"] * 9, strict=False):
        axes.plot(curve.values, values, style, label=name, linewidth=2)
    axes.set(xlabel=curve.parameter, ylabel=curve.y)
    axes.set_title(f"{claim.title}\n{claim.source}", fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=150)
    print(options.out)
    return 0


def conditions(options: argparse.Namespace) -> int:
    """The claims' conditions beyond tuples of numbers: activations, and trained networks of ref."""
    print(
        "Where an activation is zero (Z) and where it is flat (K); does dormant mean no gradient?"
    )
    heads = ("activation", "Z", "K", "the claim")
    _rows([dict(zip(heads, row, strict=True)) for row in activations.table()])
    print("\nTheorem 1 on the next layer of trained networks, before and after the intervention of")
    print(
        "section 3.2 (shares of its neurons; kept: of those with the hypothesis, the saturated or"
    )
    print("zombie ones):")
    _rows(networks.network_table())
    print("\nDormant neurons along a TD learning of a network of ref, by Adam:")
    _rows(training.follow(dynamics.ADAM, rate=0.01)[-2:])
    return 0


def _rows(rows: list[dict[str, Any]]) -> None:
    """Dicts with the same keys as aligned columns."""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, str | int):
        return str(value)
    return "-" if value != value else f"{value:.2f}"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m theory", description=__doc__)
    parser.add_argument("--examples", type=_positive, default=100, help="fresh ones per claim")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="a JSON object with `claims`")
    parser.add_argument(
        "--readme",
        action="store_const",
        dest="run",
        const=write_readme,
        help="decide nothing; write the table in theory/README.md anew",
    )
    parser.add_argument("--search", action="store_true", help="find counterexamples from scratch")
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count(), help="processes")
    parser.set_defaults(run=decide_all)
    commands = parser.add_subparsers(title="one claim")
    one = commands.add_parser("show", help="statement, counterexample by hand, repair, proof")
    one.set_defaults(run=show)
    seek = commands.add_parser("search", help="a live search for the smallest counterexample")
    seek.set_defaults(run=search)
    draw = commands.add_parser("plot", help="bound against truth")
    draw.set_defaults(run=plot)
    nets = commands.add_parser("networks", help="the conditions on activations and networks")
    nets.set_defaults(run=conditions)
    for command in (one, seek, draw):
        command.add_argument("id", help="as the table has it")
    seek.add_argument("--without", metavar="ASSUMPTION", help="drop this assumption")
    seek.add_argument("--examples", type=_positive, default=2000, help="per size")
    seek.add_argument("--seed", type=int, default=0)
    draw.add_argument("--out", type=Path, required=True, help="a .png, .pdf or .svg file")
    options = parser.parse_args(arguments)
    if getattr(options, "id", None) not in {None, *CLAIMS}:
        near = sorted((id for id in CLAIMS if options.id.lower() in id), key=len)[:3]
        near += [id for id in get_close_matches(options.id, CLAIMS, 3, 0.3) if id not in near]
        parser.error(f"no claim {options.id!r}; nearest: {', '.join(near) or 'see the table'}")
    if options.run is plot and options.out.suffix not in (".png", ".pdf", ".svg"):
        parser.error(f"--out: {options.out.name!r}; accepted: a name with .png, .pdf or .svg")
    return options


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; accepted: a whole number, 1 or more")
    return int(text)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        return int(options.run(options))
    except BrokenPipeError:  # the reader has seen enough: `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for a terminal without Greek
    sys.exit(main())
