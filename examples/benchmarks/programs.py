"""The programs of others that are here, and what they make of images, kept in a folder.

Topaz-Denoise as a denoiser, RELION's Laplacian of Gaussian and Topaz's pretrained detector
as pickers. What was made of an image in an earlier run is used again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from cache import kept
from grids import Pixels
from numpy.typing import NDArray
from other_programs import find_program
from relion_program import relion_log_picks
from topaz_program import topaz_denoise, topaz_picks

from cryoscore_plugin.errors import ConfigError
from cryoscore_plugin.evaluation.pickers import Picks

CACHE = Path("benchmark_cache")
"""Where outputs are kept if nobody says otherwise."""

PATH = click.Path(path_type=Path)


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Programs of others, as far as they were found.

    Attributes
    ----------
    topaz, relion : Path or None
        `topaz` and `relion_autopick`.
    cache : Path
        Folder of what they made.
    """

    topaz: Path | None
    relion: Path | None
    cache: Path

    def denoised(self, images: Sequence[Pixels]) -> list[Pixels]:
        """Images as Topaz-Denoise makes them.

        Raises
        ------
        ConfigError
            If Topaz was not found.
        """
        topaz = self.topaz
        if topaz is None:
            msg = "The denoiser topaz needs its program. Give it with --topaz."
            raise ConfigError(msg)
        return kept(
            self.cache, "topaz_unet", images, lambda some: topaz_denoise(topaz, some)
        )

    def picks(
        self, images: Mapping[str, Pixels], *, diameter: float, pixel_size: float
    ) -> dict[str, dict[str, Picks]]:
        """What each proposes on each image, best first; the diameter in Å."""
        topaz, relion, found = self.topaz, self.relion, {}
        pixels = diameter / pixel_size
        if relion is not None:
            found["relion-log"] = self._kept_picks(
                f"relion_log_{pixels:g}px",
                images,
                lambda some: relion_log_picks(
                    some, diameter=diameter, pixel_size=pixel_size
                ),
            )
        if topaz is not None:
            found["topaz"] = self._kept_picks(
                f"topaz_detector_{pixels:g}px",
                images,
                lambda some: topaz_picks(topaz, some, diameter=pixels),
            )
        return found

    def _kept_picks(
        self,
        kind: str,
        images: Mapping[str, Pixels],
        pick: Callable[[Sequence[Pixels]], list[Picks]],
    ) -> dict[str, Picks]:
        """Picks by the name of the image, kept as tables of y, x and score."""
        tables = kept(
            self.cache,
            kind,
            list(images.values()),
            lambda some: [_table(picks) for picks in pick(some)],
        )
        return {
            name: Picks(centers_yx=table[:, :2], scores=table[:, 2])
            for name, table in zip(images, tables, strict=True)
        }


def find_programs(topaz: Path | None, cache: Path) -> Programs:
    """The programs that are here.

    Raises
    ------
    ConfigError
        If the Topaz that was given cannot be started.
    """
    return Programs(
        topaz=find_program("topaz", topaz),
        relion=find_program("relion_autopick"),
        cache=cache,
    )


def tell_missing(programs: Programs) -> None:
    """Say which pickers are left out."""
    for name, path in (("Topaz", programs.topaz), ("RELION", programs.relion)):
        if path is None:
            click.echo(f"{name} was not found, and its picker is left out.")


def pickers_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--programs`, for the pickers of others."""
    return click.option(
        "--programs/--no-programs",
        "with_programs",
        default=False,
        help="Also pick with RELION and with Topaz's detector, where they are found.",
    )(function)


def program_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add `--topaz`, where the program is, and `--cache`, where outputs are kept."""
    for option in (
        click.option(
            "--topaz", type=PATH, help="Program of Topaz. Default: from PATH."
        ),
        click.option(
            "--cache",
            type=PATH,
            default=CACHE,
            show_default=True,
            help="Folder of what Topaz and RELION made, to be used again.",
        ),
    ):
        function = option(function)
    return function


def _table(picks: Picks) -> NDArray[np.float64]:
    return np.column_stack([picks.centers_yx, picks.scores])
