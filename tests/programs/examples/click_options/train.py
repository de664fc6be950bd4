"""Options by click, metrics by cnnjobs.log."""

import click

import cnnjobs


@click.command()
@click.option("--lr", type=float, required=True)
@click.option("--verbose/--quiet", default=False)
def main(lr: float, verbose: bool) -> None:
    """Train."""
    weight = 1.0
    for epoch in range(3):
        cnnjobs.log(step=epoch, loss=weight**2)
        if verbose:
            click.echo(f"epoch {epoch}: {weight**2}")
        weight -= lr * 2 * weight


main()
