"""The time of an iteration of each method relative to SGD, to its ideal, and to the method of pytorch-optimizer.

All contenders run in one process, each with its own network, and take turns: a round is one iteration of each on one
batch of noise, in random order. The benchmark prints Markdown; docs/benchmarks.md explains it. Run it with
    .venv/bin/python -m benchmarks.optimizers --out methods.json
    .venv/bin/python -m benchmarks.optimizers --table settings --out settings.json
A call with the file of an earlier call continues it up to the given number of rounds.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import contenders, methods_table, settings_table
from benchmarks.contenders import Contender
from benchmarks.machine import hint
from benchmarks.ratios import EVALUATION, FORWARD, SAM, SGD
from benchmarks.recording import CLOCKS, Recording
from benchmarks.session import network, record_peaks, record_rounds
from vsam_tune.errors import InputError, problem
from vsam_tune.registry.data_and_models import MODELS

ALWAYS = (SGD, EVALUATION, FORWARD, SAM)  # the ideals consist of them


def main(arguments: list[str] | None = None) -> int:
    """Make the missing measurements, and print the tables.

    Returns:
        0; 2 for bad input.
    """
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        _run(options)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--table", choices=("methods", "settings"), default="methods")
    add("--model", choices=sorted(MODELS), default="resnet8")
    add("--batch", type=int, default=128, help="images")
    add("--rounds", type=int, default=60, help="total number, including earlier calls")
    add("--warmup", type=int, default=5, help="rounds per call that do not count")
    add("--threads", type=int, default=1)
    add("--device", type=torch.device, default=torch.device("cpu"))
    add("--contenders", metavar="A,B", help=f"for fewer rows, in addition to {', '.join(ALWAYS)}")
    add("--settings", metavar="A,B", help=f"for fewer rows, some of {', '.join(settings_table.SETTINGS)}")
    add("--interval", type=int, default=3, help="vSAM samples one in so many iterations")
    add("--clock", choices=CLOCKS, default="wall", help="cpu: processor time of this process, for a busy machine")
    add("--seed", type=int, default=0, help="seed of the batches and the orders")
    add("--skip-memory", action="store_true", help="leave memory out of the table of methods")
    add("--out", type=Path, help="JSON file for the results of the rounds")
    return parser


def _check(options: argparse.Namespace) -> None:
    """Check the numbers.

    Raises:
        InputError: if numbers are out of range; names all of them.
    """
    counts = {name: getattr(options, name) for name in ("batch", "rounds", "warmup", "threads")}
    rule, fix = "must be at least 1", "leave the option out for its default"
    found = [problem(f"--{name}", "", value, rule, fix) for name, value in counts.items() if value < 1]
    if options.interval < 2:
        found.append(problem("--interval", "", options.interval, "must be at least 2", "write 3"))
    if found:
        raise InputError(*found)


def _run(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    chosen = _chosen(options)
    recording = Recording.opened(options.out, _shared(options, list(chosen)))
    if options.table == "methods" and not options.skip_memory:
        record_peaks(recording, chosen, model=options.model, device=options.device)
    record_rounds(
        recording,
        chosen,
        model=options.model,
        batch_size=options.batch,
        device=options.device,
        num_rounds=options.rounds,
        warmup=options.warmup,
        seed=options.seed,
    )
    tables = settings_table.text if options.table == "settings" else methods_table.text
    print("\n\n".join([_header(recording, options.clock), *tables(recording, chosen, options.clock)]))


def _chosen(options: argparse.Namespace) -> dict[str, Contender]:
    """Return the chosen contenders by key.

    Raises:
        InputError: if one is unknown.
    """
    if options.table == "settings":
        return settings_table.contenders(_listed("settings", options.settings, settings_table.SETTINGS))
    known = contenders.contenders(interval=options.interval)
    listed = {*ALWAYS, *_listed("contenders", options.contenders, known)}
    return {key: each for key, each in known.items() if key in listed}


def _listed(option: str, text: str | None, known: Mapping[str, object]) -> list[str]:
    """Return the keys of a comma-separated list; all known ones if there is no list.

    Raises:
        InputError: if one is unknown.
    """
    listed = list(known) if text is None else text.split(",")
    if unknown := [key for key in listed if key not in known]:
        fix = f"use some of {', '.join(known)}"
        raise InputError(problem(f"--{option}", "", ", ".join(unknown), "unknown", fix))
    return listed


def _shared(options: argparse.Namespace, keys: list[str]) -> dict[str, Any]:
    """Return the settings that all rounds of a recording share."""
    return {
        **{name: getattr(options, name) for name in ("table", "model", "batch", "threads", "interval")},
        "device": str(options.device),
        "contenders": keys,
        "parameter_bytes": sum(parameter.nbytes for parameter in network(options.model).parameters()),
    }


def _header(recording: Recording, clock: str) -> str:
    """Return a line about the measurement, one about the machine, and one about the disturbance in each session."""
    settings, sessions = recording.content["settings"], recording.content["sessions"]
    machines = dict.fromkeys(
        f"{each['processor']}, {each['processors']} processors, {each['threads']} threads, torch {each['torch']}"
        for each in sessions
    )
    what = f"{settings['model']}, batch {settings['batch']}, {recording.num_rounds} rounds, {clock} clock"
    return "\n".join([what, *machines, *map(hint, sessions)])


if __name__ == "__main__":
    sys.exit(main())
