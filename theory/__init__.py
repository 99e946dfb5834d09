"""The claims of the four papers as executable statements, each decided by machine.

`claim.py` says what a claim is and how it is checked and searched; every other file is a chapter:
definitions, then statements as printed, then repairs. `python -m theory` decides them all.
"""
