"""Write the reports that have Snakemake targets of their own, from ablations to the paper."""
