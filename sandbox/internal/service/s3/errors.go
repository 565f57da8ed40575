package s3

import (
	"strconv"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The texts are those of S3's error responses.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html

func errNoSuchBucket(name string) *wire.Error {
	return wire.Fail("NoSuchBucket", 404, "The specified bucket does not exist").With("BucketName", name)
}

func errNoSuchKey(key string) *wire.Error {
	return wire.Fail("NoSuchKey", 404, "The specified key does not exist.").With("Key", key)
}

func errNoSuchVersion(key, id string) *wire.Error {
	return wire.Fail("NoSuchVersion", 404, "The specified version does not exist.").With("Key", key).With("VersionId", id)
}

func errNoSuchUpload(id string) *wire.Error {
	return wire.Fail("NoSuchUpload", 404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.").With("UploadId", id)
}

func errInvalidBucketName(name string) *wire.Error {
	return wire.Fail("InvalidBucketName", 400, "The specified bucket is not valid.").With("BucketName", name)
}

func errKeyTooLong(n int) *wire.Error {
	return wire.Fail("KeyTooLongError", 400, "Your key is too long").With("Size", strconv.Itoa(n)).With("MaxSizeAllowed", strconv.Itoa(maxKey))
}

func errPrecondition(condition string) *wire.Error {
	return wire.Fail("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold").With("Condition", condition)
}

func errInvalidArgument(name, value, message string) *wire.Error {
	return wire.Fail("InvalidArgument", 400, "%s", message).With("ArgumentName", name).With("ArgumentValue", value)
}

func errInvalidRequest(message string) *wire.Error {
	return wire.Fail("InvalidRequest", 400, "%s", message)
}

func errMalformedXML() *wire.Error {
	return wire.Fail("MalformedXML", 400, "The XML you provided was not well-formed or did not validate against our published schema")
}

func errMethodNotAllowed(method, resource string) *wire.Error {
	return wire.Fail("MethodNotAllowed", 405, "The specified method is not allowed against this resource.").With("Method", method).With("ResourceType", resource)
}

// errNotImplemented refuses what the sandbox leaves out; what names it.
func errNotImplemented(what string) *wire.Error {
	return wire.Fail("NotImplemented", 501, "A header or query you provided implies functionality that is not implemented: the sandbox has no %s.", what)
}

// errAccessDenied is the error for what no policy can allow.
func errAccessDenied() *wire.Error { return wire.Fail("AccessDenied", 403, "Access Denied") }

func errACLsDisabled() *wire.Error {
	return wire.Fail("AccessControlListNotSupported", 400, "The bucket does not allow ACLs")
}
