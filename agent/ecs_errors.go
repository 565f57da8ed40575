package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// ecsProblem is an answer without credentials.
type ecsProblem struct {
	status        int
	code, message string
	retry         time.Duration // Retry-After, none if 0
	allow         string        // Allow, none if ""
	class         string        // of the Refusal; "" = none
}

func denied(format string, args ...any) *ecsProblem {
	return &ecsProblem{status: http.StatusForbidden, code: "AccessDenied", message: fmt.Sprintf(format, args...), class: RefusedCaller}
}

func badRequest(message string) *ecsProblem {
	return &ecsProblem{status: http.StatusBadRequest, code: "InvalidRequest", message: message, class: RefusedRequest}
}

func notFound() *ecsProblem {
	return &ecsProblem{status: http.StatusNotFound, code: "NotFound",
		message: "there is nothing at this path; credentials are at /v1/credentials and /v2/credentials/<id>"}
}

// problemOf chooses the container endpoint's answer to an error of the Broker.
//
// A 4xx is final for the SDKs for Go and Java; botocore and the SDK for
// JavaScript try again whatever the status. So what waiting may cure is 503
// with Retry-After, and what only a change of configuration cures is 403 or
// 400, with the reason where a person will read it: SDKs print the message.
func problemOf(err error) *ecsProblem {
	if refused, ok := errors.AsType[*broker.RefusedError](err); ok {
		return &ecsProblem{status: http.StatusForbidden, code: "AccessDenied", message: refused.Error()}
	}
	lend, ok := errors.AsType[*broker.LendError](err)
	if !ok {
		return &ecsProblem{status: http.StatusServiceUnavailable, code: "ServiceUnavailable", retry: time.Second, message: err.Error()}
	}
	p := &ecsProblem{status: http.StatusServiceUnavailable, message: lend.Error(), retry: max(lend.RetryAfter, time.Second)}
	switch lend.Kind {
	case broker.Denied:
		p.status, p.code = http.StatusForbidden, "AccessDenied"
	case broker.Invalid:
		p.status, p.code = http.StatusBadRequest, "ValidationError"
	case broker.Expired:
		p.code = "ExpiredToken"
	case broker.Throttled:
		p.code = "Throttling"
	default:
		p.code = "ServiceUnavailable"
	}
	return p
}

// fail writes p, in the ECS agent's words: "code" and "message" for the SDK for
// Go, which reads them if the content type is exactly application/json; "Code"
// and "Message" for the SDK for JavaScript.
func (e *ECS) fail(w http.ResponseWriter, r *http.Request, who broker.Caller, p *ecsProblem) {
	e.log.LogAttrs(r.Context(), levelOf(p.status), "no credentials: "+p.message, attrsOf(r, who, p.status)...)
	turnedAway(e.refused, p.class, r, who, p.status, p.message)
	h := w.Header()
	h["Content-Type"] = e.headers.json
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.retry > 0 {
		h.Set("Retry-After", retryAfter(p.retry))
	}
	if p.status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close")
	}
	body, _ := json.Marshal(struct { // strings and a number always marshal
		Code0    string `json:"code"`
		Message0 string `json:"message"`
		Code     string
		Message  string
		Status   int `json:"HTTPErrorCode"`
	}{p.code, p.message, p.code, p.message, p.status})
	setLength(h, len(body))
	w.WriteHeader(p.status)
	w.Write(body)
}
