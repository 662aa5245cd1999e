#!/bin/sh
# From login to picking on denoised micrographs, in a CryoSPARC project.
#
# Change the four values, and run it where the project directory and a GPU are:
#     sh from_login_to_picking.sh
set -eu

URL=http://cryoem:39000   # as in the browser, up to the port
PROJECT=P3
WORKSPACE=W1
SOURCE=J42:exposures      # Patch CTF, Patch Motion or Curate: job and output

# Once in two weeks (CryoSPARC 5). The file with the login should be yours alone.
python -m cryosparc.tools login --url "$URL"
chmod 600 "${XDG_CONFIG_HOME:-$HOME/.config}/cryosparc-tools/auth.json"

cryoscore cryosparc doctor --url "$URL" --project "$PROJECT"
cryoscore cryosparc denoise "$PROJECT" "$WORKSPACE" "$SOURCE" --url "$URL"

# Then, in CryoSPARC:
# 1. Connect the output "micrographs" of the new job to Blob Picker or Template Picker,
#    and switch on "Pick on denoised micrographs".
# 2. Inspect the picks, and connect the same micrographs to Extract From Micrographs:
#    it takes the raw ones.
