"""How well picks agree with the truth: precision and recall.

*Truth* are positions known from a simulation or picked by hand. One definition
holds throughout:

* A pick may be matched to a truth that is at most `max_distance` away. The
  matching is one to one, with as many matches as possible and, among those, the
  least sum of squared distances; it does not look at the scores. (Of picks that
  keep more than `2 * max_distance` from each other no two compete for a truth.)
* Going down the list of picks from the best score, each match raises the recall.
  *Average precision* is the sum of the precision at each score, weighted by the
  rise in recall there. A truth that was missed never raises it. There is no
  interpolation, and no limit on the number of picks.
* The unit is the micrograph: figures are computed for each and then averaged, so
  scores need not be comparable between micrographs.

The tests hold: only the order of the scores matters; perfect picks have average
precision 1; the matching is as good as the best of all matchings; the average
precision is that of the definition, summed by brute force.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from cryoscore_plugin.arrays import CentersYX, Values
from cryoscore_plugin.errors import InputError
from cryoscore_plugin.evaluation.pickers import Picks


@dataclass(frozen=True, kw_only=True, eq=False)
class PickQuality:
    """How well picks agree with the truth.

    Attributes
    ----------
    average_precision : float
        Area under the precision-recall curve, 0 to 1.
    best_f1 : float
        Largest harmonic mean of precision and recall over all thresholds.
    best_f1_score : float
        The score at which that happens; NaN without picks.
    precision, recall : Values
        After each distinct score, from the best down.
    """

    average_precision: float
    best_f1: float
    best_f1_score: float
    precision: Values
    recall: Values


def match_picks(
    picks: Picks, truth_yx: CentersYX, *, max_distance: float
) -> NDArray[np.int64]:
    """Match picks to truth one to one, as many as possible, closest first.

    Parameters
    ----------
    picks : Picks
        What a picker proposes.
    truth_yx : CentersYX
        Where particles are, in px.
    max_distance : float
        Largest distance of a match, in px; half a particle's radius is usual.

    Returns
    -------
    matches : array of int64
        For each pick the row of its truth, or -1 if it has none.
    """
    matches = np.full(len(picks), -1, dtype=np.int64)
    if not len(picks) or not len(truth_yx):
        return matches
    near = KDTree(picks.centers_yx).sparse_distance_matrix(
        KDTree(truth_yx), max_distance, output_type="ndarray"
    )
    rows, columns = near["i"], near["j"]
    # Picks and truths that share neighbours form small groups, solved one by one.
    nodes = len(picks) + len(truth_yx)
    links = coo_array(
        (np.ones(len(rows)), (rows, columns + len(picks))), shape=(nodes, nodes)
    )
    _, group = connected_components(links, directed=False)
    order = np.argsort(group[rows], kind="stable")
    starts = np.flatnonzero(np.diff(group[rows][order])) + 1
    for members in np.split(order, starts):
        if len(members):
            found = _assign(rows[members], columns[members], near["v"][members])
            matches[found[0]] = found[1]
    return matches


def pick_quality(
    picks: Picks, truth_yx: CentersYX, *, max_distance: float
) -> PickQuality:
    """Precision and recall of picks at every threshold, and their summary.

    Parameters
    ----------
    picks : Picks
        What a picker proposes, all of it.
    truth_yx : CentersYX
        Where particles are, in px.
    max_distance : float
        Largest distance of a match, in px.

    Raises
    ------
    InputError
        If there is no truth to compare with.
    """
    if not len(truth_yx):
        msg = (
            "Picks can only be judged where at least one particle is known, but the "
            "truth is empty. Leave this micrograph out, or use a smaller border."
        )
        raise InputError(msg)
    hits = match_picks(picks, truth_yx, max_distance=max_distance) >= 0
    # Picks of equal score are accepted together, whatever their order in the list.
    last = np.flatnonzero(np.diff(picks.scores, append=-np.inf))
    found = np.cumsum(hits)[last].astype(np.float64)
    precision, recall = found / (last + 1.0), found / len(truth_yx)
    f1 = 2 * found / (last + 1.0 + len(truth_yx))
    best = int(np.argmax(f1)) if len(f1) else -1
    return PickQuality(
        average_precision=float((np.diff(recall, prepend=0.0) * precision).sum()),
        best_f1=float(f1[best]) if len(f1) else 0.0,
        best_f1_score=float(picks.scores[last[best]]) if len(f1) else float("nan"),
        precision=precision,
        recall=recall,
    )


def f1_above(
    picks: Picks, truth_yx: CentersYX, *, max_distance: float, threshold: float
) -> float:
    """F1 of the picks that score at least `threshold`, matched among themselves.

    Parameters
    ----------
    picks : Picks
        What a picker proposes.
    truth_yx : CentersYX
        Where particles are, in px; at least one.
    max_distance : float
        Largest distance of a match, in px.
    threshold : float
        Chosen elsewhere: on these micrographs it would be the best one.
    """
    count = int((picks.scores >= threshold).sum())
    kept = Picks(centers_yx=picks.centers_yx[:count], scores=picks.scores[:count])
    hits = match_picks(kept, truth_yx, max_distance=max_distance) >= 0
    return float(2 * hits.sum() / (count + len(truth_yx)))


def _assign(
    rows: NDArray[np.intp], columns: NDArray[np.intp], distance: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Best matching of one group; pairs that are not listed cannot be matched."""
    pick, row = np.unique(rows, return_inverse=True)
    truth, column = np.unique(columns, return_inverse=True)
    # Leaving one possible match out must cost more than all distances together.
    forbidden = 1.0 + len(rows) * float((distance**2).max() + 1.0)
    cost = np.full((len(pick), len(truth)), forbidden)
    cost[row, column] = distance**2
    chosen_row, chosen_column = linear_sum_assignment(cost)
    possible = cost[chosen_row, chosen_column] < forbidden
    return pick[chosen_row[possible]], truth[chosen_column[possible]]
