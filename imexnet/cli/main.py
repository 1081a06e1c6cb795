"""The command line: `python -m imexnet …`."""

import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import imexnet
from imexnet import program
from imexnet.cli import evaluate, predict, serve, stability, train
from imexnet.memory import keep_freed_memory

UsageError: Any = typer.BadParameter.__base__  # typer carries its own click, privately

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("predict")(predict.predict_command)
app.command("field-of-view")(predict.field_of_view_command)
app.command("hide")(predict.hide_command)
app.command("receptive-field")(predict.receptive_field_command)
app.command("stability")(stability.stability_command)
app.command("robustness")(stability.robustness_command)
app.command("benchmark")(serve.benchmark_command)
app.command("convert-encoder")(train.convert_encoder)
app.command("draw")(train.draw_command)
app.command("prepare-nyu")(train.prepare_nyu)
app.command("render")(train.render_command)
app.command("serve")(serve.serve_command)

evaluations = typer.Typer(help="Scores of a network over a data set.")
evaluations.command("qtips")(evaluate.evaluate_qtips)
evaluations.command("rods")(evaluate.evaluate_rods)
evaluations.command("paths")(evaluate.evaluate_paths)
evaluations.command("indoor")(evaluate.evaluate_indoor)
app.add_typer(evaluations, name="evaluate")

trainings = typer.Typer(help="Train a network.")
trainings.command("qtips")(train.train_qtips)
trainings.command("rods")(train.train_rods)
trainings.command("paths")(train.train_paths)
trainings.command("indoor")(train.train_indoor)
app.add_typer(trainings, name="train")


def _show_version(asked: bool) -> None:
    if asked:
        print(imexnet.__version__)
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, help="Show the version and exit.")
]


@app.callback()
def _program(version: Version = False) -> None:
    """See what semi-implicit residual networks do."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and ends the process, unless all is well: see `program.run`.

    Args:
        arguments: the command and what follows it; by default those of the process.
    """
    program.run(lambda: _command(arguments))


def _command(arguments: Sequence[str] | None) -> int | None:
    warnings.filterwarnings("ignore", module="PIL")  # what it says of broken files
    warnings.showwarning = lambda message, *_, **__: program.tell(str(message))
    keep_freed_memory()
    try:
        return app(arguments, standalone_mode=False)
    except UsageError as error:
        raise ValueError(error.format_message()) from None
    except typer.Abort:
        raise KeyboardInterrupt from None
