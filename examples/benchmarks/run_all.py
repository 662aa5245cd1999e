"""All benchmarks with one command: their tables and figures in one folder.

    python run_all.py --output results/ --cache cache/ --topaz /path/to/topaz \
        --model rubisco.npz --model p97.npz --apoferritin apoferritin/ \
        --reference 4v1w.npz --decoy rubisco.npz --cryoppp 10081 \
        --map-model 4v1w.npz --symmetry O

Each part needs data of its own, and is left out, with a sentence, where they are not
given: `--model` (may be repeated) for likeness to the truth by dose, at typical background
and at strength 1; `--apoferritin` for picking on real micrographs, and with `--decoy` for
particles added to them; `--cryoppp` (may be repeated) for picking against experts;
`--map-model` and RELION for maps. A part that fails does not stop the others; it is named
at the end.

What is compared: raw, three filters, Topaz-Denoise where it is found (at 1.5 and at 3
Å/px), and each `--denoiser`, by default the packaged models; more may be given, such as a
checkpoint that was trained by Noise2Noise. The first is also guided: simulated scenes by
the structure they are made of, and as a decoy by another; apoferritin by `--reference`,
and by `--decoy`, which is not in the sample.

`results.md` shows all tables and figures. For each part NAME the folder has `NAME.txt`
(what it printed), `NAME.json` (the figures of every micrograph), `NAME_compared.json` (how
they compare with raw) and `NAME_FIGURE.png`. A part that was finished is not done again
with the same options and the same models (`NAME.done` tells them): the same command goes
on. What Topaz and RELION made of an image is kept in `--cache`, so that a run with another
model takes the time of that model alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from denoisers import denoiser_option
from guidance import cryoscore
from parts import Compared, Data, Part, make_parts
from programs import find_programs, program_options
from results_page import write_page

from cryoscore_plugin.cli.exits import run_command
from cryoscore_plugin.errors import CryoScoreError

HERE = Path(__file__).parent
PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


def run_part(part: Part, output: Path, models: str) -> str:
    """Run a part unless that was done with these models; why it failed, if so."""
    log, marker = output / f"{part.name}.txt", output / f"{part.name}.done"
    record = output / f"{part.name}.json"
    command = [HERE / f"{part.script}.py", *part.words, "--record", record]
    told = "\n".join([*map(str, command), models])
    if marker.exists() and marker.read_text(encoding="utf-8") == told:
        click.echo(f"{part.name}: was done before.")
        return ""
    # What was measured before is not shown beside another model.
    for old in (marker, record):
        old.unlink(missing_ok=True)
    click.echo(f"{part.name}: running")
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(  # noqa: S603  words of our own, no shell
            [sys.executable, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    click.echo(log.read_text(encoding="utf-8"))
    if done.returncode != 0:
        return f"{part.name} failed, see {log}."
    marker.write_text(told, encoding="utf-8")
    return ""


def described(denoisers: Sequence[str]) -> str:
    """The cards of models, and the text of files of settings."""
    return "".join(
        Path(name).read_text(encoding="utf-8")
        if Path(name).suffix in {".yaml", ".yml"}
        else cryoscore("models", "show", name)
        for name in denoisers
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
@denoiser_option("particle", "faithful")
@program_options
def main(
    *,
    output: Path,
    denoisers: tuple[str, ...],
    topaz: Path | None,
    cache: Path,
    **data: object,
) -> None:
    """Run every benchmark whose data are given."""
    output.mkdir(parents=True, exist_ok=True)
    programs = find_programs(topaz, cache)
    models = described(denoisers)
    (output / "model.txt").write_text(models, encoding="utf-8")
    # Left by a run that did not end; simulated anew, it is the same again.
    shutil.rmtree(output / "end_to_end_work", ignore_errors=True)
    compared = Compared(ours=denoisers, programs=programs)
    parts = make_parts(Data(**data), compared, output)
    tell_left_out(parts)
    failures = [run_part(part, output, models) for part in parts]
    click.echo(f"All results: {write_page(output, models)}")
    if any(failures):
        raise CryoScoreError(" ".join(filter(None, failures)))


def tell_left_out(parts: Sequence[Part]) -> None:
    """Say which parts there are no data for."""
    needs = {
        "simulated": "--model",
        "apoferritin": "--apoferritin",
        "cryoppp": "--cryoppp",
        "end_to_end": "--map-model",
    }
    for name, option in needs.items():
        if name not in {part.name for part in parts}:
            click.echo(f"{name}: left out, because {option} is not given.")


if __name__ == "__main__":
    sys.exit(run_command(main, name=Path(__file__).name))
