package sandbox

import (
	"fmt"

	engine "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// authorize has the engine decide each permission that the operation needs.
// The first denial ends the call.
func (s *Server) authorize(t *table, op service.Operation, req *service.Request, in any) *wire.Error {
	if req.Caller.Type == engine.Anonymous && !op.Anonymous {
		return refuse(t.Name(), noSignature, "")
	}
	if fault := sts.Restricted(&req.Caller, t.Name(), op.Name); fault != nil {
		return fault
	}
	if op.Always {
		return nil
	}
	checks, err := op.Checks(req, in)
	if err != nil {
		return asFault(err)
	}
	for i := range checks {
		if fault := s.permitted(req, checks[i]); fault != nil {
			return fault
		}
	}
	return nil
}

// permitted decides one check.
func (s *Server) permitted(req *service.Request, c service.Check) *wire.Error {
	policies, err := s.iam.Policies(&req.Caller)
	if err != nil {
		return asFault(fmt.Errorf("policies of %s: %w", req.Caller.ARN, err))
	}
	policies.Resource, policies.Trust = c.Policy, c.Trust
	owner := c.Owner
	if owner == "" {
		owner = req.Caller.Account
	}
	r := engine.Request{
		Principal:       req.Caller.Principal,
		Action:          c.Action,
		Resource:        c.Resource,
		ResourceAccount: owner,
		Context:         s.context(req, c, owner),
	}
	d := policies.Decide(&r)
	req.Verdicts = append(req.Verdicts, service.Verdict{Action: c.Action, Resource: c.Resource, Owner: owner, Decision: d, PassedTo: passedTo(&c)})
	if d.Outcome == engine.Allow {
		return nil
	}
	// AWS gives reasons to callers of the resource's own account only; S3
	// says nothing at all to others.
	stranger := owner != req.Caller.Account
	message := engine.DenialMessage(&r, d, engine.MessageOptions{Bare: stranger})
	name := req.Call.Model.Name()
	if stranger && name == "s3" {
		message = "Access Denied"
	}
	if name == "ec2" && c.Resource != "*" {
		// EC2 seals the reason as well. Its listing operations do not.
		message += ". Encoded authorization failure message: " + s.sts.EncodeAuthorization(&req.Caller, &r, d)
	}
	if c.Denied != nil {
		return c.Denied(message)
	}
	e := refuse(name, denied, message)
	e.Message = message
	return e
}

// passedTo is the service that a check passes a role to.
func passedTo(c *service.Check) string {
	for _, kv := range c.Context {
		if kv.Key == "iam:PassedToService" && len(kv.Values) == 1 {
			return kv.Values[0]
		}
	}
	return ""
}
