"""Open the MLflow UI on the store of a study; end it with Ctrl-C.

Prints the addresses of the study's trials, as a table and as charts.
"""

import argparse
import os
import sys

from vsam_tune.cli.arguments import add_root, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("study", nargs="?", metavar="STUDY", help="a study file or name (the only one under the root)")
    add_root(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=positive, metavar="N", default=5000, help="the port to listen at (5000)")
    parser.add_argument("--allowed-hosts", metavar="NAMES", help="host names that the server answers, with commas")
    parser.add_argument("--url", action="store_true", help="print the addresses alone, and start nothing")


def run(arguments: argparse.Namespace) -> int:
    """Print the address and become the server; return 0 where one is running already."""
    from vsam_tune.study.tracking.mlflow_server import check_port, experiment_id, server_command, tracked_study
    from vsam_tune.study.tracking.mlflow_view import runs_page

    uri, study_id = tracked_study(arguments.study, arguments.root)
    serve = not (arguments.url or uri.startswith("http"))
    if serve:
        check_port(arguments.host, arguments.port)
    served = uri if uri.startswith("http") else f"http://{arguments.host}:{arguments.port}"
    found = experiment_id(uri, study_id)
    pages = (
        {"trials": served}
        if found is None
        else {
            "trials": runs_page(served, found),
            "charts": runs_page(served, found, charts=True),
        }
    )
    sys.stdout.write("".join(f"{view}: {page}\n" for view, page in pages.items()))
    sys.stdout.flush()
    if not serve:
        return 0
    sys.stderr.write(f"MLflow serves {uri}; it answers in some seconds; Ctrl-C ends it\n")
    command, environment = server_command(
        uri, host=arguments.host, port=arguments.port, allowed_hosts=arguments.allowed_hosts
    )
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the server says is log
    return os.execve(command[0], command, {**os.environ, **environment})  # noqa: S606 - our own interpreter
