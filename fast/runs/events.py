"""The records of a run as TensorBoard shows them: event files, one a session, each after the last.

They are written in the thread that logs, so that a full disk is told where it is met. A file that
TensorBoard has open is never changed: a resumed run adds another one, which begins by voiding the
events that came after the checkpoint.
"""

import contextlib
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fast.runs.records import COUNTERS


class Events(contextlib.AbstractContextManager["Events"]):
    """The event file of this session in `folder`, of a run that has `records` so far.

    The records are written where there are no events of them yet.
    """

    def __init__(self, folder: Path, records: Sequence[dict[str, Any]]):
        from tensorboard.compat.proto import event_pb2, summary_pb2  # a second to import
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        folder.mkdir(exist_ok=True)
        stamps = [re.search(r"tfevents[.](\d+)", file.name) for file in folder.iterdir()]
        before = [int(stamp[1]) for stamp in stamps if stamp]
        stamp = max([int(time.time()), *(number + 1 for number in before)])  # read in this order
        self._file = (folder / f"events.out.tfevents.{stamp:010d}").open("xb")
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        known = bool(before and records)
        self._write(step=records[-1]["environment_step"] + 1 if known else 0, session_log=start)
        for record in () if known else records:
            self.add(record)

    def _write(self, **what: Any) -> None:
        event = self._event(wall_time=time.time(), **what)
        self._records.write(event.SerializeToString())
        self._records.flush()

    def add(self, record: dict[str, Any]) -> None:
        """Every number of a record, but of what describes a session, as `kind/name`."""
        kind = record["kind"]
        values = [
            self._summary.Value(tag=f"{kind}/{name}", simple_value=value)
            for name, value in record.items()
            if isinstance(value, int | float) and name not in COUNTERS
        ]
        if values and kind != "session":
            summary = self._summary(value=values)
            self._write(step=record["environment_step"], summary=summary)

    def __exit__(self, *_: object) -> None:
        self._file.close()
