"""The job that gives picks made on denoised micrographs back to the raw ones.

Particles are extracted from raw micrographs. RELION 4 and 5 look for the picks of a
micrograph by its exact name: for the raw ones they find none, extract nothing, and
call it success. So this job writes the list of picks once more with the raw names.
In RELION 3.1, where the place of a file says which micrograph it belongs to, it copies
the files to the places that belong to the raw ones.

Nothing is given to Extract that would spoil particles: a "raw" micrograph that was
denoised, or shows another area than the picked one, is refused. Coordinates on binned
micrographs are scaled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import click

from cryoscore_plugin import __version__
from cryoscore_plugin.errors import JobAbortedError, MicrographError
from relion_wrappers.coordinates_folder import (
    copy_coordinates,
    suffix_name,
    write_suffix_file,
)
from relion_wrappers.coordinates_star import (
    PickedMicrograph,
    PicksList,
    failed_list,
    restored_list,
)
from relion_wrappers.job import RelionJob
from relion_wrappers.output_nodes import announce_picks
from relion_wrappers.pick_checks import UNSCALED, Scale, check_picks, refuse_shared
from relion_wrappers.picks_source import PicksSource, raw_names_of, read_source
from relion_wrappers.project import output_names, project_name
from relion_wrappers.star_file import write_star

# RELION 4 and 5 take a name with coords_suffix in it for a file of RELION 3.1.
RESTORED_LIST = "coords_on_raw.star"
FAILED_LIST = "failed_picks.star"


def restore_picks(
    job: RelionJob, in_coords: str, *, in_mics: str | None = None, max_failed: int = 0
) -> None:
    """Write picks on denoised micrographs as picks on the raw ones.

    Parameters
    ----------
    job : RelionJob
        The job that runs, in the project folder.
    in_coords : str
        The list of picks, as RELION wrote it on the command line.
    in_mics : str or None
        Table of the raw micrographs to extract from, or of the denoised ones.
    max_failed : int
        For how many micrographs it may fail without the job failing.

    Raises
    ------
    CryoScoreError
        If a file cannot be used, the user asked to stop, or picks on more than
        `max_failed` micrographs cannot be restored. The others are written in that
        last case, so that "Mark as finished" accepts them.
    """
    source = read_source(in_coords, mics=in_mics, folder=job.folder)
    output = project_name(job.folder) / _output_name(source)
    # Early, because "Mark as finished" reads it too.
    announce_picks(job.folder, str(output), like=in_coords)
    micrographs = source.picks.micrographs
    click.echo(
        f"cryoscore {__version__}: picks on {len(micrographs)} micrographs in "
        f"{in_coords}"
    )
    raw_names, expected = raw_names_of(source)
    scales, failures = _checked(job, source, raw_names)
    good = [picked for picked in micrographs if picked in scales]
    pairs = [(picked.name, raw_names[picked.name]) for picked in good]
    refuse_shared(pairs, source=in_coords)
    _write(job, source, scales, dict(pairs))
    _write_failures(job.folder / FAILED_LIST, failures)
    _report(source, raw_names, expected)
    _report_failures(output.parent, len(micrographs), failures, max_failed=max_failed)
    raw = "the raw micrographs" if source.raw_table is None else in_mics
    click.echo(f"Now give Extract {raw} as micrographs, and {output} as coordinates.")
    click.echo("The number of particles should be that of the picks.")


def _output_name(source: PicksSource) -> str:
    picks = source.picks
    return RESTORED_LIST if isinstance(picks, PicksList) else suffix_name(picks.suffix)


def _checked(
    job: RelionJob, source: PicksSource, raw_names: Mapping[str, str]
) -> tuple[dict[PickedMicrograph, Scale], list[tuple[PickedMicrograph, str]]]:
    """Picks that can be restored, with their scale; and those that cannot, and why.

    Raises
    ------
    JobAbortedError
        If RELION asks the job to stop.
    """
    table = source.raw_table
    sizes = dict(zip(table.names, table.pixel_sizes, strict=True)) if table else {}
    scales: dict[PickedMicrograph, Scale] = {}
    failures = []
    for picked in source.picks.micrographs:
        if job.abort_requested():
            msg = "Stopped as you asked. Continue the job to restore the picks."
            raise JobAbortedError(msg)
        raw = raw_names.get(picked.name)
        size = sizes.get(raw or "")
        try:
            scales[picked] = check_picks(
                picked, raw, source=source.coords, pixel_size=size
            )
        except MicrographError as error:
            click.echo(f"{picked.name or picked.coordinates}: {error}")
            failures.append((picked, str(error)))
    return scales, failures


def _write(
    job: RelionJob,
    source: PicksSource,
    scales: Mapping[PickedMicrograph, Scale],
    raw_names: Mapping[str, str],
) -> None:
    """Write the restored picks in the manner in which they were given."""
    output = job.folder / _output_name(source)
    binned = sum(scale != UNSCALED for scale in scales.values())
    if binned:
        click.echo(f"{binned} micrographs were picked binned; coordinates are scaled.")
    if not scales:  # A list of an earlier run would be taken for one of this run.
        output.unlink(missing_ok=True)
    elif isinstance(source.picks, PicksList):
        moved = _copies(job, raw_names, scales, suffix=None)
        write_star(output, restored_list(source.picks, raw_names, moved))
    else:
        _copies(job, raw_names, scales, suffix=source.picks.suffix)
        table = source.raw_table
        write_suffix_file(
            output, source.picks.picked if table is None else str(table.path)
        )


def _copies(
    job: RelionJob,
    raw_names: Mapping[str, str],
    scales: Mapping[PickedMicrograph, Scale],
    *,
    suffix: str | None,
) -> dict[str, str]:
    """Copy files of coordinates to where those of raw micrographs are looked for.

    Without a suffix, by which RELION 3.1 looks for them, only those that are scaled.
    The result is the copy by the name of the picked micrograph.
    """
    copies = {}
    targets = output_names([raw_names[picked.name] for picked in scales])
    for (picked, scale), target in zip(scales.items(), targets, strict=True):
        source = Path(picked.coordinates)
        if suffix is None and scale == UNSCALED:
            continue
        name = source.name if suffix is None else f"{target.stem}{suffix}"
        place = job.folder / target.with_name(name)
        if not copy_coordinates(source, place, scale):
            click.echo(f"{place} was changed by hand since, and is kept as it is.")
        copies[picked.name] = str(project_name(job.folder) / target.with_name(name))
    return copies


def _write_failures(
    path: Path, failures: Sequence[tuple[PickedMicrograph, str]]
) -> None:
    if failures:
        write_star(path, failed_list(failures))
    else:
        path.unlink(missing_ok=True)


def _report(
    source: PicksSource, raw_names: Mapping[str, str], expected: Sequence[str]
) -> None:
    """Say on which raw micrographs there are no picks, and which are not asked for."""
    picked = set(raw_names.values())
    without = [raw for raw in expected if raw not in picked]
    if without:
        click.echo(
            f"{len(without)} of {len(expected)} raw micrographs have no picks; the first "
            f"is {without[0]}."
        )
    left_out = sorted(picked - set(expected))
    if left_out and source.raw_table is not None:
        click.echo(
            f"{len(left_out)} micrographs with picks are not in {source.raw_table.path}, "
            f"so Extract will leave them out; the first is {left_out[0]}."
        )
    untouched = sum(name == raw for name, raw in raw_names.items())
    if untouched:
        click.echo(f"{untouched} micrographs were picked raw, and stay as they are.")


def _report_failures(
    folder: PurePosixPath,
    total: int,
    failures: Sequence[tuple[PickedMicrograph, str]],
    *,
    max_failed: int,
) -> None:
    """Say for how many micrographs the picks are not restored.

    Raises
    ------
    MicrographError
        If there are more than may be, or none is restored.
    """
    if not failures:
        return
    first, reason = failures[0]
    msg = (
        f"Picks on {total} micrographs should be restored, but {len(failures)} cannot; "
        f"the first is {first.name or first.coordinates}: {reason} They are listed in "
        f"{folder / FAILED_LIST}."
    )
    if len(failures) == total:
        raise MicrographError(msg)
    if len(failures) > max_failed:
        msg += (
            f" To go on without them, mark the job as finished, or continue it with "
            f"--max_failed {len(failures)}."
        )
        raise MicrographError(msg)
    click.echo(msg)
