"""Counts what a compute log manager costs: requests, bytes, memory; ours beside the others.

``python -m benchmarks`` runs every manager against the same servers and writes
``docs/benchmarks.md``. The order of reading: `contenders` (who runs), `process` and `worker` (a manager
in a process of its own), `bench` (a place, a counting proxy and such processes), `scenarios` (what is
done), `rows` (what is said about it, and the limits), `report` (the page).
"""

from __future__ import annotations
