"""The job that gives picks back to raw micrographs, for the CCP-EM Pipeliner and Doppio.

It runs the command that RELION runs. What it makes is shown like any other picks, on
the raw micrographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeliner.display_tools import create_results_display_object
from pipeliner.job_options import FileDescription, InputNodeJobOption
from pipeliner.nodes import (
    NODE_MICROGRAPHCOORDSGROUP,
    NODE_MICROGRAPHGROUPMETADATA,
    Node,
)
from pipeliner.pipeliner_job import PipelinerCommand, PipelinerJob
from pipeliner.results_display_objects import ResultsDisplayObject

from relion_wrappers.coordinates_folder import is_suffix_file
from relion_wrappers.pipeliner_program import (
    describe,
    max_failed_option,
    nodes_that_exist,
    program,
    words_for_max_failed,
)
from relion_wrappers.restore_picks import FAILED_LIST, RESTORED_LIST
from relion_wrappers.star_file import read_star


class CryoscoreRestorePicks(PipelinerJob):  # type: ignore[misc]  # untyped
    """Give picks made on denoised micrographs to the raw ones."""

    PROCESS_NAME = "cryoscore.restore_picks"
    OUT_DIR = "RestorePicks"
    CATEGORY_LABEL = "Denoising"

    def __init__(self) -> None:
        super().__init__()
        describe(
            self.jobinfo,
            name="Restore picks",
            purpose="Give picks made on denoised micrographs to the raw ones",
            explanation="Particles are extracted from raw micrographs, and Extract "
            "looks picks up by the exact name of the micrograph: with picks made on "
            "denoised ones it finds none, and calls that success. Give Extract what "
            "this job makes, and the raw micrographs.",
        )
        self.can_continue = True
        self.joboptions["in_coords"] = InputNodeJobOption(
            label="Picks on denoised micrographs:",
            node_type=NODE_MICROGRAPHCOORDSGROUP,
            node_kwds=["relion"],
            pattern=FileDescription("Coordinates STAR file", [".star"]),
            is_required=True,
            help_text="The list of picks of a picking job, such as autopick.star.",
        )
        self.joboptions["in_mics"] = InputNodeJobOption(
            label="Raw micrographs STAR file:",
            node_type=NODE_MICROGRAPHGROUPMETADATA,
            node_kwds=["relion"],
            pattern=FileDescription("Micrographs STAR file", [".star"]),
            help_text="The raw micrographs to extract from, or the denoised ones of "
            "the picks. Needed only where the picks do not lead to a denoise job.",
        )
        self.joboptions["max_failed"] = max_failed_option()
        self.get_runtab_options(mpi=False, threads=False, addtl_args=True)

    def create_output_nodes(self) -> None:
        """Name the list of restored picks."""
        picks = self.joboptions["in_coords"].get_string()
        # Extract takes the kind of its input from the name.
        name = Path(picks).name if is_suffix_file(picks) else RESTORED_LIST
        self._add_picks(name, "restored")

    def create_post_run_output_nodes(self) -> None:
        """Name the list of picks that could not be restored, if there is one."""
        if (Path(self.output_dir) / FAILED_LIST).exists():
            self._add_picks(FAILED_LIST, "failed")

    def get_current_output_nodes(self) -> list[Node]:
        """What a job has made that was stopped, and is then marked as finished."""
        return nodes_that_exist(self)

    def get_commands(self) -> list[PipelinerCommand]:
        """The command that RELION runs, too."""
        words = [program(), "relion", "restore-picks", "--o", self.output_dir]
        for name in ("in_coords", "in_mics"):
            if value := self.joboptions[name].get_string():
                words += [f"--{name}", value]
        words += words_for_max_failed(self.joboptions["max_failed"])
        return [PipelinerCommand([*words, *self.parse_additional_args()])]

    def gather_metadata(self) -> dict[str, int]:
        """On how many micrographs picks were restored, and on how many not."""
        return {
            "MicrographsWithRestoredPicks": self._rows_of(RESTORED_LIST),
            "MicrographsFailed": self._rows_of(FAILED_LIST),
        }

    def create_results_display(self) -> Sequence[ResultsDisplayObject]:
        """The raw micrographs with their picks, and the counts."""
        counts = self.gather_metadata().items()
        text = create_results_display_object(
            "text",
            title="Restored picks",
            display_data="\n".join(f"{name}: {count}" for name, count in counts),
        )
        return [text, *super().create_results_display()]

    def _add_picks(self, name: str, kind: str) -> None:
        # RELION's jobs, and the Pipeliner's of them, look for the word `relion`.
        keywords = ["relion", "cryoscore", kind]
        self.add_output_node(name, NODE_MICROGRAPHCOORDSGROUP, keywords)

    def _rows_of(self, name: str) -> int:
        """Rows of the first table of a list; 0 without the list."""
        path = Path(self.output_dir) / name
        return len(next(iter(read_star(path).blocks.values()))) if path.exists() else 0
