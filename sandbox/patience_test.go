package sandbox

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatience: a long answer to the one client that needs it waits, and no
// other.
func TestPatience(t *testing.T) {
	const sdk = "APN/1.0 HashiCorp/1.0 Terraform/1.9 aws-sdk-go-v2/1.39.0 os/linux"
	for _, c := range []struct {
		what, method, agent, body string
		size                      int
		want                      time.Duration
	}{
		{"long", "POST", sdk, "Action=X", 5000, pause},
		{"short", "POST", sdk, "Action=X", 500, 0},
		{"without a body", "GET", sdk, "", 5000, 0},
		{"another client", "POST", "Boto3/1.43 Botocore/1.43", "Action=X", 5000, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/", strings.NewReader(c.body))
			r.Header.Set("User-Agent", c.agent)
			began, out := time.Now(), httptest.NewRecorder()
			w := patient(out, r)
			for range 3 {
				w.Write(make([]byte, c.size))
			}
			if got := time.Since(began); got != c.want || out.Body.Len() != 3*c.size {
				t.Errorf("%s: waited %s, want %s; %d bytes", c.what, got, c.want, out.Body.Len())
			}
		})
	}
}
