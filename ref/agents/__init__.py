"""Whole updates of agents, side by side with those of the same names in fast/agents."""
