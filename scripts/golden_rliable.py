"""Make tests/fast/report/golden/rliable.json: what rliable says of two small score matrices.

rliable is no dependency: its pins conflict with the current pandas. In an environment of its own:

    python -m venv /tmp/rliable && /tmp/rliable/bin/pip install \\
        rliable==1.2.0 arch==7.2.0 pandas==2.3.3
    /tmp/rliable/bin/python scripts/golden_rliable.py > tests/fast/report/golden/rliable.json

rliable ignores the random state that it is given, so NumPy's global one is seeded. The scores
have two decimals: they are the same in JSON and in memory.
"""

import json
import platform
from importlib.metadata import version

import numpy as np
from rliable import library, metrics

RUNS, TASKS, RESAMPLES = 6, 5, 50_000
AGGREGATES = {
    "median": metrics.aggregate_median,
    "IQM": metrics.aggregate_iqm,
    "mean": metrics.aggregate_mean,
}

levels = np.array([30.0, 250.0, 480.0, 700.0, 930.0])  # of the tasks; runs scatter around them
ours = np.round(np.random.default_rng(1).normal(levels, 90.0, (RUNS, TASKS)), 2)
theirs = np.round(np.random.default_rng(2).normal(levels - 40, 60.0, (RUNS - 2, TASKS)), 2)
theirs[0] = ours[0]  # ties

np.random.seed(0)
points, intervals = library.get_interval_estimates(
    {"ours": ours},
    lambda scores: np.array([aggregate(scores) for aggregate in AGGREGATES.values()]),
    reps=RESAMPLES,
)
better, better_interval = library.get_interval_estimates(
    {"pair": (ours, theirs)}, metrics.probability_of_improvement, reps=2000
)
print(
    json.dumps(
        {
            "versions": {
                name: version(name) for name in ("rliable", "arch", "pandas", "numpy", "scipy")
            }
            | {"python": platform.python_version()},
            "resamples": RESAMPLES,
            "ours": ours.T.tolist(),  # a row a task
            "theirs": theirs.T.tolist(),
            "aggregates": {
                name: [points["ours"][i], *intervals["ours"][:, i]]
                for i, name in enumerate(AGGREGATES)
            },
            "improvement_resamples": 2000,
            "improvement": [float(better["pair"]), *better_interval["pair"].ravel().tolist()],
        },
        indent=1,
    )
)
