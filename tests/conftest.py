"""What holds for every test: one thread, and how hard hypothesis tries.

`dev` is what a developer's `pytest` does; `ci` is chosen where the variable CI is set, and is the
same examples at every run; `thorough` is for `make thorough` alone, and `mutation` for `make
mutants`, which runs the tests of a formula once for each change of it.
"""

import os

from hypothesis import HealthCheck, settings

# Before the first import of numpy or torch: tests start processes of their own, the networks
# are tiny, and sums come out in one order.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Of a test with two threads neither waits for the other with its core in hand.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# No deadline anywhere: the first example pays for imports, and CI machines pause.
settings.register_profile("dev", deadline=None, max_examples=30)
settings.register_profile(
    "ci", deadline=None, max_examples=100, derandomize=True, database=None, print_blob=True
)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=20_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "mutation", deadline=None, max_examples=25, derandomize=True, database=None
)
# hypothesis loads a `ci` of its own when CI is set, so ours is loaded by name.
settings.load_profile("ci" if os.environ.get("CI") else "dev")
