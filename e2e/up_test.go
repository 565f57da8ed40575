//go:build e2e

package e2e

import (
	"net"
	"strings"
	"testing"
	"time"
)

// TestUp is the main job: three services on one host, each under its own
// role, with one command.
func TestUp(t *testing.T) {
	// The example asks for the usual address; where that is taken, the test
	// says so rather than look at somebody else's sandbox.
	ln, err := net.Listen("tcp", "127.0.0.1:4566")
	if err != nil {
		t.Fatalf("the example's address is taken: %v", err)
	}
	ln.Close()
	began := time.Now()
	env := append(plainEnv(), "XDG_RUNTIME_DIR="+t.TempDir(),
		// None of these may reach a service.
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=wrong", "AWS_PROFILE=somebody")
	r := run(t, env, "..", mantle(t), "up", "--once", "--audit", t.TempDir()+"/audit.jsonl", "examples/three-services")
	if r.code != 0 {
		t.Fatalf("status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	t.Logf("took %s\n%s", time.Since(began), r.stdout)
	for _, name := range []string{"alpha", "beta", "gamma"} {
		for _, want := range []string{
			name + " ", " | I am arn:aws:sts::111122223333:assumed-role/" + name + "/",
			" | may read s3://" + name + "-config/greeting.txt: hello from " + name,
		} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("output lacks %q", want)
			}
		}
		for _, other := range []string{"alpha", "beta", "gamma"} {
			if other == name {
				continue
			}
			want := `is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::` + other + `-config/greeting.txt" because no identity-based policy allows the s3:GetObject action`
			found := false
			for line := range strings.Lines(r.stdout) {
				if strings.HasPrefix(line, name) && strings.Contains(line, "refused s3://"+other+"-config: User: arn:aws:sts::111122223333:assumed-role/"+name+"/") && strings.Contains(line, want) {
					found = true
				}
			}
			if !found {
				t.Errorf("%s was not refused %s's bucket in AWS's words", name, other)
			}
		}
	}
}
