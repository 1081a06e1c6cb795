"""Commands about the running program: serve, benchmark."""

from typing import Annotated

import typer

from imexnet.cli.options import (
    AsJson,
    print_result,
)


def serve_command() -> None:
    """Start the page; its address is `GRADIO_SERVER_NAME`, its port `GRADIO_SERVER_PORT`."""
    from imexnet.ui.server.start import serve

    serve()


def benchmark_command(
    only: Annotated[
        list[str] | None, typer.Option(help="Run this section only; may be repeated.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Time for each comparison.")] = 2.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the CPU.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """What the implicit solve, the networks and the page cost: ratios measured in one run."""
    from imexnet import benchmark

    print_result(benchmark.run(only or [], benchmark.Timing(seconds, device), threads), as_json)
