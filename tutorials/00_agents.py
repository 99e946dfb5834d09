"""What an agent, a replay, a critic and a neuron are, in ten minutes, for who has met none.

The agent in the film was trained by `fast`; the numbers are computed here and by `ref`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="medium",
    app_title="Agents, critics, neurons",
    html_head_file="head.html",
)

with app.setup(hide_code=True):
    from itertools import pairwise

    import marimo as mo
    import numpy as np

    from ref import nn
    from tutorials import style
    from tutorials.exercises import exercises

    STATES = 5  # of the corridor
    LAYERS = (("pixels", 6), ("layer 1", 4), ("layer 2", 4), ("value", 1))


@app.function(hide_code=True)
def diagram(axes):
    """A small network: one circle a number, one line a weight; one neuron is marked."""
    places = [
        [(column, (i - (count - 1) / 2)) for i in range(count)]
        for column, (_, count) in enumerate(LAYERS)
    ]
    for before, after in pairwise(places):
        for x0, y0 in before:
            for x1, y1 in after:
                axes.plot([x0, x1], [y0, y1], color=style.GREY, lw=0.5, zorder=1)
    marked = places[1][1]
    for x0, y0 in places[0]:
        axes.plot([x0, marked[0]], [y0, marked[1]], color=style.VERMILION, lw=1.6, zorder=1)
    for column, spots in enumerate(places):
        for spot in spots:
            face = style.VERMILION if spot == marked else "white" if column in (0, 3) else style.SKY
            axes.plot(*spot, "o", ms=13, mfc=face, mec="k", zorder=2)
        axes.text(column, 3.1, LAYERS[column][0], ha="center")
    axes.set(xlim=(-0.4, 3.4), ylim=(-3, 3.5), title="A network; one neuron and what it reads")
    axes.axis("off")


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    # Agents, critics, neurons

    All tutorials are about what happens inside of a network while an **agent** learns. Here are the
    words for that, in ten minutes. You need no more than school mathematics. A word in bold that is
    underlined opens when you press it, here and on every other page.

    ## An agent

    An agent sees something, does something, and is paid for it, again and again. What it sees is
    its **observation**, what it does its action, what it is paid a number, its **reward**. All that
    it is paid until the end is its **return**: the agent is to make that large, and nobody tells it
    how.

    Here the agent pushes a cart to the left or to the right. It is paid at each step for a pole
    that stands upright and a cart in the middle.
    """),
            style.film(
                "balance",
                "Two films side by side. Left, before learning: the pole falls and swings about. "
                "Right, the same agent after learning.",
            ),
            mo.md(r"""
    *Left: the agent before it has learned anything. Right: the same agent, from the same start,
    after 36 tries; it was told nothing but its rewards, and has far to go.* What it does is chosen
    by its **policy**: a network that reads the observation and returns an action. It observes no
    numbers such as the pole's angle, but what you would: three small pictures of the last moments,
    as one does not show what moves.
    """),
            style.picture("observation", "Three small pictures of a cart with a pole, one later"),
            mo.md(r"""
    ## A replay

    The agent writes down each step: what it saw, what it did, what it was paid, what it saw next.
    The last many of these are its **replay**. It learns from a **batch**: some steps that are drawn
    from there by lot, old and new. What is too old is overwritten.
    """),
        ]
    )
    return


@app.cell(hide_code=True)
def _():
    steps_ui = mo.ui.slider(1, 60, value=8, show_value=True, label="steps so far")
    capacity_ui = mo.ui.slider(10, 40, 5, value=30, show_value=True, label="room for")
    lot_ui = mo.ui.slider(0, 9, value=0, show_value=True, label="draw")
    mo.hstack([steps_ui, capacity_ui, lot_ui], justify="start", gap=2, wrap=True)
    return capacity_ui, lot_ui, steps_ui


@app.cell(hide_code=True)
def _(capacity_ui, lot_ui, steps_ui):
    steps, capacity, lot = steps_ui.value, capacity_ui.value, lot_ui.value
    return capacity, lot, steps


@app.cell(hide_code=True)
def remember(capacity, lot, steps):
    held = np.arange(max(0, steps - capacity), steps)
    batch = np.random.default_rng(lot).choice(held, 6)  # one step may be drawn twice
    _figure, _axes = style.figure(height=1.5)
    _colours = [style.VERMILION if i in batch else style.SKY for i in held]
    _axes.bar(held, 1, 0.85, color=_colours)
    _axes.bar(np.arange(held[0]), 0.15, 0.85, color=style.GREY)
    _axes.set(xlim=(-1, 61), ylim=(0, 1.1), yticks=[], xlabel="step")
    _axes.grid(False)
    mo.vstack(
        [
            style.show(
                _figure,
                f"The replay holds steps {held[0]} to {held[-1]}; the batch is {sorted(batch)}",
            ),
            mo.md(
                f"The replay holds **{len(held)}** steps (blue); {held[0]} are forgotten (grey). "
                f"The batch of this draw is the steps {', '.join(map(str, sorted(batch)))}."
            ),
        ]
    )
    return batch, held


@app.cell(hide_code=True)
def _():
    predicted_ui = style.predict(
        "After one round of learning the critic knows that the last place is worth 1. After how "
        "many rounds does the first of the five places get to know of the reward?",
        "2",
        "5",
        "never: nothing is paid there",
    )
    rounds_ui = mo.ui.slider(0, 12, value=1, show_value=True, label="rounds of learning")
    discount_ui = mo.ui.slider(0, 1, 0.05, value=0.8, show_value=True, label=r"discount $\gamma$")
    mo.md(f"""
    ## A critic

    A **critic** is a network that says how much reward will come. What comes later counts less: a
    reward that comes $k$ steps later is multiplied by $\\gamma^k$, with a **discount** $\\gamma$
    below 1. So what is to come from here is

    $$\\text{{value}} = \\text{{reward}} + \\gamma \\cdot \\text{{value of where one is next}}.$$

    The critic learns from this line, with its own guess on the right-hand side. In a corridor of
    five places one walks to the right, and is paid 1 for the last step, after which it is over. At
    first the critic says 0 everywhere; in each round of learning it writes, for every place, the
    right-hand side of the line to the left.

    {predicted_ui}

    {mo.hstack([rounds_ui, discount_ui], justify="start", gap=2, wrap=True)}
    """)
    return discount_ui, predicted_ui, rounds_ui


@app.cell(hide_code=True)
def _(discount_ui, rounds_ui):
    rounds, discount = rounds_ui.value, discount_ui.value
    return discount, rounds


@app.cell(hide_code=True)
def learn(discount, predicted_ui, rounds):
    rewards = np.eye(STATES)[-1]  # 1 for the last step
    values = np.zeros(STATES)
    for _ in range(rounds):
        values = rewards + discount * np.append(values[1:], 0)
    _figure, _axes = style.figure(height=2.6)
    _axes.bar(range(1, STATES + 1), values, 0.6, color=style.GREEN)
    for _i, _value in enumerate(values, 1):
        _axes.text(_i, _value + 0.03, f"{_value:.2f}", ha="center")
    _axes.set(
        ylim=(0, 1.2), xlabel="place", title=f"What the critic says, rounds of learning: {rounds}"
    )
    _numbers = ", ".join(f"{value:.2f}" for value in values)
    if rounds >= STATES:
        _says = style.reveal(
            predicted_ui.value,
            "5",
            "each round carries the news one place back. This is why an agent whose reward is rare "
            "learns for a long time that everything is worth 0, which is what these tutorials are "
            "about.",
        )
    else:
        _says = mo.md("Now let it learn on.")
    mo.vstack([style.show(_figure, f"The values of five places: {_numbers}"), _says])
    return (values,)


@app.cell(hide_code=True)
def _():
    first_ui = mo.ui.slider(-2, 2, 0.25, value=1, show_value=True, label="weight $w_1$")
    second_ui = mo.ui.slider(-2, 2, 0.25, value=-0.5, show_value=True, label="weight $w_2$")
    bias_ui = mo.ui.slider(-3, 3, 0.25, value=0, show_value=True, label="bias $b$")
    mo.md(f"""
    ## A neuron

    A network is made of **neurons**, in **layers**. A neuron reads the numbers of the layer below,
    $x_1, x_2, \\dots$, and returns one:

    $$z = w_1 x_1 + w_2 x_2 + \\dots + b, \\qquad h = \\max(z, 0).$$

    $z$ is its **pre-activation** and $h$ its **activation**: it is on where $z$ is above 0, and off
    elsewhere. Learning changes the weights $w$ and the bias $b$, in small steps that make the error
    on a batch smaller. Here is one that reads two numbers.

    {mo.hstack([first_ui, second_ui, bias_ui], justify="start", gap=2, wrap=True)}
    """)
    return bias_ui, first_ui, second_ui


@app.cell(hide_code=True)
def _(bias_ui, first_ui, second_ui):
    first, second, bias = first_ui.value, second_ui.value, bias_ui.value
    return bias, first, second


@app.cell(hide_code=True)
def fire(bias, first, second):
    _side = np.linspace(-1, 1, 41)
    _inputs = np.stack(np.meshgrid(_side, _side), axis=-1).reshape(-1, 2)
    _neuron = {"one.weight": np.array([[first, second]]), "one.bias": np.array([bias])}
    _z = nn.linear(_neuron, "one", _inputs)
    on = float((_z > 0).mean())  # the share of the inputs
    cover, (_left, _right) = style.figure(1, 2, height=3.4)
    diagram(_left)
    _h = np.maximum(_z, 0).reshape(41, 41)
    _drawn = _right.pcolormesh(_side, _side, _h, cmap="Blues", vmin=0, vmax=4, rasterized=True)
    cover.colorbar(_drawn, ax=_right, label="$h$", shrink=0.7 if style.narrow() else 1)
    _right.set(title=f"What the neuron returns: on at {100 * on:.0f} %", xlabel="$x_1$")
    _right.set(ylabel="$x_2$", aspect="equal")
    if on == 0:
        _says = (
            "It is off at every input: it is **saturated**. It returns 0 whatever it reads, and "
            "small changes of its weights change nothing, so it does not learn either."
        )
    elif on == 1:
        _says = "It is on at every input, a **zombie**: it adds and multiplies, and bends nothing."
    else:
        _says = (
            "It is on at some inputs and off at others: **mixed**, as a neuron should be. Can you "
            "make it be off everywhere, and on everywhere?"
        )
    mo.vstack(
        [style.show(cover, f"A network, and a neuron that is on at {100 * on:.0f} %"), mo.md(_says)]
    )
    return cover, on


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## What this is all about

    While an agent learns, some of its neurons go off for good, and sometimes one is louder than all
    others of its layer together. Does that harm what the agent can learn? Four papers say so, with
    theorems; the tutorials that follow take them apart. You have met the words; **dormant** and
    **dominant** come next.
    """)
    return


@app.cell(hide_code=True)
def _():
    task_1, task_2, task_3 = exercises("00_agents")
    return_ui = mo.ui.text(label="worth:")
    neuron_ui = mo.ui.text(label="$h =$")
    blind_ui = mo.ui.dropdown(
        [
            "that every place is worth 0",
            "nothing: it needs a reward",
            "that every place is worth 1",
        ],
        label="It learns",
    )
    mo.md("## Exercises")
    return blind_ui, neuron_ui, return_ui, task_1, task_2, task_3


@app.cell(hide_code=True)
def exercise_1(return_ui, task_1):
    answer_1 = task_1.read(return_ui.value)
    _right = answer_1 == sum(reward * 0.5**k for k, reward in enumerate((0, 0, 8)))
    mo.vstack([task_1.asked(), return_ui, task_1.check(answer_1, _right)])
    return


@app.cell(hide_code=True)
def exercise_2(neuron_ui, task_2):
    answer_2 = task_2.read(neuron_ui.value)
    _neuron = {"one.weight": np.array([[2.0, -1.0]]), "one.bias": np.array([-1.0])}
    _right = answer_2 == max(nn.linear(_neuron, "one", np.array([[1.0, 3.0]]))[0, 0], 0)
    mo.vstack([task_2.asked(), neuron_ui, task_2.check(answer_2, _right)])
    return


@app.cell(hide_code=True)
def exercise_3(blind_ui, task_3):
    _values = np.ones(STATES)  # whatever it says at first
    for _ in range(STATES):
        _values = 0 + 0.5 * np.append(_values[1:], 0)
    _right = blind_ui.value == "that every place is worth 0" and not _values.any()
    mo.vstack([task_3.asked(), blind_ui, task_3.check(blind_ui.value, _right)])
    return


@app.cell(hide_code=True)
def _():
    mo.vstack(
        [
            mo.md(r"""
    ## Where to look

    | what | where |
    |:--|:--|
    | layers and networks | `ref/nn.py` |
    | learning from one's own guess | `ref/dynamics.py` |
    | one update of the film's agent | `fast/agents/drq.py`, in NumPy `ref/agents/drq.py` |
    | its replay | `fast/experience/replay.py` |
    | train one, and film it | `fast/README.md` |
    """),
            style.neighbours("00_agents"),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
