#!/bin/sh
# Makes a Schedule of RELION 3.1, or a Scheme of RELION 4 and 5, that imports
# micrographs, denoises them, picks on the denoised ones, gives the picks back to the
# raw ones, and extracts the particles from those.
#
#   1. Copy the files of this folder into the folder of your RELION project.
#   2. Change the values in the five *job.star files to yours.
#   3. In the project folder: sh make_schedule.sh
#      For micrographs that are still being recorded: sh make_schedule.sh 60
#      All of it then begins again 60 s after it has ended, until you abort it.
#   4. Run what it says at the end.
set -eu
pause=${1:-}

if command -v relion_schemer >/dev/null; then
  program=relion_schemer word=--scheme folder=Schemes
  # RELION 4 and 5 have other names for the lists of picks, and pick without references
  # only if they are told to.
  sed -i -e 's#Schedules/#Schemes/#' -e 's#autopick/coords_suffix_autopick#autopick/autopick#' \
    -e 's#restore/coords_suffix_autopick#restore/coords_on_raw#' ./*job.star
  grep -q do_refs autopickjob.star || sed -i 's#^do_log .*#&\ndo_refs            No#' autopickjob.star
elif command -v relion_scheduler >/dev/null; then
  program=relion_scheduler word=--schedule folder=Schedules
else
  echo 'No RELION on the PATH. Start this where relion_refine can be found.' >&2
  exit 1
fi
if [ ! -e default_pipeline.star ]; then
  echo 'default_pipeline.star is not here. Start this in the folder of a RELION project.' >&2
  exit 1
fi
if [ -e "$folder/cryoscore" ]; then
  echo "$folder/cryoscore is there already. Remove it, or run it." >&2
  exit 1
fi

for job in import denoise autopick restore extract; do
  # RELION reads the options from ./importjob.star, and so on.
  "$program" "$word" cryoscore --add job --i "$job" --mode continue
done
if [ -n "$pause" ]; then
  last=WAIT_pause
  "$program" "$word" cryoscore --add variable --name pause --value "$pause"
  set -- --type wait --i pause
else
  last=EXIT
  set -- --type exit
  if [ "$program" = relion_scheduler ]; then set -- "$@" --i 0; fi
fi
# RELION 3.1 makes up the name of an operator, and RELION 4 and 5 want it.
if [ "$program" = relion_scheduler ]; then
  "$program" "$word" cryoscore --add operator "$@" --o undefined
else
  "$program" "$word" cryoscore --add operator "$@" --name $last
fi
previous=import
for job in denoise autopick restore extract $last; do
  "$program" "$word" cryoscore --add edge --i "$previous" --o "$job"
  previous=$job
done
if [ -n "$pause" ]; then
  "$program" "$word" cryoscore --add edge --i $last --o import
  echo "To stop it: $program $word cryoscore --abort"
fi
echo "Now run: $program $word cryoscore --run --pipeline_control $folder/cryoscore/"
