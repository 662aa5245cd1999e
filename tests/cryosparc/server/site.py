"""A CryoSPARC site in memory, with a project directory on disk.

It holds what both protocols share: jobs, their inputs and outputs, the event log, files,
and the rules of which status allows what. What is known of a real server is in the
client's source and in public documentation; lines marked "a guess" are not known.
"""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryosparc.dataset import Dataset

BLOB = [
    ("path", "O"),
    ("idx", "u4"),
    ("shape", "2u4"),
    ("psize_A", "f4"),
    ("format", "O"),
    ("is_background_subtracted", "u4"),
    ("vmin", "f4"),
    ("vmax", "f4"),
    ("import_sig", "u8"),
]
DTYPES = {
    "micrograph_blob": BLOB,
    "mscope_params": [
        ("accel_kv", "f4"),
        ("cs_mm", "f4"),
        ("total_dose_e_per_A2", "f4"),
        ("exp_group_id", "u4"),
    ],
    "ctf": [
        ("accel_kv", "f4"),
        ("cs_mm", "f4"),
        ("amp_contrast", "f4"),
        ("df1_A", "f4"),
        ("df2_A", "f4"),
        ("df_angle_rad", "f4"),
        ("phase_shift_rad", "f4"),
        ("type", "O"),
    ],
    "volume_blob": [("path", "O"), ("shape", "3u4"), ("psize_A", "f4")],
    "location": [("micrograph_uid", "u8"), ("center_x_frac", "f4")],
    "stat_blob": [("path", "O"), ("shape", "2u4"), ("psize_A", "f4")],
}
ACTIVE = ("running", "waiting")


class Refused(Exception):  # noqa: N818  it is an answer, not a fault of the server
    """What the server does not do."""

    def __init__(self, code: int, message: str, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.data = {"detail": message, **data}


@dataclass
class Fault:
    """What goes wrong when a function is called: `drop`, `delay`, or a status code."""

    function: str
    kind: str
    times: int = 1
    code: int = 500
    seconds: float = 0.0
    after: int = 0


@dataclass
class Slot:
    name: str
    dtype: str
    required: bool = True


@dataclass
class Input:
    type: str
    title: str
    slots: list[Slot]
    least: int
    connections: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Output:
    type: str
    title: str
    slots: list[Slot]
    passthrough: str | None = None
    data: Dataset | None = None
    image: str | None = None


@dataclass
class Job:
    uid: str
    type: str
    title: str = ""
    description: str = ""
    status: str = "building"
    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    tile: str | None = None
    history: list[str] = field(default_factory=lambda: ["building"])


class Site:
    """One project P1 with the workspace W1."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.told_folder = str(folder)
        self.version = version
        self.email, self.password = "ali@example.com", "not-for-logs"
        self.token = "token-not-for-logs"  # noqa: S105  it opens nothing
        self.license = "12345678-1234-1234-1234-123456789abc"
        self.jobs: dict[str, Job] = {}
        self.assets: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.received: list[tuple[str, int]] = []
        self.faults: list[Fault] = []
        self.hooks: dict[str, Any] = {}
        self.lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._ids = itertools.count(1)

    def fault(self, function: str) -> Fault | None:
        """The fault that this call meets, if any; delays are done here."""
        with self.lock:
            self.calls.append(function)
            if hook := self.hooks.get(function):
                hook()
            for fault in self.faults:
                if fault.function == function and fault.times > 0:
                    fault.times -= 1
                    break
            else:
                return None
        if fault.kind == "delay":
            time.sleep(fault.seconds)
            return None
        return fault

    def new_id(self) -> str:
        return f"{next(self._ids):024x}"

    # Jobs

    def create(self, kind: str, title: str = "", description: str = "") -> Job:
        job = Job(f"J{next(self._numbers)}", kind, title, description)
        self.jobs[job.uid] = job
        (self.folder / job.uid).mkdir()
        return job

    def job(self, uid: str) -> Job:
        if uid not in self.jobs:
            raise Refused(404, f"P1 {uid} does not exist")
        return self.jobs[uid]

    def set_status(self, job: Job, status: str) -> None:
        job.status = status
        job.history.append(status)

    def add_input(self, job: Job, name: str, made: Input) -> None:
        if job.status == "completed":
            raise Refused(400, "Cannot add inputs to a completed job")
        job.inputs[name] = made

    def add_output(self, job: Job, name: str, made: Output) -> None:
        if job.status == "completed":
            raise Refused(400, "Cannot add outputs to a completed job")
        for slot in made.slots:
            if slot.dtype not in DTYPES:  # The code is a guess.
                raise Refused(422, f"Unknown slot dtype {slot.dtype}")
        if made.passthrough is not None and made.passthrough not in job.inputs:
            raise Refused(422, f"No input {made.passthrough}")
        job.outputs[name] = made

    def connect(self, job: Job, name: str, source: str, output: str) -> None:
        made = self.job(source).outputs.get(output)
        if made is None or name not in job.inputs:
            raise Refused(404, f"{source} has no output {output}")
        if made.type != job.inputs[name].type:
            raise Refused(422, f"Cannot connect {made.type} to {job.inputs[name].type}")
        job.inputs[name].connections.append((source, output))

    def start(self, job: Job, status: str) -> None:
        if job.status not in {"building", "running", "waiting", "failed", "killed"}:
            raise Refused(400, f"Cannot start a {job.status} job")
        errors = []
        for name, made in job.inputs.items():
            if len(made.connections) < made.least:
                errors.append(f"{name} is not connected")
            for source, output in made.connections:
                given = {slot for slot, _ in self._slots(self.job(source), output)}
                errors += [
                    f"{name} lacks {slot.name}"
                    for slot in made.slots
                    if slot.required and slot.name not in given
                ]
        if errors:
            raise Refused(422, "Job has build errors", build_errors=errors)
        self.set_status(job, status)

    def complete(self, job: Job) -> None:
        if job.status not in {"running", "waiting", "killed", "failed"}:
            raise Refused(400, f"Cannot complete a {job.status} job")
        self.set_status(job, "completed")

    def fail(self, job: Job, error: str | None) -> None:
        if error:
            self.log(job, error, "error")
        self.set_status(job, "failed")

    def clear(self, job: Job) -> None:
        """Back to building; that the files go is a guess."""
        shutil.rmtree(self.folder / job.uid)
        (self.folder / job.uid).mkdir()
        for made in job.outputs.values():
            made.data = None
        self.set_status(job, "building")

    # Data

    def _slots(self, job: Job, output: str) -> list[tuple[str, str]]:
        made = job.outputs[output]
        found = [(slot.name, slot.dtype) for slot in made.slots]
        if made.passthrough:
            for source, name in job.inputs[made.passthrough].connections:
                found += [
                    slot
                    for slot in self._slots(self.job(source), name)
                    if slot not in found
                ]
        return found

    def slots(self, job: Job, output: str) -> list[tuple[str, str]]:
        return self._slots(job, output)

    def fields(self, job: Job, output: str) -> list[tuple[str, str]]:
        return [
            (f"{slot.name}/{name}", kind)
            for slot in job.outputs[output].slots
            for name, kind in DTYPES[slot.dtype]
        ]

    def save(self, job: Job, output: str, data: Dataset) -> None:
        if job.status not in ACTIVE:
            raise Refused(400, f"Cannot save outputs of a {job.status} job")
        if output not in job.outputs:
            raise Refused(404, f"No output {output}")
        wanted = Dataset.allocate(0, self.fields(job, output)).descr()
        missing = set(map(tuple, wanted)) - set(map(tuple, data.descr()))
        if missing:
            msg = f"Invalid dataset; missing the following required fields: {missing}"
            raise Refused(422, msg)
        job.outputs[output].data = data

    def load_output(self, job: Job, output: str, slot: str = "all") -> Dataset:
        made = job.outputs[output]
        if slot not in {"all", *(name for name, _ in self._slots(job, output))}:
            raise Refused(422, f"{output} has no {slot}")
        if made.data is None:
            raise Refused(404, f"No results for {output}")
        data = made.data.copy()
        if made.passthrough:
            for name, _ in job.inputs[made.passthrough].connections[:1]:
                del name
            rows = self.load_input(job, made.passthrough)
            own = {slot.name for slot in made.slots}
            rest = [
                one
                for one in rows.fields()
                if one != "uid" and one.split("/")[0] not in own
            ]
            rows = rows.copy().filter_fields([*rest])
            data = Dataset.innerjoin(data, rows)
        return data

    def load_input(self, job: Job, name: str) -> Dataset:
        if name not in job.inputs or not job.inputs[name].connections:
            raise Refused(404, f"No inputs are connected to {name}")
        sets = [
            self.load_output(self.job(source), output)
            for source, output in job.inputs[name].connections
        ]
        return sets[0] if len(sets) == 1 else Dataset.append(*sets)

    # Files

    def inside(self, path: str) -> Path:
        place = self.folder / path
        if not place.resolve().is_relative_to(self.folder.resolve()):
            msg = (
                f"get_project_file ERROR Invalid file path {path}; must be in project "
                "directory"
            )
            raise Refused(500, msg)
        return place

    def mkdir(self, path: str, *, parents: bool, exist_ok: bool) -> None:
        try:
            self.inside(path).mkdir(parents=parents, exist_ok=exist_ok)
        except OSError as error:
            raise Refused(400, str(error)) from error

    def upload(self, path: str, data: bytes, *, overwrite: bool) -> None:
        place = self.inside(path)
        self.received.append((path, len(data)))
        if not place.parent.is_dir() or (place.exists() and not overwrite):
            raise Refused(400, f"Cannot write {path}")
        place.write_bytes(data)

    def download(self, path: str) -> bytes:
        place = self.inside(path)
        if not place.is_file():
            raise Refused(404, f"{path} does not exist")
        return place.read_bytes()

    def ls(self, path: str) -> list[str]:
        place = self.inside(path)
        return [str(one.relative_to(self.folder)) for one in sorted(place.iterdir())]

    # Event log

    def log(self, job: Job, text: str, kind: str = "text") -> dict[str, Any]:
        event = {"_id": self.new_id(), "type": kind, "text": text}
        job.events.append(event)
        return event

    def update_log(self, job: Job, event_id: str, text: str) -> dict[str, Any]:
        [event] = [one for one in job.events if one["_id"] == event_id]
        event["text"] = text
        return event

    def asset(self, data: bytes) -> str:
        number = self.new_id()
        self.assets[number] = data
        return number
