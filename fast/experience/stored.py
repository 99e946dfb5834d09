"""The episodes that another run has kept, learnt from without playing (ReDo, Figure 4).

So that nothing of what is learnt from changes while it is learnt.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fast.experience.play import Play
from fast.experience.replay import Batch


class Stored(Play):
    """A step of the run is a batch, uniform over the transitions, and an update.

    An evaluation plays as ever. Of the replay nothing need be kept: it is the other run's.
    """

    def __init__(self, *rest: Any, episodes: Iterable[dict[str, Any]], **more: Any):
        """episodes: what `Play.keep` was told of each, oldest first; the newest are kept, as many
        as the replay holds."""
        super().__init__(*rest, **more)
        for episode in episodes:
            self.replay.extend(**episode)

    def step(self) -> Iterator[Batch]:
        """The next batch."""
        self.agent_step += 1
        self.environment_step += 1
        batch = self.replay.sample(self.settings.batch_size, self.generators["replay"])
        self.clock.lap("sampling")
        yield batch
