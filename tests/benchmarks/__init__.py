"""Side-by-side timings: `python tests/benchmarks/run.py`. Figures are printed, never asserted."""
