#!/bin/bash
# Template with which RELION submits jobs to Slurm; README.md, beside it, explains it.
#SBATCH --job-name=XXXnameXXX
#SBATCH --partition=XXXqueueXXX
#SBATCH --ntasks=XXXmpinodesXXX
#SBATCH --cpus-per-task=XXXthreadsXXX
#SBATCH --output=XXXoutfileXXX
#SBATCH --error=XXXerrfileXXX
#SBATCH --open-mode=append
# For a GPU, take out one # of the next line:
##SBATCH --gres=gpu:1

XXXcommandXXX
status=$?

# 137: killed, as by the guard of the memory. Then no program could tell RELION, which
# would wait for ever. After any other end the program has said how it ended itself, and
# the job may already run again, so that nothing is touched.
folder=$(dirname XXXoutfileXXX)
if [ $status -eq 137 ] && ! ls "$folder"/RELION_JOB_EXIT_* >/dev/null 2>&1; then
  touch "$folder/RELION_JOB_EXIT_FAILURE"
fi
exit $status
