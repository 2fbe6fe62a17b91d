"""What a refusal says: the innermost words, the service's request id, the role that is missing, and no secret."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_batch_endpoints import errors
from azure_batch_endpoints._refusals import Asked, from_response, request_id_of
from azure_batch_endpoints.errors import PermissionDeniedError, ServiceError, redact

WORKSPACE = "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.MachineLearningServices/workspaces/w1"
SOMEONE = "0b7e1f0e-9d3c-4a7e-8a55-0123456789ab"


def refusal(action: str, scope: str = f"{WORKSPACE}/batchEndpoints/heart") -> dict[str, Any]:
    said = (
        f"The client 'me@a.com' with object id '{SOMEONE}' does not have authorization to perform action '{action}' "
        f"over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your "
        "credentials."
    )
    return {"error": {"code": "AuthorizationFailed", "message": said}}


def answered(status: int, body: object = None, asked: Asked | None = None, **headers: str) -> ServiceError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_response(status, named, body, action="create endpoint 'heart'", asked=asked)


ML = "Microsoft.MachineLearningServices/workspaces"


@pytest.mark.parametrize(
    ("action", "role"),
    [
        (f"{ML}/batchEndpoints/write", "AzureML Data Scientist"),
        (f"{ML}/read", "AzureML Data Scientist"),
        (f"{ML}/datastores/listSecrets/action", "AzureML Data Scientist"),
        (f"{ML}/batchEndpoints/deployments/jobs/write", "AzureML Data Scientist"),
        (f"{ML}/computes/write", "AzureML Compute Operator"),
        (f"{ML}/computes/delete", "AzureML Compute Operator"),
    ],
)
def test_a_403_of_the_management_service_names_action_role_scope_and_the_command(action: str, role: str) -> None:
    said = str(answered(403, refusal(action)))

    assert f"The role '{role}' on the workspace 'w1' is missing for the action '{action}'" in said
    assert f'az role assignment create --role "{role}" --assignee {SOMEONE} --scope {WORKSPACE} ' in said


STORE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/acct"


@pytest.mark.parametrize(
    ("action", "role"),
    [
        ("Microsoft.Storage/storageAccounts/listKeys/action", "Storage Account Key Operator Service Role"),
        ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read", "Storage Blob Data Reader"),
        ("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write", "Storage Blob Data Contributor"),
    ],
)
def test_a_403_over_a_storage_account_names_its_roles(action: str, role: str) -> None:
    said = str(answered(403, refusal(action, f"{STORE}/blobServices/default")))

    assert f"The role '{role}' on the storage account 'acct' is missing" in said
    assert f"--scope {STORE} " in said


def test_a_403_that_names_no_action_is_advised_by_what_was_asked() -> None:
    asked = Asked("ml", "POST", "heart.westeurope.inference.ml.azure.com", scope=WORKSPACE)
    said = str(answered(403, None, asked))

    assert "The role 'AzureML Data Scientist' on the workspace 'w1' is missing." in said
    compute = Asked("management", "PUT", scope=WORKSPACE, about_compute=True)
    assert "'AzureML Compute Operator'" in str(answered(403, None, compute))


@pytest.mark.parametrize(("method", "role"), [("GET", "Reader"), ("PUT", "Contributor")])
def test_a_store_without_role_names_the_one_for_reading_or_writing_and_the_account(method: str, role: str) -> None:
    asked = Asked("storage", method, "acct.blob.core.windows.net", account="acct", credential="token")
    body = {"error": {"code": "AuthorizationPermissionMismatch", "message": "This request is not authorized"}}
    said = str(answered(403, body, asked))

    assert f"The role 'Storage Blob Data {role}' on the storage account 'acct' is missing." in said
    assert "--scope $(az storage account show --name acct --query id --output tsv)" in said


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AuthorizationFailure", "az storage account network-rule add --account-name acct"),
        ("KeyBasedAuthenticationNotPermitted", "The account 'acct' allows neither keys nor signatures"),
        ("AuthenticationFailed", "renewed keys"),
        ("PublicAccessNotPermitted", "Add a signature to the URL"),
    ],
)
def test_each_refusal_of_a_store_has_advice_of_its_own(code: str, advice: str) -> None:
    asked = Asked("storage", "GET", "acct.blob.core.windows.net", account="acct")

    assert advice in str(answered(403, {"error": {"code": code, "message": "No"}}, asked))


def test_a_signature_that_is_over_is_said_to_be_with_its_time() -> None:
    body = (
        "<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the "
        "request.\nRequestId:r-9\nTime:2026-01-01T00:00:00Z</Message><AuthenticationErrorDetail>Signature not valid in "
        "the specified time frame: Start [Thu, 01 Jan 2026] - Expiry [Fri, 02 Jan 2026] - Current [Sat]"
        "</AuthenticationErrorDetail></Error>"
    )
    error = answered(403, body, Asked("storage", signed=True))

    assert "The signature (SAS) held from Thu, 01 Jan 2026 to Fri, 02 Jan 2026. Make a new one" in str(error)
    assert (error.code, error.request_id) == ("AuthenticationFailed", "r-9")


_OTHER_TENANT = {
    "error": {
        "code": "InvalidAuthenticationTokenTenant",
        "message": (
            "The access token is from the wrong issuer 'https://sts.windows.net/t-wrong/'. It must match the tenant "
            "'https://sts.windows.net/t-right/' associated with this subscription. Please use the authority (URL) "
            "'https://login.windows.net/t-right' to get the token."
        ),
    }
}


@pytest.mark.parametrize(
    ("body", "challenge", "said"),
    [
        ({"error": {"code": "ExpiredAuthenticationToken", "message": "Expired"}}, "", "Credential: it has expired."),
        ({"error": {"code": "InvalidAuthenticationTokenAudience", "message": "x"}}, "", "meant for another audience."),
        (None, 'Bearer authorization_uri="https://login.windows.net/t-1/", error="invalid_token"', "--tenant t-1"),
        (None, "", "did not accept the token of DefaultAzureCredential"),
        (_OTHER_TENANT, "", "Sign in to the subscription's tenant (az login --tenant t-right), or pass another"),
    ],
)
def test_a_401_says_whose_token_was_refused_by_whom_and_why(body: object, challenge: str, said: str) -> None:
    error = answered(401, body, Asked(credential="DefaultAzureCredential"), WWW_Authenticate=challenge)

    assert said in str(error) and "The management service" in str(error) and "az login" in str(error)
    assert "(scoring, run history)" in str(answered(401, None, Asked("ml")))
    assert "The storage account" in str(answered(401, None, Asked("storage")))


@pytest.mark.parametrize(
    "header",
    ["x-ms-request-id", "X-Ms-Request-Id", "x-request-id", "request-id", "apim-request-id", "x-ms-routing-request-id"],
)
def test_the_request_id_is_found_in_every_spelling(header: str) -> None:
    assert request_id_of({header: "r-1"}) == "r-1"
    error = from_response(500, {header: "r-1"}, None, action="read")
    assert error.request_id == "r-1" and str(error).endswith("Request id r-1.")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "x"}, "correlation": {"operation": "o-1", "request": "r-1"}},
        {"error": {"additionalInfo": [{"type": "Correlation", "info": {"value": {"request": "r-1"}}}]}},
    ],
)
def test_the_request_id_is_found_in_the_body_where_no_header_has_it(body: object) -> None:
    assert answered(400, body).request_id == "r-1"
    assert answered(400, None, x_ms_client_request_id="mine").request_id == "mine"


def test_nested_errors_are_told_once_each_and_the_innermost_code_counts() -> None:
    inner = {"code": "ModelNotFound", "message": "Model m:3 is not there.", "details": []}
    body = {
        "error": {
            "code": "UserError",
            "message": "The specified resource was not found.",
            "details": [
                {"code": "ValidationError", "message": "The specified resource was not found", "details": [inner]}
            ],
            "innerError": {"code": "BadArgument", "innererror": {"code": "NotFoundError"}},
            "debugInfo": {"message": "at Namespace.Class.Method()"},
        }
    }
    error = answered(400, body)

    assert error.code == "ModelNotFound"
    assert str(error).count("The specified resource was not found") == 1
    assert "Model m:3 is not there." in str(error) and "Namespace.Class" not in str(error)


def test_the_list_of_validation_errors_is_put_into_words() -> None:
    listed = '[\n {"PropertyName": "Model.Reference", "ErrorMessage": "must not be empty.", "ErrorCode": "E"}\n]\n'
    error = answered(400, {"error": {"code": "UserError", "message": f"It has validation errors.\nErrors:\n{listed}"}})

    assert "It has validation errors. Model.Reference: must not be empty." in str(error)


def test_a_proxys_page_is_told_by_its_title_alone() -> None:
    page = (
        "<!DOCTYPE html><html><head><title>Access &amp; denied</title></head><body><p>secret inside</p></body></html>"
    )
    said = str(answered(403, page))

    assert "a web page titled 'Access & denied' came with status 403, as of a proxy" in said
    assert "inside" not in said and "<" not in said.replace("<your object id>", "").replace("<id of the workspace>", "")


def test_a_huge_body_is_cut() -> None:
    assert len(str(answered(500, "x" * 1_000_000))) < 3000


SECRETS = (
    "https://a.blob.core.windows.net/c/b?sv=2024&sp=r&sig=TOPSECRET%3D&se=2026",
    "https%3A%2F%2Fa%2Fb%3Fsig%3DTOPSECRETSIG",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=TOPSECRET==;EndpointSuffix=x",
    "Authorization: Bearer TOPSECRET.x.y",
    "SharedKey acct:TOPSECRETkey=",
    "eyJ0eXAiOiJKV1Qi.TOPSECRET.TOPSECRET",
    '{"key": "TOPSECRETkey==", "sasToken": "TOPSECRET"}',
    "client_secret=TOPSECRET",
    "https://me:TOPSECRET@gateway.example/x",
    "TOPSECRET" * 9 + "abcde==",
)


@settings(max_examples=60, deadline=None)
@given(
    secret=st.sampled_from(SECRETS),
    before=st.text(alphabet="ab \n'\"(", max_size=6),
    status=st.sampled_from([400, 401, 403, 404, 409, 429, 500]),
    place=st.sampled_from(["message", "details", "target", "text", "page", "action", "header"]),
)
def test_no_secret_is_in_an_error_wherever_the_service_or_the_user_put_it(
    secret: str, before: str, status: int, place: str
) -> None:
    text = f"{before} {secret}"
    body: object = {
        "message": {"error": {"code": "X", "message": text}},
        "details": {"error": {"message": "x", "details": [{"code": "Y", "message": text}]}},
        "target": {"error": {"message": "x", "target": text}},
        "text": text,
        "page": f"<html><title>{text}</title></html>",
    }.get(place)
    action = f"read '{text}'" if place == "action" else "read"
    headers = {"WWW-Authenticate": text} if place == "header" else {}

    error = from_response(status, headers, body, action=action)

    assert "TOPSECRET" not in f"{error} {error!r} {error.target} {error.code}"


@pytest.mark.parametrize("secret", SECRETS)
def test_every_class_of_error_blots_secrets_out_of_its_text(secret: str) -> None:
    made = [
        errors.BatchEndpointsError(secret),
        errors.InvalidInputError(secret),
        errors.SpecError(secret, path=Path("d.yml"), line=3),
        errors.ScoringScriptError(secret, path=Path("s.py")),
        errors.LocalPathError(secret, path=Path("x")),
        errors.TransportError(secret),
        errors.UploadError(secret, path=Path("x"), uri="u"),
        errors.OperationFailedError(secret, object()),
        errors.JobFailedError(secret, object()),  # type: ignore[arg-type]  # any job
        errors.WaitTimeoutError(secret, object()),
        errors.LocalServiceError(secret),
    ]

    assert [one for one in made if "TOPSECRET" in f"{one} {one!r}"] == []


def test_an_error_goes_to_another_process_and_back_without_what_is_live() -> None:
    made = [
        errors.SpecError("wrong.", path=Path("d.yml"), line=3, field="a.b"),
        errors.LocalPathError("not there.", path=Path("x")),
        answered(403, refusal(f"{ML}/read"), None, x_ms_request_id="r-1"),
        errors.WaitTimeoutError("late.", object()),
        errors.JobFailedError("failed.", object()),  # type: ignore[arg-type]  # any job
    ]
    there = pickle.loads(pickle.dumps(made))

    assert [(type(one), str(one)) for one in there] == [(type(one), str(one)) for one in made]
    assert (there[0].line, there[0].field, there[2].request_id, there[2].status_code) == (3, "a.b", "r-1", 403)
    assert there[3].resource is None and there[4].job is None
    assert str(copy.copy(made[2])) == str(made[2]) and isinstance(there[2], PermissionDeniedError)


def test_what_is_no_secret_is_left_alone() -> None:
    for text in ("a design=blue", "key: value", "signature of run(mini_batch)", "token expired", "12345-abc=="):
        assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Input './sig=fast/se=north/sv=2/a.csv' does not exist.",
        "azureml://datastores/own/paths/se=2024/sig=a/",
        "    plot(x, se=std_err, sv=values, sig=signal.filtered(x))",
        "    sig=compute_signature_of_all_the_rows_of_it(frame),",
        "    connect(user=user, password=password)",
        "    connect(password=os.environ['DB'], access_token=token())",
        "    run(cmd, pwd=os.getcwd())",
        "KeyError: 'key' in {'key': 'age', \"key\": \"some words\"}",
        "The Bearer token is missing.",
        'Bearer realm="x", error="invalid_token"',
        '{"url": "http://127.0.0.1:5000","mail": "me@example.com"}',
    ],
)
def test_what_users_write_and_their_tracebacks_stay_readable(text: str) -> None:
    assert redact(text) == text
    assert str(errors.JobFailedError(text, object())) == text  # type: ignore[arg-type]  # any job


@pytest.mark.parametrize(
    "text",
    [
        "sig=TOPSECRET",
        "    read(url, sig=TOPSECRET%2Babcdefghijklmnopqrstuvwxyz0123456789%3D)",
        "?sig=TOPSECRET)",
        "'sig=TOPSECRET&se=2027'",
        "sig%253DTOPSECRET",
        "connect(password='TOPSECRET')",
        'PASSWORD = "TOPSECRET"',
        "{'clientSecret': 'TOPSECRET'}",
        "Server=a;UID=b;PWD=TOPSECRET;",
        "password=TOPSECRET user=me",
        "AZURE_CLIENT_SECRET=TOPSECRET",
    ],
)
def test_a_secret_in_a_line_of_code_is_blotted_out(text: str) -> None:
    assert "TOPSECRET" not in redact(text) and "***" in redact(text)
