"""The MLflow UI as a user meets it: the two addresses that `vsam-tune mlflow` prints, in a real browser."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_study import PARAMS, config, record, report, result, settings, study_folder, write_trajectory
from tests.support.mlflow_server import wait_until_it_answers
from vsam_tune.study.storage.folder import DATABASE, trial_folder
from vsam_tune.study.tracking.mlflow_server import server_command
from vsam_tune.study.tracking.mlflow_view import view_tags
from vsam_tune.study.tracking.writer import MlflowTracking

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = Path("/usr/bin/chromium")
NUM_TRIALS = 3
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What `vsam-tune mlflow` prints for a study of a few trials, while it serves."""
    root = tmp_path_factory.mktemp("runs")
    folder = study_folder(root / "made")
    (folder / DATABASE).touch()
    tags = view_tags(["val_accuracy", "ais"], list(PARAMS), ascending=False)
    writer = MlflowTracking(None, "made", folder, tags=tags, config=config, run_tags={})
    for number in range(NUM_TRIALS):
        writer.started(number, settings(number))
        report(folder, number, ais=5000.0 - 100 * number, val_accuracy=90.0 + number)
        write_trajectory(folder / trial_folder(number) / "trajectory.parquet")
        writer.ended(record(number))
    assert writer.close(result([record(number) for number in range(NUM_TRIALS)])) == ""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    log = root / "mlflow.log"
    command = [sys.executable, "-m", "vsam_tune.cli.main", "mlflow", "made", "--root", str(root), "--port", port]
    with log.open("wb") as errors, (root / "addresses").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=errors, start_new_session=True)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", log)
        yield dict(line.split(": ", 1) for line in (root / "addresses").read_text().splitlines())
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def page() -> Iterator["Page"]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is the browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser.new_page(viewport={"width": 2000, "height": 1000})  # beside the assistant that opens by itself
        browser.close()


@pytest.mark.mlflow
@pytest.mark.slow
def test_the_table_shows_trials_parameters_and_objectives_the_best_first(
    addresses: dict[str, str], page: "Page"
) -> None:
    page.goto(addresses["trials"])
    names = page.get_by_role("link", name="trial ")
    names.nth(NUM_TRIALS - 1).wait_for(timeout=60_000)
    assert names.all_inner_texts() == ["trial 2", "trial 1", "trial 0"]
    headers = page.locator(".ag-header-cell")
    page.locator(".ag-header-cell", has_text="num_slices").wait_for(timeout=30_000)
    shown = [text for text in map(str.strip, headers.all_inner_texts()) if text]
    assert shown[:3] == ["Run Name", "Created", "Duration"]
    assert set(shown[3:]) == {"val_accuracy", "ais", *PARAMS}
    row = page.locator(".ag-center-cols-container .ag-row").first
    assert {"92", "4800", "0.13", "0.8", "4"} <= set(row.inner_text().split())
    assert page.get_by_text("Judges", exact=True).count() == 0  # of the UI's other mode, GenAI


@pytest.mark.mlflow
@pytest.mark.slow
def test_the_charts_show_the_trajectories_of_all_trials_by_iteration(addresses: dict[str, str], page: "Page") -> None:
    page.goto(addresses["charts"])
    for title in ("l2_psf", "cumulative_samples"):
        page.get_by_text(title, exact=True).first.wait_for(timeout=60_000)
    cards = page.locator("[data-testid='experiment-view-compare-runs-card']")
    for row, title in enumerate(("l2_psf", "cumulative_samples")):
        card = cards.nth(row)
        assert title in card.inner_text()
        card.locator(".scatterlayer .trace").nth(NUM_TRIALS - 1).wait_for(state="attached", timeout=60_000)
        assert "Step" in card.inner_text()
    assert page.get_by_text("No charts").count() == 0


def test_the_server_runs_few_processes_and_tells_nobody(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command, environment = server_command(uri, host="127.0.0.1", port=5000, allowed_hosts="a.example, b.example:80")
    assert command[:4] == [sys.executable, "-m", "mlflow", "server"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options["--backend-store-uri"] == uri
    assert options["--allowed-hosts"] == "a.example:5000,b.example:80,localhost:5000,127.0.0.1:5000"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    plain, _ = server_command(uri, host="127.0.0.1", port=5000, allowed_hosts=None)
    assert "--allowed-hosts" not in plain
