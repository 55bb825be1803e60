# Sourced by bench/auto: the size sweep.
sweep_json=$scratch/sweep.json
job_sweep() { :; }
