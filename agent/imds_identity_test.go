package agent_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// TestIMDSIdentity: the signature is of the very document that is served, and
// made when it is asked for; the profile is the instance's own; and a role
// that AWS refuses is told in the words of who runs the instance.
func TestIMDSIdentity(t *testing.T) {
	var signed []byte
	var fault error
	asked := 0
	instance := func(c broker.Caller) agent.Instance {
		i := testInstance(c)
		i.ProfileARN, i.ProfileID = "arn:aws:iam::111122223333:instance-profile/ops/web", "AIPAEXAMPLE0000000000"
		i.Sign = func(_ context.Context, document []byte) ([]byte, error) {
			asked++
			signed = bytes.Clone(document)
			return bytes.Repeat([]byte{7}, 256), fault
		}
		return i
	}
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: instance})
	who := listener("alpha")
	tok := tokenFor(t, m, who)
	get := func(path string) (int, string) {
		r := request(m, who, "GET", path, token+tok)
		return r.StatusCode, body(t, r)
	}
	_, document := get("/latest/dynamic/instance-identity/document")
	if status, list := get("/latest/dynamic/instance-identity/"); status != 200 || list != "document\nsignature" || asked != 0 {
		t.Errorf("listing: %d %q, signed %d times", status, list, asked)
	}
	status, signature := get("/latest/dynamic/instance-identity/signature")
	lines := strings.Split(signature, "\n")
	raw, err := base64.StdEncoding.DecodeString(strings.Join(lines, ""))
	if status != 200 || len(lines) != 6 || len(lines[0]) != 64 || err != nil || len(raw) != 256 || string(signed) != document {
		t.Errorf("signature: %d %q, %v, of %q", status, signature, err, signed)
	}
	if status, info := get(iamPath + "info"); status != 200 || !strings.Contains(info, `"arn:aws:iam::111122223333:instance-profile/ops/web"`) || !strings.Contains(info, `"AIPAEXAMPLE0000000000"`) {
		t.Errorf("info: %d %s", status, info)
	}
	fault = errors.New("the key is out")
	if status, text := get("/latest/dynamic/instance-identity/signature"); status != 503 || !strings.Contains(text, "the key is out") {
		t.Errorf("without the key: %d %s", status, text)
	}

	m = agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance})
	tok = tokenFor(t, m, who)
	if status, _ := get("/latest/dynamic/instance-identity/signature"); status != 404 {
		t.Errorf("signature of an instance that signs nothing: %d, want 404", status)
	}

	denying := lend(func(context.Context, broker.Caller) (broker.Credentials, error) {
		return broker.Credentials{}, &broker.LendError{Role: "arn:aws:iam::111122223333:role/ops/web", Kind: broker.Denied, Message: "the trust policy says no"}
	})
	m = agent.NewIMDS(denying, agent.IMDSOptions{Instance: testInstance, Denied: func(role string) string { return "no " + role }})
	tok = tokenFor(t, m, who)
	if status, text := get(iamPath + "security-credentials/web"); status != 200 || !strings.Contains(text, `"Message": "no arn:aws:iam::111122223333:role/ops/web"`) || !strings.Contains(text, `"Code": "AssumeRoleUnauthorizedAccess"`) {
		t.Errorf("a role that is denied: %d %s", status, text)
	}
}
