"""LayerNorm and the largest share: it can raise it, and the sign of the mean says when."""

from fractions import Fraction
from typing import Any

from theory.claim import Assumption, Claim
from theory.collapse.flows import exact, relu, row
from theory.collapse.layer_norm import Normed, normed, not_constant


def share(h: Any) -> Fraction:
    return Fraction(h.max()) / Fraction(h.sum())


def alive(n: Normed) -> bool:
    return max(n.z) > 0


def mean_sign(n: Normed) -> int:
    return int(sum(n.z) > 0) - int(sum(n.z) < 0)


def share_slack(n: Normed) -> Fraction:
    """sign(mean z) times what LayerNorm adds to the largest share; without the sign at mean 0."""
    before, after = share(relu(exact(n.z))), share(relu(n.centred()))
    return (after - before) * (mean_sign(n) or 1)


def share_moves(n: Normed) -> bool:
    return max(n.z) > 0 and n.variance() > 0 and share_slack(n) >= 0


VARIES = Assumption("not constant", "z_i ≠ z_j for some i, j", not_constant, said=False)
ALIVE = Assumption("alive", "z_i > 0 for some i", alive, said=False)


LAYER_NORM_SHARE = Claim(
    id="collapse.layer-norm-share",
    source="new; beside collapse.layer-norm-dominant",
    origin="ours",
    title="LayerNorm raises the largest share where the mean is positive",
    statement="one sample, N neurons, share(h) = max_i h_i / Σ_j h_j:\n"
    "share(relu(LN(z))) ≥ share(relu(z)) if mean z ≥ 0, and ≤ if mean z ≤ 0",
    given=(VARIES, ALIVE),
    then=share_moves,
    instances=normed,
    sizes=(2, 3, 4, 6),
    verdict="holds if",
    needs={"not constant": Normed(row(1, 1)), "alive": Normed(row(-1, -2))},
    undefined=(
        "not constant",
        "alive",
    ),
    slack=share_slack,
    tight_at=Normed(row(2, -1, -1)),
    proof="share(relu(z - c)) = (z_1 - c)/Σ_j (z_j - c)⁺ with z_1 the largest rises with c up to "
    "z_1 (dominance.common-fall, from any start), and LN is z - mean z but for a factor. Where a "
    "side is not defined (all z equal, or none above 0) there is no share: the two assumptions.",
    remark="So LayerNorm does not lower the largest score: with a positive mean it raises it, to N "
    "at most at every N. What it bounds is the activation itself, by √(N-1) "
    "(collapse.layer-norm-largest), and with it Γ. Example: z_1 = 128 and 255 others from N(0, 1): "
    "share 0.56 before, 0.72 after, h_1 from 128 to 16. Practice: judge LayerNorm by activations, "
    "not by scores.",
)


CLAIMS: tuple[Claim[Any], ...] = (LAYER_NORM_SHARE,)
