"""The exercises: what is asked, what helps, what a wrong answer would mean, and the solution.

A notebook computes whether an answer is right; `right` is what one may type, and a test types it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import marimo as mo

from tutorials import style, typed

TRIES = 3  # wrong ones, before the solution can be unfolded


@dataclass
class Exercise:
    """One exercise, and what was tried on the page that made it (a notebook makes its own)."""

    question: str
    right: str  # an answer; of what is built above, the words that say how
    hints: Sequence[str]  # one more after each wrong try
    solution: str
    praise: str
    meant: Mapping[Any, str] = field(default_factory=dict)  # wrong answer -> what it would mean
    key: str = ""
    tried: list[Any] = field(default_factory=list)
    trouble: str = ""

    @property
    def built(self) -> bool:
        """Whether the answer is something to build with the controls of the page."""
        return not self.meant

    def asked(self) -> mo.Html:
        return mo.md(f'**<span data-exercise="{self.key}">{self.key[-1]}.</span>** {self.question}')

    def read(self, text: str) -> Fraction | None:
        """The number that was typed, or None; what cannot be read is told by `check`."""
        self.trouble = ""
        try:
            return typed.number(text) if text.strip() else None
        except ValueError as error:
            self.trouble = str(error)
            return None

    def check(self, given: Any, right: bool) -> mo.Html:
        """What to say of an answer; for what is built, `given` is how often it was handed in."""
        if right:
            return style.verdict("right", f"**Right.** {self.praise}", solved=self.key)
        if self.trouble:
            return style.verdict("unread", f"That cannot be read: {self.trouble}")
        if given is None or given == "" or (self.built and not given):
            wait = "Build it above, then press the button." if self.built else "Your answer?"
            return style.verdict("waiting", wait)
        if given not in self.tried:
            self.tried.append(given)
        meant = next((says for it, says in self.meant.items() if same(given, it)), "")
        hints = self.hints[: len(self.tried)]
        said = "\n\n".join(["**Not yet.** " + meant, *(f"*Hint:* {hint}" for hint in hints)])
        told = style.verdict("wrong", said)
        if len(self.tried) < TRIES:
            return told
        return mo.vstack([told, mo.accordion({"The solution": mo.md(self.solution)})])


def same(given: Any, other: Any) -> bool:
    """Whether an answer is another one, of numbers to 1 %."""
    if isinstance(given, str) or isinstance(other, str):
        return bool(given == other)
    return bool(abs(given - other) <= 0.01 * abs(other))


def exercises(name: str) -> list[Exercise]:
    """Those of a notebook, untried."""
    return [Exercise(**it, key=f"{name}.{i}") for i, it in enumerate(ALL[name], 1)]


def hand_in() -> mo.ui.button:
    """For what is built above: its value is how often it was pressed."""
    return mo.ui.button(value=0, on_click=lambda n: n + 1, label="check what I built")


ALL: dict[str, list[dict[str, Any]]] = {
    "00_agents": [
        {
            "question": r"An agent is paid 0, then 0, then 8, and then it is over. With a discount "
            r"of $\gamma = 1/2$, what is that worth at the start?",
            "right": "2",
            "meant": {
                8: "That would be so without a discount.",
                4: "The 8 comes two steps later, not one.",
                1: "The 8 comes two steps later, not three.",
            },
            "hints": [
                r"A reward that comes $k$ steps later is multiplied by $\gamma^k$.",
                "The first reward comes now, so the third comes two steps later.",
            ],
            "solution": r"$0 + \frac12 \cdot 0 + \frac14 \cdot 8 = 2$.",
            "praise": "A critic that knows everything would say so.",
        },
        {
            "question": "A neuron has the weights $w = (2, -1)$ and the bias $b = -1$. What does "
            "it return at $x = (1, 3)$?",
            "right": "0",
            "meant": {
                -2: "That is $z$. What does the neuron make of it?",
                2: "The sign of $z$ is lost: it is off where $z$ is below 0.",
                -1: "You left out the bias. And what does the neuron make of $z$?",
            },
            "hints": [
                "First $z = 2 \\cdot 1 - 1 \\cdot 3 - 1$.",
                "Then $h = \\max(z, 0)$.",
            ],
            "solution": "$z = -2$, so $h = \\max(-2, 0) = 0$: it is off there.",
            "praise": "It is off at this input; at another one it may be on.",
        },
        {
            "question": "As long as an agent has never been paid, what does its critic learn?",
            "right": "that every place is worth 0",
            "meant": {
                "nothing: it needs a reward": "A reward of 0 is one as well: look at the line that "
                "it learns from.",
                "that every place is worth 1": "Where would a 1 come from?",
            },
            "hints": [
                "The line is value = reward + γ · value of the next place.",
                "With rewards of 0, which values stay as they are?",
            ],
            "solution": "With rewards of 0 the line shrinks all values by γ, time and again: they "
            "go to 0.",
            "praise": "What that does to the neurons is the subject of tutorial 5.",
        },
    ],
    "01_neurons": [
        {
            "question": "Four neurons have mean activations $a = (6, 1, 1, 0)$. What is the score "
            "of the first?",
            "right": "3",
            "meant": {
                Fraction(6, 8): "That is its share of the *sum*; a score compares with the mean.",
                2: "That is the mean of the four: divide by it.",
                6: "That is its activation, compared with nothing.",
            },
            "hints": [
                "Divide by the *mean* of the four activations, not by their sum.",
                r"The mean is $\frac14 (6 + 1 + 1 + 0) = 2$.",
            ],
            "solution": r"$s_1 = 6 \big/ \frac14 (6 + 1 + 1 + 0) = 6 / 2 = 3$.",
            "praise": "It is above $N/2 = 2$, so this neuron is dominant: $6 > 1 + 1 + 0$.",
        },
        {
            "question": r"A neuron can be $\tau$-dormant **and** a zombie: always on, yet hardly "
            r"heard. Build one with the sliders at the top (any $\tau$ from 0.05 to 0.5).",
            "right": r"$w = (0, 4, 1, 1)$, $b = (0.1, 5, 0, 0)$, $\tau = 0.2$",
            "hints": [
                "A zombie's $z$ is above 0 on all of $D$; to be dormant it must be small beside "
                "the others.",
                "Give one neuron $w = 0$ and $b = 0.1$, and make another one loud.",
            ],
            "solution": r"For instance $w = (0, 4, 1, 1)$, $b = (0.1, 5, 0, 0)$ and $\tau = 0.2$: "
            "neuron 1 returns 0.1 everywhere, and neuron 2 makes the mean large.",
            "praise": "ReDo, the subject of tutorial 7, would reset this neuron, though it is "
            "never silent.",
        },
        {
            "question": "You multiply all $w_i$ and $b_i$ of the layer by 1000. What changes?",
            "right": "neither of the two",
            "meant": {
                "the scores and the gates": "Both are comparisons: one with the layer's mean, "
                "which grows as well, one with 0.",
                "the scores only": "Each activation is 1000 times as large, and so is the mean.",
                "the gates only": "A gate is open where $z > 0$; 1000 times a positive number is "
                "positive.",
            },
            "hints": [
                "Try it above with a factor of 2: which bars move, which gates?",
                "Numerator and denominator of a score grow alike, and signs stay.",
            ],
            "solution": r"Neither: $1000\,a_i \big/ \frac1N \sum_j 1000\,a_j = s_i$, and "
            "$1000\\,z > 0$ exactly if $z > 0$.",
            "praise": "Numerator and denominator of a score grow alike, and signs stay. Public "
            "code adds $10^{-9}$ to the denominator, and there a layer near 0 is called dormant "
            "as a whole.",
        },
    ],
    "02_dormancy": [
        {
            "question": "For which of these activations is dormant the same as having no gradient, "
            "whatever the inputs?",
            "right": "ReLU²",
            "meant": {
                "ReLU6": "Its slope is 0 from 6 on as well, and there it returns 6.",
                "LeakyReLU": "It is 0 at 0 alone, and has a slope everywhere.",
                "GELU": "It is 0 at 0 alone, and its slope is 0 at another point.",
            },
            "hints": ["Is its $Z$ its $K$? Open the table above.", "Look for two equal columns."],
            "solution": r"ReLU²: $\varphi(z) = \max(z, 0)^2$ and $\varphi'(z) = 2 \max(z, 0)$ are "
            "both 0 exactly where $z \\le 0$.",
            "praise": "$Z = K$: both are all numbers up to 0.",
        },
        {
            "question": "A GELU neuron that reads a constant has no gradient at exactly one value "
            "of $z$, and is not dormant there. At which, to two digits? (The figure at the top "
            "tells.)",
            "right": "-0.75",
            "meant": {
                Fraction(3, 4): "The size is right. On which side of 0 is GELU's lowest point?",
                0: "There GELU is 0, so the neuron is dormant; its slope is 1/2.",
                Fraction(-17, 100): "That is what it returns there. At which $z$?",
            },
            "hints": [
                "Choose GELU at the top: where is its slope 0?",
                "Below 0, at its lowest point. The table above has $K$ with more digits.",
            ],
            "solution": r"$K = \{-0.7518\}$: there $\Phi(z) + z\,\Phi'(z) = 0$, with $\Phi$ the "
            "normal distribution function.",
            "praise": "A GELU is not monotone: it has a minimum, and $K$ is that one point.",
        },
        {
            "question": "With the controls at the top, build a neuron that is active but has no "
            "gradient, on all inputs of an interval.",
            "right": "ReLU6 with $w = 1$, $b = 7$ on $[-1, 1]$",
            "hints": [
                "The inputs must be an interval: a single one is too easy. Which activations have "
                "an interval in $K$ that is not in $Z$?",
                "Those that are flat somewhere above 0: ReLU6, hardtanh.",
            ],
            "solution": "For instance ReLU6 with $w = 1$, $b = 7$ on $[-1, 1]$: $z$ stays from 6 "
            "to 8, where it returns 6 and its slope is 0.",
            "praise": "It returns the same number whatever it reads, and no loss gives it a "
            "gradient; but it is not dormant.",
        },
    ],
    "03_dominance": [
        {
            "question": "A layer of two neurons returns $g = (4, 1)$ at one input and $g = (3, 2)$ "
            "at the other. A neuron above it has $w = (1, -c)$ and no bias. Below which $c$ does "
            "the sign of $w_1$ prevail at both inputs?",
            "right": "3/2",
            "meant": {
                Fraction(7, 3): "That keeps the *mean* of $z$ positive; at the second input $z$ "
                "is then negative.",
                4: "That is enough at the first input; at the second $3 - 2 \\cdot 4 < 0$.",
                Fraction(2, 3): "At the second input $3 - 2c$ is positive for larger $c$ too: the "
                "quotient is upside down.",
            },
            "hints": [
                "The margin must be positive at both inputs: which one is the harder?",
                "At the second input the margin is $3 - 2c$.",
            ],
            "solution": "$4 - c > 0$ and $3 - 2c > 0$: below $c = 3/2$.",
            "praise": "On average neuron 1 is louder by 7 to 3, but at the second input only by 3 "
            "to 2.",
        },
        {
            "question": "One neuron reads $g = (2, 1)$ with $w = (1, 1)$, $v = 1$, and the target "
            "is $y = 0$. What is the smallest step size that saturates it in one step?",
            "right": "0.2",
            "meant": {
                1: "That would be so without $g_1$: $\\Gamma$ would be 1.",
                Fraction(3, 5): "You left out the error $r$: it is 3 as well.",
                Fraction(1, 4): "You left $g_2$ out of $\\Gamma$.",
                Fraction(1, 3): "$\\Gamma$ is a sum of squares: $2^2 + 1^2$.",
            },
            "hints": [
                r"$z$ falls by $\alpha\, r\, v\, \Gamma$.",
                r"Here $z = r = 3$ and $\Gamma = 2^2 + 1^2 = 5$.",
            ],
            "solution": r"$z$ becomes $3 - \alpha \cdot 3 \cdot 1 \cdot 5$, which is 0 at "
            r"$\alpha = 1/5$.",
            "praise": r"Without $g_1$ it would be five times as large: $\Gamma$ would be 1.",
        },
        {
            "question": "With the sliders at the top, make Theorem 1 fail although neuron 1 is on "
            "at **every** input, in a layer of at least three neurons.",
            "right": "share 1, neuron 1 louder by 4, other weights of size 4, width 5",
            "hints": [
                "Line 1 of the proof forgets the sizes of the weights.",
                "Let the share of inputs be 1, and make the other weights as large as they go.",
            ],
            "solution": "For instance neuron 1 louder by 4, on at all inputs, the other weights "
            "of size 4, and a width of 5.",
            "praise": "An average weight below $w_1$ may hide a heavy negative one.",
        },
    ],
    "04_rank": [
        {
            "question": "A feature matrix has the singular values 90, 9.5 and 0.5. What is its "
            r"srank at $\delta = 0.01$?",
            "right": "2",
            "meant": {
                3: "That is the rank. The last direction has 0.5 % of the sum.",
                1: "The first direction has 90 % of the sum; 99 % are asked for.",
            },
            "hints": [
                "How many do you need for 99 % of their sum?",
                "The sum is 100: the first is 90, the first two are 99.5.",
            ],
            "solution": "$90 < 99 \\le 90 + 9.5$: two.",
            "praise": "The rank is 3; srank leaves out directions that have 1 % or less together.",
        },
        {
            "question": r"All features are multiplied by 10. What happens to $\mathbb{E}\,R$ and "
            "to the printed bound of Theorem 2?",
            "right": "only the bound changes",
            "meant": {
                "both stay": "The bound has a variance in it, which is multiplied by 100, beside "
                "a 1, which is not.",
                "only E R changes": "$R$ is a quotient of singular values, which all grow alike.",
                "both change": "$R$ is a quotient of singular values, which all grow alike.",
            },
            "hints": [
                "Look at the curves of the second figure from left to right.",
                "Which of the two is a quotient of things that are all multiplied by 10?",
            ],
            "solution": "Singular values are multiplied by 10, so $R$ stays; the variance is "
            "multiplied by 100, and 1 is added to it, so the bound changes.",
            "praise": "A true bound of a quantity without a unit may have none either.",
        },
        {
            "question": "With the sliders at the top, build a batch in which neuron 1 is dominant "
            "and srank is 6, all there is.",
            "right": "neuron 1 times 10, the others on at 1 in 12, alike 0, draw 0",
            "hints": [
                "Make neuron 1 just loud enough.",
                "And the others rare: what is rare has large squares, and singular values see "
                "squares.",
            ],
            "solution": "For instance neuron 1 times 10, the others on at 1 in 12, not alike.",
            "praise": "No bound by means can be above $1/(N-1)$: this is why.",
        },
    ],
    "05_collapse": [
        {
            "question": r"The features start as $\Phi_0 = \begin{pmatrix}2&1\\1&2\end{pmatrix}$, "
            "and there is **one** learned head, of any strength. Whatever the loss: what is the "
            r"largest $c$ for which you can promise $\sigma_1(\Phi_t) \ge c$ for ever?",
            "right": "1",
            "meant": {
                3: "That is $\\sigma_1$ at the start, and a strong head can take that direction "
                "away.",
                2: "The singular values of $\\Phi_0$ are 3 and 1.",
                0: "It would take a head for each of the two directions.",
            },
            "hints": [
                "One head adds a matrix of rank one to what is conserved.",
                r"Weyl: $\sigma_i(\Phi_t) \ge \sigma_{i+M}(\Phi_0)$, with $M = 1$ head.",
            ],
            "solution": r"$\sigma_1(\Phi_t) \ge \sigma_2(\Phi_0) = 1$: the singular values of "
            r"$\Phi_0$ are 3 and 1.",
            "praise": "One head can take one direction away, not two.",
        },
        {
            "question": "Fixed heads in all directions, the chain *stay* ($P = I$), and "
            r"$\gamma = 0.9$. After which time have the features half of their size? (Two digits.)",
            "right": "6.93",
            "meant": {
                Fraction(77, 100): r"You took $\gamma$ for the rate: it is $1 - \gamma$.",
                Fraction(693, 1000): r"$\ln 2 / 0.1$ is ten times that.",
                5: r"$1 - 0.1\,t$ is the first step of a decay that slows down.",
            },
            "hints": [
                r"Eq. (6) is $\Phi_t = e^{-t(I - \gamma P)}\,\Phi_0$, here with $P = I$.",
                r"$e^{-t(1 - \gamma)} = 1/2$.",
            ],
            "solution": r"$t = \ln 2 / (1 - \gamma) = 0.693 / 0.1 = 6.93$.",
            "praise": "The nearer the discount is to 1, the longer the features live.",
        },
        {
            "question": "Under cross-entropy with HL-Gauss targets the features of all five states "
            "have become equal, and are not 0. What can learning without reward still do to them?",
            "right": "move all of them alike",
            "meant": {
                "draw them apart again": "Equal features have equal histograms and equal targets: "
                "where would a difference come from?",
                "nothing": "They are equal, not at rest: only a target that is the histogram "
                "itself pushes nothing.",
            },
            "hints": [
                "What are the histograms of two states whose features are equal?",
                "And the targets that are made of them?",
            ],
            "solution": "Equal features, equal histograms, equal targets: the push is the same for "
            "every state, so they move, and stay equal (`collapse.stays-rank-one`).",
            "praise": "There may be an escape from zero, but not from rank one.",
        },
    ],
    "06_zero": [
        {
            "question": r"You set $\gamma$ to 0, so that every backup has the target 0 exactly. In "
            "the paper's setting, where does the value of HL-Gauss come to rest? (To two digits.)",
            "right": "0,69",
            "meant": {
                0: "That is the target; the value is the mean of its histogram.",
                Fraction(183, 100): r"That is where it rests for $\gamma = 0.99$.",
                Fraction(1, 2): "That is the centre of the first bin; the second takes a part of "
                "the mass.",
            },
            "hints": [
                "The first figure shows the histogram that is written for a zero.",
                "The value is the mean of what is left of the normal.",
            ],
            "solution": "0.69: what the histogram of 0 is read as. From there every backup writes "
            "the same histogram again.",
            "praise": "So no choice of discount brings HL-Gauss to zero.",
        },
        {
            "question": r"Two-hot targets, 51 bins on $[0, 10]$, $\gamma = 0.9$. The features have "
            "collapsed, so the histogram is uniform and every value is 5. How many exact backups "
            "without reward until the value is in the first bin?",
            "right": "31",
            "meant": {
                30: "$5 \\cdot 0.9^{30} = 0.212$ is still above $10/51 = 0.196$.",
                32: "One earlier it is there already: $5 \\cdot 0.9^{31} = 0.191$.",
                37: "That is to the *centre* of the first bin; it begins to hold the value "
                "earlier, at its upper edge.",
            },
            "hints": [
                r"Two-hot keeps means, so after $n$ backups the value is $5\gamma^n$.",
                "The first bin ends at 10/51.",
            ],
            "solution": r"The first $n$ with $5 \cdot 0.9^n \le 10/51$, that is $n \ge \ln 25.5 "
            r"/ \ln (1/0.9) = 30.7$: 31.",
            "praise": r"The first $n$ with $\gamma^n G \le 2$.",
        },
        {
            "question": "A layer of 10 neurons with LayerNorm and ReLU. What is the largest shift, "
            "the same for all neurons, that shuts the layer for **every** input?",
            "right": "-3",
            "meant": {
                3: "That opens it. Which sign shuts?",
                Fraction(-316, 100): "$\\sqrt{10}$ is never reached: the others must balance the "
                "largest one.",
                -10: "That shuts it, but a larger one does as well.",
                0: "Without shift the largest of the ten is above 0, as they sum to 0.",
            },
            "hints": [
                "How large can one normalised pre-activation be?",
                r"$\sqrt{N-1}$, at $z = (N-1, -1, \dots, -1)$.",
            ],
            "solution": r"$-\sqrt{N - 1} = -3$.",
            "praise": r"Any shift above it leaves the input $(N-1, -1, \dots, -1)$ alive.",
        },
    ],
    "07_recycling": [
        {
            "question": r"Three neurons of equal mean activation 1, and $\tau = 0.1$. You rewrite "
            "neuron 1 with a factor $c$. Up to which $c$ does ReDo take it? (To three digits after "
            "the point.)",
            "right": "2/29",
            "meant": {
                Fraction(1, 10): "That would be so if the mean stayed 1; it falls with $c$.",
                Fraction(2, 30): "You left neuron 1 itself out of the mean of the layer.",
            },
            "hints": [
                "The layer's mean falls with $c$ too.",
                r"It is taken if $c \le \tau\,(c + 1 + 1)/3$.",
            ],
            "solution": r"$c \le (c + 2)/30$, so $29\,c \le 2$: up to $2/29 = 0.069$.",
            "praise": "And the function is the same for every one of these $c$.",
        },
        {
            "question": "A neuron was silent on 256 independent observations, the batch of this "
            "project's scores. With 95 % confidence it is active on less than which percentage of "
            "all inputs? (To two digits after the point.)",
            "right": "1.16",
            "meant": {
                Fraction(116, 10000): "That is the share: as a percentage it is 100 times that.",
                Fraction(300, 256): "The rule of three, $3/B$, is close; here two digits are "
                "asked for.",
                Fraction(500, 256): "$(1-p)^{256}$ is not $1 - 256\\,p$.",
            },
            "hints": [
                "With which probability is a neuron silent 256 times, if it is active on a share "
                "$p$?",
                "Solve $(1-p)^{256} = 0.05$ for $p$.",
            ],
            "solution": "$p = 1 - 0.05^{1/256} = 0.0116$, that is 1.16 %.",
            "praise": "Frames of one episode are not independent: then it says less.",
        },
        {
            "question": "Neuron 1 has activations 2 and 1 on the batch, neuron 2 has 1 and 1; the "
            r"outgoing weights are $(0, 1)$, the residuals 1 and $-1$, and $\tau = 0.1$. GraMa "
            r"measures $\partial L/\partial h$, as printed. Who takes neuron 1?",
            "right": "ReGraMa alone",
            "meant": {
                "ReDo alone": "ReDo looks at activations, and neuron 1 is the louder one.",
                "both": "ReDo looks at activations, and neuron 1 is the louder one.",
                "neither": "Nobody reads neuron 1: what is its $\\partial L/\\partial h$?",
            },
            "hints": [
                r"Compute $h$ and $\partial L/\partial h_i = r\,v_i$ for both neurons.",
                r"$v_1 = 0$, so $\partial L/\partial h_1 = 0$ at both inputs.",
            ],
            "solution": r"$s_1 = 1.5 / 1.25 = 1.2 > \tau$, but $\partial L/\partial h_1 = r\,v_1 = "
            "0$, so $G_1 = 0 \\le \\tau$: ReGraMa alone.",
            "praise": "Loud, unread, and with a gradient on $v_1$ that would put it to use.",
        },
    ],
    "08_from_theorem_to_agent": [
        {
            "question": "In the layer above there are no biases, and no other weight is more than "
            "a third as large as that of the loudest neuron. Above which activation share is it "
            "sure to decide the sign of the mean pre-activations there?",
            "right": "1/4",
            "meant": {
                Fraction(1, 2): "That is Definition 1, for weights that are all equally large.",
                Fraction(1, 3): "That is $\\rho$ itself: $p$ against $\\rho\\,(1 - p)$.",
                Fraction(3, 4): "That is what the others may have together.",
            },
            "hints": [
                "A share $p$ with weight 1 stands against a share $1 - p$ with weight 1/3.",
                r"Its score must be above $N\rho/(1+\rho)$; divide by $N$.",
            ],
            "solution": r"$p > \rho\,(1 - p)$ with $\rho = 1/3$: $p > \rho/(1 + \rho) = 1/4$.",
            "praise": "Half of what Definition 1 asks for.",
        },
        {
            "question": "A neuron has 90 % of all activation on 256 observations, in a layer of "
            "256. Which srank (of δ = 0.01) does that prove at most? Use `rank.share`, then "
            "`rank.srank-by-share` with r = 256.",
            "right": "253",
            "meant": {
                256: "A little is proved: $R$ is at least 0.36, so a few directions can be left "
                "out.",
                1: "That would need $R \\ge 0.99$; a share of 0.9 proves 0.36.",
                92: "$R$ enters as a quotient, not as a share of the directions.",
            },
            "hints": [
                r"$R \ge p/(p + \sqrt B (1-p)) = 0.9/(0.9 + 1.6)$.",
                r"Then $1 + \lceil 255\,(1 - R - 0.01)/(1 - R) \rceil$.",
            ],
            "solution": r"$R \ge 0.36$, and $1 + \lceil 255 \cdot 0.63/0.64 \rceil = 1 + 252$.",
            "praise": "Overwhelming dominance, and almost nothing is proved: means are not enough.",
        },
        {
            "question": "Suppose that in a run the srank of a critic's features falls from 85 to 3 "
            "while no neuron's share is ever above 0.15, and the return stays low. What follows?",
            "right": "a low srank needs no dominant neuron",
            "meant": {
                "a dominant neuron never lowers the srank": "In this run there was none, so it "
                "says nothing of those.",
                "the low srank caused the low return": "They came together: which caused which, "
                "or whether a third thing caused both, it does not say.",
            },
            "hints": [
                "What can one example refute, and what can it never show?",
                "One example can refute a 'needs' or an 'only if'. It shows no cause.",
            ],
            "solution": "A low srank without a dominant neuron: so a low srank needs none.",
            "praise": "The run is a counterexample to 'only if', and no more than that.",
        },
    ],
    "09_autograd": [
        {
            "question": r"$L = 3 \max(a, b)$ at $a = b = 2$. What gradient does the table give to "
            "$a$?",
            "right": "3/2",
            "meant": {
                3: "Then $b$ would get 0: why one of two that are equal?",
                Fraction(1, 2): "That is its share of $g$, and $g = 3$.",
                0: "Then $b$ would get all of it: why one of two that are equal?",
            },
            "hints": [
                "The pull of `maximum` hands a share of $g$ to each argument; here they are equal.",
                "$g = 3$, and each gets half.",
            ],
            "solution": "$3 \\cdot \\frac12 = 1.5$.",
            "praise": "Half to each: their sum is what one of them alone would get.",
        },
        {
            "question": "$x$ has the shape (3, 1), and $L$ is the sum of all entries of $x + y$, "
            "where $y$ has the shape (5, 3, 4). The gradient in $x$ has the shape (3, 1) again: "
            "what is each entry?",
            "right": "20",
            "meant": {
                4: "That is over the axis that was stretched; there is also a new one.",
                5: "That is over the new axis; there is also one that was stretched.",
                60: "Over all entries: but there are three different entries of $x$.",
                1: "Each entry of $x$ is added to more than one entry of $y$.",
            },
            "hints": [
                "How often did broadcasting repeat an entry of $x$? See part 5 above.",
                "Five times along the new axis, each time in four columns.",
            ],
            "solution": "$5 \\cdot 4 = 20$.",
            "praise": "`unbroadcast` sums over the new axis and over the stretched one.",
        },
        {
            "question": "Write the pull of $y = a^3$, as a formula of `g`, `y` and `a`.",
            "right": "3 * g * a**2",
            "meant": {
                "3 * a**2": "That is the slope; a pull multiplies it with what it is handed.",
                "g * a**2": "The factor 3 is missing.",
            },
            "hints": [
                "A pull is $g$ times the slope, at every $a$.",
                "The slope of $a^3$ is $3a^2$.",
            ],
            "solution": "`3 * g * a**2`.",
            "praise": "In the table it is a case of `power`.",
        },
    ],
}
