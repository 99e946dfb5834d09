"""Tests are on definitions: figures are made, but rendered only for a test that asks `drawn`."""

import pytest

from tutorials import style


@pytest.fixture
def drawn():
    """Asks for rendered figures."""


@pytest.fixture(autouse=True)
def _rendering(request, monkeypatch):
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(style, "show", lambda drawing, says: says)
