"""The claims of the four papers as executable statements, each decided by machine.

`claim.py` says what a claim is and how it is checked and searched. A folder is a chapter: there a
claim stands under the predicates that it names, and what two files share is in `layer.py` of
dominance, `activations.py` of dormancy, `features.py` of rank, `flows.py` of collapse, `arrays.py`
of recycling. `python -m theory` decides them all.
"""
