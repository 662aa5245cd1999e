"""The denoise job: from the exposures of a job to exposures that pickers see denoised.

The output passes all slots of the input on and adds `micrograph_blob_denoised`, at which
pickers look with "Pick on denoised micrographs"; extraction goes on taking the raw
micrographs. What is finished is not done again, so a job that was stopped goes on with
`--job`. Micrographs that failed are in an output of their own.
"""

from __future__ import annotations

from cryoscore_plugin.settings import DenoiseSettings
from cryosparc_jobs.card import Card
from cryosparc_jobs.client import Connection
from cryosparc_jobs.exposures import FOLDER, INPUT, read_exposures
from cryosparc_jobs.lifecycle import running
from cryosparc_jobs.monitor import Record
from cryosparc_jobs.outputs import Work, add_outputs, save_outputs
from cryosparc_jobs.reference import reference_facts, with_reference
from cryosparc_jobs.request import Request
from cryosparc_jobs.start import Start, make_start, open_place
from cryosparc_jobs.steps import check_settings, denoise_exposures, finish

CARD = Card(
    command="denoise",
    title="Denoise micrographs (cryoscore)",
    description=(
        "Pick on the output *micrographs* with **Pick on denoised micrographs** "
        "switched on, and extract from the same output: extraction takes the raw "
        "micrographs."
    ),
)


def run_denoise_job(
    connection: Connection, request: Request, settings: DenoiseSettings
) -> Record:
    """Denoise the exposures of a job of CryoSPARC, as a job of CryoSPARC.

    Parameters
    ----------
    connection : Connection
        The server.
    request : Request
        Which exposures, and where to.
    settings : DenoiseSettings
        How to denoise.

    Returns
    -------
    record : Record
        What became of each micrograph.

    Raises
    ------
    CryoScoreError
        If something cannot be found or used, the job was killed, or all micrographs
        failed. The job is then not completed.
    """
    start = prepare_job(connection, request, settings)
    with running(start.job):
        work = begin(start, settings)
        rows = start.job.inputs.load(INPUT)
        denoise_exposures(work, read_exposures(rows, str(request.source)))
        save_outputs(work, rows)
        finish(work, start.facts)
    work.place.clean()
    return work.record


def prepare_job(
    connection: Connection, request: Request, settings: DenoiseSettings
) -> Start:
    """Check what can be checked, and make the job or find it.

    Parameters
    ----------
    connection, request, settings
        As for `run_denoise_job`.

    Raises
    ------
    CryoScoreError
        If something cannot be found or used.
    """
    check_settings(settings)
    return make_start(
        connection,
        request,
        settings,
        card=CARD,
        model=settings.model,
        more=lambda project: {"reference": reference_facts(project, request, settings)},
    )


def begin(start: Start, settings: DenoiseSettings) -> Work:
    """Tell the event log what is going to happen, and find out where files go.

    Parameters
    ----------
    start : Start
        Of `prepare_job`; the job runs.
    settings : DenoiseSettings
        As for `run_denoise_job`.

    Raises
    ------
    InputError
        If CryoSPARC refuses an output or a folder.
    """
    place = open_place(start, below=FOLDER)
    work = Work(
        job=start.job,
        place=place,
        settings=with_reference(start.job, place, settings, start.facts["reference"]),
        record=Record(),
        picking_output=start.request.picking_output,
        half_sample=start.request.half_sample,
    )
    add_outputs(work)
    return work
