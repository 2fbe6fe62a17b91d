"""Jobs of a real service that read inputs from wherever the documents allow, under names that are hard to keep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient, PublicAccess, generate_container_sas

import azure_batch_endpoints as abe
from azure_batch_endpoints import BatchClient, BatchEndpoint, Job
from tests.local.blob_fixtures import Endpoint, azurite, embedded, endpoint  # noqa: F401 - fixtures
from tests.local.blob_server import ACCOUNT, KEY
from tests.local.scripts import deployment
from tests.local.service_bench import Bench, uri
from tests.local.web_server import answer, web_server

READ = """
    import json, os
    def init(): pass
    def run(mini_batch): return [json.dumps([os.path.basename(file), open(file).read()]) for file in mini_batch]
"""
VERSION = {"api-version": "2024-10-01"}
NAMES = [
    "plain.txt",
    "deep/er/and/deeper.txt",
    "with space.txt",
    " leading",
    "trailing ",
    "dot.",
    "...dots",
    ".hidden",
    "caf\u00e9.txt",
    "cafe\u0301.txt",
    "日本語/データ.csv",
    "🎉",
    "100%.txt",
    "a%20b.txt",
    "a b.txt",
    "%2Fnot/a%2Fslash",
    "h#ash?what&p+lus=1;2,3",
    "quote'\"`$(x)",
    "<angle>|*:",
    "tab\tand\nnewline",
    "Case.txt",
    "case.txt",
    "a",
    "a/b",
    "-rf",
    "~",
    "n" * 255,
    "ü" * 150 + ".txt",
    "deeper and deeper/" * 55 + "x" * 14 + ".csv",
]


@dataclass
class Local:
    """A service, an endpoint whose default deployment tells what it read, and plain access to both."""

    client: BatchClient
    endpoint: BatchEndpoint
    http: httpx.Client
    blobs: BlobServiceClient

    @property
    def account(self) -> str:
        return str(self.blobs.account_name)

    @property
    def container(self) -> str:
        """Of the default datastore."""
        (name,) = (one.name for one in self.blobs.list_containers() if str(one.name).startswith("azureml-blobstore-"))
        return str(name)

    def register(self, path: str, **properties: Any) -> str:
        """PUT something of the workspace by a body written by hand; return its id."""
        answer = self.http.put(f"{self.client._workspace.path}/{path}", json={"properties": properties})
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    def put(self, blobs: dict[str, str], container: str | None = None) -> ContainerClient:
        client = self.blobs.get_container_client(container or self.container)
        if not client.exists():
            client.create_container()
        for name, text in blobs.items():
            client.upload_blob(name, text.encode(), overwrite=True)
        return client

    def post(self, status: int = 201, **properties: Any) -> Job:
        """Invoke by a body written by hand."""
        answer = self.http.post(f"/scoring/{self.endpoint.name}/jobs", json={"properties": properties})
        assert answer.status_code == status, answer.text
        return self.client.jobs.get(answer.json()["name"])

    def read_by(self, **properties: Any) -> dict[str, str]:
        return texts(self.post(**properties))

    def read_from(self, uri: str, kind: str = "UriFolder") -> dict[str, str]:
        return self.read_by(inputData={"x": {"jobInputType": kind, "uri": uri}})


def texts(job: Job) -> dict[str, str]:
    """Return the text of each input by its path; what the script saw must fit what the job says of it."""
    done = job.wait(timeout=150)
    rows = [json.loads(line) for line in done.results.to_pandas()[0]]
    items = list(done.items())
    assert len(rows) == len(items)
    for (base, _), item in zip(rows, items, strict=True):
        last = item.path.rpartition("/")[2]
        assert base == last or len(last.encode()) > 255
    return {item.path: text for (_, text), item in zip(rows, items, strict=True)}


def refused(job: Job) -> str:
    """Return why a job failed; never with a signature in it."""
    with pytest.raises(abe.JobFailedError) as caught:
        job.wait(timeout=150)
    logs = "".join(map(str, job.logs()))
    assert "SECRET" not in str(caught.value) + logs and "sig=" not in str(caught.value) + logs
    assert job.refresh().progress is None or job.progress is None or not job.progress.items_done
    return str(caught.value)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    folder = tmp_path_factory.mktemp("anywhere")
    with BatchClient.local(folder / "root", workers=2) as client:
        service = client.local_service
        assert service is not None
        made = client.endpoints.create("anywhere")
        made.deployments.create(deployment(folder, "tell", READ, mini_batch_size=4), set_default=True)
        headers = {"Authorization": f"Bearer {service.token}"}
        with (
            httpx.Client(base_url=service.base_url, headers=headers, params=VERSION, trust_env=False) as http,
            BlobServiceClient.from_connection_string(service.connection_string) as blobs,
        ):
            yield Local(client, made.refresh(), http, blobs)


def signed(container: ContainerClient, permissions: str, *, hours: float = 1) -> str:
    """Return a signature for a container of the tests' other account."""
    now = datetime.now(timezone.utc)
    return generate_container_sas(
        ACCOUNT,
        container.container_name,
        account_key=KEY,
        permission=permissions,
        start=now - timedelta(days=2),
        expiry=now + timedelta(hours=hours),
    )


@contextmanager
def container_of(account: Endpoint) -> Iterator[ContainerClient]:
    with account.service() as service, service.get_container_client("elsewhere") as client:
        client.create_container()
        yield client
        client.delete_container()


@pytest.fixture
def other(embedded: Endpoint) -> Iterator[ContainerClient]:  # noqa: F811 - a fixture
    """A container of another account."""
    with container_of(embedded) as client:
        yield client


@pytest.fixture
def each_other(endpoint: Endpoint) -> Iterator[ContainerClient]:  # noqa: F811 - a fixture
    """The same of another program, too."""
    with container_of(endpoint) as client:
        yield client


def test_files_of_every_name_are_read_and_named_truly(local: Local) -> None:
    blobs = {name: f"content of {name}" for name in [*NAMES, "p/" * 500 + "x"]} | {"empty.txt": ""}
    assert max(len(f"odd %41#?/{name}") for name in blobs) > 1010
    marks = {"a folder/": "", "deep/er/": ""}
    local.put({f"odd %41#?/{name}": text for name, text in {**blobs, **marks}.items()})
    by_a_lake = local.blobs.get_blob_client(local.container, "odd %41#?/deep/er")
    by_a_lake.upload_blob(b"", metadata={"hdi_isfolder": "true"})
    assert texts(local.endpoint.invoke(abe.folder(uri("odd %41#?")))) == blobs


def test_files_of_every_name_are_read_from_another_account(local: Local, each_other: ContainerClient) -> None:
    other = each_other
    blobs = {name: f"content of {name}" for name in NAMES}
    for name, text in blobs.items():
        other.upload_blob(f"odd %41#?/{name}", text.encode())
    place = f"{other.url}/odd%20%2541%23%3F?{signed(other, 'rl')}"
    assert texts(local.endpoint.invoke(abe.folder(place))) == blobs


def test_a_folder_takes_in_no_other_whose_name_begins_alike_and_a_container_or_datastore_is_a_folder_too(
    local: Local,
) -> None:
    local.put({"data/a": "1", "data/b/c": "2", "data2/x": "3", "data": "4"}, "whole")
    for slash in ("", "/"):
        assert local.read_from(f"https://{local.account}.blob.core.windows.net/whole/data{slash}") == {
            "a": "1",
            "b/c": "2",
        }
    everything = {"data": "4", "data/a": "1", "data/b/c": "2", "data2/x": "3"}
    assert local.read_from(f"https://{local.account}.blob.core.windows.net/whole") == everything
    local.register("datastores/Whole", datastoreType="AzureBlob", accountName=local.account, containerName="whole")
    for root in ("azureml://datastores/whole", "azureml://DATASTORES/whole/paths/"):
        assert texts(local.endpoint.invoke(abe.folder(root))) == everything


def test_the_own_account_is_meant_by_its_names_in_the_cloud(local: Local) -> None:
    local.put({"own/one.txt": "one"})
    account, container = local.account.upper(), local.container
    host = httpx.URL(local.client.local_service.base_url).netloc.decode() if local.client.local_service else ""
    for place in (
        f"https://{account}.blob.core.windows.net/{container}/own",
        f"https://{account}.dfs.core.windows.net/{container}/own",
        f"http://{account}.blob.{host}/{container}/own/",
        f"wasbs://{container}@{account}.blob.core.windows.net/own",
        f"abfss://{container}@{account}.dfs.core.chinacloudapi.cn/own/",
    ):
        output = f"{place.rstrip('/')}-out/{abs(hash(place))}/rows.csv"
        job = local.post(
            inputData={"x": {"jobInputType": "UriFolder", "uri": place}},
            outputData={"score": {"jobOutputType": "UriFile", "uri": output}},
        )
        assert texts(job) == {"one.txt": "one"}
        assert job.results.uri.startswith("azureml://datastores/workspaceblobstore/paths/own-out/")


def test_an_account_given_by_its_connection_string_is_meant_by_the_same_names(
    tmp_path: Path,
    endpoint: Endpoint,  # noqa: F811 - a fixture
) -> None:
    bench = Bench.open(tmp_path / "root", storage=endpoint.connection_string)
    try:
        names = [name for name in NAMES if len(name.encode()) < 900]
        for name in names:
            bench.put(f"own/{name}", f"content of {name}")
        container = bench.store.open(uri("own"))[0].url.rpartition("/")[2]
        account = ACCOUNT.upper()
        for data in (
            f"wasbs://{container}@{account}.blob.core.windows.net/own",
            f"https://{account}.blob.core.windows.net/{container}/own/",
            f"{endpoint.url}/{container}/own",
        ):
            job = bench.score(dedent(READ), data=data, mini_batch_size=50)
            rows = [json.loads(line) for line in bench.output(job).splitlines()]
            assert sorted(text for _, text in rows) == sorted(f"content of {name}" for name in names), job.error
    finally:
        bench.close()


def test_code_model_and_data_may_be_named_in_the_own_account_as_in_the_cloud(local: Local) -> None:
    files = {"c/score.py": dedent(READ), "m/weights.txt": "weights", "d/a b.csv": "data"}
    local.put({f"assets/{name}": text for name, text in files.items()})
    base = f"https://{local.account}.blob.core.windows.net/{local.container}/assets"
    code = local.register("codes/cloudy/versions/1", codeUri=f"{base}/c")
    model = local.register(
        "models/cloudy/versions/1",
        modelUri=f"wasbs://{local.container}@{local.account}.blob.core.windows.net/assets/m",
        modelType="custom_model",
    )
    at_lake = f"abfss://{local.container}@{local.account}.dfs.core.windows.net/assets/d"
    local.register("data/cloudy/versions/1", dataUri=f"{base}/d/a%20b.csv", dataType="uri_file")
    local.register("data/cloudy/versions/2", dataUri=at_lake, dataType="uri_folder")
    local.register(
        "batchEndpoints/anywhere/deployments/cloudy",
        model={"referenceType": "Id", "assetId": model},
        codeConfiguration={"codeId": code, "scoringScript": "score.py"},
        compute="local",
    )
    for number, reference in enumerate(("azureml:cloudy:1", "azureml:cloudy@latest")):
        job = local.endpoint.invoke(reference, deployment="cloudy")
        assert texts(job) == {"a b.csv": "data"}, number


def test_data_assets_lead_to_what_they_name_wherever_it_is(local: Local, other: ContainerClient) -> None:
    other.upload_blob("some/one.txt", b"elsewhere")
    local.put({"assets/some/one.txt": "here"})
    sas = signed(other, "rl")
    places = {
        "1": (f"{other.url}/some?{sas}", "uri_folder", {"one.txt": "elsewhere"}),
        "2": (f"{other.url}/some/one.txt?{sas}", "uri_file", {"one.txt": "elsewhere"}),
        "3": ("azureml://datastores/workspaceblobstore/paths/assets/some", "uri_folder", {"one.txt": "here"}),
    }
    name = f"led-{httpx.URL(other.url).port}"
    for version, (place, kind, _) in places.items():
        asset = local.register(f"data/{name}/versions/{version}", dataUri=place, dataType=kind)
        assert asset.endswith(f"/data/{name}/versions/{version}")
    workspace = local.client._workspace.path
    for version, (_, _, read) in places.items():
        assert local.read_from(f"{workspace}/data/{name}/versions/{version}") == read
    for reference in (f"azureml:{name}@latest", f"azureml:{name}/versions/3", f"azureml://data/{name}/versions/3/"):
        assert local.read_from(reference, "UriFile") == {"one.txt": "here"}


def test_a_folder_of_another_account_needs_to_be_open_to_all_or_a_signature_that_may_list(
    local: Local, each_other: ContainerClient
) -> None:
    other = each_other
    other.upload_blob("some/one.txt", b"elsewhere")
    assert "that anyone may list" in refused(local.endpoint.invoke(abe.folder(f"{other.url}/some")))
    expired = refused(local.endpoint.invoke(abe.folder(f"{other.url}/some?{signed(other, 'rl', hours=-1)}")))
    assert f"The input folder '{other.url}/some/' cannot be listed" in expired
    assert "The signature in its URL has expired (20" in expired and "role" not in expired
    narrow = signed(other, "r")
    said = refused(local.endpoint.invoke(abe.folder(f"{other.url}/some?{narrow}")))
    assert "allows 'r', and a listing needs 'l'" in said and "role" not in said
    assert texts(local.endpoint.invoke(abe.file(f"{other.url}/some/one.txt?{narrow}"))) == {"one.txt": "elsewhere"}
    late = refused(local.endpoint.invoke(abe.file(f"{other.url}/some/one.txt?{signed(other, 'r', hours=-1)}")))
    assert "The signature in its URL has expired" in late
    other.set_container_access_policy({}, public_access=PublicAccess.CONTAINER)
    assert texts(local.endpoint.invoke(abe.folder(f"{other.url}/some"))) == {"one.txt": "elsewhere"}
    assert "holds no files" in refused(local.endpoint.invoke(abe.folder(f"{other.url}/so")))


def test_a_signature_counts_in_the_own_account_too(local: Local) -> None:
    mine = local.put({"signed/one.txt": "mine"}, "signed")
    key = local.blobs.credential.account_key
    past = datetime.now(timezone.utc) - timedelta(hours=1)
    sas = generate_container_sas(local.account, "signed", account_key=key, permission="rl", expiry=past)
    for base in (mine.url, f"https://{local.account}.blob.core.windows.net/signed"):
        assert "has expired" in refused(local.endpoint.invoke(abe.folder(f"{base}/signed?{sas}")))
        assert "has expired" in refused(local.endpoint.invoke(abe.file(f"{base}/signed/one.txt?{sas}")))


def test_a_datastore_that_a_user_made_is_read_and_written_with_its_own_credentials(
    local: Local, other: ContainerClient
) -> None:
    other.upload_blob("in/one.txt", b"elsewhere")
    address = httpx.URL(other.url)
    own = {
        "datastoreType": "AzureBlob",
        "accountName": ACCOUNT,
        "containerName": other.container_name,
        "endpoint": address.netloc.decode(),
        "protocol": "http",
    }
    sas = {"secretsType": "Sas", "sasToken": signed(other, "rwlc")}
    keyed, narrow, open_to_all = (f"{name}_{address.port}" for name in ("Keyed", "Signed", "Open"))
    key = {"secretsType": "AccountKey", "key": KEY}
    local.register(f"datastores/{keyed}", **own, credentials={"credentialsType": "AccountKey", "secrets": key})
    local.register(f"datastores/{narrow}", **own, credentials={"credentialsType": "Sas", "secrets": sas})
    local.register(f"datastores/{open_to_all}", **own, credentials={"credentialsType": "None"})
    for name in (keyed, narrow):
        job = local.endpoint.invoke(
            abe.folder(f"azureml://datastores/{name}/paths/in"),
            output=f"azureml://datastores/{name.upper()}/paths/out-{name}/",
        )
        assert texts(job) == {"one.txt": "elsewhere"}
        assert other.get_blob_client(f"out-{name}/predictions.csv").exists()
    assert "cannot be listed" in refused(local.endpoint.invoke(f"azureml://datastores/{open_to_all}/paths/in/"))
    again = local.endpoint.invoke(
        abe.folder(f"azureml://datastores/{keyed}/paths/in"), output=f"azureml://datastores/{narrow}/paths/out-{keyed}/"
    )
    assert "predictions.csv' exists already; nothing was scored" in refused(again)


def test_a_file_of_any_web_server_is_read_and_a_folder_there_is_refused_with_the_remedy(local: Local) -> None:
    def half(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "10")
        request.end_headers()
        request.wfile.write(b"half")
        request.close_connection = True

    with web_server() as web:
        web.page("/data/", answer(200, b"<html>a listing for people</html>", Content_Type="text/html"))
        whole = answer(200, b"whole text")
        url = web.page("/data/a%20b.txt", whole, half, answer(503), whole)
        assert local.read_from(f"{url}?sig=SECRET", "UriFile") == {"a b.txt": "whole text"}
        assert [path for path, _ in web.asked] == ["/data/a%20b.txt?sig=SECRET"] * 4
        for folder in ("/data/", "/data", "/other/"):
            said = refused(local.endpoint.invoke(abe.folder(web.url + folder)))
            assert "cannot be listed" in said and "name single files" in said, said
            assert "A web server cannot list a folder" in said and "<" not in said and "role" not in said, said
        missing = refused(local.endpoint.invoke(abe.file(web.url + "/none.txt")))
        assert f"There is no file '{web.url}/none.txt' to score" in missing
        closed = refused(local.endpoint.invoke(abe.file(web.page("/closed.txt", answer(403)) + "?sig=SECRET")))
        assert "answered 403" in closed


def test_a_path_of_2021_is_the_file_of_that_name_or_else_the_folder(local: Local, other: ContainerClient) -> None:
    local.put({"old/it": "file", "old/it/a.csv": "below", "old/v1.0/b.csv": "in a folder with a dot"})
    other.upload_blob("data/v1.0/b.csv", b"elsewhere")
    sas, base = signed(other, "rl"), "azureml://datastores/workspaceblobstore/paths/old"
    for path, read in {
        f"{base}/it": {"it": "file"},
        f"{base}/it/": {"a.csv": "below"},
        f"{base}/v1.0": {"b.csv": "in a folder with a dot"},
        f"https://{local.account}.blob.core.windows.net/{local.container}/old/v1.0": {
            "b.csv": "in a folder with a dot"
        },
        f"{other.url}/data/v1.0?{sas}": {"b.csv": "elsewhere"},
        f"{other.url}/data/v1.0/b.csv?{sas}": {"b.csv": "elsewhere"},
    }.items():
        assert local.read_by(dataset={"dataInputType": "DataUrl", "Path": path}) == read, path
    assert "holds no files" in refused(local.post(dataset={"dataInputType": "DataUrl", "Path": f"{base}/none.csv"}))


def test_a_path_that_is_percent_encoded_is_told_how_to_be_written(local: Local) -> None:
    local.put({"with space/one file.txt": "one"})
    base = "azureml://datastores/workspaceblobstore/paths"
    folder = refused(local.endpoint.invoke(abe.folder(f"{base}/with%20space")))
    assert "There is 'with space/': paths on a datastore are not percent-encoded" in folder
    file = refused(local.endpoint.invoke(abe.file(f"{base}/with%20space/one%20file.txt")))
    assert "There is 'with space/one file.txt'" in file
    assert local.read_from(f"{base}/with space/one file.txt", "UriFile") == {"one file.txt": "one"}


def test_what_belongs_to_another_workspace_or_a_registry_is_refused_through_the_sdk_too(local: Local) -> None:
    there = "azureml://subscriptions/s/resourcegroups/g/workspaces/theirs"
    for reference in (f"{there}/data/d/versions/1", f"{there}/datastores/workspaceblobstore/paths/x/"):
        with pytest.raises(abe.ServiceError, match="belongs to another workspace, 'theirs'"):
            local.endpoint.invoke(reference)
    with pytest.raises(abe.ServiceError, match="is in a registry"):
        local.endpoint.invoke("azureml://registries/shared/data/d/versions/1")


def test_an_output_may_be_named_by_every_form_of_a_path_on_a_datastore(local: Local) -> None:
    local.put({"to-name/one.txt": "one"})
    store = f"{local.client._workspace.path.datastores()}/workspaceblobstore"
    for output in (f"{store}/paths/named %41#/1", f"AzureML:/{store.upper()}/Paths/named %41#/2/", uri("named %41#/3")):
        job = local.endpoint.invoke(uri("to-name/"), output=f"folder:{output}", output_file_name="rows (1).csv")
        assert texts(job) == {"one.txt": "one"}
        assert job.results.uri.startswith(uri("named %41#/"))


def test_the_output_of_a_job_is_read_by_the_next(local: Local) -> None:
    local.put({"first/one.txt": "one"})
    first = local.endpoint.invoke("azureml://datastores/workspaceblobstore/paths/first/")
    texts(first)
    rows = local.read_from(f"azureml://jobs/{first.name}/outputs/score")
    assert list(rows) == ["predictions.csv"] and "one.txt" in rows["predictions.csv"]
    path = f"AzureML://Jobs/{first.name}/Outputs/Score/Paths/predictions.csv"
    assert local.read_from(path, "UriFile") == rows


def test_local_files_of_odd_names_are_uploaded_and_read_unchanged(local: Local, tmp_path: Path) -> None:
    folder = tmp_path / "a b#c%41"
    taken = {"a", *(name for name in NAMES if len(name.encode()) > 255)}  # 'a' beside 'a/b', and what is too long
    for name in (names := [name for name in NAMES if name not in taken]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    assert texts(local.endpoint.invoke(folder)) == {name: f"content of {name}" for name in names}


def test_a_job_that_is_taken_up_again_reads_the_same_place_and_its_signature_stands_nowhere_but_in_the_state(
    tmp_path: Path,
    other: ContainerClient,
) -> None:
    slow = "import time\ndef init(): pass\ndef run(m):\n    time.sleep(0.05)\n    return [open(m[0]).read()]\n"
    texts_of = [f"text {number}" for number in range(20)]
    for number, text in enumerate(texts_of):
        other.upload_blob(f"slow/{number:02}", text.encode())
    data, root = f"{other.url}/slow?{signed(other, 'rl')}", tmp_path / "root"
    bench = Bench.open(root)
    row = bench.submit(slow, data=data, mini_batch_size=1, max_concurrency_per_instance=1)
    bench.wait_for(row, lambda job: job.progress and json.loads(job.progress)["done"])
    assert bench.scheduler.close(60)
    bench.state.close()
    bench.store.close()
    bench = Bench.open(root)
    bench.scheduler.resume()
    job = bench.wait(row)
    assert bench.output(job).splitlines() == texts_of, job.error
    bench.close()
    assert "sig=" not in repr(job)
    kept = [file for file in root.rglob("*") if file.is_file() and b"sig=" in file.read_bytes()]
    assert {file.name.partition("-")[0] for file in kept} == {"state.sqlite"}


def test_no_signature_of_all_these_jobs_is_in_a_log_or_a_ledger(local: Local) -> None:
    service = local.client.local_service
    assert service is not None
    files = [file for file in service.root.rglob("*") if file.is_file() and not file.name.startswith("state.sqlite")]
    assert len(files) > 10
    assert [str(file) for file in files if b"sig=" in file.read_bytes()] == []
