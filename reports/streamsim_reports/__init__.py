"""Reports: figures, comparisons and pages, from run folders and nothing else."""
