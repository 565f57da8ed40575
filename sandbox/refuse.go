package sandbox

import (
	"encoding/json"
	"fmt"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
	"net/http"
)

// situation is a reason to refuse a call before any policy is asked. Each
// family of services has a code and a text of its own for it.
type situation int

const (
	unknownKey   situation = iota // no such access key, inactive, or its owner is gone
	badSignature                  // the signature does not match
	expiredToken                  // the session is over
	badToken                      // the token is not this key's, or missing
	skewed                        // the client's clock is off
	noSignature                   // the call is not signed
	malformed                     // the signature cannot be read
	badScope                      // the signature is for another service
	presignOver                   // a presigned URL is past its end
	denied                        // a policy said no
	noOperation                   // the API has no such operation
	unsupported                   // the API has it, the sandbox has not
)

// family groups the services that word their refusals alike.
type family int

const (
	queryFamily family = iota
	ec2Family
	jsonFamily
	s3Family
)

func familyOf(service string) family {
	switch service {
	case "ec2":
		return ec2Family
	case "s3":
		return s3Family
	case "dynamodb", "ecs", "ecr", "eks-auth":
		return jsonFamily
	}
	return queryFamily
}

type wording struct {
	code   string
	status int
	text   string
}

const (
	badSignatureText = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	invalidTokenText = "The security token included in the request is invalid."
	expiredTokenText = "The security token included in the request is expired"
	ec2AuthText      = "AWS was not able to validate the provided access credentials"
	s3SignatureText  = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)

// wordings are the codes and texts by family, as AWS answers them (IAM and
// EC2 API References, "Common errors"; S3 API Reference, "Error responses").
var wordings = map[situation][4]wording{
	//             query                                          ec2                                       json                                              s3
	unknownKey:   {{"InvalidClientTokenId", 403, invalidTokenText}, {"AuthFailure", 401, ec2AuthText}, {"UnrecognizedClientException", 400, invalidTokenText}, {"InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist in our records."}},
	badSignature: {{"SignatureDoesNotMatch", 403, badSignatureText}, {"AuthFailure", 401, ec2AuthText}, {"InvalidSignatureException", 400, badSignatureText}, {"SignatureDoesNotMatch", 403, s3SignatureText}},
	expiredToken: {{"ExpiredToken", 403, expiredTokenText}, {"RequestExpired", 400, "Request has expired."}, {"ExpiredTokenException", 400, expiredTokenText}, {"ExpiredToken", 400, "The provided token has expired."}},
	badToken:     {{"InvalidClientTokenId", 403, invalidTokenText}, {"AuthFailure", 401, ec2AuthText}, {"UnrecognizedClientException", 400, invalidTokenText}, {"InvalidToken", 400, "The provided token is malformed or otherwise invalid."}},
	skewed:       {{"SignatureDoesNotMatch", 403, ""}, {"RequestExpired", 400, "Request has expired."}, {"InvalidSignatureException", 400, ""}, {"RequestTimeTooSkewed", 403, "The difference between the request time and the current time is too large."}},
	noSignature:  {{"MissingAuthenticationToken", 403, "Request is missing Authentication Token"}, {"MissingParameter", 400, "The request must contain the parameter AWSAccessKeyId"}, {"MissingAuthenticationTokenException", 400, "Missing Authentication Token"}, {"AccessDenied", 403, "Access Denied"}},
	malformed:    {{"IncompleteSignature", 400, ""}, {"IncompleteSignature", 400, ""}, {"IncompleteSignatureException", 400, ""}, {"AuthorizationHeaderMalformed", 400, ""}},
	badScope:     {{"SignatureDoesNotMatch", 403, ""}, {"AuthFailure", 401, ec2AuthText}, {"InvalidSignatureException", 400, ""}, {"AuthorizationHeaderMalformed", 400, ""}},
	presignOver:  {{"SignatureDoesNotMatch", 403, "Signature expired"}, {"RequestExpired", 400, "Request has expired."}, {"InvalidSignatureException", 400, "Signature expired"}, {"AccessDenied", 403, "Request has expired"}},
	denied:       {{"AccessDenied", 403, ""}, {"UnauthorizedOperation", 403, ""}, {"AccessDeniedException", 400, ""}, {"AccessDenied", 403, "Access Denied"}},
	noOperation:  {{"InvalidAction", 400, ""}, {"InvalidAction", 400, ""}, {"UnknownOperationException", 400, ""}, {"MethodNotAllowed", 405, "The specified method is not allowed against this resource."}},
	unsupported:  {{"InvalidAction", 400, ""}, {"InvalidAction", 400, ""}, {"UnknownOperationException", 400, ""}, {"NotImplemented", 501, ""}},
}

// refuse words a refusal for a service. detail replaces the family's text
// where that is empty.
func refuse(service string, why situation, detail string) *wire.Error {
	w := wordings[why][familyOf(service)]
	text := w.text
	if text == "" {
		text = detail
	}
	return &wire.Error{Code: w.code, Status: w.status, Message: text}
}

// refuseOperation refuses what the table does not have. known tells an
// operation that AWS has from one that nobody has. The status is never a
// server error: SDKs would retry those for minutes.
func refuseOperation(service, name string, known bool) *wire.Error {
	if known {
		e := refuse(service, unsupported, fmt.Sprintf("The sandbox does not implement %s:%s.", service, name))
		if e.Status >= 500 {
			e.Status = http.StatusBadRequest
		}
		return e
	}
	if familyOf(service) == ec2Family {
		return refuse(service, noOperation, fmt.Sprintf("The action %s is not valid for this web service.", name))
	}
	return refuse(service, noOperation, fmt.Sprintf("Could not find operation %s for service %s", name, service))
}

// unknownService answers a call for a service that the sandbox has not got.
// There is no model to word it with, so the text is plain and names it.
func (s *Server) unknownService(w http.ResponseWriter, p *passage) {
	name := p.service
	if name == "" {
		name = "(not named)"
	}
	s.log.Info("refused", "service", name, "code", "UnknownServiceException", "request", p.id)
	w.Header().Set("x-amzn-RequestId", p.id)
	w.Header().Set("x-amzn-ErrorType", "UnknownServiceException")
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	json.NewEncoder(w).Encode(map[string]string{
		"__type": "UnknownServiceException", "message": "The sandbox does not implement the service " + name + ".",
	})
}
