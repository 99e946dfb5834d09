"""Learning about nothing: which losses shrink a representation while no reward has been seen, which
do not, and what decides it.

Neuron Dominance, section 4.2: eqs. (5) and (6), Theorem 3, and what is said of LayerNorm.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Collapse",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    import math
    from fractions import Fraction

    import marimo as mo
    import numpy as np

    from ref import dynamics, losses, scores
    from theory import collapse
    from theory.decide import CLAIMS
    from tutorials import style
    from tutorials.exercises import exercises

    CLAIMS_HERE = [
        "collapse.fixed-heads",
        "collapse.fixed-heads-span",
        "collapse.learned-heads",
        "collapse.strong-heads",
        "collapse.theorem-3",
        "collapse.prevents",
        "collapse.fixed-point",
        "collapse.stays-rank-one",
    ]


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Collapse: what learning about nothing does to features

    An agent in a world of sparse rewards spends its first hours learning that everything is worth
    zero. Its value network gives every state $x$ a row of **features** $\phi(x) \in \mathbb
    R^N$ and reads a value off them. Does learning that all values are zero make the features
    vanish, that is, do they **collapse**? *Neuron Dominance* says in section 4.2: with the squared
    error yes, with a classification loss no, and that this may be why classification helps.

    The stage is a Markov chain of five states without any reward, and two features, so that the
    features of a state are a point in the plane and you can watch the representation move. The
    words:

    - the features of all states are the rows of $\Phi$; the paper writes them as columns of the
      transposed matrix, $\Psi = \Phi'$. $P$ holds the chances of going from one state to another;
    - a **head** is a vector $w$ that reads the number $\phi(x) \cdot w$; the heads are the columns
      of $W$. Here features and heads are free numbers, with no network below them;
    - with the **squared error** each head's number is a value, and learns $\gamma$ times the value
      of the next state: that is TD learning without reward;
    - with **cross-entropy** the numbers of the heads become, by a softmax, a histogram $\hat p(x)$
      over a grid of values (the bins), and its mean is the value. It learns a histogram of
      $\gamma$ times the next value: all mass on the two nearest bins (**two-hot**), or a normal
      cut into bins (**HL-Gauss**). The paper's proof takes $\gamma P \hat p$, whose mass is
      $\gamma$.
    """)
    return


@app.cell(hide_code=True)
def _():
    flow_ui = mo.ui.dropdown(
        [
            "squared error, fixed heads in all directions",
            "squared error, one fixed head",
            "squared error, learned heads",
            "cross-entropy, the paper's targets γPp̂",
            "cross-entropy, two-hot targets",
            "cross-entropy, HL-Gauss targets",
        ],
        value="squared error, fixed heads in all directions",
        label="What learns",
    )
    chain_ui = mo.ui.dropdown(
        ["stay or step on", "step on", "anywhere", "stay"], value="stay or step on", label="Chain"
    )
    gamma_ui = mo.ui.slider(0, 0.99, 0.01, value=0.9, label="Discount $\\gamma$", show_value=True)
    heads_ui = mo.ui.slider(
        0,
        3,
        0.1,
        value=0.5,
        label="Strength of the heads at the start, if they learn",
        show_value=True,
    )
    moment_ui = mo.ui.slider(0, 50, value=50, label="Time", full_width=True)
    predicted_ui = style.predict(
        "Features and the heads that read them learn together, by the squared error, that every "
        "value is zero, from weak heads on (strength 0.5). What becomes of the features?",
        "they vanish",
        "they shrink, and stay",
    )
    mo.md(f"""
    ## Predict, then play

    As it opens, the heads are fixed and see all directions: eq. (5) of the paper. Then let them
    learn.

    {predicted_ui}

    {flow_ui}

    {mo.hstack([chain_ui, gamma_ui], justify="start", gap=2, wrap=True)}

    {heads_ui}

    {moment_ui}
    """)
    return chain_ui, flow_ui, gamma_ui, heads_ui, moment_ui, predicted_ui


@app.cell(hide_code=True)
def _(chain_ui, flow_ui, gamma_ui, heads_ui):
    flow, walk, gamma, strength = flow_ui.value, chain_ui.value, gamma_ui.value, heads_ui.value
    return flow, gamma, strength, walk


@app.cell(hide_code=True)
def arrange(flow, gamma, strength, walk):
    start = np.array([[1.6, 0.3], [0.9, 1.3], [-0.5, 1.1], [-0.4, -0.7], [1.1, -0.9]])
    step_on = np.roll(np.eye(5), 1, axis=1)
    walks = {
        "stay": np.eye(5),
        "step on": step_on,
        "stay or step on": (np.eye(5) + step_on) / 2,
        "anywhere": np.full((5, 5), 0.2),
    }
    chain = dynamics.Chain(walks[walk], np.zeros(5), gamma)

    edges = losses.bin_edges(0.0, 5.0, 5)
    centres = losses.centres(edges)
    any_heads = strength * np.array([[0.8, -0.6], [0.6, 0.8]])
    logits = strength * np.array([[0.9, -0.2, 0.5, -1.0, 0.3], [-0.4, 0.8, 0.1, 0.6, -1.1]])
    objective, heads = {
        "squared error, fixed heads in all directions": (dynamics.regression(), np.eye(2)),
        "squared error, one fixed head": (dynamics.regression(), np.eye(2)[:, :1]),
        "squared error, learned heads": (dynamics.regression(), any_heads),
        "cross-entropy, the paper's targets γPp̂": (dynamics.theorem_3(centres), logits),
        "cross-entropy, two-hot targets": (dynamics.two_hot(centres), logits),
        "cross-entropy, HL-Gauss targets": (dynamics.hl_gauss(edges, 0.75), logits),
    }[flow]

    still = {"dense0.bias": np.zeros(2), "final.bias": np.zeros(heads.shape[1])}
    weights = {"dense0.weight": start.T, "final.weight": heads.T}
    if "fixed" in flow:
        still["final.weight"] = weights.pop("final.weight")
    net = dynamics.network(np.eye(5), still, activation=lambda z: z)
    return chain, heads, net, objective, start, weights


@app.cell(hide_code=True)
def follow(chain, flow, heads, net, objective, weights):
    # TD learning by ref.dynamics: gradient descent in steps of 0.05, of which 8 are one moment.
    # Losses are means, over the five states and for the squared error over the heads too.
    rate = 0.05 * (5 if "cross" in flow else 5 * heads.shape[1] / 2)
    moments, path = 0.4 * np.arange(51), [weights]
    for _ in moments[1:]:
        path.append(dynamics.learn(chain, path[-1], objective, net, 8, rate, every=8)[0])
    features = np.array([params["dense0.weight"].T for params in path])  # (time, states, 2)
    mo.show_code()
    return features, moments, path


@app.cell(hide_code=True)
def _(moment_ui):
    moment = moment_ui.value
    return (moment,)


@app.cell(hide_code=True)
def draw_path(features, flow, moment, moments):
    singular = np.array([np.linalg.svd(phi, compute_uv=False) for phi in features])
    cover, (_plane, _sizes) = style.figure(
        1, 2, height=3.9, gridspec_kw={"width_ratios": [1, 1.25]}
    )
    for _x, _colour in enumerate([style.BLUE, style.VERMILION, style.GREEN, style.ORANGE, "k"]):
        _plane.plot(*features[: moment + 1, _x].T, color=_colour, lw=1.5, alpha=0.7)
        _plane.plot(*features[0, _x], "o", mfc="white", color=_colour, ms=7)
        _plane.plot(*features[moment, _x], "o", color=_colour, ms=8, zorder=3)
    _plane.axhline(0, color=style.GREY, lw=0.8)
    _plane.axvline(0, color=style.GREY, lw=0.8)
    _reach = 1.1 * max(1.9, np.abs(features).max())
    _plane.set(xlim=(-_reach, _reach), ylim=(-_reach, _reach), aspect="equal")
    _plane.set(title="The features of five states", xlabel="feature 1", ylabel="feature 2")
    _floor = 1e-6
    _sizes.semilogy(moments, np.maximum(singular[:, 0], _floor), label="$\\sigma_1$")
    _sizes.semilogy(moments, np.maximum(singular[:, 1], _floor), label="$\\sigma_2$")
    _sizes.axvline(moments[moment], color=style.GREY, lw=1, ls=":")
    _sizes.set(title="Singular values of the features", xlabel="time $t$")
    _sizes.set(ylim=(_floor, 30))
    _sizes.set_yticks([1e-6, 1e-4, 1e-2, 1], ["$10^{-6}$", "$10^{-4}$", "$10^{-2}$", "1"])
    _sizes.minorticks_off()
    _sizes.legend(loc="lower left", ncols=2)
    style.show(cover, f"Paths of the features of five states under {flow}, and singular values")
    return cover, singular


@app.cell(hide_code=True)
def judge(
    chain,
    features,
    flow,
    gamma,
    heads,
    moment,
    moments,
    path,
    predicted_ui,
    singular,
    start,
):
    instance = collapse.flows.Regression(
        # 0.2 as a float is no fifth, and five of them are not 1
        tuple(tuple(Fraction(str(p)) for p in row) for row in chain.transition.tolist()),
        Fraction(gamma),
        collapse.flows.rows(start),
        collapse.flows.rows(heads),
        Fraction(moments[moment]),
    )
    if "fixed" in flow:
        collapses = collapse.eq_5.ends_at_zero(instance)
        _says = "Theory, exactly: the features " + (
            "**tend to 0**, as the fixed heads reach all directions."
            if collapses
            else "**never tend to 0**, as no head sees one of the directions."
        )
        if "all directions" in flow:
            off = np.abs(features[moment] - collapse.eq_5.closed_form(instance)).max()
            _says += (
                f" Eq. (6), $e^{{-t(I-\\gamma P)}}\\Phi_0$, is within {off:.2g} of these steps."
            )
    elif "squared" in flow:
        collapses = collapse.learned_heads.may_collapse(instance)
        _says = "Theory, exactly: $\\Phi_0'\\Phi_0 \\le WW'$ "
        _says += (
            "holds at the start, so the features **tend to 0**."
            if collapses
            else "fails at the start, so the features **never tend to 0**."
        )
    else:
        collapses = False
        if np.abs(features[-1] - features[0]).max() < 1e-12:
            _says = (
                "Nothing moves: the flow is $\\gamma\\,\\Psi (P - I) \\hat p$ (theory), and one of "
                "its factors is 0 here."
            )
        elif "paper" in flow:
            _says = (
                "These targets are a consensus: the states' histograms draw each other together. "
                "The origin is a place of rest: no push leads away from it."
            )
        else:
            _says = (
                "Theory: the origin is a place of rest only if the push there, $W(p^* - u)$, is 0, "
                "with $u$ the uniform histogram and $p^*$ its target; so for special heads only."
            )
    if "fixed" not in flow:

        def balance(params):
            psi, w = params["dense0.weight"], params["final.weight"].T
            return psi @ psi.T - w @ w.T

        drift = np.abs(balance(path[moment]) - balance(path[0])).max()
        _says += (
            f" What no loss can change, $\\Phi'\\Phi - WW'$, has moved by {drift:.2g}; in steps "
            "without length it would not move at all."
        )
    size, rank = singular[moment, 0] / singular[0, 0], scores.srank(features[moment])
    _told = mo.md(f"""
    At $t = {moments[moment]:.1f}$ the features have {100 * size:.2g} % of their first size;
    $\\sigma_2 / \\sigma_1 = {singular[moment, 1] / singular[moment, 0]:.2g}$, srank {rank:.0f}.
    {_says}
    """)
    if flow == "squared error, learned heads" and not collapses:
        _next = style.reveal(
            predicted_ui.value,
            "they shrink, and stay",
            "the heads give in first, and where all values are zero nothing shrinks the features "
            "any more. Collapse is what *fixed* heads do, or learned ones that start strong.",
        )
    else:
        _next = mo.md("")
    mo.vstack([_told, _next])
    return collapses, rank, size


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    **Try this**, and say before each what you expect.

    1. *Fixed heads in all directions*: what dies first, the differences between states or what
       they share? Compare the chains *stay*, *stay or step on* and *step on*.
    2. *One fixed head*: which coordinate survives?
    3. *Learned heads* of strength 0.5: who vanishes first, and what is then left to learn? Raise
       the strength to 3.
    4. Keep the strength of 3 and choose *HL-Gauss*: where do the five points go, and does the rank
       survive with the norm? Compare with strength 0.5.
    5. *The paper's targets*: what does $\gamma$ change?

    ## The theorems as printed

    The paper derives eqs. (5) and (6) for the squared error, following Lyle et al., and Theorem 3
    for cross-entropy. Features move down the gradient, and $\partial$ is their speed.
    """),
            style.claim("collapse.eq-5", verdict=False),
            style.claim("collapse.theorem-3", verdict=False),
            style.claim("collapse.prevents", verdict=False),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    claim_ui = style.choose(CLAIMS_HERE, CLAIMS_HERE[4])
    mo.md(f"""
    ## Break it

    Choose a claim of the paper or a repaired one, drop an assumption or none, and let the machine
    look for a counterexample: one state and one feature first, then more.

    {claim_ui}
    """)
    return (claim_ui,)


@app.cell(hide_code=True)
def _(claim_ui):
    drop_ui, find_ui = style.drop(CLAIMS[claim_ui.value]), style.button()
    get_step, set_step = mo.state("")
    mo.vstack(
        [
            style.claim(claim_ui.value, verdict=False),
            mo.hstack([drop_ui, find_ui], justify="start", gap=2, wrap=True),
        ]
    )
    return drop_ui, find_ui, get_step, set_step


@app.cell(hide_code=True)
def _(claim_ui, drop_ui, find_ui):
    wanted, without, pressed = claim_ui.value, drop_ui.value, find_ui.value
    return pressed, wanted, without


@app.cell(hide_code=True)
def searching(pressed, set_step, wanted, without):
    search = style.Search(CLAIMS[wanted], without, set_step) if pressed else None
    return (search,)


@app.cell(hide_code=True)
def _(get_step, search):
    get_step()
    style.searched(search)
    return


@app.cell(hide_code=True)
def _():
    _ids = (
        "collapse.strong-heads",
        "collapse.singular-values",
        "collapse.fixed-point",
        "collapse.stays-rank-one",
    )
    _says = r"""
    ## What is true

    **Squared error.** Write $E$ for the error of all heads in all states. Features move by
    $-EW'$ and heads by $-\Phi'E$, so $\Phi'\Phi$ and $WW'$ change **alike**, whatever $E$ is:
    their difference is fixed at the start. Unless $WW'$ is at least as large as $\Phi'\Phi$ in
    every direction there, the features cannot all vanish: heads give in first, and where all values
    are zero nothing shrinks the features any more. Collapse is what *fixed* heads do that reach all
    directions, or learned ones that start strong. It is not what the squared error does by itself.

    **Cross-entropy.** The push at $\Psi = 0$ is $W(p^* - u)\mathbf 1'$: the same for every state.
    It is there exactly if the target $p^*$ of the uniform histogram $u$ is not uniform itself
    (seen through $W$). And because it is the same for all states, features that are equal stay
    equal: there may be an escape from zero, but not from rank one.
    """
    _cards = [piece for id in _ids for piece in (style.claim(id), style.proof(id))]
    mo.vstack([mo.md(_says), *_cards])
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("05_collapse")
    keep_ui = mo.ui.text(label="c =")
    half_ui = mo.ui.text(label="t =")
    equal_ui = mo.ui.dropdown(
        ["draw them apart again", "move all of them alike", "nothing"], label="Learning can"
    )
    mo.md("## Exercises")
    return equal_ui, half_ui, keep_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def exercise_1(keep_ui, task_1):
    answer_1 = task_1.read(keep_ui.value)
    _phi = np.array([[2.0, 1.0], [1.0, 2.0]])
    _floor = np.linalg.svd(_phi, compute_uv=False)[1]  # M = 1: sigma_(1 + 1) of the start
    _right = answer_1 is not None and abs(answer_1 - _floor) < 1e-6
    mo.vstack([task_1.asked(), keep_ui, task_1.check(answer_1, _right)])
    return


@app.cell(hide_code=True)
def exercise_2(half_ui, task_2):
    answer_2 = task_2.read(half_ui.value)
    _right = answer_2 is not None and abs(answer_2 - math.log(2) / (1 - 0.9)) < 0.01
    mo.vstack([task_2.asked(), half_ui, task_2.check(answer_2, _right)])
    return


@app.cell(hide_code=True)
def exercise_3(equal_ui, task_3):
    _edges = losses.bin_edges(0.0, 5.0, 5)
    _still = {"dense0.bias": np.zeros(2), "final.bias": np.zeros(5)}
    _start = {"dense0.weight": np.ones((2, 5)), "final.weight": np.eye(5)[:, :2]}
    _ring = dynamics.Chain((np.eye(5) + np.roll(np.eye(5), 1, axis=1)) / 2, np.zeros(5), 0.9)
    _net = dynamics.network(np.eye(5), _still, activation=lambda z: z)
    _learnt = dynamics.learn(_ring, _start, dynamics.hl_gauss(_edges, 0.75), _net, 8, 1.0, every=8)
    _phi = _learnt[0]["dense0.weight"]
    _apart, _moved = np.ptp(_phi, axis=1).max() > 1e-9, np.abs(_phi - 1).max() > 1e-3
    _same = "move all of them alike" if _moved else "nothing"
    _right = equal_ui.value == ("draw them apart again" if _apart else _same)
    mo.vstack([task_3.asked(), equal_ui, task_3.check(equal_ui.value, _right)])
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md("## What the paper says, what is true, where to look"),
            style.ledger(
                "collapse.eq-5",
                "collapse.fixed-heads",
                "collapse.learned-heads",
                "collapse.theorem-3",
                "collapse.remark-derived",
                "collapse.prevents",
                "collapse.stays-rank-one",
            ),
            style.neighbours("05_collapse"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
