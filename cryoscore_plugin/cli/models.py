"""`cryoscore models`: which models there are, what they are for, whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from cryoscore_plugin.cli.exits import FAILED
from cryoscore_plugin.errors import CheckpointError

if TYPE_CHECKING:
    from cryoscore_plugin.checkpoint import ModelCard

# checkpoint brings torch, seconds that `--help` saves: it is imported where needed.


@click.group()
def models() -> None:
    """List, show and verify the models."""


@models.command("list")
def list_models() -> None:
    """List the packaged models, a line each."""
    from cryoscore_plugin.checkpoint import read_card  # noqa: PLC0415

    for name, path in _packaged().items():
        card = read_card(path)
        megabytes = path.stat().st_size / 1e6
        click.echo(
            f"{name:12} {card.working_pixel_size:g} Å/px  {megabytes:4.1f} MB  "
            f"{card.description}"
        )


@models.command()
@click.argument("model")
def show(*, model: str) -> None:
    """Show the card of MODEL: a packaged name, or the path of a checkpoint."""
    from cryoscore_plugin.checkpoint import load_checkpoint  # noqa: PLC0415
    from cryoscore_plugin.pretrained import find_checkpoint  # noqa: PLC0415

    path = find_checkpoint(model)
    checkpoint = load_checkpoint(path)
    click.echo(card_text(checkpoint.card, path, checkpoint.sha256), nl=False)


@models.command()
@click.argument("names", metavar="[MODEL]...", nargs=-1)
@click.pass_context
def verify(context: click.Context, *, names: tuple[str, ...]) -> None:
    """Check that models are what was written; without MODEL, all packaged ones."""
    from cryoscore_plugin.checkpoint import load_checkpoint  # noqa: PLC0415
    from cryoscore_plugin.pretrained import find_checkpoint  # noqa: PLC0415

    paths = {name: find_checkpoint(name) for name in names} or _packaged()
    failed = False
    for name, path in paths.items():
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
        else:
            click.echo(f"OK  {name}  SHA-256 {checkpoint.sha256}")
    if failed:
        context.exit(FAILED)


def card_text(card: ModelCard, path: Path, sha256: str) -> str:
    """A model card as YAML text.

    Parameters
    ----------
    card : ModelCard
        The card.
    path : Path
        File of the model.
    sha256 : str
        Its hash.
    """
    facts = {"name": card.name, "file": str(path), "sha256": sha256}
    return yaml.safe_dump(
        facts | card.model_dump(mode="json"), sort_keys=False, allow_unicode=True
    )


def _packaged() -> dict[str, Path]:
    """File of each packaged model.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    from cryoscore_plugin.pretrained import (  # noqa: PLC0415
        find_checkpoint,
        packaged_models,
    )

    found = {name: find_checkpoint(name) for name in packaged_models()}
    if not found:
        msg = (
            "A model should have come with cryoscore, but there is none. Install "
            "cryoscore again, or name a checkpoint of your own with --model."
        )
        raise CheckpointError(msg)
    return found
