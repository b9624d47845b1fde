"""Run all benchmarks, each in a process of its own, and show what was asked and what was measured.

``python benchmarks/run_all.py [NAME ...]``; results go to ``benchmarks/results``, the table of the documentation is
made from them. A missed number is shown, not raised: timings are no tests.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness import load, table
from make_tables import BENCHMARKS, write_page


def main() -> None:
    """Run those named, or all."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    for name in chosen:
        print(f"{name} ...", flush=True)
        script = Path(__file__).with_name(f"{name}.py")
        subprocess.run([sys.executable, str(script)], check=True, stdout=subprocess.DEVNULL)
    claims = [claim for name in BENCHMARKS for claim in load(name)[1]]
    print(table(claims))
    missed = sum(claim.verdict == "MISSED" for claim in claims)
    print(f"{missed} of {sum(claim.asked is not None for claim in claims)} numbers missed")
    write_page()


if __name__ == "__main__":
    main()
