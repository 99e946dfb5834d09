"""srank and the mean of the features: what is left of it when the mean is taken off."""

from fractions import Fraction
from typing import Any

from theory.claim import Assumption, Claim, vector
from theory.rank.features import Cut, Matrix, array, cuts, matrix, srank
from theory.rank.srank import decided


def centred(x: Matrix) -> Matrix:
    """X minus the mean of its rows."""
    values = array(x)
    means = values.sum(axis=0) / Fraction(len(values))
    return Matrix(tuple(tuple(row) for row in values - means))


def varies(i: Cut) -> bool:
    return len(set(i.x.rows)) > 1


def centred_slack(i: Cut) -> Any:
    return srank(centred(i.x), i.delta) + 1 - srank(i.x, i.delta)


def centred_bounded(i: Cut) -> bool:
    """Floats cannot tell at a tie of irrational singular values: that is not counted against."""
    c = centred(i.x)
    return not (decided(i.x, i.delta) and decided(c, i.delta)) or bool(centred_slack(i) >= 0)


CENTRED = Claim(
    id="rank.centred",
    source="new; what srank measures (section 3.3)",
    origin="ours",
    title="The mean of the features is worth at most one of srank",
    statement="X not constant over the batch  ⇒  srank(X) ≤ srank(X - 1 mean') + 1",
    given=(Assumption("varies", "two rows of X differ", varies, said=False),),
    then=centred_bounded,
    instances=cuts,
    sizes=((2, 1), (2, 2), (3, 2), (2, 3), (3, 3)),
    verdict="holds if",
    needs={"varies": Cut(matrix((1,), (1,)), Fraction(1, 2))},
    undefined=("varies",),
    slack=centred_slack,
    tight_at=Cut(matrix((1, 1), (1, -1)), Fraction(1, 10)),
    proof="X - 1 mean' = (I - 11'/B) X, so no singular value of it is above that of X; and X is it "
    "plus a matrix of rank 1: σ_{i+1}(X) ≤ σ_i(X - 1 mean') (Weyl). With k = srank of the centred "
    "one: Σ_{i>k+1} σ_i(X) ≤ Σ_{i>k} σ_i(centred) ≤ δ Σ σ_i(centred) ≤ δ Σ σ_i(X).",
    remark="The converse fails by any amount: a large mean makes srank 1 whatever the rest is. So "
    "an srank of 1 or 2 may be the mean alone. Practice: monitor the centred srank beside it.",
)


def no_converse(i: Cut) -> bool:
    """srank(X) ≥ srank(centred)."""
    return bool(srank(i.x, i.delta) >= srank(centred(i.x), i.delta))


def centred_steps(i: Cut) -> list[str]:
    means = vector(
        sum(map(Fraction, column)) / len(column) for column in zip(*i.x.rows, strict=True)
    )
    whole, rest = (int(srank(x, i.delta)) for x in (i.x, centred(i.x)))
    return [
        f"{i.x}: srank = {whole} at δ = {i.delta}",
        f"the mean of the rows is {means}; less that they have srank {rest}",
        f"{whole} < {rest}: X looks like so few directions because of its mean alone",
    ]


CENTRED_CONVERSE = Claim(
    id="rank.centred-converse",
    source="Neuron Dominance, section 3.3: a low srank shows collapsed features",
    origin="reading",
    title="A low srank shows that features hardly differ between inputs",
    statement="srank(X) ≥ srank(X - 1 mean')",
    given=(Assumption("varies", "two rows of X differ", varies, said=False),),
    then=no_converse,
    instances=cuts,
    sizes=((2, 2), (3, 2), (3, 3)),
    verdict="refuted",
    counterexample=Cut(matrix((9, 9), (10, 8), (8, 9)), Fraction(1, 10)),
    breaks="One singular value takes all of the mean: with a mean large enough srank is 1, for "
    "features as different as one likes.",
    steps=centred_steps,
    repaired_by=("rank.centred",),
)


CLAIMS: tuple[Claim[Any], ...] = (CENTRED, CENTRED_CONVERSE)
