"""The specification: NumPy in float64, small enough to read in an evening.

Pure functions over parameter dicts, keyed by dotted names as `torch.nn.Module.named_parameters`
gives them ("dense0.weight", shape (out, in)); every random draw is an argument.
Read in this order: autograd, nn, losses, optim, scores, mitigations, dynamics, agents/sac,
agents/drq.
"""
