"""Rules of a back-projection for the parts of a network that are not linear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReluRule = Literal["vanilla", "deconv", "guided"]
Unpooling = Literal["sum", "switch"]
NormRule = Literal["vjp", "skip", "inverse"]
Route = Literal["full", "trunk", "shortcut"]
Blocks = Literal["last", "all"]


@dataclass(frozen=True)
class Rules:
    """Rules by which a signal R goes back through a network; all that is not named here goes back as the gradient does.

    `relu`, whose input was x: `vanilla` R·[x > 0], the plain gradient (Simonyan et al. 2014, arXiv 1312.6034); `deconv`
    max(R, 0) (Zeiler and Fergus 2014, arXiv 1311.2901); `guided` max(R, 0)·[x > 0] (Springenberg et al. 2015, arXiv
    1412.6806). ReLU6 and clamps at 0 count as ReLUs. Other activations have no rule but `vanilla`.
    `unpool`: where windows of a max pooling share their maximum, `sum` adds what they give back, as the gradient does;
    `switch` keeps the last one, as an unpooling by switches does. They are the same for windows that do not overlap.
    `norm`: batch norm multiplies by its scale γ/√(var+ε) (`vjp`, the gradient), by nothing (`skip`) or by 1/scale
    (`inverse`; a channel of scale 0 gives 0).
    `route`: which branch of residual additions is taken back, in the `last` block before the layer or in `all`.
    """

    relu: ReluRule = "deconv"
    unpool: Unpooling = "sum"
    norm: NormRule = "vjp"
    route: Route = "full"
    blocks: Blocks = "last"
