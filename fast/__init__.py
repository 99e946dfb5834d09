"""Visual DrQ with neuron scores and mitigations in PyTorch.

Imports nothing, so that `--help` is quick.
"""
