"""What an error of bad input carries."""

import pickle

import numpy as np
import pytest

from ref import checks


def test_the_error_is_a_value_error_that_names_argument_value_and_what_is_accepted():
    with pytest.raises(ValueError, match=r"^tau: -1.0 is not .*accepted: a number from 0 to 1$"):
        checks.number("tau", -1.0, 0, 1)
    with pytest.raises(ValueError, match=r"^tau: nan .*accepted: a number from -inf to inf$"):
        checks.number("tau", np.nan)


def test_the_error_survives_the_way_from_another_process():
    error = pickle.loads(pickle.dumps(checks.InputError("tau", -1.0, "0 or more")))
    assert (error.argument, error.value, error.accepted) == ("tau", -1.0, "0 or more")
    assert str(error) == str(checks.InputError("tau", -1.0, "0 or more"))
