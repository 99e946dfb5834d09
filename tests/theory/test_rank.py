"""theory/rank.py: what is special to it; what holds for every chapter is in test_claims.py."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from ref import scores
from theory import rank
from theory.claim import Claim, admits, check, find, replay

CLAIMS = {claim.id: claim for claim in rank.CLAIMS}
REFUTED = [claim for claim in rank.CLAIMS if claim.verdict == "refuted"]
HOLDING = [claim for claim in rank.CLAIMS if claim.verdict in ("holds", "holds if")]
any_matrix = st.sampled_from(rank.features.SHAPES).flatmap(rank.features.matrices)
any_law = st.sampled_from(rank.features.SHAPES).flatmap(rank.features.laws)


# What the claims are made of


@given(any_matrix)
def test_exact_shares_are_those_of_lapack_up_to_rounding(x: rank.features.Matrix) -> None:
    shares = rank.features.shares(x)
    if not rank.features.matrix_not_zero(x):
        assert np.isnan(shares).all()
        return
    sigma = np.linalg.svd(rank.features.array(x), compute_uv=False)
    # LAPACK's small singular values of a singular matrix are off by eps of the largest
    np.testing.assert_allclose(
        np.array(shares, dtype=float), sigma / sigma.sum(), rtol=0, atol=rank.features.ERROR
    )


@given(st.sampled_from(rank.features.SHAPES).flatmap(rank.features.cuts))
def test_srank_is_that_of_ref_where_floats_can_tell(i: rank.features.Cut) -> None:
    p = rank.features.shares(i.x)
    gaps = [abs(float(sum(p[: k + 1]) - (1 - i.delta))) for k in range(len(p))]
    if min(gaps) > rank.features.ERROR:
        assert rank.features.srank(i.x, i.delta) == scores.srank(
            rank.features.array(i.x), float(i.delta)
        )


@given(any_matrix)
def test_rank_is_that_of_lapack(x: rank.features.Matrix) -> None:
    assert rank.features.rank(x) == np.linalg.matrix_rank(rank.features.array(x))


@given(any_law)
def test_the_probabilities_of_all_batches_sum_to_1(of: rank.features.Law) -> None:
    assert sum(p for p, _ in rank.features.batches(of)) == 1


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("batch", [4, 9, 64])
def test_the_closed_form_of_the_spikes_is_that_of_the_matrix(width: int, batch: int) -> None:
    layer = rank.repaired.Spikes(Fraction(1, 2), width, batch)
    x = np.zeros((batch, width))
    x[:, 0] = 1
    for j in range(1, width):
        x[j - 1, j] = batch / 2 / (width - 1)
    sigma = np.linalg.svd(x, compute_uv=False)
    assert abs(rank.repaired.spikes_ratio(layer) - sigma[0] / sigma.sum()) < rank.features.ERROR
    u = scores.activation_score(x)
    assert abs(u[0] / width - 1 / (1 + layer.eps)) < rank.features.ERROR


# The counterexamples


def test_theorem_2_fails_of_7_9ths_against_11_14ths() -> None:
    of = rank.theorem_2.BREAKS_THEOREM_2
    assert rank.features.mean_ratio(of) == Fraction(7, 9)
    assert (
        rank.theorem_2.printed_square(of, rank.theorem_2.widest_variance(of))
        == Fraction(11, 14) ** 2
    )
    assert rank.features.sum_variance(of, 0) == rank.features.sum_variance(
        of, 1
    )  # no index to choose
    told = "\n".join(CLAIMS["rank.theorem-2"].steps(of))  # type: ignore[misc]
    assert all(n in told for n in ("R = 1/2", "E R = 7/9", "121/196", "11/14"))


@pytest.mark.parametrize("of", rank.theorem_2.MORE_OF_THEOREM_2, ids=str)
def test_theorem_2_fails_of_larger_batches_too(of: rank.features.Law) -> None:
    claim = CLAIMS["rank.theorem-2"]
    assert admits(claim, of)
    assert not claim.then(of)


def test_theorem_2_fails_of_a_constant_dominant_neuron() -> None:
    of = rank.features.law(3, ("1/2", (1, 0)), ("1/2", (1, 1)))
    assert rank.theorem_2.printed_square(of, rank.features.sum_variance(of, 0)) == Fraction(23, 30)
    assert not rank.theorem_2.theorem_2_first(of)
    assert rank.theorem_2.theorem_2(of)  # with Var(s_2) only in other units, as above


def test_the_same_features_in_units_of_a_half_satisfy_theorem_2() -> None:
    assert not rank.theorem_2.theorem_2(rank.theorem_2.BREAKS_THEOREM_2)
    assert rank.theorem_2.theorem_2(
        rank.theorem_2.times_all(rank.theorem_2.BREAKS_THEOREM_2, Fraction(2))
    )


def test_which_variance_is_meant_decides_whether_the_bound_rises() -> None:
    base = rank.features.law(2, ("1/2", ("1/2", 1)), ("1/2", ("3/2", 1)))
    grown = [rank.features.times_first(base, Fraction(a)) for a in (1, 2, 10)]
    first = [rank.theorem_2.printed_square(of, rank.features.sum_variance(of, 0)) for of in grown]
    second = [rank.theorem_2.printed_square(of, rank.features.sum_variance(of, 1)) for of in grown]
    truth = [rank.features.mean_ratio(of) for of in grown]
    assert first[:2] == [Fraction(1, 2), Fraction(41, 100)]
    assert first == sorted(first, reverse=True)
    assert second == sorted(second)
    assert truth == sorted(truth)


@pytest.mark.parametrize("entry", [1, 3_000_001, 10**12 + 1])
def test_line_9_is_tight_of_equal_entries_of_any_size(entry: int) -> None:
    for height in range(1, 8):
        x = rank.features.matrix(*[(entry, entry, entry)] * height)
        assert abs(rank.proof.line_9_slack(x)) <= rank.features.ERROR


def test_line_15_is_never_strictly_true() -> None:
    """With Var(s_1) = v and Σ E s_i² = t it says (B-1) v + (B - 1/B) t ≤ 0."""
    for v, t in ((0, 0), (1, 0), (0, 1)):
        of = rank.features.law(2, ("1/2", (1, t)), ("1/2", (1 + v, t)))
        assert rank.proof.line_15(of) == (v == t == 0)


def test_two_sided_repair_survives_both_laws_of_the_counterexample() -> None:
    old = CLAIMS["rank.probability-rises"].counterexample
    for of in (old.first, old.second):
        i = rank.srank.Lottery(tuple(rank.features.batches(of)), old.delta)
        for bound in ("least", "most"):
            assert CLAIMS[f"rank.probability-at-{bound}"].then(i)


def size_of(instance: Any) -> tuple[int, int]:
    """(B, N)."""
    if isinstance(instance, rank.features.Law):
        return instance.batch, rank.features.width(instance)
    if isinstance(instance, rank.features.Matrix):
        return len(instance.rows), len(instance.rows[0])
    inner = {rank.features.Cut: "x", rank.features.Scaled: "law", rank.srank.TwoLaws: "first"}[
        type(instance)
    ]
    return size_of(getattr(instance, inner))


@pytest.mark.parametrize(
    "claim", [pytest.param(c, marks=pytest.mark.slow, id=str(c)) for c in REFUTED]
)
def test_a_search_from_scratch_finds_a_counterexample_of_the_stored_size(claim: Claim) -> None:
    found = find(claim, examples=4000)
    assert found.violation is not None
    assert found.size == size_of(claim.counterexample)


# How tight the bounds are


@pytest.mark.parametrize(("batch", "width"), [(3, 2), (5, 3), (9, 4)])
def test_the_share_bound_is_attained_with_b_less_n_plus_1_for_b(batch: int, width: int) -> None:
    """So its factor √B is no artefact."""
    alone = batch - width + 1
    rows = [[1] + [0] * (width - 1)] * alone
    rows += [[0] * j + [2] + [0] * (width - 1 - j) for j in range(1, width)]
    x = rank.features.matrix(*map(tuple, rows))
    p = Fraction(alone, alone + 2 * (width - 1))
    assert rank.repaired.share(x) in (p, Fraction(2, alone + 2 * (width - 1)))
    sigma = sorted([math.sqrt(alone)] + [2] * (width - 1), reverse=True)
    assert abs(float(rank.features.ratio(x)) - sigma[0] / sum(sigma)) < rank.features.ERROR
    attained = p / (p + math.sqrt(alone) * (1 - p))
    assert abs(math.sqrt(alone) / sum(sigma) - attained) < rank.features.ERROR


def test_e1k_is_tight_for_large_batches_of_neurons_never_active_together() -> None:
    for batch in (4, 16, 64, 128):
        of = rank.features.law(batch, ("1/2", (3, 0)), ("1/2", (0, 1)))
        assert 0 < rank.expected.e1k_slack(of) < 1 / batch


@given(any_law)
def test_e1k_is_never_below_e1_and_e1_never_below_e4(of: rank.features.Law) -> None:
    if rank.features.mean_not_zero(of):
        assert rank.features.e1k_bound(of) >= rank.expected.e1_bound(of) - rank.features.ERROR
        assert rank.expected.e1_bound(of) >= rank.expected.e4_bound(of) - rank.features.ERROR


@pytest.mark.parametrize("claim", [c for c in HOLDING if c.curve], ids=str)
def test_curves_keep_bounds_on_their_side_of_the_truth(claim: Claim) -> None:
    curve = claim.curve()  # type: ignore[misc]
    (_, truth), *bounds = curve.lines.items()
    assert list(curve.values) == sorted(curve.values)
    for name, bound in bounds:
        assert len(bound) == len(truth) == len(curve.values)
        if claim.id != "rank.spikes":
            assert all(b <= t + rank.features.ERROR for b, t in zip(bound, truth, strict=True)), (
                name
            )


def test_spikes_fall_below_the_share_that_was_thought_to_bound_them() -> None:
    lines = CLAIMS["rank.spikes"].curve().lines  # type: ignore[misc]
    assert lines["R"][-1] < 0.26 < 0.66 < lines["u_1/N"][-1]
    assert all(r <= b for r, b in zip(lines["R"], lines["1/(N-1) + 1/(ε√B)"], strict=True))
    assert lines["1/(N-1) + 1/(ε√B)"][-1] < 0.26  # 1/4 as B grows


# Planted faults


FAULTS: list[tuple[str, Callable[..., Any], str]] = [
    ("rest_rms", lambda of: 0.0, "rank.e1"),
    ("rest_rms", lambda of: rank.features.rms(of, 0) / 2, "rank.e1k"),
    ("theta", lambda of: Fraction(0), "rank.e4"),
    ("kurtosis", lambda of: Fraction(1), "rank.p1"),
    ("layer_variation", lambda of: Fraction(0), "rank.e2"),
    ("variation_square", lambda x: Fraction(0), "rank.variation"),
    ("spread", lambda n, rho: float(rho), "rank.direction"),
    ("energies", lambda x: [s**2 for s in rank.features.sums(x)], "rank.rms-share"),
    ("share", lambda x: Fraction(1), "rank.share"),
    ("rank_limit", lambda x: 1, "rank.line-10"),
    ("rms_share", lambda x: Fraction(1), "rank.rms-share"),
    ("line_11_bottom", lambda x: rank.features.energies(x)[0], "rank.line-11"),
    ("cross_unordered", lambda x: Fraction(1), "rank.line-13-unordered"),
    ("sum_variance", lambda of, j: rank.features.variance(of, j), "rank.second-moment-scaled"),
    ("certain", lambda outcomes, delta: Fraction(1), "rank.probability-at-most"),
    ("certain", lambda outcomes, delta: Fraction(0), "rank.probability-at-least"),
    ("printed_square", lambda of, var: Fraction(0), "rank.theorem-2"),
    ("widest_variance", lambda of: Fraction(9), "rank.theorem-2"),
    ("ratio", lambda x: Fraction(1), "rank.theorem-2"),
    ("common", lambda of: Fraction(1), "rank.stronger-spread"),
    ("half_angle", lambda e: e, "rank.stronger-two-rows"),
    ("stronger_square", lambda of: Fraction(0), "rank.stronger-implies"),
    ("stronger_square", lambda of: Fraction(2), "rank.stronger-one-direction"),
    ("rescaled_slack", lambda of: 0.0, "rank.stronger-slack"),
]


@pytest.mark.parametrize(("name", "fault", "claim"), FAULTS)
def test_a_planted_fault_is_found(
    name: str, fault: Callable[..., Any], claim: str, plant: Callable[..., None]
) -> None:
    plant(rank, name, fault)
    stated = CLAIMS[claim]
    assert replay(stated) or check(stated, 2000).violation is not None


# Adversaries


def _matrix(e: Any, shape: tuple[int, int], signed: bool) -> rank.features.Matrix:
    # multiples of 1/1024 below 16, as the error bound has it
    e = np.round(np.clip(e, -15, 15) * 1024).astype(int)
    e = e if signed else np.abs(e)
    return rank.features.matrix(
        *(tuple(Fraction(int(k), 1024) for k in row) for row in e.reshape(shape))
    )


def _of_matrix(slack: Callable[[rank.features.Matrix], Any], e: Any, signed: bool) -> float:
    x = _matrix(e, (3, 2) if len(e) == 6 else (3, 3), signed)
    return float(slack(x)) if rank.features.some_sum_not_zero(x) else 1.0


def _direction(x: rank.features.Matrix) -> Any:
    return rank.repaired.direction_slack(
        rank.repaired.Directed(rank.features.Matrix(x.rows[1:]), x.rows[0])
    )


def _of_law(slack: Callable[[rank.features.Law], Any], e: Any, signed: bool) -> float:
    """Three points, their weights in the first three numbers."""
    w = np.round(np.clip(np.abs(e[:3]), 0.05, 15) * 1024).astype(int)
    x = _matrix(e[3:], (3, (len(e) - 3) // 3), signed)
    points = [(Fraction(int(p), int(w.sum())), r) for p, r in zip(w, x.rows, strict=True)]
    of = rank.features.law(2, *points)
    return float(slack(of)) if rank.features.mean_not_zero(of) else 1.0


def _open_slack(of: rank.features.Law) -> Any:
    """An open claim: this asks whether the search still finds nothing."""
    js = sorted(range(rank.features.width(of)), key=lambda j: -rank.features.moment(of, j, 1))
    ordered = rank.features.Law(
        tuple((p, tuple(row[j] for j in js)) for p, row in of.points), of.batch
    )
    claim = CLAIMS["rank.theorem-2-rescaled-alive"]
    return rank.theorem_2.rescaled_slack(ordered) if admits(claim, ordered) else 1.0


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("on", "slack", "sizes"),
    [
        pytest.param(_of_matrix, _direction, (6, 9), id="D1"),
        pytest.param(_of_matrix, rank.eq_10.variation_slack, (6, 9), id="D1 with CV"),
        pytest.param(_of_matrix, rank.repaired.rms_slack, (6, 9), id="D2"),
        pytest.param(_of_matrix, rank.repaired.share_slack, (6, 9), id="D3"),
        pytest.param(_of_matrix, rank.repaired.even_slack, (6, 9), id="D3 with CV"),
        pytest.param(_of_law, rank.expected.e1_slack, (9, 12), id="E1"),
        pytest.param(_of_law, rank.expected.e1k_slack, (9, 12), id="E1k"),
        pytest.param(_of_law, rank.expected.e2_slack, (9, 12), id="E2"),
        pytest.param(_of_law, rank.expected.e3_slack, (9, 12), id="E3"),
        pytest.param(_of_law, rank.expected.e4_slack, (9, 12), id="E4"),
        pytest.param(_of_law, _open_slack, (9, 12), id="open"),
    ],
)
def test_no_adversary_finds_slack_below_the_error(
    on: Callable[..., float], slack: Callable[..., Any], sizes: tuple[int, ...], signed: bool
) -> None:
    if slack in (rank.repaired.share_slack, _open_slack) and signed:
        pytest.skip("the claim is about activations that are not negative")
    generator = np.random.default_rng(0)
    for size in sizes:
        for _ in range(3):
            start = generator.normal(0, 2, size)
            least = minimize(
                lambda e: on(slack, e, signed), start, method="Nelder-Mead", options={"maxfev": 400}
            )
            assert least.fun >= -rank.features.ERROR
