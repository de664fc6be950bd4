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
#SBATCH --output=/dev/null
#SBATCH --requeue
#SBATCH --signal=B:USR2@120

# setup
trap '' USR2
cnnjobs_store='/home/me/my sweeps/results/first'
cnnjobs_jobs='/home/me/my sweeps/results/first/jobs/20260102T030405-0a1b2c3d'
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  cnnjobs_log="$cnnjobs_jobs/task-$SLURM_ARRAY_TASK_ID.log" SECONDS=0
  until { : >>"$cnnjobs_log"; } 2>/dev/null; do
    [ "$SECONDS" -lt 300 ] || exit 75
    [ ! -d "$cnnjobs_store" ] || [ -d "$cnnjobs_jobs" ] || exit 75
    sleep 1
  done
  exec >>"$cnnjobs_log" 2>&1
  [ "$SECONDS" -lt 2 ] || echo 'cnnjobs: /home/me/my sweeps/results/first was away: waited for it' "$SECONDS s"
fi
cd '/home/me/my sweeps' || { echo 'cnnjobs: the working directory /home/me/my sweeps is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 3; }
export SRUN_CPUS_PER_TASK=2
[ -x /opt/conda/bin/python ] || { echo 'cnnjobs: the Python /opt/conda/bin/python is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 4; }

# command
export SUBMITIT_EXECUTOR=slurm
exec /opt/conda/bin/python -u -m cnnjobs.worker.slurm_main '/home/me/my sweeps/results/first/jobs/20260102T030405-0a1b2c3d'
