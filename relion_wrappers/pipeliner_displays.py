"""What the CCP-EM Pipeliner shows of a finished denoise job.

Raw micrographs beside denoised ones, a table of those to look at first, each number
over the session, and the pages that the job wrote. All is bounded but the graphs,
which have one point for each micrograph.
"""

from __future__ import annotations

from pathlib import Path

from pipeliner.display_tools import (
    create_results_display_object,
    mini_montage_from_many_files,
)
from pipeliner.results_display_objects import ResultsDisplayObject

from cryoscore_plugin.report.choice import spread_evenly, unlike_the_rest
from relion_wrappers.job_results import QUALITY_IN_WORDS, JobResults
from relion_wrappers.micrographs_star import DENOISED_TABLE
from relion_wrappers.output_nodes import LOGFILE

_MOST_PAIRS = 6
_MOST_ROWS = 20
"""How many micrographs are shown before and after, and how many in the table."""


def displays(results: JobResults, folder: Path) -> list[ResultsDisplayObject]:
    """Everything to show; one line that says so, if there is nothing yet.

    Parameters
    ----------
    results : JobResults
        What the job has made.
    folder : Path
        Folder of the job, relative to the project.
    """
    if not results.denoised:
        reason = f"There is no {DENOISED_TABLE} yet."
        return [create_results_display_object("pending", reason=reason)]
    shown = [
        _montage(results, folder),
        _table(results, folder),
        *_graphs(results, folder),
    ]
    if (folder / LOGFILE).exists():
        pages = create_results_display_object(
            "pdffile",
            file_path=str(folder / LOGFILE),
            title="The same, with power spectra",
            start_collapsed=True,
        )
        shown.append(pages)
    return shown


def _montage(results: JobResults, folder: Path) -> ResultsDisplayObject:
    """Raw micrographs beside denoised ones."""
    chosen = spread_evenly(len(results.raw), _MOST_PAIRS)
    pairs = [(results.raw[index], results.denoised[index]) for index in chosen]
    files = [name for pair in pairs for name in pair]
    return mini_montage_from_many_files(
        files,
        str(folder),
        nimg=len(files),
        ncols=2,
        montagesize=1024,
        title="Before (left) and after (right), each on its own grey scale",
        labels=files,
        associated_data=[str(folder / DENOISED_TABLE)],
    )


def _table(results: JobResults, folder: Path) -> ResultsDisplayObject:
    """The micrographs to look at first."""
    names = [
        name for name in QUALITY_IN_WORDS if any(name in q for q in results.qualities)
    ]
    chosen = unlike_the_rest(results.qualities, _MOST_ROWS) or [0]
    rows = [
        [
            results.raw[index],
            *(
                f"{results.qualities[index].get(name, float('nan')):.4g}"
                for name in names
            ),
        ]
        for index in chosen
    ]
    return create_results_display_object(
        "table",
        title=f"Look at these first: of {len(results.raw)} micrographs, those whose "
        f"numbers are least like the others' ({results.failed} failed)",
        headers=["Raw micrograph", *(QUALITY_IN_WORDS[name] for name in names)],
        table_data=rows,
        associated_data=[str(folder / DENOISED_TABLE)],
    )


def _graphs(results: JobResults, folder: Path) -> list[ResultsDisplayObject]:
    """Each number over the session."""
    graphs = []
    for name, words in QUALITY_IN_WORDS.items():
        points = [
            (number, quality[name])
            for number, quality in enumerate(results.qualities, start=1)
            if name in quality
        ]
        if points:
            numbers, values = (list(column) for column in zip(*points, strict=True))
            graph = create_results_display_object(
                "graph",
                title=words,
                xvalues=[numbers],
                yvalues=[values],
                xaxis_label="Micrograph, in the order of the table",
                yaxis_label=words,
                data_series_labels=[words],
                modes=["markers"],
                associated_data=[str(folder / DENOISED_TABLE)],
            )
            graphs.append(graph)
    return graphs
