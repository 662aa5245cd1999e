"""The train job for the CCP-EM Pipeliner and Doppio.

It runs the command that RELION runs, and shows the curve of the training and the
sentence that says whether it helped.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeliner.display_tools import create_results_display_object
from pipeliner.job_options import (
    FileDescription,
    InputNodeJobOption,
    JobOptionValidationResult,
)
from pipeliner.nodes import (
    NODE_LOGFILE,
    NODE_MICROGRAPHGROUPMETADATA,
    NODE_MLMODEL,
    Node,
)
from pipeliner.pipeliner_job import PipelinerCommand, PipelinerJob
from pipeliner.results_display_objects import ResultsDisplayObject
from pydantic.fields import FieldInfo

from cryoscore_plugin.checkpoint import read_card
from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.settings import TrainSettings, checked_settings
from cryoscore_plugin.training.curve import read_curve
from cryoscore_plugin.training.run_state import CURVE
from relion_wrappers.output_nodes import LOGFILE
from relion_wrappers.pipeliner_program import describe, nodes_that_exist, program
from relion_wrappers.pipeliner_settings import (
    given_settings,
    setting_option,
    words_for_settings,
)

_OTHERWISE = {"threads"}
"""Settings that are no options: the Pipeliner has its own field for threads."""

_ON_TOP = {"start", "name", "steps", "device"}
"""Settings that a user meets first; the others stand in a group of their own."""


class CryoscoreTrainMicrographs(PipelinerJob):  # type: ignore[misc]  # untyped
    """Train a model on the micrographs of a project."""

    PROCESS_NAME = "cryoscore.train.micrographs"
    OUT_DIR = "Train"
    CATEGORY_LABEL = "Denoising"

    def __init__(self) -> None:
        super().__init__()
        describe(
            self.jobinfo,
            name="Train a denoising model",
            purpose="Let a denoising model learn on from your own micrographs",
            explanation="A packaged model goes on learning from micrographs of one "
            "session, without clean images: best from images of odd and even frames, "
            "which are found beside the micrographs or in the table. Some micrographs "
            "are kept out, and at the end it is said whether training helped. The "
            "denoise job takes the model.",
        )
        self.can_continue = True
        self.joboptions["in_mics"] = InputNodeJobOption(
            label="Input micrographs STAR file:",
            node_type=NODE_MICROGRAPHGROUPMETADATA,
            node_kwds=["relion"],
            pattern=FileDescription("Micrographs STAR file", [".star"]),
            is_required=True,
            help_text="Raw micrographs; motion correction should have written images "
            "of odd and even frames.",
        )
        for name, field in _fields().items():
            self.joboptions[name] = setting_option(name, field, on_top=name in _ON_TOP)
        self.get_runtab_options(mpi=False, threads=True, addtl_args=True)

    def additional_joboption_validation(self) -> list[JobOptionValidationResult]:
        """Say which settings are out of range."""
        given = given_settings(self, _fields())
        try:
            checked_settings(TrainSettings, given, origin="In this job")
        except ConfigError as error:
            options = [self.joboptions[name] for name in given]
            return [JobOptionValidationResult("error", options, str(error))]
        return []

    def create_output_nodes(self) -> None:
        """Name the model, and the page with the curve."""
        self.add_output_node(self._model_name(), NODE_MLMODEL, ["cryoscore"])
        self.add_output_node(LOGFILE, NODE_LOGFILE, ["cryoscore", "training"])

    def get_current_output_nodes(self) -> list[Node]:
        """What a job has made that was stopped, and is then marked as finished."""
        return nodes_that_exist(self)

    def get_commands(self) -> list[PipelinerCommand]:
        """The command that RELION runs, too."""
        words = [program(), "relion", "train", "--o", self.output_dir]
        words += ["--in_mics", self.joboptions["in_mics"].get_string()]
        words += ["--j", str(self.joboptions["nr_threads"].get_number())]
        words += words_for_settings(given_settings(self, _fields()))
        return [PipelinerCommand([*words, *self.parse_additional_args()])]

    def gather_metadata(self) -> dict[str, float]:
        """Risk on held-out micrographs before and after, and the like."""
        model = self._model()
        return read_card(model).figures if model.exists() else {}

    def create_results_display(self) -> Sequence[ResultsDisplayObject]:
        """The figures, and the curve of the risk on held-out micrographs."""
        curve = Path(self.output_dir) / CURVE
        rows = read_curve(curve)
        if not rows:
            reason = f"There is no {CURVE} yet."
            return [create_results_display_object("pending", reason=reason)]
        figures = self.gather_metadata().items()
        text = create_results_display_object(
            "text",
            title="Training",
            display_data="\n".join(f"{name}: {value:.5g}" for name, value in figures),
        )
        graph = create_results_display_object(
            "graph",
            title="Risk on held-out micrographs (smaller is better)",
            xvalues=[[row.step for row in rows]],
            yvalues=[[row.risk for row in rows]],
            xaxis_label="Step; 0 is the model that training started from",
            yaxis_label="Risk",
            data_series_labels=["Risk"],
            modes=["lines+markers"],
            associated_data=[str(curve)],
        )
        return [text, graph]

    def _model_name(self) -> str:
        return f"{self.joboptions['name'].get_string()}.safetensors"

    def _model(self) -> Path:
        return Path(self.output_dir) / self._model_name()


def _fields() -> dict[str, FieldInfo]:
    """Settings that are options of the job, by name."""
    fields = TrainSettings.model_fields
    return {name: field for name, field in fields.items() if name not in _OTHERWISE}
