"""Visual DrQ with neuron scores and mitigations in PyTorch. Imports nothing, so `--help` is quick."""
