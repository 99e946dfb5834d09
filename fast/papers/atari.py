"""The games of Atari in ReDo's experiments, and how their scores are compared."""

ATARI = "atari-"  # before a game's name it is a task
# The 17 games of ReDo's DQN (Appendix A) and the 26 of Atari 100k (Kaiser et al. 2019), each with
# the mean scores of a random player and of a human, as Dopamine and DQN Zoo have them.
SCORES: dict[str, tuple[float, float]] = {
    "alien": (227.8, 7127.7),
    "amidar": (5.8, 1719.5),
    "assault": (222.4, 742.0),
    "asterix": (210.0, 8503.3),
    "bank-heist": (14.2, 753.1),
    "battle-zone": (2360.0, 37187.5),
    "beam-rider": (363.9, 16926.5),
    "boxing": (0.1, 12.1),
    "breakout": (1.7, 30.5),
    "chopper-command": (811.0, 7387.8),
    "crazy-climber": (10780.5, 35829.4),
    "demon-attack": (152.1, 1971.0),
    "double-dunk": (-18.6, -16.4),
    "enduro": (0.0, 860.5),
    "freeway": (0.0, 29.6),
    "frostbite": (65.2, 4334.7),
    "gopher": (257.6, 2412.5),
    "hero": (1027.0, 30826.4),
    "ice-hockey": (-11.2, 0.9),
    "jamesbond": (29.0, 302.8),
    "kangaroo": (52.0, 3035.0),
    "krull": (1598.0, 2665.5),
    "kung-fu-master": (258.5, 22736.3),
    "ms-pacman": (307.3, 6951.6),
    "pong": (-20.7, 14.6),
    "private-eye": (24.9, 69571.3),
    "qbert": (163.9, 13455.0),
    "road-runner": (11.5, 7845.0),
    "seaquest": (68.4, 42054.7),
    "space-invaders": (148.0, 1668.7),
    "up-n-down": (533.4, 11693.2),
    "wizard-of-wor": (563.5, 4756.5),
    "yars-revenge": (3092.9, 54576.9),
    "zaxxon": (32.5, 9173.3),
}
# ReDo, Appendix A, and the five of them on which it was tuned.
SEVENTEEN = ("asterix", "demon-attack", "seaquest", "wizard-of-wor", "beam-rider", "road-runner",
             "jamesbond", "qbert", "breakout", "enduro", "space-invaders", "pong", "zaxxon",
             "yars-revenge", "ms-pacman", "double-dunk", "ice-hockey")  # fmt: skip
FIVE = ("asterix", "beam-rider", "breakout", "demon-attack", "seaquest")
# Atari 100k (Kaiser et al. 2019).
TWENTY_SIX = ("alien", "amidar", "assault", "asterix", "bank-heist", "battle-zone", "boxing",
              "breakout", "chopper-command", "crazy-climber", "demon-attack", "freeway",
              "frostbite", "gopher", "hero", "jamesbond", "kangaroo", "krull", "kung-fu-master",
              "ms-pacman", "pong", "private-eye", "qbert", "road-runner", "seaquest",
              "up-n-down")  # fmt: skip


def tasks(games: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(ATARI + game for game in games)


def normalised(task: str, score: float) -> float:
    """(score - random) / (human - random) of a task of Atari; of any other task the score."""
    if not task.startswith(ATARI):
        return score
    random, human = SCORES[task.removeprefix(ATARI)]
    return (score - random) / (human - random)
