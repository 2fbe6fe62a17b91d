"""Refusals of the blob endpoint: the error code, the status and the sentence of each. Nothing here sends or logs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Codes, statuses and sentences as the Blob service documents them ("Blob service error codes").
_TABLE: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "AccessTierNotSupportedForBlobType": (400, "The access tier is not supported for this blob type."),
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
        "BlobArchived": (409, "This operation is not permitted on an archived blob."),
        "BlobIsSealed": (
            409,
            "The specified blob is sealed and its contents can't "
            "be modified unless the blob is re-created after a delete.",
        ),
        "BlobNotFound": (404, "The specified blob does not exist."),
        "BlockCountExceedsLimit": (409, "The committed block count cannot exceed the maximum limit of 50,000 blocks."),
        "BlockListTooLong": (400, "The block list may not contain more than 50,000 blocks."),
        "BothCrc64AndMd5HeaderPresent": (400, "Both x-ms-content-crc64 header and Content-MD5 header are present."),
        "CannotVerifyCopySource": (404, "The specified copy source does not exist in this store."),
        "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
        "ContainerAlreadyExists": (409, "The specified container already exists."),
        "ContainerNotFound": (404, "The specified container does not exist."),
        "CorsPreflightFailure": (403, "CORS not enabled or no matching rule found for this request."),
        "Crc64Mismatch": (
            400,
            "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.",
        ),
        "DuplicateTagNames": (400, "The tags specified contain duplicate names."),
        "EmptyTagName": (400, "The name of one of the tag key-value pairs is empty."),
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
        "InvalidTag": (400, "The tags specified are invalid. They contain characters that are not permitted."),
        "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
        "InvalidXmlDocument": (400, "XML specified is not syntactically valid."),
        "InvalidXmlNodeValue": (400, "The value for one of the XML nodes is not in the correct format."),
        "LeaseAlreadyPresent": (409, "There is already a lease present."),
        "LeaseIdMismatchWithBlobOperation": (412, "The lease ID specified did not match the lease ID for the blob."),
        "LeaseIdMismatchWithContainerOperation": (
            412,
            "The lease ID specified did not match the lease ID for the container.",
        ),
        "LeaseIdMismatchWithLeaseOperation": (
            409,
            "The lease ID specified did not match the lease ID for the blob or container.",
        ),
        "LeaseIdMissing": (
            412,
            "There is currently a lease on the blob or container and no lease ID was specified in the request.",
        ),
        "LeaseIsBreakingAndCannotBeAcquired": (
            409,
            "The lease ID matched, but the lease is currently in "
            "breaking state and cannot be acquired until it is broken.",
        ),
        "LeaseIsBreakingAndCannotBeChanged": (
            409,
            "The lease ID matched, but the lease is currently in breaking state and cannot be changed.",
        ),
        "LeaseIsBrokenAndCannotBeRenewed": (
            409,
            "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.",
        ),
        "LeaseNotPresentWithBlobOperation": (412, "There is currently no lease on the blob."),
        "LeaseNotPresentWithContainerOperation": (412, "There is currently no lease on the container."),
        "LeaseNotPresentWithLeaseOperation": (409, "There is currently no lease on the blob or container."),
        "MaxBlobSizeConditionNotMet": (412, "The max blob size condition specified was not met."),
        "Md5Mismatch": (
            400,
            "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
        ),
        "MetadataTooLarge": (400, "The size of the specified metadata exceeds the limits."),
        "MissingContentLengthHeader": (411, "The Content-Length header was not specified."),
        "MissingRequiredHeader": (400, "An HTTP header that's mandatory for this request is not specified."),
        "MissingRequiredQueryParameter": (400, "A query parameter that's mandatory for this request is not specified."),
        "MultipleConditionHeadersNotSupported": (400, "Multiple condition headers are not supported."),
        "NoAuthenticationInformation": (
            401,
            "Server failed to authenticate the request. Please refer to the information in the www-authenticate "
            "header.",
        ),
        "NoPendingCopyOperation": (409, "There is currently no pending copy operation."),
        "NotImplemented": (501, "The requested operation is not part of this blob endpoint."),
        "OutOfRangeQueryParameterValue": (
            400,
            "A query parameter specified in the request URI is outside the permissible range.",
        ),
        "OutOfRangeInput": (400, "One of the request inputs is out of range."),
        "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
        "SnapshotsPresent": (409, "This operation is not permitted while the blob has snapshots."),
        "SourceConditionNotMet": (412, "The source condition specified using HTTP conditional header(s) is not met."),
        "TagsTooLarge": (400, "The tags specified exceed the maximum permissible limit."),
        "UnauthorizedBlobOverwrite": (403, "This request is not authorized to perform blob overwrites."),
        "UnsatisfiableCondition": (400, "The request includes an unsatisfiable condition for this operation."),
        "UnsupportedHeader": (400, "One of the HTTP headers specified in the request is not supported."),
        "UnsupportedHttpVerb": (405, "The resource doesn't support the specified HTTP verb."),
        "UnsupportedXmlNode": (400, "One of the XML nodes specified in the request body is not supported."),
    }
)


class BlobError(Exception):
    """A request the blob endpoint refuses.

    Attributes:
        code: The service's error code, for example ``BlobNotFound``.
        status: The HTTP status that goes with it.
        headers: Further response headers (for example ``Content-Range`` of a 416).
    """

    def __init__(
        self, code: str, details: str = "", *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        known, sentence = _TABLE[code]
        super().__init__(f"{sentence} {details}".strip())
        self.code = code
        self.status = known if status is None else status
        self.headers: Mapping[str, str] = headers or {}


class StoreInUseError(RuntimeError):
    """Another process has this blob store open; two writers would remove each other's files."""
