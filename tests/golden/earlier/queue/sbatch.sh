#!/bin/bash

# Parameters
#SBATCH --array=0-1
#SBATCH --begin=now+5minutes
#SBATCH --cpus-per-task=1
#SBATCH --job-name=cnnjobs-old-b68c6731
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=@PROJECT@/results/old/jobs/20261201T103950-b68c6731/task-%a.log
#SBATCH --requeue
#SBATCH --signal=B:USR2@120

# setup
trap '' USR2
cd @PROJECT@ || { echo 'cnnjobs: the working directory @PROJECT@ is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 3; }
export PYTHONPATH=@PACKAGE@
export SRUN_CPUS_PER_TASK=1
[ -x @PYTHON@ ] || { echo 'cnnjobs: the Python @PYTHON@ is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 4; }

# command
export SUBMITIT_EXECUTOR=slurm
exec @PYTHON@ -u -m cnnjobs.training.slurm_worker @PROJECT@/results/old/jobs/20261201T103950-b68c6731
