package s3

import (
	"encoding/json"
	"net/netip"
	"strings"
)

// texts is a JSON value that may be one string or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var one any
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	list, ok := one.([]any)
	if !ok {
		list = []any{one}
	}
	for _, v := range list {
		switch v := v.(type) {
		case string:
			*t = append(*t, v)
		default: // booleans and numbers are fixed values too
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			*t = append(*t, string(raw))
		}
	}
	return nil
}

// grant is the part of a statement that decides whether it is public.
type grant struct {
	Effect       string
	Principal    json.RawMessage
	NotPrincipal json.RawMessage
	Condition    map[string]map[string]texts
}

// grants is one statement or a list of them.
type grants []grant

func (g *grants) UnmarshalJSON(b []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(b)), "{") {
		var one grant
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		*g = grants{one}
		return nil
	}
	return json.Unmarshal(b, (*[]grant)(g))
}

// isPublic tells whether S3 calls a bucket policy public: some statement
// allows anyone, and no condition narrows that to fixed values. A document
// that cannot be read counts as public.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
func isPublic(document string) bool {
	var doc struct{ Statement grants }
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return true
	}
	for _, g := range doc.Statement {
		if strings.EqualFold(g.Effect, "Allow") && g.anyone() && !g.narrowed() {
			return true
		}
	}
	return false
}

// anyone tells whether the statement's principal is everybody.
func (g *grant) anyone() bool {
	if len(g.NotPrincipal) > 0 {
		return true
	}
	var all string
	if json.Unmarshal(g.Principal, &all) == nil {
		return all == "*"
	}
	var by map[string]texts
	if json.Unmarshal(g.Principal, &by) != nil {
		return true
	}
	for _, list := range by {
		for _, p := range list {
			if p == "*" {
				return true
			}
		}
	}
	return false
}

// fixing are the condition keys that make a grant to anyone non-public when
// compared with fixed values.
var fixing = map[string]bool{
	"aws:principalorgid": true, "aws:principalorgpaths": true, "aws:principalaccount": true, "aws:principalarn": true,
	"aws:sourcearn": true, "aws:sourcevpc": true, "aws:sourcevpce": true, "aws:sourceowner": true,
	"aws:sourceaccount": true, "aws:sourceorgid": true, "aws:sourceorgpaths": true, "aws:userid": true,
	"aws:sourceip": true, "s3:x-amz-server-side-encryption-aws-kms-key-id": true,
	"s3:dataaccesspointarn": true, "s3:dataaccesspointaccount": true,
}

// narrowing are the condition operators that can do so.
var narrowing = map[string]bool{
	"stringequals": true, "stringequalsignorecase": true, "stringlike": true,
	"arnequals": true, "arnlike": true, "ipaddress": true,
}

// narrowed tells whether some condition admits fixed values only.
func (g *grant) narrowed() bool {
	for op, keys := range g.Condition {
		op = strings.ToLower(op)
		if _, plain, ok := strings.Cut(op, ":"); ok {
			if strings.HasPrefix(op, "forallvalues:") {
				continue // true also when the key is absent
			}
			op = plain
		}
		if !narrowing[op] {
			continue
		}
		for key, values := range keys {
			key = strings.ToLower(key)
			if fixing[key] && fixed(key, values) {
				return true
			}
		}
	}
	return false
}

// fixed tells whether every value is one value, not a pattern.
func fixed(key string, values []string) bool {
	for _, v := range values {
		switch {
		case key == "aws:sourceip":
			if !narrowNet(v) {
				return false
			}
		case key == "s3:dataaccesspointarn":
			// The access point's name may be a pattern, the account not.
			if f := strings.SplitN(v, ":", 6); len(f) < 6 || strings.ContainsAny(f[4], "*?$") {
				return false
			}
		case strings.ContainsAny(v, "*?") || strings.Contains(v, "${"):
			return false
		}
	}
	return len(values) > 0
}

// narrowNet tells whether an address range is too small to be the public.
func narrowNet(v string) bool {
	if _, err := netip.ParseAddr(v); err == nil {
		return true
	}
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return false
	}
	if p.Addr().Is4() {
		return p.Bits() >= 8
	}
	return p.Bits() >= 32
}
