"""A process that makes Arrow arrays without pandas, and can still make data frames."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from tokenprof.store.schema.without_pandas import keep_pandas_out
keep_pandas_out()
import pyarrow as pa
table = pa.table({"turns": [1, 2]})
print("pandas" in sys.modules)
print(int(table.to_pandas()["turns"].sum()))
"""


def test_arrays_do_not_load_pandas_and_data_frames_still_do() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "3"]


def test_other_threads_may_import_pandas_meanwhile() -> None:
    script = """
import sys, threading
from tokenprof.store.schema.without_pandas import _NoPandasHere
finder = _NoPandasHere()
sys.meta_path.insert(0, finder)
found = []
thread = threading.Thread(target=lambda: found.append(__import__("pandas").__name__))
thread.start()
thread.join()
print(found)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['pandas']"
