"""The denoise job for the CCP-EM Pipeliner and its window, Doppio.

They find the job by the entry point `ccpem_pipeliner.jobs`, and import this module;
nothing else of cryoscore needs the `pipeliner` package. The job runs the command that
RELION runs, and its options are the settings of that command, made from their one
definition. What the Pipeliner shows of a finished job is read from the job's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeliner.job_options import (
    FileDescription,
    InputNodeJobOption,
    JobOptionValidationResult,
)
from pipeliner.nodes import NODE_LOGFILE, NODE_MICROGRAPHGROUPMETADATA, Node
from pipeliner.pipeliner_job import PipelinerCommand, PipelinerJob
from pipeliner.results_display_objects import ResultsDisplayObject
from pydantic.fields import FieldInfo

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.settings import DenoiseSettings
from relion_wrappers.job_results import metadata_of, read_results
from relion_wrappers.micrographs_star import DENOISED_TABLE, FAILED_TABLE
from relion_wrappers.output_nodes import LOGFILE
from relion_wrappers.pipeliner_displays import displays
from relion_wrappers.pipeliner_program import (
    describe,
    max_failed_option,
    nodes_that_exist,
    program,
    words_for_max_failed,
)
from relion_wrappers.pipeliner_settings import (
    given_settings,
    setting_option,
    words_for_settings,
)

_OTHERWISE = {"threads", "write_binned"}
"""Settings that are no options: the Pipeliner has its own field for threads, and
binned outputs are refused, because picks on them lie elsewhere."""

_ON_TOP = {"model", "device", "pixel_size"}
"""Settings that a user meets first; the others stand in a group of their own."""


class CryoscoreDenoiseMicrographs(PipelinerJob):  # type: ignore[misc]  # untyped
    """Denoise the micrographs of a table, for picking and looking."""

    PROCESS_NAME = "cryoscore.denoise.micrographs"
    OUT_DIR = "Denoise"
    CATEGORY_LABEL = "Denoising"

    def __init__(self) -> None:
        super().__init__()
        describe(
            self.jobinfo,
            name="Denoise micrographs",
            purpose="Denoise micrographs for picking and looking",
            explanation="Removes noise and structured background from micrographs, so "
            "that particles can be seen and picked. Pick on the denoised micrographs, "
            "give the picks back to the raw ones with the job that restores picks, and "
            "extract from the raw ones; denoised images are not for classification or "
            "refinement.",
        )
        self.can_continue = True
        self.joboptions["in_mics"] = InputNodeJobOption(
            label="Input micrographs STAR file:",
            node_type=NODE_MICROGRAPHGROUPMETADATA,
            node_kwds=["relion"],
            pattern=FileDescription("Micrographs STAR file", [".star"]),
            is_required=True,
            help_text="Raw micrographs, best after CTF estimation, because the CTF "
            "must be fitted on raw images.",
        )
        for name, field in _fields().items():
            self.joboptions[name] = setting_option(name, field, on_top=name in _ON_TOP)
        self.joboptions["max_failed"] = max_failed_option()
        self.get_runtab_options(mpi=False, threads=True, addtl_args=True)

    def additional_joboption_validation(self) -> list[JobOptionValidationResult]:
        """Say which settings are out of range."""
        given = self._given_settings()
        try:
            DenoiseSettings.checked(given, origin="In this job")
        except ConfigError as error:
            options = [self.joboptions[name] for name in given]
            return [JobOptionValidationResult("error", options, str(error))]
        return []

    def create_output_nodes(self) -> None:
        """Name the table of denoised micrographs, and the pages about them."""
        self._add_micrographs(DENOISED_TABLE, "denoised")
        self.add_output_node(LOGFILE, NODE_LOGFILE, ["cryoscore", "denoised"])

    def create_post_run_output_nodes(self) -> None:
        """Name the table of failed micrographs, if there is one."""
        if (Path(self.output_dir) / FAILED_TABLE).exists():
            self._add_micrographs(FAILED_TABLE, "failed")

    def get_current_output_nodes(self) -> list[Node]:
        """What a job has made that was stopped, and is then marked as finished."""
        return nodes_that_exist(self)

    def get_commands(self) -> list[PipelinerCommand]:
        """The command that RELION runs, too."""
        words = [program(), "relion", "denoise", "--o", self.output_dir]
        words += ["--in_mics", self.joboptions["in_mics"].get_string()]
        words += ["--j", str(self.joboptions["nr_threads"].get_number())]
        words += words_for_settings(self._given_settings())
        words += words_for_max_failed(self.joboptions["max_failed"])
        return [PipelinerCommand([*words, *self.parse_additional_args()])]

    def gather_metadata(self) -> dict[str, int | float | str]:
        """Counts, medians of the numbers, version and model."""
        return metadata_of(read_results(Path(self.output_dir)))

    def create_results_display(self) -> Sequence[ResultsDisplayObject]:
        """Before and after, the micrographs unlike the rest, and the whole session."""
        return displays(read_results(Path(self.output_dir)), Path(self.output_dir))

    def _add_micrographs(self, table: str, kind: str) -> None:
        # RELION's jobs, and the Pipeliner's of them, look for the word `relion`.
        keywords = ["relion", "cryoscore", kind]
        self.add_output_node(table, NODE_MICROGRAPHGROUPMETADATA, keywords)

    def _given_settings(self) -> dict[str, object]:
        """Settings that differ from their default."""
        return given_settings(self, _fields())


def _fields() -> dict[str, FieldInfo]:
    """Settings that are options of the job, by name."""
    fields = DenoiseSettings.model_fields
    return {name: field for name, field in fields.items() if name not in _OTHERWISE}
