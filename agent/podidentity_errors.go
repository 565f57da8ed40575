package agent

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// Codes of the EKS Auth API, which its agent hands on,
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html#API_auth_AssumeRoleForPodIdentity_Errors.
const (
	codeDenied      = "AccessDeniedException"       // 400
	codeExpired     = "ExpiredTokenException"       // 400
	codeToken       = "InvalidTokenException"       // 400
	codeNoRole      = "ResourceNotFoundException"   // 404
	codeThrottled   = "ThrottlingException"         // 429
	codeUnavailable = "ServiceUnavailableException" // 503
	codeParameter   = "InvalidParameterException"   // 400
)

// podProblem is an answer without credentials.
type podProblem struct {
	status        int
	code, message string        // no code: the message stands alone, as where the EKS agent asks nobody
	retry         time.Duration // Retry-After, none if 0
	allow         string        // Allow, none if ""
	err           error         // for the log alone
	class         string        // of the Refusal; "" = none
}

func invalidRequest(message string) *podProblem {
	return &podProblem{status: http.StatusBadRequest, message: message}
}

// tokenProblem is the answer to a token that proves nothing.
func tokenProblem(e *TokenError) *podProblem {
	p := &podProblem{status: http.StatusBadRequest, message: e.Reason, err: e.Err, class: RefusedToken}
	switch e.Fault {
	case TokenMalformed:
		p.message = "Service account token cannot be parsed: " + e.Reason // the EKS agent's words
	case TokenExpired:
		p.code = codeExpired
	case TokenElsewhere:
		p.code = codeDenied
	case TokenUnheard:
		p.status, p.code, p.retry = http.StatusTooManyRequests, codeThrottled, time.Second
	default:
		p.code = codeToken
	}
	return p
}

// podProblemOf chooses the answer to an error of the Broker: see problemOf.
func podProblemOf(err error) *podProblem {
	if refused, ok := errors.AsType[*broker.RefusedError](err); ok {
		// For EKS: the pod's service account has no association.
		return &podProblem{status: http.StatusNotFound, code: codeNoRole, message: refused.Error()}
	}
	lend, ok := errors.AsType[*broker.LendError](err)
	if !ok {
		return &podProblem{status: http.StatusServiceUnavailable, code: codeUnavailable, retry: time.Second, message: err.Error()}
	}
	p := &podProblem{status: http.StatusServiceUnavailable, code: codeUnavailable, message: lend.Error(), retry: max(lend.RetryAfter, time.Second)}
	switch lend.Kind {
	case broker.Denied:
		p.status, p.code = http.StatusBadRequest, codeDenied
	case broker.Invalid:
		p.status, p.code = http.StatusBadRequest, codeParameter
	}
	return p
}

// fail writes p as the EKS agent writes errors: plain text with a line break at
// its end, "[request id]: (Code): message, fault: client" where EKS was asked.
// SDKs show it as it stands.
func (p *PodIdentity) fail(w http.ResponseWriter, r *http.Request, who broker.Caller, problem *podProblem) {
	attrs := attrsOf(r, who, problem.status)
	if problem.err != nil {
		attrs = append(attrs, slog.String("err", problem.err.Error()))
	}
	text := problem.message
	if problem.code != "" {
		var id [16]byte
		rand.Read(id[:]) // never fails: crypto/rand
		request := hex.EncodeToString(id[:])
		attrs = append(attrs, slog.String("request", request))
		fault := "client"
		if problem.status >= 500 {
			fault = "server"
		}
		text = "[" + request + "]: (" + problem.code + "): " + text + ", fault: " + fault
	}
	p.log.LogAttrs(r.Context(), levelOf(problem.status), "no credentials: "+problem.message, attrs...)
	turnedAway(p.refused, problem.class, r, who, problem.status, problem.message)
	h := w.Header()
	if problem.allow != "" {
		h.Set("Allow", problem.allow)
	}
	if problem.retry > 0 {
		h.Set("Retry-After", retryAfter(problem.retry))
	}
	if problem.status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close")
	}
	http.Error(w, text, problem.status)
}
