"""Tests of keyart. This file is imported before all of them, and before torch."""

import os

# The networks of tests are so small that a second thread only waits for the first one. It keeps a
# core busy meanwhile: on a machine with other work, test_backbones took five times the CPU time.
os.environ.setdefault("OMP_NUM_THREADS", "1")
