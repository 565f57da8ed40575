package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// imdsProblem is an answer without what was asked for.
type imdsProblem struct {
	status int
	reason string
	retry  time.Duration // Retry-After, none if 0
	allow  string        // Allow, none if ""
	class  string        // of the Refusal; "" = none
}

func imdsError(status int, format string, args ...any) *imdsProblem {
	return &imdsProblem{status: status, reason: fmt.Sprintf(format, args...), class: classOf(status)}
}

// noPath is what scripts that look around hear all day: no Refusal.
func noPath() *imdsProblem {
	return &imdsProblem{status: http.StatusNotFound, reason: "there is nothing at this path"}
}

// imdsProblemOf chooses the metadata service's answer to an error of the Broker
// when there is no role to speak of: a caller that is refused is on an instance
// without a profile, where the whole of iam/ does not exist; all else is a
// failure that SDKs try again, keeping the credentials they have.
func imdsProblemOf(err error) *imdsProblem {
	if refused, ok := errors.AsType[*broker.RefusedError](err); ok {
		return &imdsProblem{status: http.StatusNotFound, reason: "no role: " + refused.Error()}
	}
	p := &imdsProblem{status: http.StatusServiceUnavailable, reason: err.Error(), retry: time.Second}
	if lend, ok := errors.AsType[*broker.LendError](err); ok {
		p.retry = max(lend.RetryAfter, time.Second)
	}
	return p
}

// failCredentials answers a request for the credentials of a role that exists
// and cannot be borrowed. What AWS refused is told as AWS tells it: status 200
// and a Code that is not Success.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html
func (m *IMDS) failCredentials(w http.ResponseWriter, r *http.Request, who broker.Caller, err error) {
	lend, ok := errors.AsType[*broker.LendError](err)
	if !ok || lend.Kind != broker.Denied && lend.Kind != broker.Invalid {
		m.fail(w, r, who, imdsProblemOf(err))
		return
	}
	code := "AssumeRoleUnauthorizedAccess"
	if lend.Kind == broker.Invalid {
		code = "Failed"
	}
	m.opt.Log.LogAttrs(r.Context(), levelOf(http.StatusForbidden), "no credentials: "+lend.Error(), attrsOf(r, who, http.StatusOK)...)
	message := lend.Error()
	if lend.Kind == broker.Denied && m.opt.Denied != nil {
		message = m.opt.Denied(lend.Role)
	}
	body, _ := json.MarshalIndent(struct { // strings always marshal
		Code, Message, LastUpdated string
	}{code, message, time.Now().UTC().Format(timeFormat)}, "", "  ")
	m.write(w, body)
}

// fail writes p as the small XHTML page the metadata service writes. SDKs do
// not read it; a person with curl does.
func (m *IMDS) fail(w http.ResponseWriter, r *http.Request, who broker.Caller, p *imdsProblem) {
	m.opt.Log.LogAttrs(r.Context(), levelOf(p.status), "no metadata: "+p.reason, attrsOf(r, who, p.status)...)
	turnedAway(m.opt.Refused, p.class, r, who, p.status, p.reason)
	h := w.Header()
	h["Content-Type"] = m.headers.html
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.retry > 0 {
		h.Set("Retry-After", retryAfter(p.retry))
	}
	if p.status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close")
	}
	body := fmt.Appendf(nil, `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>%[1]d - %[2]s</title>
 </head>
 <body>
  <h1>%[1]d - %[2]s</h1>
  <p>%[3]s</p>
 </body>
</html>
`, p.status, http.StatusText(p.status), html.EscapeString(p.reason))
	setLength(h, len(body))
	w.WriteHeader(p.status)
	w.Write(body)
}
