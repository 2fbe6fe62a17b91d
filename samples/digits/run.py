"""The main job: score every picture in data/ through a batch endpoint, look at the results, check them.

    python samples/digits/run.py            on this machine: a service, a blob store and workers, all real, all local
    python samples/digits/run.py --cloud    the same in the Azure ML workspace of your config.json

Run make_data.py and train.py first (``scripts/demo`` does it all).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pandas as pd

import azure_batch_endpoints as abe
from azure_batch_endpoints import (
    BatchClient,
    BatchEndpoint,
    ComputeSpec,
    DatasetSpec,
    DeploymentSpec,
    EndpointSpec,
    Job,
)

HERE = Path(__file__).parent
DATA = HERE / "data"
COLUMNS = ["file", "digit", "probability"]


def main() -> None:
    """Run all of it, on this machine or in the cloud."""
    parser = argparse.ArgumentParser(description="Score 1,797 handwritten digits through a batch endpoint.")
    parser.add_argument("--cloud", action="store_true", help="use the workspace of config.json instead of this machine")
    cloud: bool = parser.parse_args().cloud
    for needed, script in ((HERE / "labels.csv", "make_data.py"), (HERE / "model" / "digits.pkl", "train.py")):
        if not needed.exists():
            raise SystemExit(f"'{needed}' is missing. Run first: {sys.executable} {HERE / script}")

    with BatchClient.from_config() if cloud else BatchClient.local(HERE / ".abe") as client:
        say(f"Connected to {client.base_url}")
        endpoint = deploy(client)
        job = score_everything(endpoint)
        score_other_forms(client, endpoint)
        say_where_to_go_on(job, "BatchClient.from_config()" if cloud else f"BatchClient.local({str(HERE / '.abe')!r})")


def deploy(client: BatchClient) -> BatchEndpoint:
    """Create compute, endpoint and deployment; what exists already is brought up to date."""
    client.computes.create(ComputeSpec(name="batch-cluster", min_instances=0, max_instances=5))
    endpoint = client.endpoints.create(EndpointSpec.from_yaml(HERE / "endpoint.yml"))
    say(f"Endpoint '{endpoint.name}' is {endpoint.provisioning_state.value}")
    spec = DeploymentSpec.from_yaml(HERE / "deployment.yml")
    deployment = endpoint.deployments.create(spec, set_default=True)
    say(f"Deployment '{deployment.name}' is {deployment.provisioning_state.value}, and the default")
    return endpoint


def score_everything(endpoint: BatchEndpoint) -> Job:
    """Score all pictures from the local folder; print a few rows and the accuracy against the true digits."""
    job = endpoint.invoke(abe.local_path(DATA))
    say(f"Job '{job.name}' scores {DATA}")
    predictions = job.wait().results.to_pandas(columns=COLUMNS)
    say(f"{len(predictions):,} predictions, the first of them:\n\n{predictions.head().to_string(index=False)}\n")

    labels = pd.read_csv(HERE / "labels.csv", dtype={"split": "string"})
    compared = labels.merge(predictions, on="file", suffixes=("_true", ""), validate="one_to_one")
    right = compared["digit"].eq(compared["digit_true"])
    unseen = compared["split"].eq("test")
    say(f"Accuracy over all {len(compared):,} pictures: {right.mean():.1%}")
    say(f"Accuracy over the {unseen.sum():,} the model was not trained on: {right[unseen].mean():.1%}")
    return job


def score_other_forms(client: BatchClient, endpoint: BatchEndpoint) -> None:
    """Score the same pictures as a registered data set, as a folder and as a single file of the datastore."""
    registered = client.datasets.create(DatasetSpec(name="digits", path=DATA))
    path = registered.uri.rstrip("/").split("/paths/")[1]
    stored = f"azureml://datastores/{client.datastores.get_default().name}/paths/{path}"
    for given in (f"azureml:digits:{registered.version}", f"folder:{stored}/", f"file:{stored}/0000.png"):
        predictions = endpoint.invoke(given).wait().results.to_pandas(columns=COLUMNS)
        say(f"{len(predictions):>5,} predictions from {given}")


def say_where_to_go_on(job: Job, opening: str) -> None:
    """Print where the results are, how the client of ``opening`` reads them again, and what to try next."""
    files = "\n".join(f"    {file.uri} ({file.size:,} bytes)" for file in job.results.files())
    print(f"\nThe results of job '{job.name}' stay at\n{files}")
    print(f"Read them again, at any time, in {sys.executable}:\n")
    print("    from azure_batch_endpoints import BatchClient")
    print(f"    with {opening} as client:")
    print(f'        print(client.jobs.get("{job.name}").results.to_pandas(columns={COLUMNS}))\n')
    print("Next: change code/score.py, model or deployment.yml and run this again; docs/index.md goes on from here.")


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.1f} s] {text}", flush=True)


STARTED = time.monotonic()

if __name__ == "__main__":
    try:
        main()
    except abe.BatchEndpointsError as error:
        raise SystemExit(f"\n{error}") from error
    except KeyboardInterrupt:
        raise SystemExit("\nStopped. A job that has begun goes on when this runs again.") from None
