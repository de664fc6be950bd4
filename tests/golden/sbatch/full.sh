#!/bin/bash

# Parameters
#SBATCH --account=lab
#SBATCH --array=0-2%2
#SBATCH --begin=now+5minutes
#SBATCH --comment='two words'
#SBATCH --constraint='a100&nvme'
#SBATCH --cpus-per-task=4
#SBATCH --dependency=afterany:41:42
#SBATCH --exclude='n[1-3]'
#SBATCH --exclusive
#SBATCH --gpus-per-node=1
#SBATCH --job-name=cnnjobs-first-0a1b2c3d
#SBATCH --mail-type=FAIL
#SBATCH --mem=7680M
#SBATCH --nice=100
#SBATCH --no-requeue
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/dev/null
#SBATCH --partition=gpu
#SBATCH --qos=long
#SBATCH --signal=B:USR2@300
#SBATCH --time=720

# setup
trap '' USR2
cnnjobs_store='/home/me/my sweeps/results/100% sure'
cnnjobs_jobs='/home/me/my sweeps/results/100% sure/jobs/20260102T030405-0a1b2c3d'
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
  cnnjobs_log="$cnnjobs_jobs/task-$SLURM_ARRAY_TASK_ID.log" SECONDS=0
  until { : >>"$cnnjobs_log"; } 2>/dev/null; do
    [ "$SECONDS" -lt 300 ] || exit 75
    [ ! -d "$cnnjobs_store" ] || [ -d "$cnnjobs_jobs" ] || exit 75
    sleep 1
  done
  exec >>"$cnnjobs_log" 2>&1
  [ "$SECONDS" -lt 2 ] || echo 'cnnjobs: /home/me/my sweeps/results/100% sure was away: waited for it' "$SECONDS s"
fi
cd '/home/me/my sweeps' || { echo 'cnnjobs: the working directory /home/me/my sweeps is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 3; }
trap 'cnnjobs_code=$?; [ "${#BASH_SOURCE[@]}" -gt 1 ] || { echo "cnnjobs: setup: $(sed -n "${LINENO}p" "$0"): exit code $cnnjobs_code on node ${SLURMD_NODENAME:-$(hostname)}"; exit 78; }' ERR
module load cuda/12.4
source "$HOME/it's mine/bin/activate"
trap - ERR
export PYTHONPATH='/home/me/my modules'
export SRUN_CPUS_PER_TASK=4
[ -x /opt/conda/bin/python ] || { echo 'cnnjobs: the Python /opt/conda/bin/python is missing on node' "${SLURMD_NODENAME:-$(hostname)}"; exit 4; }

# command
export SUBMITIT_EXECUTOR=slurm
exec /opt/conda/bin/python -u -m cnnjobs.worker.slurm_main '/home/me/my sweeps/results/100% sure/jobs/20260102T030405-0a1b2c3d'
