"""Management api-versions: which can be asked for, and what each route speaks where one does not serve all.

2021-10-01 was the first stable version with batch endpoints and names things differently: ``datasets`` with ``paths``
for ``data`` with ``dataUri``, ``modelFormat`` for ``modelType``, code without look-up by hash and without a place to
upload to (Azure/azure-rest-api-specs, Microsoft.MachineLearningServices, ``stable/2021-10-01/mfe.json``).
"""

from __future__ import annotations

import re
from datetime import date

from azure_batch_endpoints._wire import routes
from azure_batch_endpoints._wire.routes import AssetKind
from azure_batch_endpoints.errors import InvalidInputError

FIRST = "2021-10-01"
_SHAPE = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2})(?:-[a-z]*preview)?")
_WITH_TODAYS_ASSETS = "2023-04-01"
_AFTER_2021 = "2022-02-01"


def checked(version: str) -> str:
    """Return an api-version that can be used; newer ones than this package knows are fine.

    Raises:
        InvalidInputError: it is none, or one before batch endpoints were as they are.
    """
    example = f"Write one as {routes.API_VERSION} or {FIRST}."
    found = _SHAPE.fullmatch(version) if isinstance(version, str) else None
    if found is None or not _is_day(found["day"]):
        raise InvalidInputError(f"api_version is {version!r}, which is no api-version of Azure. {example}")
    if found["day"] < FIRST:
        raise InvalidInputError(f"api_version is '{version}'; batch endpoints begin with {FIRST}. {example}")
    return version


def is_2021(version: str) -> bool:
    """Tell whether a version has the bodies of 2021-10-01."""
    return version < _AFTER_2021


def of_assets(version: str) -> str:
    """Return the version for routes of assets.

    2021-10-01 has its own. The versions from 2022 until 2023-04-01 have no look-up and upload of code, so the current
    one is used in their place, as the official client uses several side by side (azure-ai-ml 1.35.2).
    """
    return version if is_2021(version) or version >= _WITH_TODAYS_ASSETS else routes.API_VERSION


def kind_of_data(version: str) -> AssetKind:
    """Return the word of data assets in paths."""
    return "datasets" if is_2021(version) else "data"


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False
