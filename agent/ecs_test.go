package agent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

func TestECSWho(t *testing.T) {
	w := agent.NewWorkloads()
	alpha, beta, gone := w.Add("alpha"), w.Add("beta"), w.Add("gone")
	gone.Revoke()
	var log lines
	e := agent.NewECS(lend(byWorkload), w, agent.ECSOptions{Log: log.logger()})
	auth := "Authorization: "
	id := strings.TrimPrefix(alpha.RelativeURI(), "/v2/credentials/")
	for _, tt := range []struct {
		name, method, path string
		who                *broker.Caller
		headers            []string
		status             int
		code               string // of an error; the workload of a success
	}{
		{"token", "GET", "/v1/credentials", nil, []string{auth + alpha.Token()}, 200, "alpha"},
		{"token of another", "GET", "/v1/credentials", nil, []string{auth + beta.Token()}, 200, "beta"},
		{"token, with a slash", "GET", "/v1/credentials/", nil, []string{auth + alpha.Token()}, 200, "alpha"},
		{"token, with a query of the client's", "GET", "/v1/credentials?x=1&y=a%20b", nil, []string{auth + alpha.Token()}, 200, "alpha"},
		{"id", "GET", alpha.RelativeURI(), nil, nil, 200, "alpha"},
		{"id, with a slash", "GET", alpha.RelativeURI() + "/", nil, nil, 200, "alpha"},
		{"id, old form", "GET", "/v1/credentials?id=" + id, nil, nil, 200, "alpha"},
		{"id and its token", "GET", alpha.RelativeURI(), nil, []string{auth + alpha.Token()}, 200, "alpha"},
		{"HEAD", "HEAD", "/v1/credentials", nil, []string{auth + alpha.Token()}, 200, ""},
		{"listener", "GET", "/v1/credentials", listener("alpha"), nil, 200, "alpha"},

		{"id and another's token", "GET", alpha.RelativeURI(), nil, []string{auth + beta.Token()}, 403, "AccessDenied"},
		{"id and no token of ours", "GET", alpha.RelativeURI(), nil, []string{auth + "x"}, 403, "AccessDenied"},
		{"nothing", "GET", "/v1/credentials", nil, nil, 403, "AccessDenied"},
		{"empty token", "GET", "/v1/credentials", nil, []string{auth}, 403, "AccessDenied"},
		{"empty token on a listener", "GET", "/v1/credentials", listener("alpha"), []string{auth}, 403, "AccessDenied"},
		{"bogus token on a listener", "GET", "/v1/credentials", listener("alpha"), []string{auth + "bogus"}, 403, "AccessDenied"},
		{"bogus token", "GET", "/v1/credentials", nil, []string{auth + "bogus"}, 403, "AccessDenied"},
		{"token with a scheme", "GET", "/v1/credentials", nil, []string{auth + "Bearer " + alpha.Token()}, 403, "AccessDenied"},
		{"token in lower case", "GET", "/v1/credentials", nil, []string{auth + strings.ToLower(alpha.Token())}, 403, "AccessDenied"},
		{"token cut short", "GET", "/v1/credentials", nil, []string{auth + alpha.Token()[:42]}, 403, "AccessDenied"},
		{"very long token", "GET", "/v1/credentials", nil, []string{auth + strings.Repeat("a", 5000)}, 403, "AccessDenied"},
		{"two tokens", "GET", "/v1/credentials", nil, []string{auth + alpha.Token(), auth + alpha.Token()}, 400, "InvalidRequest"},
		{"token of the past", "GET", "/v1/credentials", nil, []string{auth + gone.Token()}, 403, "AccessDenied"},
		{"id of the past", "GET", gone.RelativeURI(), nil, nil, 400, "InvalidIdInRequest"},
		{"token as id", "GET", "/v2/credentials/" + alpha.Token(), nil, nil, 400, "InvalidIdInRequest"},
		{"id as token", "GET", "/v1/credentials", nil, []string{auth + id}, 403, "AccessDenied"},
		{"unknown id", "GET", "/v2/credentials/0f8a6c1e-7f0e-4f6b-9d2e-3b8a9b7c1d2e", nil, nil, 400, "InvalidIdInRequest"},
		{"unknown id on a listener", "GET", "/v2/credentials/x", listener("alpha"), nil, 400, "InvalidIdInRequest"},
		{"no id", "GET", "/v2/credentials/", nil, nil, 400, "NoIdInRequest"},
		{"no id, no slash", "GET", "/v2/credentials", nil, nil, 400, "NoIdInRequest"},
		{"empty id, old form", "GET", "/v1/credentials?id=", nil, nil, 400, "NoIdInRequest"},
		{"two ids", "GET", "/v1/credentials?id=" + id + "&id=" + id, nil, nil, 400, "InvalidRequest"},
		{"bad query", "GET", "/v1/credentials?id=%zz", nil, nil, 400, "InvalidRequest"},
		{"path after the id", "GET", alpha.RelativeURI() + "/x", nil, nil, 404, "NotFound"},
		{"another path", "GET", "/role/alpha", listener("alpha"), nil, 404, "NotFound"},
		{"root", "GET", "/", listener("alpha"), nil, 404, "NotFound"},
		{"stranger", "GET", "/v1/credentials", &broker.Caller{UID: 7, PID: 7, How: broker.ByPeer}, nil, 403, "AccessDenied"},
		{"POST", "POST", "/v1/credentials", nil, []string{auth + alpha.Token()}, 405, "MethodNotAllowed"},
		{"PUT", "PUT", "/v1/credentials", nil, []string{auth + alpha.Token()}, 405, "MethodNotAllowed"},
		{"OPTIONS", "OPTIONS", "/v1/credentials", nil, []string{auth + alpha.Token()}, 405, "MethodNotAllowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(e, tt.who, tt.method, tt.path, tt.headers...)
			text := body(t, r)
			if r.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", r.StatusCode, tt.status, text)
			}
			if h := r.Header.Get("Content-Type"); h != "application/json" { // exactly: the SDK for Go looks
				t.Errorf("Content-Type %q", h)
			}
			if tt.method == "HEAD" {
				return
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			if tt.status == 200 {
				if want := "arn:aws:iam::111122223333:role/svc/" + tt.code; got["RoleArn"] != want {
					t.Errorf("role %v, want %s", got["RoleArn"], want)
				}
				return
			}
			if got["code"] != tt.code || got["Code"] != tt.code || got["message"] != got["Message"] || got["message"] == "" || got["HTTPErrorCode"] != float64(tt.status) {
				t.Errorf("body %s, want code %s", text, tt.code)
			}
			if strings.Contains(text, "ASIA") {
				t.Errorf("an error with credentials: %s", text)
			}
		})
	}
	for _, secret := range []string{alpha.Token(), id, beta.Token(), gone.Token(), testSecret} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds a secret:\n%s", log.String())
		}
	}
}

func TestECSCredentials(t *testing.T) {
	lent := credentials(testRole)
	lent.Expires = time.Date(2099, 11, 22, 9, 47, 27, 999, time.FixedZone("", 3600))
	e := agent.NewECS(always(lent, nil), nil, agent.ECSOptions{})
	r := request(e, listener("alpha"), "GET", "/v1/credentials")
	want := `{"RoleArn":"` + testRole + `","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"` + testSecret +
		`","Token":"IQoJb3JpZ2luX2VjEXAMPLE==","AccountId":"111122223333","Expiration":"2099-11-22T08:47:27Z"}`
	got := body(t, r)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// What JSON must escape is escaped, whoever put it there.
	lent.SessionToken, lent.AccountID = "a\"b\\c\n<é>", ""
	e = agent.NewECS(always(lent, nil), nil, agent.ECSOptions{})
	var odd map[string]string
	if err := json.Unmarshal([]byte(body(t, request(e, listener("alpha"), "GET", "/v1/credentials"))), &odd); err != nil {
		t.Fatal(err)
	}
	if _, ok := odd["AccountId"]; ok || odd["Token"] != lent.SessionToken || len(odd) != 5 {
		t.Errorf("got %q", odd)
	}
}

func TestECSErrors(t *testing.T) {
	expired := credentials(testRole)
	expired.Expires = time.Now().Add(-time.Second)
	lendError := func(k broker.Kind) error {
		return &broker.LendError{Role: testRole, Kind: k, Message: "not \"allowed\"", Cure: "aws sso login", RetryAfter: 90 * time.Second}
	}
	for _, tt := range []struct {
		name        string
		creds       broker.Credentials
		err         error
		status      int
		code, retry string
		want        string
	}{
		{"refused", broker.Credentials{}, &broker.RefusedError{Decision: broker.Decision{Reason: "no workload called alpha"}}, 403, "AccessDenied", "", "no workload called alpha"},
		{"wrapped", broker.Credentials{}, fmt.Errorf("try: %w", &broker.RefusedError{Decision: broker.Decision{Reason: "no workload called alpha"}}), 403, "AccessDenied", "", "no workload called alpha"},
		{"denied", broker.Credentials{}, lendError(broker.Denied), 403, "AccessDenied", "90", testRole},
		{"invalid", broker.Credentials{}, lendError(broker.Invalid), 400, "ValidationError", "90", `not "allowed"`},
		{"base expired", broker.Credentials{}, lendError(broker.Expired), 503, "ExpiredToken", "90", "aws sso login"},
		{"throttled", broker.Credentials{}, lendError(broker.Throttled), 503, "Throttling", "90", testRole},
		{"unreachable", broker.Credentials{}, lendError(broker.Unreachable), 503, "ServiceUnavailable", "90", testRole},
		{"failed", broker.Credentials{}, &broker.LendError{Role: testRole}, 503, "ServiceUnavailable", "1", testRole},
		{"unnamed", broker.Credentials{}, errors.New("disk on fire"), 503, "ServiceUnavailable", "1", "disk on fire"},
		{"expired", expired, nil, 503, "CredentialsUninitialized", "1", "have expired"},
		{"no expiry", broker.Credentials{AccessKeyID: "ASIA"}, nil, 503, "CredentialsUninitialized", "1", "have expired"},
	} {
		e := agent.NewECS(always(tt.creds, tt.err), nil, agent.ECSOptions{})
		r := request(e, listener("alpha"), "GET", "/v1/credentials")
		var got struct {
			Code, Message string
		}
		text := body(t, r)
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != tt.status || got.Code != tt.code || r.Header.Get("Retry-After") != tt.retry || !strings.Contains(got.Message, tt.want) {
			t.Errorf("%s: status %d, Retry-After %q, body %s; want %d, %q, %s, %q", tt.name, r.StatusCode, r.Header.Get("Retry-After"), text, tt.status, tt.retry, tt.code, tt.want)
		}
		if strings.Contains(text, testSecret) {
			t.Errorf("%s: the answer has a secret", tt.name)
		}
	}
}
