package ecs

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// The errors of ECS have status 400, except ServerException.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html

func clientError(format string, args ...any) error {
	return wire.Fail("ClientException", 400, format, args...)
}

func invalidParameter(format string, args ...any) error {
	return wire.Fail("InvalidParameterException", 400, format, args...)
}

func unsupported(format string, args ...any) error {
	return wire.Fail("UnsupportedFeatureException", 400, format, args...)
}

func accessDenied(format string, args ...any) error {
	return wire.Fail("AccessDeniedException", 400, format, args...)
}

func errNoCluster() error {
	return wire.Fail("ClusterNotFoundException", 400, "Cluster not found.")
}

func errNoService() error {
	return wire.Fail("ServiceNotFoundException", 400, "Service not found.")
}

func errInactiveService() error {
	return wire.Fail("ServiceNotActiveException", 400, "Service was not ACTIVE.")
}

// missing is the failure of a describing call for what is not there.
func missing(arn string) types.Failure {
	return types.Failure{Arn: &arn, Reason: new("MISSING")}
}

// contains is the refusal to delete a cluster that has n of something.
func contains(n int32, code, message string) error {
	if n == 0 {
		return nil
	}
	return wire.Fail(code, 400, "%s", message)
}
