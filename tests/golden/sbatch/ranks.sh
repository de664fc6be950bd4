#!/bin/bash

# Parameters
#SBATCH --array=0-2
#SBATCH --begin=now+5minutes
#SBATCH --cpus-per-task=2
#SBATCH --gpus-per-node=2
#SBATCH --job-name=cnnjobs-first-0a1b2c3d
#SBATCH --mem=16384M
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=2
#SBATCH --open-mode=append
#SBATCH --output='/home/me/my sweeps/results/first/jobs/20260102T030405-0a1b2c3d/task-%a.log'
#SBATCH --requeue
#SBATCH --signal=B:USR2@120

# setup
trap '' USR2
cd '/home/me/my sweeps' || { echo 'cnnjobs: the working directory /home/me/my sweeps is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 3; }
export SRUN_CPUS_PER_TASK=2
[ -x /opt/conda/bin/python ] || { echo 'cnnjobs: the Python /opt/conda/bin/python is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 4; }

# command
export SUBMITIT_EXECUTOR=slurm
exec /opt/conda/bin/python -u -m cnnjobs.training.slurm_worker '/home/me/my sweeps/results/first/jobs/20260102T030405-0a1b2c3d'
