"""Refusals of the blob endpoint: the error code, the status and the sentence of each. Nothing here sends or logs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Codes, statuses and sentences as the Blob service documents them ("Blob service error codes").
_TABLE: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "AppendPositionConditionNotMet": (412, "The append position condition specified was not met."),
        "AuthenticationFailed": (
            403,
            "Server failed to authenticate the request. Make sure the value of the Authorization header is formed "
            "correctly including the signature.",
        ),
        "AuthorizationPermissionMismatch": (
            403,
            "This request is not authorized to perform this operation using this permission.",
        ),
        "AuthorizationProtocolMismatch": (
            403,
            "This request is not authorized to perform this operation using this protocol.",
        ),
        "AuthorizationResourceTypeMismatch": (
            403,
            "This request is not authorized to perform this operation using this resource type.",
        ),
        "AuthorizationServiceMismatch": (
            403,
            "This request is not authorized to perform this operation using this service.",
        ),
        "AuthorizationSourceIPMismatch": (
            403,
            "This request is not authorized to perform this operation using this source IP.",
        ),
        "BlobAlreadyExists": (409, "The specified blob already exists."),
        "BlobNotFound": (404, "The specified blob does not exist."),
        "CannotVerifyCopySource": (404, "The specified copy source does not exist in this store."),
        "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
        "ContainerAlreadyExists": (409, "The specified container already exists."),
        "ContainerNotFound": (404, "The specified container does not exist."),
        "InternalError": (500, "The server encountered an internal error. Please retry the request."),
        "InvalidBlobOrBlock": (400, "The specified blob or block content is invalid."),
        "InvalidBlobType": (409, "The blob type is invalid for this operation."),
        "InvalidBlockList": (400, "The specified block list is invalid."),
        "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
        "InvalidInput": (400, "One of the request inputs is not valid."),
        "InvalidMd5": (400, "The MD5 value specified in the request is invalid. MD5 value must be 128 bits."),
        "InvalidMetadata": (400, "The metadata specified is invalid. It has characters that are not permitted."),
        "InvalidQueryParameterValue": (
            400,
            "Value for one of the query parameters specified in the request URI is invalid.",
        ),
        "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
        "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
        "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
        "InvalidXmlDocument": (400, "XML specified is not syntactically valid."),
        "MaxBlobSizeConditionNotMet": (412, "The max blob size condition specified was not met."),
        "Md5Mismatch": (
            400,
            "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
        ),
        "MetadataTooLarge": (400, "The size of the specified metadata exceeds the limits."),
        "MissingContentLengthHeader": (411, "The Content-Length header was not specified."),
        "MissingRequiredHeader": (400, "An HTTP header that's mandatory for this request is not specified."),
        "NoAuthenticationInformation": (
            401,
            "Server failed to authenticate the request. Please refer to the information in the www-authenticate "
            "header.",
        ),
        "NotImplemented": (501, "The requested operation is not part of this blob endpoint."),
        "OutOfRangeInput": (400, "One of the request inputs is out of range."),
        "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
        "UnauthorizedBlobOverwrite": (403, "This request is not authorized to perform blob overwrites."),
        "UnsupportedHeader": (400, "One of the HTTP headers specified in the request is not supported."),
        "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
    }
)


class BlobError(Exception):
    """A request the blob endpoint refuses.

    Attributes:
        code: The service's error code, for example ``BlobNotFound``.
        status: The HTTP status that goes with it.
        headers: Further response headers (for example ``Content-Range`` of a 416).
        details: What exactly was wrong, in the user's own words; added to the service's sentence.
    """

    def __init__(
        self, code: str, details: str = "", *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        known, sentence = _TABLE[code]
        super().__init__(f"{sentence} {details}".strip())
        self.code = code
        self.status = known if status is None else status
        self.headers: Mapping[str, str] = headers or {}
        self.details = details


class StoreInUseError(RuntimeError):
    """Another process has this blob store open; two writers would remove each other's files."""
