"""Proofs for every size, checked by Coq (the `.v` files beside this one).

A theorem of Coq has the name that `PROOFS` gives it, the arguments of an instance, and the shape
`NAME_given .. -> NAME_then ..`: the two predicates that a claim of `theory` has in Python. That
both say the same is checked at instances, where Coq itself computes what its statement says there.
"""

import math
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from theory.claim import Claim, admits
from theory.collapse import flows, learned_heads
from theory.dominance.adam import Gradients, corrected
from theory.dominance.layer import average, margins, preactivations
from theory.dominance.rates import gamma, inner
from theory.rank.features import energies, square_sum
from theory.recycling import gradients, redo

FILES = (
    "Sums",
    "Instances",
    "Dominance",
    "Epsilon",
    "Learning",
    "Dormancy",
    "Rank",
    "Collapse",
    "Recycling",
)
HERE = Path(__file__).parent
# Theorems of Coq's own library: what they assume is what its real numbers are made of.
OF_THE_REALS = ("sqrt_sqrt", "completeness")


@dataclass(frozen=True)
class Proof:
    """A theorem, and how an instance of the claim is written as its arguments.

    `same`: numbers in Coq's terms, {} for the arguments, and in Python's. They tell more than a
    conclusion that is true of everything.
    `given_only`: whether `then` looks beyond the arguments where the assumptions fail.
    """

    theorem: str  # "Dominance.margin"
    arguments: Callable[[Any], str]
    same: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    given_only: bool = False

    @property
    def file(self) -> str:
        return f"theory/proofs/{self.theorem.partition('.')[0]}.v"

    def statement(self) -> str:
        """Its two definitions and the theorem, as they stand in the file."""
        name = self.theorem.partition(".")[2]
        text = (HERE.parents[1] / self.file).read_text()
        begins = (f"Definition {name}_given", f"Definition {name}_then", f"Theorem {name} ")
        return "\n".join(start + _sentence(text.split(start, 1)[1]) for start in begins)


def _sentence(text: str) -> str:
    """Up to the full stop."""
    return text[: text.index(".\n") + 1]


# ----------------------------------------------------------------- instances in Coq's language


def real(x: Any) -> str:
    return f"({x})"


def entries(numbers: Iterable[Any]) -> str:
    """nat -> R"""
    return f"(entries [{'; '.join(map(real, numbers))}])"


def rows(table: Iterable[Iterable[Any]]) -> str:
    """nat -> nat -> R"""
    return f"(rows [{'; '.join('[' + '; '.join(map(real, row)) + ']' for row in table)}])"


def neuron(i: Any) -> str:
    return f"{len(i.g)} {len(i.w) - 1} {rows(i.g)} {entries(i.w)} {real(i.b)}"


def neuron_and_ratio(i: Any) -> str:
    return f"{neuron(i)} {real(i.rho)}"


def layer_means(i: Any) -> str:
    return f"{len(i.means) - 1} {entries(i.means)}"


def means_and_ratio(i: Any) -> str:
    return f"{layer_means(i)} {real(i.rho)}"


def step(i: Any) -> str:
    sizes = f"{len(i.g)} {len(i.v)}"
    return f"{sizes} {entries(i.g)} {rows(i.w)} {entries(i.v)} {real(i.y)} {real(i.alpha)}"


def survival(i: Any) -> str:
    """And two steps, of all that the theorem speaks of."""
    rate = real(i.alpha * gamma(i))
    layer = f"{len(i.v)} {entries(i.v)} {real(i.y)} {rate} {entries(inner(i))}"
    return f"(Dominance.Head {layer}) 2"


def moments(i: Any) -> tuple[str, str]:
    """m̂, exact, and √v̂ to six digits, steps by weights."""
    tables: tuple[list[Any], list[Any]] = ([], [])
    for g in zip(*i.g, strict=True):
        steps = list(enumerate(Gradients(g, i.beta1, i.beta2).moments(), 1))
        squares = [v / (1 - i.beta2**t) for t, (_, v) in steps]
        tables[0].append([m / (1 - i.beta1**t) for t, (m, _) in steps])
        tables[1].append([Fraction(math.sqrt(x)).limit_denominator(10**6) for x in squares])
    return rows(zip(*tables[0], strict=True)), rows(zip(*tables[1], strict=True))


def path(i: Any) -> str:
    top = max(Fraction(x).limit_denominator(10**6) for x in corrected(i)[1][:, 0])
    return f"{len(i.g)} 1 {real(i.epsilon)} {real(top)} {' '.join(moments(i))}"


def unit(i: Any) -> str:
    square = sum(x * x for x in i.x)
    w = entries(i.z * x / square for x in i.x)
    return f"{len(i.g)} {len(i.x)} {entries(i.x)} {w} 1 {real(i.epsilon)} {' '.join(moments(i))}"


def first_step(i: Any) -> str:
    return f"{len(i.x)} {entries(i.x)} {' '.join(map(real, (i.z, i.p, i.alpha, i.epsilon)))}"


def fall(i: Any) -> str:
    return f"{len(i.z) - 1} {entries(i.z)} {entries(i.fall)}"


def spared(i: Any) -> str:
    return f"{len(i.z) - 1} {entries(i.z)} {entries(i.move)} {real(i.bound)}"


def kill(i: Any) -> str:
    weights = f"{len(i.w)} {entries(i.w)} {entries(i.p)} {entries(i.q)}"
    return f"{weights} {' '.join(map(real, (min(i.w), max(i.w), i.rate, i.z)))}"


def balanced(i: Any) -> str:
    sizes, own = f"{len(i.w)} {len(i.x)}", f"{entries(i.w)} {real(i.b)} {real(i.v)}"
    return f"{sizes} {own} {rows(i.x)} {entries(i.error)} {' '.join(map(real, i.rates))}"


def layer(i: Any) -> str:
    return f"{len(i.means)} {entries(i.means)}"


def layer_and_tau(i: Any) -> str:
    return f"{layer(i)} {real(i.tau)}"


def layer_tau_and_factor(i: Any) -> str:
    return f"{layer_and_tau(i)} {real(i.c)}"


def batch(i: Any) -> str:
    return f"{len(i.rows)} {len(i.rows[0])} {rows(i.rows)}"


def batch_after_first(i: Any) -> str:
    return f"{len(i.rows)} {len(i.rows[0]) - 1} {rows(i.rows)}"


def regression(i: Any) -> str:
    sizes = f"{len(i.phi)} {len(i.w)} {len(i.w[0])}"
    chain = f"{rows(i.transition)} {real(i.gamma)}"
    # without a discount there is no such walk, and what asks for one is not admitted
    walk = entries(learned_heads.weights_of_states(i) if i.gamma < 1 else [0] * len(i.phi))
    return f"(Collapse.Regression {sizes} {chain} {rows(i.phi)} {rows(i.w)} {walk})"


def classifier(i: Any) -> str:
    predicted = flows.predictions(i)
    sizes = f"{len(i.transition)} {len(i.psi)} {len(i.centres)}"
    chain = f"{rows(i.transition)} {real(i.gamma)}"
    layers = f"{rows(i.psi)} {rows(i.w)} {rows(predicted)} {rows(flows.targets(i, predicted))}"
    return f"(Collapse.Classifier {sizes} {chain} {layers} {entries(i.centres)})"


def learned(i: Any) -> tuple[Any, Any]:
    """How the first entries of Φ and W move."""
    phi, w = learned_heads.learned_heads(i)
    return phi[0, 0], w[0, 0]


def first_backup(i: Any) -> Any:
    return (flows.exact(i.transition) @ flows.predictions(i))[0, 0]


def normed(i: Any) -> str:
    return f"{len(i.z)} {entries(i.z)}"


def normed_and_shift(i: Any) -> str:
    return f"{normed(i)} {real(i.shift)}"


def recycled(i: Any) -> str:
    (h,) = redo.activations(i, True).values()
    return f"{len(h)} {len(i.out)} {rows(h)} {entries(i.out)} {real(i.tau)}"


def redo_bound(i: Any) -> Any:
    return redo.change(i) + redo.bound_slack(i)


def sample_gradients(i: Any) -> str:
    ours = gradients.w_gradient(i)[:, 0]
    return f"{len(ours)} {entries(ours)}"


PROOFS: dict[str, Proof] = {
    "dormancy.average-one": Proof("Dormancy.average_one", layer),
    "dormancy.few-large-shares": Proof("Dormancy.few_large_shares", layer_and_tau),
    "dormancy.one-awake": Proof("Dormancy.one_awake", layer_and_tau),
    "dormancy.scale-invariant": Proof("Dormancy.scale_invariant", layer_tau_and_factor),
    "dominance.definition-1": Proof("Dominance.definition_1", layer_means),
    "dominance.ratio": Proof("Dominance.ratio", means_and_ratio),
    "dominance.at-most-one": Proof("Dominance.at_most_one", layer_means),
    "dominance.margin": Proof(
        "Dominance.margin",
        neuron,
        {
            "Dominance.mean_Y {}": lambda i: average(margins(i)),
            "Dominance.mean_z {}": lambda i: average(preactivations(i)),
        },
    ),
    "dominance.pointwise": Proof("Dominance.pointwise", neuron),
    "dominance.pointwise-ratio": Proof("Dominance.pointwise_ratio", neuron_and_ratio),
    "dominance.expectation": Proof("Dominance.expectation", neuron),
    "dominance.expectation-ratio": Proof("Dominance.expectation_ratio", neuron_and_ratio),
    "dominance.threshold-sharp": Proof("Dominance.threshold_sharp", means_and_ratio),
    "dominance.equal-others": Proof("Dominance.equal_others", neuron),
    "dominance.fraction": Proof("Dominance.fraction", neuron),
    "dominance.mirror": Proof("Dominance.mirror", neuron),
    "dominance.one-step-kill": Proof("Dominance.one_step_kill", step, given_only=True),
    "dominance.some-survive": Proof("Dominance.some_survive", survival, given_only=True),
    "dominance.adam-kill": Proof("Learning.adam_kill", first_step, given_only=True),
    "dominance.adam-first-step": Proof("Learning.adam_first_step", first_step),
    "dominance.common-fall": Proof("Learning.common_fall", fall, given_only=True),
    "dominance.epsilon-spares": Proof("Learning.epsilon_spares", spared),
    "collapse.kill-cap": Proof("Learning.kill_cap", kill, given_only=True),
    "recycling.relu-balance": Proof("Learning.relu_balance", balanced, given_only=True),
    "dominance.epsilon-path": Proof("Epsilon.epsilon_path", path, given_only=True),
    "dominance.epsilon-survives": Proof("Epsilon.epsilon_survives", unit, given_only=True),
    "rank.eq-10-small": Proof(
        "Rank.eq_10_small",
        batch,
        {"Rank.squares {}": square_sum, "Rank.energies {}": lambda i: sum(energies(i))},
    ),
    "rank.line-11": Proof("Rank.line_11", batch_after_first),
    "rank.line-13-unordered": Proof("Rank.line_13", batch_after_first),
    "rank.eq-10-measures": Proof("Rank.eq_10_measures", batch),
    "rank.variation-beats-eq-10": Proof("Rank.variation_beats", batch),
    "collapse.eq-5-transposed": Proof("Collapse.eq_5", regression),
    "collapse.conserved": Proof(
        "Collapse.conserved",
        regression,
        {
            "Collapse.move_Phi {0} (Collapse.error {0}) 0 0": lambda i: learned(i)[0],
            "Collapse.move_W {0} (Collapse.error {0}) 0 0": lambda i: learned(i)[1],
        },
    ),
    "collapse.never-grows": Proof("Collapse.never_grows", regression, given_only=True),
    "collapse.no-softmax-loss": Proof(
        "Collapse.no_loss", classifier, {"Collapse.backup {} 0 0": first_backup}
    ),
    "collapse.line-22": Proof("Collapse.line_22", classifier),
    "collapse.theorem-3-derived": Proof("Collapse.derived", classifier),
    "collapse.conserved-classification": Proof(
        "Collapse.conserved_classification",
        classifier,
        {
            "Collapse.step_W {} 0 0": lambda i: flows.semi_gradient(i)[0][0, 0],
            "Collapse.step_Psi {} 0 0": lambda i: flows.semi_gradient(i)[1][0, 0],
        },
    ),
    "collapse.layer-norm-revives": Proof("Collapse.revives", normed_and_shift),
    "collapse.layer-norm-shift": Proof("Collapse.shift", normed_and_shift),
    "collapse.layer-norm-largest": Proof(
        "Collapse.largest", normed, {"Collapse.var {}": lambda i: i.variance()}
    ),
    "collapse.layer-norm-norm": Proof(
        "Collapse.norm", normed, {"Collapse.var {}": lambda i: i.variance()}
    ),
    "recycling.redo-bound": Proof(
        "Recycling.redo_bound",
        recycled,
        {"Recycling.change {}": redo.change, "Recycling.bound {}": redo_bound},
        given_only=True,
    ),
    "recycling.batch-mean-bound": Proof("Recycling.batch_mean", sample_gradients),
}


# --------------------------------------------------------------------------------- asking Coq


class Refused(Exception):
    """Coq does not accept a file; the message is Coq's."""


def installed() -> bool:
    return shutil.which("coqc") is not None


class Session:
    """The compiled files in a folder of their own, for questions about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in FILES:
            shutil.copy(HERE / f"{name}.v", folder)
            self._compile(f"{name}.v")

    def _compile(self, file: str) -> str:
        command = ["coqc", "-q", "-Q", ".", "Proofs", file]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise Refused(f"{file}: {done.stderr.strip()}")
        return done.stdout

    def ask(self, commands: Sequence[str]) -> str:
        """What Coq prints when it is given these commands, a line each, after all files."""
        head = ["From Proofs Require Import Instances.", f"From Proofs Require {' '.join(FILES)}."]
        lines = [*head, *commands]
        (self.folder / "Question.v").write_text("\n".join(lines))
        try:
            return self._compile("Question.v")
        except Refused as refused:
            number = int(str(refused).partition("line ")[2].partition(",")[0])
            raise Refused(f"{lines[number - 1]}\n{refused}") from None

    def assumptions(self, theorems: Sequence[str]) -> frozenset[str]:
        """The axioms that these theorems rest on, all together: one walk through their proofs."""
        pairs = f"Definition together := ({', '.join(theorems)})."
        printed = self.ask([pairs, "Print Assumptions together."])
        # `Axioms:`, then `name : type` each, indented where it goes on
        lines = [line for line in printed.splitlines()[1:] if line and not line.startswith(" ")]
        return frozenset(line.split()[0] for line in lines)


def goals(claim: Claim[Any], instances: Iterable[Any]) -> Iterator[str]:
    """That the theorem of a claim says at these instances what the claim says, as Coq's goals.

    Where the claim's assumptions hold, the theorem's have to: it may ask for less, never for more.
    Its conclusion has to be true where `then` is and false where `then` is not.
    """
    proof = PROOFS[claim.id]
    for i in instances:
        at, fine = proof.arguments(i), admits(claim, i)
        given, then = (f"{proof.theorem}_{part} {at}" for part in ("given", "then"))
        yield f"Goal {given} -> {then}. exact ({proof.theorem} {at}). Qed."
        if fine:
            yield f"Goal {given}. holds. Qed."
        if fine or not proof.given_only:
            yield f"Goal {then}. holds. Qed." if claim.then(i) else f"Goal ~ {then}. fails. Qed."
            for term, value in proof.same.items():
                yield f"Goal {term.format(at)} = {real(value(i))}. holds. Qed."


def beyond_the_reals(session: Session) -> frozenset[str]:
    """What the theorems assume more than Coq's own on real numbers do."""
    ours = session.assumptions([proof.theorem for proof in PROOFS.values()])
    return ours - session.assumptions(OF_THE_REALS)


def unproved() -> str:
    """What is wrong with the proofs: Coq's message, or the axioms that are not the reals'."""
    with TemporaryDirectory() as folder:
        try:
            more = beyond_the_reals(Session(Path(folder)))
        except Refused as refused:
            return str(refused)
    return f"the proofs assume {', '.join(sorted(more))}" if more else ""
