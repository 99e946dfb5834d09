"""What the tutorial for readers without deep RL says of its replay, its critic and its neuron."""

import io
from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tutorials import contents

notebook = import_module("tutorials.00_agents")
PICTURES = contents.FOLDER / "pictures"


@pytest.mark.parametrize(("steps", "capacity"), [(1, 10), (8, 30), (60, 10), (60, 40)])
def test_the_replay_holds_the_last_steps_and_the_batch_is_of_those(steps, capacity):
    output, found = notebook.remember.run(steps=steps, capacity=capacity, lot=3)
    assert found["held"].tolist() == list(range(steps))[-capacity:]
    assert len(found["batch"]) == 6 and set(found["batch"]) <= set(found["held"])
    assert f"holds <strong>{len(found['held'])}</strong> steps" in output.text


def learnt(rounds, discount, predicted="5"):
    choice = SimpleNamespace(value=predicted)
    return notebook.learn.run(rounds=rounds, discount=discount, predicted_ui=choice)


@pytest.mark.parametrize("discount", [0, 0.8, 1])
def test_each_round_carries_the_reward_one_place_back(discount):
    for rounds in range(13):
        values = learnt(rounds, discount)[1]["values"]
        wanted = [discount**k if k < rounds else 0 for k in (4, 3, 2, 1, 0)]
        np.testing.assert_allclose(values, wanted, rtol=1e-15)


def test_the_answer_is_told_after_the_prediction_and_the_fifth_round_alone():
    assert "As you said" not in learnt(4, 0.8)[0].text
    assert "Predict first" in learnt(5, 0.8, None)[0].text
    assert "As you said" in learnt(5, 0.8)[0].text
    assert "Not so" in learnt(5, 0.8, "2")[0].text


@pytest.mark.parametrize(("bias", "says"), [(-3, "saturated"), (3, "zombie"), (0, "mixed")])
def test_the_neuron_is_named_by_where_it_is_on(bias, says):
    output, found = notebook.fire.run(bias=bias, first=1, second=-0.5)
    assert f"<strong>{says}</strong>" in output.text
    assert {"saturated": 0, "zombie": 1}.get(says, found["on"]) == found["on"]


def test_the_film_moves_and_all_pictures_are_small_enough_for_a_page():
    film = Image.open(io.BytesIO((PICTURES / "balance.gif").read_bytes()))
    assert film.n_frames > 50
    frames = []
    for number in (0, 20, 40):
        film.seek(number)
        frames.append(np.asarray(film.convert("L"), float))
    assert all(np.abs(a - b).max() > 50 for a, b in pairwise(frames))
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 800_000


@pytest.mark.parametrize(
    ("exercise", "field", "wrong", "right"),
    [
        (notebook.exercise_1, "return_ui", "8", "2"),
        (notebook.exercise_2, "neuron_ui", "-2", "0"),
        (notebook.exercise_3, "blind_ui", "nothing: it needs a reward",
         "that every place is worth 0"),
    ],
)  # fmt: skip
def test_the_exercises_tell_right_from_wrong(exercise, field, wrong, right):
    for value, says in (("", "Your answer"), (wrong, "Not yet"), (right, "Right")):
        output, _ = exercise.run(**{field: SimpleNamespace(value=value)})
        assert says in output.text
