"""All benchmarks with one command: their tables and figures in one folder.

    python run_all.py --output results/ --apoferritin apoferritin/ --reference 4v1w.npz \
        --decoy p97.npz --model rubisco.npz --model p97.npz --map-model 4v1w.npz \
        --symmetry O --cryoppp 10081 --topaz /path/to/topaz

Each part needs data of its own, and is left out, with a sentence, where they are not
given: `--model` (may be repeated) for likeness to the truth by dose, `--apoferritin` for
picking on real micrographs, `--cryoppp` (may be repeated) for picking against experts,
`--map-model` and RELION for maps. With `--reference`, apoferritin is picked guided as
well, and with `--decoy` guided by another particle, which must not help. Topaz is used
where it is found. A part that fails does not stop the others; it is named at the end.

For each part NAME, the folder holds `NAME.txt` (what it printed), `NAME.json` (all of its
figures), and where there is something to draw `NAME.pdf`. `model.txt` says which model
was measured. A part that was finished (`NAME.done`) is not done again: the same command
goes on.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from denoisers import FILTERS
from other_programs import find_program

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.errors import CryoScoreError
from cryoscore_plugin.report.curves import Axis, Curve, write_curves

HERE = Path(__file__).parent
GUIDANCE = 0.5
RECORD_OPTIONS = {"simulated": "--json", "apoferritin": "--json"}
PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def run_part(name: str, words: Sequence[object], output: Path) -> str:
    """Run a script of this folder unless that was done; why it failed, if so."""
    log, marker = output / f"{name}.txt", output / f"{name}.done"
    if marker.exists():
        click.echo(f"{name}: was done before.")
        return ""
    click.echo(f"{name}: running")
    with log.open("w", encoding="utf-8") as file:
        command = [sys.executable, HERE / f"{name}.py", *words]
        done = subprocess.run(  # noqa: S603  words of our own, no shell
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    click.echo(log.read_text(encoding="utf-8"))
    if done.returncode != 0:
        return f"{name} failed, see {log}."
    marker.touch()
    return ""


def cryoscore(*words: object) -> str:
    """What a command of cryoscore prints."""
    command = [sys.executable, "-m", "cryoscore_plugin", *map(str, words)]
    done = subprocess.run(  # noqa: S603  as above
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CryoScoreError(done.stderr.strip())
    return done.stdout


def guided_settings(name: str, atoms: Path, output: Path) -> Path:
    """A file of settings that guides by an atomic model, for `--denoiser`."""
    reference = output.resolve() / f"{name}.safetensors"
    if not reference.exists():
        cryoscore("reference", atoms, "--output", reference)
    path = output / f"{name}.yaml"
    path.write_text(
        f"reference: {json.dumps(str(reference))}\nguidance: {GUIDANCE}\n",
        encoding="utf-8",
    )
    return path


def draw_doses(record: Path) -> None:
    """Mean correlation with the truth over the dose, a curve for each denoiser."""
    rows = json.loads(record.read_text(encoding="utf-8"))
    doses = sorted({row["dose"] for row in rows})
    curves = []
    for name in dict.fromkeys(row["denoiser"] for row in rows):
        own = [row for row in rows if row["denoiser"] == name]
        means = [
            np.mean([row["correlation"] for row in own if row["dose"] == dose])
            for dose in doses
        ]
        curves.append(Curve(name=name, x=np.array(doses), y=np.array(means)))
    write_curves(
        record.with_suffix(".pdf"),
        curves,
        x=Axis(label="Dose (e/Å²)", log=True),
        y=Axis(label="Correlation with the truth", low=0.0, high=1.0),
    )


@click.command()
@click.option("--output", type=PATH, required=True, help="Folder of the results.")
@click.option("--model", "models", type=FILE, multiple=True, help="Atomic model.")
@click.option("--apoferritin", type=FOLDER, help="Micrographs, see apoferritin.py.")
@click.option("--reference", type=FILE, help="Atomic model of apoferritin.")
@click.option("--decoy", type=FILE, help="Atomic model of something else.")
@click.option("--cryoppp", type=FOLDER, multiple=True, help="Data set of CryoPPP.")
@click.option("--map-model", type=FILE, help="Atomic model, see end_to_end.py.")
@click.option("--symmetry", default="C1", show_default=True, help="Of that model.")
@click.option("--denoiser", default="particle", show_default=True)
@click.option("--topaz", type=PATH, help="Program of Topaz. Default: from PATH.")
def main(  # noqa: PLR0913  one argument for each option
    *,
    output: Path,
    models: tuple[Path, ...],
    apoferritin: Path | None,
    reference: Path | None,
    decoy: Path | None,
    cryoppp: tuple[Path, ...],
    map_model: Path | None,
    symmetry: str,
    denoiser: str,
    topaz: Path | None,
) -> None:
    """Run every benchmark whose data are given."""
    output.mkdir(parents=True, exist_ok=True)
    program = find_program("topaz", topaz)
    with_topaz = [] if program is None else ["--topaz", program]
    (output / "model.txt").write_text(
        cryoscore("models", "show", denoiser), encoding="utf-8"
    )
    ours = ["--denoiser", denoiser]
    usual = [word for name in FILTERS for word in ("--denoiser", name)] + ours
    parts: dict[str, list[object]] = {}
    if models:
        given = [word for path in models for word in ("--models", path)]
        work = ["--work", output / "simulated_work"]
        parts["simulated"] = [*given, *usual, *with_topaz, *work]
    if apoferritin:
        guided = [
            word
            for name, atoms in (("guided", reference), ("decoy_guided", decoy))
            if atoms
            for word in ("--denoiser", guided_settings(name, atoms, output))
        ]
        ring = ["--reference", reference] if reference else []
        words = ["--data", apoferritin, *usual, *guided, *ring, *with_topaz]
        parts["apoferritin"] = [*words, "--programs"]
    if cryoppp:
        given = [word for path in cryoppp for word in ("--data", path)]
        parts["cryoppp"] = [*given, "--denoiser", "band-pass", *ours]
    if map_model:
        work = output / "end_to_end_work"
        # Left by a run that did not end; simulated anew, it is the same again.
        shutil.rmtree(work, ignore_errors=True)
        words = ["--model", map_model, "--symmetry", symmetry, *with_topaz]
        words += ["--work", work, "--denoiser", "band-pass", *ours]
        parts["end_to_end"] = words
    finish(parts, output)


def finish(parts: dict[str, list[object]], output: Path) -> None:
    """Run the parts, draw what can be drawn, and say what is missing or failed."""
    needs = {
        "simulated": "--model",
        "apoferritin": "--apoferritin",
        "cryoppp": "--cryoppp",
        "end_to_end": "--map-model",
    }
    failures = []
    for name, option in needs.items():
        if name not in parts:
            click.echo(f"{name}: left out, because {option} is not given.")
            continue
        record = output / f"{name}.json"
        words = [*parts[name], RECORD_OPTIONS.get(name, "--record"), record]
        failures.append(run_part(name, words, output))
        if name == "simulated" and record.exists():
            draw_doses(record)
    if any(failures):
        raise CryoScoreError(" ".join(filter(None, failures)))


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
