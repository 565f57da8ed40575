// Package agent hands credentials to the processes of one host, in the
// dialects the AWS SDKs speak.
//
//	IMDS   the EC2 instance metadata service, version 2 (version 1 by opt-in)
//	ECS    the container credential endpoint: ECS task roles, EKS Pod Identity
//
// A request takes the same five steps in either dialect, and the files are
// named for them:
//
//	serve.go     connections: size limits, limits per caller, and in
//	             deadline.go limits of time
//	guard.go     is the request spelled in the one way this package accepts?
//	caller.go    who sent it: the listener, the kernel, or a token of
//	             workloads.go
//	imds*.go,    the dialect: paths, and one function that turns an error
//	ecs*.go      into an answer, with its line in the log (log.go)
//	render.go    the bytes, and in hop_unix.go how far they go
//
// # What is never done
//
// A caller that is not known gets nothing that resembles a credential, and no
// default role exists. Of another metadata service nothing is handed on but what
// [IMDSOptions].Allow names, and never a credential, user data or a signature; a
// path that is not served here answers 404. No answer carries CORS headers.
// Credentials past their expiration are not sent, whatever the [Broker] says.
//
// # Thirty minutes
//
// botocore takes credentials it reads from instance metadata with less than
// 17 to 25 minutes left for ones the service failed to renew, and then trusts
// them for 17 to 25 minutes more (botocore
// InstanceMetadataFetcher._evaluate_expiration); signed with, they are dead.
// So a Broker that feeds [IMDS] has to renew while thirty minutes are left, as
// broker.Run does with sessions of an hour or more. Shorter sessions cannot
// satisfy botocore over instance metadata: hand them out by the container
// endpoint, which has no such trap. IMDS logs when it serves credentials that
// botocore will stretch.
package agent
