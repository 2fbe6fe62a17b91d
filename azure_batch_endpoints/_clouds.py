"""The clouds: where each has its management service, its sign-in, its storage and Azure Machine Learning. A table.

Which cloud a workspace is in, is found out by ``client`` and ``_config``; nothing here is looked up or sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from azure_batch_endpoints._spelling import suggestion
from azure_batch_endpoints.errors import InvalidInputError


@dataclass(frozen=True)
class Cloud:
    """One cloud.

    Attributes:
        name: as ``az cloud list`` names it.
        management_url: Azure Resource Manager; also the audience of its tokens.
        authority_host: where users and principals sign in.
        ml_url: audience of the tokens for scoring URIs and job lists.
        studio_url: the studio.
        storage_suffix: what storage accounts' hosts end with, behind ``blob.``.
        api_domains: DNS suffixes of discovery and data plane. Those of compute instances are not among them: what
            answers there may be anybody's program.
        scoring_domain: DNS suffix of scoring URIs.
    """

    name: str
    management_url: str
    authority_host: str
    ml_url: str
    studio_url: str
    storage_suffix: str
    api_domains: tuple[str, ...]
    scoring_domain: str

    @property
    def scopes(self) -> dict[str, str]:
        """OAuth scope by audience."""
        return {"management": f"{self.management_url}/.default", "ml": f"{self.ml_url}/.default"}

    @property
    def blob_domains(self) -> tuple[str, ...]:
        """DNS suffixes of blob containers: those of accounts, and of accounts with a DNS zone of their own."""
        return (f"blob.{self.storage_suffix}", "blob.storage.azure.net")


# The hosts: docs "Configure inbound and outbound network traffic" and "workspace with a custom DNS server" of Azure
# Machine Learning; the rest also in the tables of azure-ai-ml 1.35.2 and azure-identity 1.25.
PUBLIC = Cloud(
    "AzureCloud",
    "https://management.azure.com",
    "login.microsoftonline.com",
    "https://ml.azure.com",
    "https://ml.azure.com",
    "core.windows.net",
    ("api.azureml.ms", "experiments.azureml.net"),
    "inference.ml.azure.com",
)
CHINA = Cloud(
    "AzureChinaCloud",
    "https://management.chinacloudapi.cn",
    "login.chinacloudapi.cn",
    "https://ml.azure.cn",
    "https://studio.ml.azure.cn",
    "core.chinacloudapi.cn",
    ("api.ml.azure.cn", "experiments.ml.azure.cn"),
    "inference.ml.azure.cn",
)
US_GOVERNMENT = Cloud(
    "AzureUSGovernment",
    "https://management.usgovcloudapi.net",
    "login.microsoftonline.us",
    "https://ml.azure.us",
    "https://ml.azure.us",
    "core.usgovcloudapi.net",
    ("api.ml.azure.us", "experiments.ml.azure.us"),
    "inference.ml.azure.us",
)
CLOUDS = (PUBLIC, CHINA, US_GOVERNMENT)


def cloud_named(name: str, source: str) -> Cloud:
    """Return a cloud by its name, in any case.

    Args:
        name: its name.
        source: who named it, for the error.

    Raises:
        InvalidInputError: there is no such cloud.
    """
    found = next((one for one in CLOUDS if one.name.lower() == name.strip().lower()), None)
    if found is None:
        raise InvalidInputError(
            f"{source} is '{name}', which is no cloud that is known here. {suggestion(name, [c.name for c in CLOUDS])}"
        )
    return found


def cloud_at(management_url: str) -> Cloud | None:
    """Return the cloud whose management service an address is, or None."""
    try:
        host = urlsplit(management_url).hostname
    except ValueError:  # no address at all, which is said where it is used
        return None
    return next((one for one in CLOUDS if urlsplit(one.management_url).hostname == host), None)
