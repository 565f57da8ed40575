package agent_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

func TestIMDSTokenRequest(t *testing.T) {
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{})
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		status             int
		allow              string
	}{
		{"one second", "PUT", "/latest/api/token", []string{ttl + "1"}, 200, ""},
		{"six hours", "PUT", "/latest/api/token", []string{ttl + "21600"}, 200, ""},
		{"no TTL", "PUT", "/latest/api/token", nil, 400, ""},
		{"empty TTL", "PUT", "/latest/api/token", []string{ttl}, 400, ""},
		{"TTL 0", "PUT", "/latest/api/token", []string{ttl + "0"}, 400, ""},
		{"TTL 21601", "PUT", "/latest/api/token", []string{ttl + "21601"}, 400, ""},
		{"TTL negative", "PUT", "/latest/api/token", []string{ttl + "-1"}, 400, ""},
		{"TTL signed", "PUT", "/latest/api/token", []string{ttl + "+60"}, 400, ""},
		{"TTL with fraction", "PUT", "/latest/api/token", []string{ttl + "1.5"}, 400, ""},
		{"TTL overflowing", "PUT", "/latest/api/token", []string{ttl + "18446744073709551617"}, 400, ""},
		{"TTL twice", "PUT", "/latest/api/token", []string{ttl + "60", ttl + "60"}, 400, ""},
		{"forwarded", "PUT", "/latest/api/token", []string{ttl + "60", "X-Forwarded-For: 10.0.0.1"}, 403, ""},
		{"forwarded, empty", "PUT", "/latest/api/token", []string{ttl + "60", "X-Forwarded-For: "}, 403, ""},
		{"RFC 7239", "PUT", "/latest/api/token", []string{ttl + "60", "Forwarded: for=10.0.0.1"}, 403, ""},
		{"via", "PUT", "/latest/api/token", []string{ttl + "60", "Via: 1.1 squid"}, 403, ""},
		{"dated", "PUT", "/2021-03-23/api/token", []string{ttl + "60"}, 403, ""},
		{"GET", "GET", "/latest/api/token", []string{ttl + "60"}, 405, "OPTIONS, PUT"},
		{"POST", "POST", "/latest/api/token", []string{ttl + "60"}, 405, "OPTIONS, PUT"},
		{"DELETE", "DELETE", "/latest/api/token", []string{ttl + "60"}, 405, "OPTIONS, PUT"},
		{"PUT elsewhere", "PUT", "/latest/meta-data/", []string{ttl + "60"}, 405, "GET, HEAD"},
		{"PUT under a made-up prefix", "PUT", "/x/api/token", []string{ttl + "60"}, 403, ""},
		{"escaped", "PUT", "/latest/api%2ftoken", []string{ttl + "60"}, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(m, listener("alpha"), tt.method, tt.path, tt.headers...)
			got := body(t, r)
			if r.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", r.StatusCode, tt.status, got)
			}
			if h := r.Header.Get("Allow"); h != tt.allow {
				t.Errorf("Allow %q, want %q", h, tt.allow)
			}
			if h := r.Header.Get("Server"); h != "EC2ws" {
				t.Errorf("Server %q", h)
			}
			if tt.status != 200 {
				return
			}
			if want := strings.TrimPrefix(tt.headers[0], ttl); r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") != want {
				t.Errorf("TTL %q, want %q", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"), want)
			}
			if len(got) != 56 || strings.TrimSpace(got) != got {
				t.Errorf("token %q: want 56 characters and no space", got)
			}
		})
	}
}

func TestIMDSTokenUse(t *testing.T) {
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance})
	other := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance})
	alpha := listener("alpha")
	peer := &broker.Caller{UID: 1001, PID: 7, Exe: "/usr/bin/curl", Unit: "web.service", How: broker.ByPeer}
	good := tokenFor(t, m, alpha)
	flipped := []byte(good)
	flipped[3] ^= 1
	for _, tt := range []struct {
		name    string
		who     *broker.Caller
		headers []string
		status  int
	}{
		{"good", alpha, []string{token + good}, 200},
		{"none", alpha, nil, 401},
		{"empty", alpha, []string{token}, 401},
		{"bogus", alpha, []string{token + "bogus"}, 401},
		{"one bit off", alpha, []string{token + string(flipped)}, 401},
		{"cut", alpha, []string{token + good[:55]}, 401},
		{"twice", alpha, []string{token + good, token + good}, 401},
		{"of another service", alpha, []string{token + tokenFor(t, other, alpha)}, 401},
		{"of another workload", listener("beta"), []string{token + good}, 401},
		{"of a workload, used by a process", peer, []string{token + good}, 401},
		{"of an unknown caller", alpha, []string{token + tokenFor(t, m, nil)}, 401},
		{"of root, used by an unknown caller", nil, []string{token + tokenFor(t, m, &broker.Caller{How: broker.ByPeer})}, 401},
		{"of the same unit, another process", &broker.Caller{UID: 1001, PID: 8, Exe: "/usr/bin/aws", Unit: "web.service", How: broker.ByPeer}, []string{token + tokenFor(t, m, peer)}, 200},
		{"of the same user, in a container", &broker.Caller{UID: 1001, PID: 8, Unit: "web.service", How: broker.ByPeer, Container: &broker.Container{ID: "a"}}, []string{token + tokenFor(t, m, peer)}, 401},
		{"of the same container, started again", &broker.Caller{UID: 0, How: broker.ByPeer, Container: &broker.Container{ID: "a"}, Generation: "2"}, []string{token + tokenFor(t, m, &broker.Caller{UID: 0, How: broker.ByPeer, Container: &broker.Container{ID: "a"}, Generation: "1"})}, 401},
		{"of the same container", &broker.Caller{UID: 0, PID: 9, How: broker.ByPeer, Container: &broker.Container{ID: "a"}, Generation: "1"}, []string{token + tokenFor(t, m, &broker.Caller{UID: 0, How: broker.ByPeer, Container: &broker.Container{ID: "a"}, Generation: "1"})}, 200},
		{"of the same program, another user", &broker.Caller{UID: 1002, PID: 8, Exe: "/usr/bin/curl", Unit: "web.service", How: broker.ByPeer}, []string{token + tokenFor(t, m, peer)}, 401},
	} {
		// Every version prefix asks for the token, and so do paths that do not exist.
		for _, path := range []string{"/", "/latest/", "/latest/meta-data/", "/1.0/meta-data/", "/2021-03-23/meta-data/"} {
			r := request(m, tt.who, "GET", path, tt.headers...)
			if body(t, r); r.StatusCode != tt.status {
				t.Errorf("%s: %s: status %d, want %d", tt.name, path, r.StatusCode, tt.status)
			}
		}
		if tt.status == 200 {
			continue
		}
		r := request(m, tt.who, "GET", "/latest/nothing", tt.headers...)
		if body(t, r); r.StatusCode != 401 {
			t.Errorf("%s: a path that does not exist answers %d, want 401", tt.name, r.StatusCode)
		}
	}
}

func TestIMDSTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{})
		time.Sleep(3 * time.Hour) // the service has been up for a while
		r := request(m, listener("alpha"), "PUT", "/latest/api/token", ttl+"60")
		tok := body(t, r)
		get := func() *http.Response {
			return request(m, listener("alpha"), "GET", iamPath+"security-credentials/", token+tok)
		}
		time.Sleep(20 * time.Second)
		r = get()
		if left := r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"); r.StatusCode != 200 || left != "40" {
			t.Errorf("after 20 s: status %d, %s s left; want 200, 40", r.StatusCode, left)
		}
		time.Sleep(40*time.Second - 1)
		if r = get(); r.StatusCode != 200 {
			t.Errorf("just before its end: status %d, want 200", r.StatusCode)
		}
		time.Sleep(time.Nanosecond)
		if r = get(); r.StatusCode != 401 {
			t.Errorf("at its end: status %d, want 401", r.StatusCode)
		}
	})
}
