"""``make demo`` and ``make ui``: a real Dagster job's logs on any storage, seen from end to end.

One process tells the story (`demo.__main__`), another one is the run that Dagster executes
(`demo.job`), a third one reads everything back (`demo.readback`). What the steps print is kept
beside the logs (`demo.printed`), so that every stored byte can be compared with a printed one.
"""

from __future__ import annotations
