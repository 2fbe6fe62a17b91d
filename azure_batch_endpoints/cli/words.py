"""What the SDK's errors advise, said in commands: whoever types ``abe`` cannot call ``job.logs()``.

The only place that turns one into the other. A text without such advice is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

_Words: TypeAlias = "str | Callable[[re.Match[str]], str]"
_JOB = re.compile(r"\b[Jj]ob '([^']+)'")
_ENDPOINT = re.compile(r"\b[Ee]ndpoint '([^']+)'")
_NOUNS = {"Endpoint": "endpoint", "Deployment": "deployment", "Compute": "compute", "Model": "model"}
_NOUNS |= {"Environment": "environment", "Dataset": "data set"}
_BY_NAME = "as an argument, with --name, or as name in the YAML"


def _missing(found: re.Match[str]) -> str:
    noun, field = _NOUNS[found[1]], found[2]
    if field == "name":
        return f"The {noun} needs a name. Give it {_BY_NAME}."
    return f"The {noun} needs '{field}'. Say it in the YAML (--file), or with --set {field}=<value>."


def _root(found: re.Match[str]) -> str:
    return "--root <folder>" if found[1] == "root" else f"--root {found[1]}"


def _start(found: re.Match[str]) -> str:
    return f"Start it again, and a job that had not ended goes on: abe local start --detach {_root(found)}"


_SAID: tuple[tuple[str, _Words], ...] = (
    (r"See job\.logs\(\) of each; they are in error\.jobs", "See the logs of each: abe job logs <job>"),
    (r"Start it again with BatchClient\.local\((root|'[^']*')\)\.?", _start),
    (r"or use BatchClient\.local\(\)", "or leave out --cloud to use the service on this machine"),
    (
        r"pass subscription_id, resource_group and workspace to BatchClient",
        "pass --subscription, --resource-group and --workspace-name",
    ),
    (r"or pass it to BatchClient", "or pass --subscription, --resource-group and --workspace-name"),
    (r"[Uu]se BatchClient\.from_config\(\), which finds it", "leave it out, and it is looked for"),
    (r"BatchClient\.local\(environments=[\"'](\w+)[\"']\)", r"abe local start --environments \1"),
    (r"BatchClient\.local\((root|'[^']+')\)", _root),
    (r"BatchClient\.local\(\)", "the service on this machine"),
    (r"\bstorage=\"(\w+)\"", r"--storage \1"),
    (r"\bstorage=(?= )", "--storage"),
    (r"\bstay=True\b", "--detach"),
    (r"overwrite=True, on the command line --overwrite", "--overwrite"),
    (r"See job\.error and job\.logs\(\)", "See: abe job show {job}; abe job logs {job}"),
    (r"(See|Logs:|Its logs tell:) job\.logs\(\)", r"Logs: abe job logs {job}"),
    (r"(Wait for its end first|Wait for it|Wait): job\.wait\(\)", r"\1: abe job wait {job}"),
    (r"[\w.]*jobs\.get\(\"([^\"]+)\"\)", r"abe job show \1"),
    (
        r"Rows scored before: job\.results\.to_pandas\(partial=True\)",
        "Rows scored before, in its folder partial: abe job download {job} --dest .",
    ),
    (r"job\.retry_failed\(include_pending=True\)", "abe job retry-failed {job} --include-pending"),
    (r"job\.retry_failed\(\)", "abe job retry-failed {job}"),
    (r"\binclude_pending=True\b", "--include-pending"),
    (r"Start it again with invoke\(\)", "To score again, invoke the endpoint again: abe endpoint invoke"),
    (r"; invoke\(\) again", "; invoke the endpoint again"),
    (r"and invoke\(\) named none", "and none was named"),
    (
        r"Pass deployment=(?:\"([^\"]+)\"|<name>) or call endpoint\.set_default\([^)]*\)",
        lambda found: "Pass --deployment-name {0}, or: abe endpoint set-default {{endpoint}} {0}".format(
            found[1] or "<name>"
        ),
    ),
    (
        r"create one with endpoint\.deployments\.create\(spec, set_default=True\)",
        "create one: abe deployment create --endpoint-name {endpoint} --file deployment.yml --set-default",
    ),
    (r"Call endpoint\.wait\(\) first", "Look again in a while: abe endpoint show {endpoint}"),
    (r"jobs\.list\(deployment=\"([^\"]+)\"\) needs endpoint= too", r"--deployment-name \1 needs --endpoint-name too"),
    (r"\bWrite (?:local_path\(\"([^\"]+)\"\))", r"Write --input-local-path \1"),
    (r"\blocal_path\(\"([^\"]+)\"\)", r"--input-local-path \1"),
    (r"\b(folder|file)\(\"([^\"]*)\"\)", r"\1:\2"),
    (r"\bdataset\(\"([^\"]+)\", version=\"?([\w.]+)\"?\)", r"azureml:\1:\2"),
    (r"\bdataset\(\"([^\"]+)\", label=\"(\w+)\"\)", r"azureml:\1@\2"),
    (r"Read the file with EndpointSpec, or 'abe endpoint create --file'", "Use it with 'abe endpoint create --file'"),
    (r"\b(Endpoint|Deployment|Compute|Model|Environment|Dataset)Spec needs '(\w+)'\.(?: Give it\.)?", _missing),
    (r"It goes on; wait\(\) again or refresh\(\)", "It goes on; look again in a while"),
    (r"They go on; wait for them again, or return to one with client\.jobs\.get\(name\)", "They go on: abe job wait …"),
    (r"Stop it with job\.cancel\(\), unless that will do", "Unless that will do, stop it: abe job cancel {job}"),
    (r"Check job\.results before you use them", "Check its results before you use them: abe job download {job}"),
    (r"Look at what there is with refresh\(\), and ask again", "Look at it with its verb show, and ask again"),
    (r"look at it with refresh\(\)", "look at it with its verb show"),
    (
        r"Call endpoint\.set_default\(\"([^\"]+)\"\) again, and name the deployment in invoke\(\) until it is",
        r"Try again, and name it with --deployment-name until it is: abe endpoint set-default {endpoint} \1",
    ),
    (r"Pass key= with the columns that do, such as key=\"id\"", "Name the columns that do, such as --key id"),
    (r"; pass key= to match them by columns", "; --key matches them by columns"),
    (r"(?:It goes on; )look again with refresh\(\)", "It goes on; look again in a while"),
    (r"Look with endpoint\.refresh\(\)", "Look again in a while: abe endpoint show {endpoint}"),
    (r"look with job\.refresh\(\), then cancel\(\) again", "look with abe job show {job}, then cancel it again"),
    (r"Try again: endpoint\.set_default\('([^']+)'\)", r"Try again: abe endpoint set-default {endpoint} \1"),
    (r"Read it again \(refresh\(\)\), then try again", "Look at it again, then try again"),
    (r"pass another credential= to BatchClient", "use another credential (az account show tells whose this is)"),
    (
        r"(?:, and resource_group and workspace| resource_group and workspace) of " "the client",
        r", --resource-group and --workspace-name",
    ),
)
_RULES = tuple((re.compile(pattern), words) for pattern, words in _SAID)


def in_commands(text: str) -> str:
    """Return a text of the SDK with its advice as commands and options of ``abe``."""
    job, endpoint = _JOB.search(text), _ENDPOINT.search(text)
    said = text
    for pattern, words in _RULES:
        said = pattern.sub(words, said)
    if said == text:
        return text
    names = {"job": job[1] if job else "<job>", "endpoint": endpoint[1] if endpoint else "<endpoint>"}
    return re.sub(r"\{(job|endpoint)\}", lambda found: names[found[1]], said)
