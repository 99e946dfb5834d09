"""A fault in the place of a name, wherever a chapter has it: each file imports what it uses."""

from inspect import ismodule

import pytest


@pytest.fixture
def plant(monkeypatch):
    def into(chapter, name, fault):
        files = [file for file in filter(ismodule, vars(chapter).values()) if hasattr(file, name)]
        assert files, f"no file of {chapter.__name__} has {name}"
        for file in files:
            monkeypatch.setattr(file, name, fault)

    return into
