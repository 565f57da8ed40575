package sts

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/broker"
)

// sorted turns an error of AssumeRole into one that says who can do what about
// it. The codes are those of the STS API reference,
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_Errors,
// and https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html.
func sorted(err error, in *sts.AssumeRoleInput) *broker.LendError {
	role := aws.ToString(in.RoleArn)
	e := &broker.LendError{Hop: role, Err: err}

	var status int
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		status = answer.HTTPStatusCode()
		e.RetryAfter = retryAfter(answer.Response.Header)
	}

	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() == unreadable {
		return unanswered(e, status)
	}
	e.Code, e.Message = api.ErrorCode(), api.ErrorMessage()

	switch e.Code {
	case "AccessDenied", "AccessDeniedException", "IDPRejectedClaim":
		e.Kind, e.Cure = broker.Denied, denialCure(e.Message, in)
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		e.Kind, e.Cure = broker.Expired, "the credentials mantle starts from have expired: log in again or renew them"
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure", "MissingAuthenticationToken", "OptInRequired":
		e.Kind, e.Cure = broker.Expired, "AWS does not know the credentials mantle starts from: check that their access key exists and is active"
	case "SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException", "IncompleteSignature":
		e.Kind, e.Cure = broker.Invalid, "check the secret key mantle starts from"
		if strings.Contains(e.Message, "Signature expired") || strings.Contains(e.Message, "not yet current") || strings.HasPrefix(e.Code, "Request") {
			e.Cure = "set the clock of this host" + clockNote(answer)
		}
	case "RegionDisabledException":
		e.Kind, e.Cure = broker.Invalid, "activate STS in that region in the account settings of IAM, or set another region"
	case "PackedPolicyTooLarge", "PackedPolicyTooLargeException":
		e.Kind, e.Cure = broker.Invalid, "make the session policy smaller or send fewer session tags"
	case "MalformedPolicyDocument", "MalformedPolicyDocumentException":
		e.Kind, e.Cure = broker.Invalid, "correct the session policy"
	case "ValidationError", "ValidationException", "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter":
		e.Kind, e.Cure = broker.Invalid, validationCure(e.Message)
	default:
		switch {
		case status == http.StatusTooManyRequests || throttles(e.Code):
			e.Kind, e.Cure = broker.Throttled, "nothing to do but wait; if it lasts, ask AWS to raise the AssumeRole quota"
		case status >= 500 || api.ErrorFault() == smithy.FaultServer:
			e.Kind, e.Cure = broker.Unreachable, "STS itself has failed; it is asked again"
		case status == http.StatusForbidden:
			e.Kind, e.Cure = broker.Denied, denialCure(e.Message, in)
		default:
			e.Kind = broker.Failed
		}
	}
	return e
}

// unreadable is the code the SDK makes up for an answer in which it finds none.
const unreadable = "UnknownError"

// unanswered sorts what is not an answer of STS.
func unanswered(e *broker.LendError, status int) *broker.LendError {
	var params smithy.InvalidParamsError
	var dns *net.DNSError
	text := e.Err.Error()
	switch {
	case errors.As(e.Err, &params):
		e.Kind, e.Message, e.Cure = broker.Invalid, strings.TrimSpace(params.Error()), "correct the role's configuration"
	case strings.Contains(text, "failed to resolve service endpoint"), strings.Contains(text, "invalid input region"):
		e.Kind, e.Message, e.Cure = broker.Invalid, lastOf(text), "check the region and the endpoint of STS"
	case errors.As(e.Err, &dns):
		e.Kind, e.Message = broker.Unreachable, "the name of STS, "+dns.Name+", does not resolve"
		e.Cure = "check the region, the endpoint and the name server of this host"
	case errors.Is(e.Err, context.DeadlineExceeded):
		e.Kind, e.Message = broker.Unreachable, "no answer from STS in time"
		e.Cure = "check the network path to STS and its endpoint"
	case status != 0:
		e.Kind, e.Message = broker.Unreachable, "the endpoint answered "+strconv.Itoa(status)+" with something that is not STS's"
		e.Cure = "check the endpoint of STS, and that no proxy answers in its place"
	default:
		e.Kind, e.Message = broker.Unreachable, lastOf(text)
		e.Cure = "check the network path to STS and its endpoint"
	}
	return e
}

// lastOf leaves out how the SDK got to an error: "operation error STS:
// AssumeRole, exceeded maximum number of attempts, 3, …: ".
func lastOf(text string) string {
	for _, prefix := range []string{"request send failed, ", "failed to resolve service endpoint, "} {
		if _, after, ok := strings.Cut(text, prefix); ok {
			return after
		}
	}
	return strings.TrimPrefix(text, "operation error STS: AssumeRole, ")
}

// throttles reports whether the code asks for fewer calls.
func throttles(code string) bool {
	switch code {
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
		"RequestLimitExceeded", "TooManyRequestsException", "LimitExceededException", "SlowDown", "BandwidthLimitExceeded":
		return true
	}
	return false
}

// denialCure says which two policies to look at. STS has one text for a trust
// policy that does not allow, a caller's policy that does not and a role that
// does not exist.
func denialCure(message string, in *sts.AssumeRoleInput) string {
	role := aws.ToString(in.RoleArn)
	action := "sts:AssumeRole"
	if _, after, ok := strings.Cut(message, "to perform: "); ok {
		if a, _, _ := strings.Cut(after, " "); strings.HasPrefix(a, "sts:") {
			action = a
		}
	}
	caller := "the caller"
	if _, after, ok := strings.Cut(message, "User: "); ok {
		if arn, _, _ := strings.Cut(after, " "); strings.HasPrefix(arn, "arn:") {
			caller = principal(arn)
		}
	}
	var b strings.Builder
	b.WriteString("the trust policy of " + role + " must allow " + action + " to " + caller)
	b.WriteString(", and so must the caller's own policies unless it is named there as a principal of the same account")
	var also []string
	if in.ExternalId != nil {
		also = append(also, "the external id must be the one the trust policy asks for")
	}
	if action == "sts:AssumeRole" && len(in.Tags) > 0 {
		also = append(also, "session tags need sts:TagSession as well")
	}
	if action == "sts:AssumeRole" && in.SourceIdentity != nil {
		also = append(also, "a source identity needs sts:SetSourceIdentity as well")
	}
	also = append(also, "check that the role exists")
	return b.String() + "; " + strings.Join(also, "; ")
}

// principal is what a policy has to name for a caller to be let in: of a role
// session the role, whose path the session's ARN does not tell.
func principal(arn string) string {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || !strings.HasPrefix(f[5], "assumed-role/") {
		return arn
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(f[5], "assumed-role/"), "/")
	return "role " + name + " of account " + f[4] + " (its ARN, path included)"
}

// validationCure says what to change where STS's text does not.
func validationCure(message string) string {
	switch {
	case strings.Contains(message, "MaxSessionDuration"):
		return "set the role's duration to its MaxSessionDuration at most, or raise that"
	case strings.Contains(message, "role chaining"):
		return "set the role's duration to 1h"
	case strings.Contains(message, "roleSessionName"):
		return "correct the session name"
	case strings.Contains(message, "externalId"):
		return "correct the external id"
	case strings.Contains(message, "sourceIdentity"):
		return "correct the source identity"
	}
	return "correct the role's configuration"
}

// noBase says that there is nothing to start from. Whatever the cause, somebody
// has to see to the credentials.
func noBase(err error) *broker.LendError {
	e := &broker.LendError{Kind: broker.Expired, Err: err}
	text := err.Error()
	switch {
	case strings.Contains(text, "AssumeRoleTokenProvider"):
		e.Cure = "the base profile asks for an MFA code, which mantle does not prompt for: take a session first and start from that"
	case strings.Contains(text, "SSO"), strings.Contains(text, "sso"):
		e.Cure = `log in again with "aws sso login"`
	case strings.Contains(text, "IMDS"), strings.Contains(text, "no EC2"):
		e.Cure = "give mantle credentials to start from: a profile, environment variables, or a role of this host"
	case strings.Contains(text, "expired"):
		e.Cure = "renew the credentials mantle starts from"
	default:
		e.Cure = "check the credentials mantle starts from"
	}
	return e
}

// retryAfter is what the answer asks for, in seconds or, of the SDKs' own kind,
// milliseconds (RFC 9110 section 10.2.3; x-amz-retry-after). 0 if nothing.
func retryAfter(h http.Header) time.Duration {
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n > 0 {
		return min(time.Duration(n)*time.Second, 5*time.Minute)
	}
	if n, err := strconv.Atoi(h.Get("X-Amz-Retry-After")); err == nil && n > 0 {
		return min(time.Duration(n)*time.Millisecond, 5*time.Minute)
	}
	return 0
}

// clockNote says by how much this host's clock is wrong, if the answer tells.
func clockNote(answer *awshttp.ResponseError) string {
	if answer == nil || answer.Response == nil {
		return ""
	}
	at, err := http.ParseTime(answer.Response.Header.Get("Date"))
	if err != nil {
		return ""
	}
	switch skew := at.Sub(time.Now().Round(0)).Round(time.Second); {
	case skew > 0:
		return ": it is " + skew.String() + " slow"
	case skew < 0:
		return ": it is " + (-skew).String() + " fast"
	}
	return ""
}
