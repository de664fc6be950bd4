"""`cnnjobs theory`: calculators that show their working."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cnnjobs.errors import InputError

if TYPE_CHECKING:
    from cnnjobs.components.theory.convolution import Border, Cell, Kind, Size
    from cnnjobs.components.theory.windows import Unknown

app = typer.Typer(
    no_args_is_help=True, help="Calculators that show their working: convolution, sizes, parameters, steps."
)

_Number = Annotated[int | None, typer.Option(min=1)]
_Layers = Annotated[
    list[str] | None,
    typer.Argument(metavar="[LAYER]...", help="Such as conv:32,k=5,p=2 maxpool:2 batchnorm flatten fc:64."),
]


# A kernel may begin with a minus sign.
@app.command(context_settings={"ignore_unknown_options": True})
def conv2d(
    image: Annotated[str, typer.Argument(help="Rows such as '1,0,2; 3,2,0', or a CSV file.")],
    kernel: Annotated[
        str,
        typer.Argument(help="Rows, a CSV file, or identity, sobel-x, sobel-y, laplacian, box, gaussian."),
    ],
    *,
    kind: Annotated[
        Literal["both", "convolution", "correlation"],
        typer.Option("--kind", help="With the kernel turned, or as it is."),
    ] = "both",
    border: Annotated[
        Literal["zero", "reflect", "symmetric", "edge", "wrap", "none"] | None,
        typer.Option("--border", help="What stands beyond the image. [default: zero; none with --size valid]"),
    ] = None,
    size: Annotated[
        Literal["same", "valid", "full"] | None,
        typer.Option("--size", help="Which places of the kernel. [default: same; valid with --border none]"),
    ] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Show the working of every cell.")] = False,
    cell: Annotated[
        str | None, typer.Option("--cell", metavar="ROW,COLUMN", help="Show the working of one cell, counted from 0.")
    ] = None,
) -> None:
    """Convolve an image with a kernel: true convolution and cross-correlation."""
    from cnnjobs.components.theory.convolution import cross_correlation, turned, values
    from cnnjobs.components.theory.matrices import read_kernel, read_matrix
    from cnnjobs.console.theory import show_convolution, show_how_kinds_differ, show_uneven, show_workings

    pixels, weights = read_matrix(image, "image"), read_kernel(kernel)
    rule, extent = _border_and_size(border, size)
    told = f"size {extent}" + ("" if extent == "valid" else f", border {rule}")
    kinds: list[Kind] = ["convolution", "correlation"] if kind == "both" else [kind]
    for each in kinds:
        cells = cross_correlation(pixels, turned(weights) if each == "convolution" else weights, rule, extent)
        only = _one_cell(cell, cells)
        show_convolution(each, pixels, values(cells), told)
        if steps or only:
            show_workings(cells, only)
    if len(kinds) > 1:
        show_how_kinds_differ(weights)
    if extent == "same":
        show_uneven(weights)


def _border_and_size(border: str | None, size: Size | None) -> tuple[Border, Size]:
    """The two options with what each means for the other. Raises InputError where they exclude each other."""
    if border == "none" and size not in (None, "valid"):
        raise InputError(f"--border none --size {size}: without values beyond the image only --size valid is possible")
    if size == "valid" and border not in (None, "none"):
        raise InputError(f"--border {border} --size valid: the kernel stays within the image; drop one of the two")
    if border == "none":
        return "zero", "valid"
    return border or "zero", size or "same"  # type: ignore[return-value]


def _one_cell(text: str | None, cells: list[list[Cell]]) -> tuple[int, int] | None:
    if text is None:
        return None
    height, width = len(cells), len(cells[0])
    parts = text.split(",")
    place = tuple(int(part) for part in parts if part.strip().isdecimal())
    if len(parts) != 2 or len(place) != 2 or place[0] >= height or place[1] >= width:
        allowed = f"write row and column from 0,0 to {height - 1},{width - 1}"
        raise InputError(f"--cell {text}: the result has {height}×{width} cells; {allowed}")
    return place[0], place[1]


@app.command()
def shape(
    size: Annotated[str, typer.Argument(metavar="SIZE", help="Pixels of a side; channels,height,width with layers.")],
    layers: _Layers = None,
    *,
    kernel: _Number = None,
    stride: _Number = None,
    padding: Annotated[int | None, typer.Option(min=0)] = None,
    dilation: _Number = None,
    output: Annotated[
        str | None, typer.Option(metavar="SIZE|same", help="Find the kernel, padding or stride that gives this size.")
    ] = None,
) -> None:
    """Compute what convolution and pooling make of a size, through a chain of layers or for one window.

    With --output the kernel is found, or with --kernel the padding, or with --padding too the stride.
    """
    from cnnjobs.components.theory.networks import follow, read_shape
    from cnnjobs.components.theory.windows import Window, solve
    from cnnjobs.console.theory import show_shapes, show_windows

    given = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    known = {key: value for key, value in given.items() if value is not None}
    start = read_shape(size)
    if layers:
        if known or output is not None:
            raise InputError("numbers belong in the layers where there are some: conv:32,k=5,s=1,p=2")
        show_shapes(follow(start, layers))
        return
    if len(start) != 1:
        raise InputError(f"{size}: name layers such as conv:32,k=5, or give one side of the image and --kernel")
    if output is None:
        if kernel is None:
            raise InputError("give --kernel, or --output to find it, or layers such as conv:32,k=5")
        window = Window(**known)
        if not window.output(start[0]):
            found = f"a window of {window.extent} does not fit into {start[0]} with padding {window.padding}"
            raise InputError(f"{found}; take a smaller one, or more padding")
        show_windows([window], start[0])
        return
    wanted = start[0] if output == "same" else _side(output)
    unknowns: tuple[Unknown, ...] = ("kernel", "padding", "stride")
    unknown = next((key for key in unknowns if key not in known), None)
    if unknown is None:
        raise InputError("with --kernel, --padding, --stride and --output nothing is left to find; drop one of them")
    show_windows(solve(unknown, Window(**{"kernel": 1} | known), start[0], wanted), start[0], unknown)


def _side(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise InputError(f"--output {text}: write a number of pixels, or same")
    return int(text)


@app.command()
def params(
    size: Annotated[str, typer.Argument(metavar="INPUT", help="Channels,height,width, or the number of features.")],
    layers: _Layers = None,
) -> None:
    """Count the parameters of layers: per filter, with biases and without."""
    from cnnjobs.components.theory.networks import follow, read_shape
    from cnnjobs.console.theory import show_parameters

    if not layers:
        raise InputError("name the layers, for example: cnnjobs theory params 3,32,32 conv:32,k=5,p=2 flatten fc:10")
    show_parameters(follow(read_shape(size), layers))


@app.command()
def steps(
    images: Annotated[int, typer.Argument(min=1, help="Training images.")],
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images per step.")] = 64,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Count the steps of so many epochs.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Count the epochs of so many steps.")] = None,
) -> None:
    """Count the optimizer steps of a training."""
    from cnnjobs.console.theory import show_steps

    show_steps(images, batch, epochs, steps)


@app.command()
def shift(
    seeds: Annotated[int, typer.Option("--seeds", min=2, help="Over how many untrained networks.")] = 5,
) -> None:
    """Measure which layers reduce the sensitivity to a shift of one pixel, on the bundled images."""
    from cnnjobs.components.theory.shifts import shift_changes
    from cnnjobs.console.theory import show_shifts

    show_shifts(shift_changes(seeds))
