"""The tutorials: marimo notebooks, one a file, in reading order. `make tutorials` opens them.

Their mathematics is that of `ref` and `theory`; `style.py` is how they look.
"""
