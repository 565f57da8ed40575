package dynamodb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Resource-based policies.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/access-control-resource-based.html

// maxPolicy is the largest resource policy, in bytes without white space.
const maxPolicy = 20 << 10

// get returns the table's policy, nil if it has none.
func (c *policyCache) get(t *table) (*iam.Policy, error) {
	if t.Policy == "" {
		return nil, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.compiled[t.ID]; ok && e.text == t.Policy {
		return e.policy, nil
	}
	p, err := iam.Parse(iam.Resource, "resource policy of table "+t.Name, []byte(t.Policy))
	if err != nil {
		return nil, fmt.Errorf("read the policy of table %s: %w", t.Name, err)
	}
	c.compiled[t.ID] = compiled{t.Policy, p}
	return p, nil
}

// drop forgets the policy of a table that is gone.
func (c *policyCache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.compiled, id)
}

// resource finds the table that a ResourceArn names. Streams have no policies
// and no tags of their own here.
func resource(r *service.Request, arn *string) (ref, error) {
	s := aws.ToString(arn)
	if strings.Contains(s, "/stream/") {
		return ref{}, invalid("The sandbox has no resource policies and tags of streams, only of tables: %s", s)
	}
	return refOfARN(r, s)
}

func (d *DynamoDB) onResource(r *service.Request, action string, arn *string, keys ...service.KV) (checks, error) {
	ref, err := resource(r, arn)
	if err != nil {
		return nil, err
	}
	return d.one(r, action, new(ref.arn()), keys...)
}

func (d *DynamoDB) putResourcePolicyChecks(r *service.Request, in *api.PutResourcePolicyInput) (checks, error) {
	return d.onResource(r, "PutResourcePolicy", in.ResourceArn)
}

func (d *DynamoDB) getResourcePolicyChecks(r *service.Request, in *api.GetResourcePolicyInput) (checks, error) {
	return d.onResource(r, "GetResourcePolicy", in.ResourceArn)
}

func (d *DynamoDB) deleteResourcePolicyChecks(r *service.Request, in *api.DeleteResourcePolicyInput) (checks, error) {
	return d.onResource(r, "DeleteResourcePolicy", in.ResourceArn)
}

// policyText checks a policy document and returns it as it is kept.
func (d *DynamoDB) policyText(owner ref, text string) (string, error) {
	p, err := iam.Parse(iam.Resource, "policy", []byte(text))
	if err != nil {
		if e, ok := errors.AsType[*iam.SyntaxError](err); ok {
			return "", badDocument("%s", e.Summary)
		}
		return "", badDocument("%s", err)
	}
	if size(text) > maxPolicy {
		return "", fail("LimitExceededException", "Resource-based policy exceeds the maximum size of %d bytes", maxPolicy)
	}
	if err := d.checkDocument(owner, p); err != nil {
		return "", err
	}
	if d.opt.StorePolicy != nil {
		text = d.opt.StorePolicy(text)
	}
	return text, nil
}

func badDocument(format string, args ...any) error {
	return badValues("Invalid policy document: "+format, args...)
}

// checkDocument checks what the grammar does not: every statement must name a
// principal that exists, actions of DynamoDB, and the table or its indexes.
func (d *DynamoDB) checkDocument(owner ref, p *iam.Policy) error {
	for st := range p.Statements() {
		if !st.HasPrincipal {
			return badDocument("Missing required field Principal")
		}
		for _, pr := range st.Principals {
			if pr.Kind == "AWS" && pr.Value != "*" && d.opt.PrincipalExists != nil && !d.opt.PrincipalExists(pr.Value) {
				return badDocument("Policy contains invalid principal: %s", pr.Value)
			}
		}
		for _, a := range st.Actions {
			if prefix, _, ok := strings.Cut(a, ":"); a != "*" && (!ok || !strings.EqualFold(prefix, "dynamodb")) {
				return badDocument("The following action names are invalid: %q", a)
			}
		}
		for _, res := range st.Resources {
			if !coversTable(res, owner) {
				return badDocument("Policy contains a resource that is not the table or one of its indexes: %s", res)
			}
		}
	}
	return nil
}

// coversTable tells whether a resource of a policy can mean the table or its
// indexes. Wild cards are taken at their word.
func coversTable(pattern string, t ref) bool {
	if strings.ContainsAny(pattern, "*?$") {
		return true
	}
	return pattern == t.arn() || strings.HasPrefix(pattern, t.arn()+"/index/")
}

// size counts a document without the white space between its parts.
func size(doc string) int {
	n, quoted, escaped := 0, false, false
	for _, c := range []byte(doc) {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		n++
	}
	return n
}

func (d *DynamoDB) putResourcePolicy(_ context.Context, r *service.Request, in *api.PutResourcePolicyInput) (*api.PutResourcePolicyOutput, error) {
	ref, err := resource(r, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	text, err := d.policyText(ref, aws.ToString(in.Policy))
	if err != nil {
		return nil, err
	}
	revision := newRevision()
	err = d.st.Update(func(tx *store.Tx) error {
		_, t, err := findNamed(tx, r, new(ref.arn()))
		if err != nil {
			return err
		}
		// "NO_POLICY" asks for a table that has no policy yet.
		if want := in.ExpectedRevisionId; want != nil {
			switch {
			case t.Policy == "" && *want != "NO_POLICY":
				return errNoPolicy(ref)
			case t.Policy != "" && *want != t.Revision:
				return errRevision()
			}
		}
		if t.Policy == text {
			revision = t.Revision // putting the same policy changes nothing
			return nil
		}
		t = t.edit()
		t.Policy, t.Revision = text, revision
		t.save(tx)
		return nil
	})
	return &api.PutResourcePolicyOutput{RevisionId: &revision}, err
}

// newRevision makes a revision id, which is a number of milliseconds' size.
func newRevision() string {
	var b [6]byte
	rand.Read(b[:])
	n := uint64(1) << 48
	for i, x := range b {
		n |= uint64(x) << (8 * i)
	}
	return strconv.FormatUint(n, 10)
}

func errNoPolicy(t ref) error {
	return fail("PolicyNotFoundException", "Resource-based policy not found for the provided ResourceArn: %s", t.arn())
}

func errRevision() error {
	return fail("PolicyNotFoundException", "The resource policy for the specified revision ID does not exist.")
}

func (d *DynamoDB) getResourcePolicy(_ context.Context, r *service.Request, in *api.GetResourcePolicyInput) (*api.GetResourcePolicyOutput, error) {
	ref, err := resource(r, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &api.GetResourcePolicyOutput{}
	err = d.st.View(func(tx *store.Tx) error {
		_, t, err := findNamed(tx, r, new(ref.arn()))
		if err != nil {
			return err
		}
		if t.Policy == "" {
			return errNoPolicy(ref)
		}
		text := t.Policy
		if d.opt.ShowPolicy != nil {
			text = d.opt.ShowPolicy(text)
		}
		out.Policy, out.RevisionId = &text, &t.Revision
		return nil
	})
	return out, err
}

// deleteResourcePolicy is idempotent: a table without a policy is no error,
// unless a revision is expected.
func (d *DynamoDB) deleteResourcePolicy(_ context.Context, r *service.Request, in *api.DeleteResourcePolicyInput) (*api.DeleteResourcePolicyOutput, error) {
	ref, err := resource(r, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteResourcePolicyOutput{}
	err = d.st.Update(func(tx *store.Tx) error {
		_, t, err := findNamed(tx, r, new(ref.arn()))
		if err != nil {
			return err
		}
		switch {
		case in.ExpectedRevisionId != nil && *in.ExpectedRevisionId != t.Revision:
			return errRevision()
		case t.Policy == "":
			return nil
		}
		out.RevisionId = new(t.Revision)
		t = t.edit()
		t.Policy, t.Revision = "", ""
		t.save(tx)
		return nil
	})
	return out, err
}
