"""Figure 4 of Neuron Dominance and Figure 3 of ReDo show every record of their runs."""

import json
import math

import pytest

from fast.errors import InputError
from fast.papers.grid import PlannedRun
from fast.report import drawing, figures
from fast.report.page import report
from fast.runs.records import find_runs

CONVOLUTIONS, DENSE = (4, 12), (8, 8)
LAYERS = {"encoder.conv0": 4, "encoder.conv1": 12, "mlp.dense0": 8, "mlp.dense1": 8}


def record(kind, update, **values):
    steps = {"agent_step": update, "environment_step": update, "update": update}
    return {"kind": kind, **steps, **values}


def scores(update, largest=2.0, dormant=(0.25, 0.5, 0.5, 0.0)):
    told = {}
    for (layer, _), share in zip(LAYERS.items(), dormant, strict=True):
        told |= {f"classifier/{layer}/{name}": value for name, value in
                 {"largest_score": largest, "largest_share": 0.25, "saturated": 0.5, "zombie": 0.25,
                  "largest_activation": 1.0, "dormant_0": share, "dormant_0.1": share,
                  "srank": 3.0}.items()}  # fmt: skip
    return record("scores", update, **told)


def evaluation(update, accuracy):
    told = {"accuracy": accuracy, "training_accuracy": accuracy / 2, "return": accuracy}
    return record("evaluation", update, **told)


def write(folder, task, method, seed, *records):
    config = {
        "version": 2, "task": task, "method": method, "preset": "laptop", "seed": seed,
        "device": "cpu", "changed": [],
        "env": {"kind": "labels"},
        "agent": {"kind": "classifier", "batch_size": 8, "channels": CONVOLUTIONS, "hidden": DENSE,
                  "learning_rate": 0.5},
        "run": {"updates": 10, "reward_masked": 0, "score_batch": 8},
    }  # fmt: skip
    path = folder / PlannedRun(task, method, seed).name
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))


def whole(*between):
    return [evaluation(0, 0.125), scores(0), *between, evaluation(10, 0.5), scores(10)]


@pytest.fixture
def folder(tmp_path):
    runs = tmp_path / "runs"
    write(runs, "digits", "baseline", 0, *whole())
    made = record("intervention", 4, name="make_dominant", learner="classifier", neuron=3)
    write(runs, "digits", "make-dominant", 0, *whole(made, scores(4, 8.0), scores(5, None)))
    write(runs, "digits-shuffled", "baseline", 0, *whole(scores(5, dormant=(1, 0, 0.25, 1))))
    return runs


def drawn(name, folder):
    return figures.draw(name, find_runs(folder, keep=figures.KEEP), own=True)


def test_figure_4_shows_every_record_and_again_around_the_intervention(folder):
    figure = drawn("4", folder)
    texts = " ".join(part.get_text() for part in figure.figure.texts)
    assert "As Figure 4" in texts and "2 of 2 runs" in texts.replace("\u00a0", " ")
    assert "INCOMPLETE" not in texts and "environment" not in texts
    score, layer, accuracy, close, *_ = figure.figure.axes
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in score.lines]
    assert ([0, 10], [2, 2]) in lines  # the baseline
    made = next(y for x, y in lines if x == [0, 4, 5, 10])
    assert made[:2] == [2, 8] and math.isnan(made[2]) and made[3] == 2
    assert ([0, 1], [4, 4]) in lines  # N / 2
    assert [0.25] * 4 in [list(line.get_ydata()) for line in layer.lines]
    assert [0.125, 0.5] in [list(line.get_ydata()) for line in accuracy.lines]
    assert [-4, 0, 1, 6] in [list(line.get_xdata()) for line in close.lines]
    told = [row for row in figure.rows if row.run == "digits.make-dominant.0"]
    assert len(told) == 3 * 4 + 2
    assert figure.header[-2:] == ("update", "value")


def test_figure_3_of_redo_counts_the_neurons_of_all_layers(folder):
    figure = drawn("redo-3", folder)
    assert {row.run for row in figure.rows} == {"digits.baseline.0", "digits-shuffled.baseline.0"}
    shares = [row.value for row in figure.rows
              if row.run.startswith("digits-shuffled") and row.panel == "dormant_0"]  # fmt: skip
    # of 4, 12, 8 and 8 neurons: 1 + 6 + 4 + 0, then 4 + 0 + 2 + 8
    assert shares == [11 / 32, 14 / 32, 11 / 32]
    accuracies = [row.value for row in figure.rows if row.panel == "training_accuracy"]
    assert accuracies == [0.0625, 0.25] * 2


def test_what_has_nothing_to_compare_is_refused(tmp_path):
    write(tmp_path, "digits", "baseline", 0, *whole())
    for name in ("4", "redo-3"):
        with pytest.raises(InputError, match="needs"):
            drawn(name, tmp_path)
        with pytest.raises(InputError, match="sweep --figure"):
            figures.draw(name, find_runs(tmp_path))
    for name in ("5", "6", "9", "14"):
        with pytest.raises(InputError, match="none is here"):
            drawn(name, tmp_path)


def test_the_figures_of_the_papers_own_data_need_no_more_than_their_runs(tmp_path):
    for method in ("baseline", "make-dominant"):
        write(tmp_path, "cifar-10", method, 0, *whole())
    paths, _ = figures.write("4", tmp_path, tmp_path / "out")
    assert [path.name for path in paths] == ["figure-4.png"]
    header = (tmp_path / "out/figure-4.csv").read_text().splitlines()[0]
    assert header == "run,task,method,seed,panel,update,value"
    assert drawing.content(figures.draw("4", find_runs(tmp_path)).figure, "svg")


def test_a_page_of_classifiers_has_their_figures_and_says_what_they_are(folder):
    html = report(folder, folder / "out").read_text()
    assert "As Figure 4." in html and "As ReDo, Figure 3." in html
    assert "accuracy on pictures for testing" in html
    assert "No neuron became dominant" in html and "classifier/mlp.dense0" in html
