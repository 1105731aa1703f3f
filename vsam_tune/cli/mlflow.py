"""Start the MLflow UI for a study, and print the addresses of its trials: as a table and as charts.

Ctrl-C ends the UI.
"""

import argparse
import os
import sys

from vsam_tune.cli.arguments import add_study, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_study(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address on which the UI listens (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=positive, metavar="N", default=5000, help="port on which the UI listens (default: 5000)"
    )
    parser.add_argument("--allowed-hosts", metavar="NAMES", help="host names that the UI accepts, separated by commas")
    parser.add_argument("--url", action="store_true", help="only print the addresses; start no UI")


def run(arguments: argparse.Namespace) -> int:
    """Print the addresses and become the server.

    Returns:
        0 if a server is not needed; 1 if the study's tracking server does not answer.
    """
    from vsam_tune.study.tracking.mlflow_server import (
        NoAnswerError,
        check_port,
        experiment_id,
        prepare_store,
        server_command,
        tracked_study,
    )
    from vsam_tune.study.tracking.mlflow_view import runs_page

    uri, study_id = tracked_study(arguments.study, arguments.root)
    serve = not (arguments.url or uri.startswith("http"))
    if serve:
        check_port(arguments.host, arguments.port)
        prepare_store(arguments.study, arguments.root, uri)
    served = uri if uri.startswith("http") else f"http://{arguments.host}:{arguments.port}"
    try:
        found = experiment_id(uri, study_id)
    except NoAnswerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
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
    sys.stderr.write(f"The MLflow UI for {uri} starts in a few seconds. Ctrl-C ends it.\n")
    command, environment = server_command(
        uri, host=arguments.host, port=arguments.port, allowed_hosts=arguments.allowed_hosts
    )
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the server writes a log
    return os.execve(command[0], command, {**os.environ, **environment})  # noqa: S606 - our own interpreter
