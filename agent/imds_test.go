package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

const (
	iamPath = "/latest/meta-data/iam/"
	ttl     = "X-aws-ec2-metadata-token-ttl-seconds: "
	token   = "X-aws-ec2-metadata-token: "
)

func testInstance(broker.Caller) agent.Instance {
	return agent.Instance{
		ID: "i-1234567890abcdef0", Type: "t3.micro", ImageID: "ami-0abcdef1234567890", Architecture: "x86_64",
		AccountID: "111122223333", Region: "eu-west-1", AvailabilityZone: "eu-west-1b", AvailabilityZoneID: "euw1-az2",
		Hostname: "ip-10-0-7-10.eu-west-1.compute.internal", PrivateIP: netip.MustParseAddr("10.0.7.10"), MAC: "02:29:96:8f:6a:2d",
		Launched: time.Date(2016, 11, 19, 16, 32, 11, 0, time.UTC),
		Tags:     map[string]string{"Name": "web", "not servable": "x", "a/b": "x"},
	}
}

// tokenFor asks for a token as who.
func tokenFor(t *testing.T, m *agent.IMDS, who *broker.Caller) string {
	t.Helper()
	r := request(m, who, "PUT", "/latest/api/token", ttl+"21600")
	if r.StatusCode != http.StatusOK {
		t.Fatalf("token: status %d", r.StatusCode)
	}
	return body(t, r)
}

func TestIMDSTree(t *testing.T) {
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance})
	who := listener("alpha")
	tok := tokenFor(t, m, who)
	for _, tt := range []struct {
		path   string
		status int
		want   string // the whole body of a 200, the Location of a 301
	}{
		{"/latest", 301, "/latest/"},
		{"/latest/", 200, "dynamic\nmeta-data"},
		{"/latest/meta-data", 301, "/latest/meta-data/"},
		{"/latest/meta-data/", 200, "ami-id\nhostname\niam/\ninstance-action\ninstance-id\ninstance-life-cycle\ninstance-type\nlocal-hostname\nlocal-ipv4\nmac\nplacement/\nservices/\ntags/"},
		{"/latest/meta-data/instance-id", 200, "i-1234567890abcdef0"},
		{"/latest/meta-data/instance-id/", 200, "i-1234567890abcdef0"},
		{"/latest/meta-data/instance-type", 200, "t3.micro"},
		{"/latest/meta-data/ami-id", 200, "ami-0abcdef1234567890"},
		{"/latest/meta-data/local-ipv4", 200, "10.0.7.10"},
		{"/latest/meta-data/mac", 200, "02:29:96:8f:6a:2d"},
		{"/latest/meta-data/placement", 301, "/latest/meta-data/placement/"},
		{"/latest/meta-data/placement/", 200, "availability-zone\navailability-zone-id\nregion"},
		{"/latest/meta-data/placement/region", 200, "eu-west-1"},
		{"/latest/meta-data/placement/availability-zone/", 200, "eu-west-1b"}, // as botocore and the CLI ask
		{"/latest/meta-data/placement/availability-zone-id", 200, "euw1-az2"},
		{"/latest/meta-data/services/", 200, "domain\npartition"},
		{"/latest/meta-data/services/domain", 200, "amazonaws.com"},
		{"/latest/meta-data/services/partition", 200, "aws"},
		{"/latest/meta-data/tags/instance/", 200, "Name"},
		{"/latest/meta-data/tags/instance/Name", 200, "web"},
		{"/latest/dynamic/", 200, "instance-identity/"},
		{"/latest/dynamic/instance-identity/", 200, "document"},
		{"/2009-04-04/meta-data/instance-id", 200, "i-1234567890abcdef0"},
		{"/1.0/meta-data/instance-id", 200, "i-1234567890abcdef0"},
		{iamPath, 200, "info\nsecurity-credentials/"},
		{"/latest/meta-data/iam", 301, iamPath},
		{iamPath + "security-credentials", 301, iamPath + "security-credentials/"},
		{iamPath + "security-credentials/", 200, "alpha"},
		{iamPath + "security-credentials-extended", 301, iamPath + "security-credentials-extended/"},
		{iamPath + "security-credentials-extended/", 200, "alpha"},

		{iamPath + "security-credentials/beta", 404, ""},
		{iamPath + "security-credentials/Alpha", 404, ""},
		{iamPath + "security-credentials/alphabet", 404, ""},
		{iamPath + "security-credentials/svc/alpha", 404, ""},
		{iamPath + "security-credentials/alpha/x", 404, ""},
		{iamPath + "security-credentials-extended/beta", 404, ""},
		{iamPath + "security-credentialsx/alpha", 404, ""},
		{iamPath + "nothing", 404, ""},
		{"/latest/meta-data/iamx", 404, ""},
		{"/latest/meta-data/nothing", 404, ""},
		{"/latest/meta-data/instance-id/x", 404, ""},
		{"/latest/user-data", 404, ""},
		{"/latest/nothing", 404, ""},
		{"/latest/api/", 404, ""},
		{"/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance", 404, ""},
		{"/latest/meta-data/iam-ecs-1/security-credentials/task", 404, ""},
		{"/latest/dynamic/instance-identity/signature", 404, ""},
		{"/2099-01-01/meta-data/instance-id", 404, ""},
		{"/LATEST/meta-data/instance-id", 404, ""},
		{"/meta-data/instance-id", 404, ""},
	} {
		r := request(m, who, "GET", tt.path, token+tok)
		got := body(t, r)
		if r.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.path, r.StatusCode, tt.status, got)
			continue
		}
		switch tt.status {
		case 200:
			if got != tt.want {
				t.Errorf("%s:\ngot  %q\nwant %q", tt.path, got, tt.want)
			}
			if h := r.Header.Get("Content-Type"); h != "text/plain" {
				t.Errorf("%s: Content-Type %q", tt.path, h)
			}
		case 301:
			if h := r.Header.Get("Location"); h != tt.want {
				t.Errorf("%s: Location %q, want %q", tt.path, h, tt.want)
			}
		}
		for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Headers"} {
			if _, ok := r.Header[name]; ok {
				t.Errorf("%s: answer has %s", tt.path, name)
			}
		}
	}
	r := request(m, who, "GET", "/", token+tok)
	if got := body(t, r); !strings.HasPrefix(got, "1.0\n") || !strings.HasSuffix(got, "\nlatest") {
		t.Errorf("versions: %q", got)
	}
}

func TestIMDSCredentials(t *testing.T) {
	lent := credentials(testRole)
	lent.Issued = time.Date(2026, 4, 26, 16, 39, 16, 999, time.UTC)
	lent.Expires = time.Now().Add(45 * time.Minute)
	m := agent.NewIMDS(always(lent, nil), agent.IMDSOptions{})
	who := listener("alpha")
	tok := tokenFor(t, m, who)
	for path, wantAccount := range map[string]string{"security-credentials/alpha": "", "security-credentials-extended/alpha": "111122223333"} {
		r := request(m, who, "GET", iamPath+path, token+tok)
		text := body(t, r)
		var got map[string]string
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%s: %v in %s", path, err, text)
		}
		want := map[string]string{
			"Code": "Success", "LastUpdated": "2026-04-26T16:39:16Z", "Type": "AWS-HMAC",
			"AccessKeyId": lent.AccessKeyID, "SecretAccessKey": lent.SecretAccessKey, "Token": lent.SessionToken,
			"Expiration": lent.Expires.UTC().Format("2006-01-02T15:04:05Z"),
		}
		if wantAccount != "" {
			want["AccountId"] = wantAccount
		}
		if len(got) != len(want) {
			t.Errorf("%s: keys %v, want %v", path, got, want)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %s = %q, want %q", path, k, got[k], v)
			}
		}
		if !strings.HasPrefix(text, "{\n  \"Code\" : \"Success\",\n") {
			t.Errorf("%s: laid out as %q", path, text[:40])
		}
		if h := r.Header.Get("Content-Type"); h != "text/plain" {
			t.Errorf("Content-Type %q", h)
		}
	}
	head := request(m, who, "HEAD", iamPath+"security-credentials/", token+tok)
	if head.StatusCode != 200 || head.Header.Get("Content-Length") != "5" {
		t.Errorf("HEAD: status %d, length %s", head.StatusCode, head.Header.Get("Content-Length"))
	}
	var info struct{ Code, LastUpdated, InstanceProfileArn, InstanceProfileId string }
	if err := json.Unmarshal([]byte(body(t, request(m, who, "GET", iamPath+"info", token+tok))), &info); err != nil {
		t.Fatal(err)
	}
	if info.Code != "Success" || info.InstanceProfileArn != "arn:aws:iam::111122223333:instance-profile/svc/alpha" ||
		len(info.InstanceProfileId) != 21 || !strings.HasPrefix(info.InstanceProfileId, "AIPA") {
		t.Errorf("info: %+v", info)
	}
}

// A caller nobody knows finds an instance without a profile, and so does one
// that no rule fits.
func TestIMDSNoRole(t *testing.T) {
	var log lines
	asked := 0
	b := lend(func(_ context.Context, c broker.Caller) (broker.Credentials, error) {
		asked++
		return byWorkload(context.Background(), c)
	})
	m := agent.NewIMDS(b, agent.IMDSOptions{Instance: testInstance, Log: log.logger()})
	stranger := &broker.Caller{UID: 1001, PID: 7, How: broker.ByPeer}
	for _, who := range []*broker.Caller{nil, stranger} {
		tok := tokenFor(t, m, who)
		for _, path := range []string{"", "info", "security-credentials", "security-credentials/", "security-credentials/alpha", "security-credentials-extended/", "security-credentials-extended/alpha"} {
			r := request(m, who, "GET", iamPath+path, token+tok)
			if got := body(t, r); r.StatusCode != 404 || strings.Contains(got, "ASIA") {
				t.Errorf("caller %v: %s: status %d: %s", who, path, r.StatusCode, got)
			}
		}
		r := request(m, who, "GET", "/latest/meta-data/", token+tok)
		if got := body(t, r); strings.Contains(got, "iam") {
			t.Errorf("caller %v: listing shows iam: %q", who, got)
		}
		if who == nil && asked != 0 {
			t.Errorf("the broker was asked %d times for a caller nobody knows", asked)
		}
	}
	for _, want := range []string{"no rule fits", "nothing tells who is calling", "caller.uid=1001"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, log.String())
		}
	}
}

func TestIMDSErrors(t *testing.T) {
	lendError := func(k broker.Kind) error {
		return &broker.LendError{Role: testRole, Kind: k, Code: "AccessDenied", Message: "<not> allowed", Cure: "let the trust policy allow it", RetryAfter: 1500 * time.Millisecond}
	}
	expired := credentials(testRole)
	expired.Expires = time.Now().Add(-time.Second)
	for _, tt := range []struct {
		name   string
		creds  broker.Credentials
		err    error
		list   int // status of the list of roles
		status int // status of the credentials
		retry  string
		want   string
	}{
		{"denied", broker.Credentials{}, lendError(broker.Denied), 200, 200, "", `"Code": "AssumeRoleUnauthorizedAccess"`},
		{"invalid", broker.Credentials{}, lendError(broker.Invalid), 200, 200, "", `"Code": "Failed"`},
		{"throttled", broker.Credentials{}, lendError(broker.Throttled), 200, 503, "2", "&lt;not&gt; allowed"},
		{"unreachable", broker.Credentials{}, lendError(broker.Unreachable), 200, 503, "2", "let the trust policy allow it"},
		{"base expired", broker.Credentials{}, lendError(broker.Expired), 200, 503, "2", "let the trust policy allow it"},
		{"unnamed failure", broker.Credentials{}, errors.New("disk on fire"), 503, 503, "1", "disk on fire"},
		{"expired", expired, nil, 200, 503, "1", "have expired"},
		{"no expiry", broker.Credentials{AccessKeyID: "ASIA", RoleARN: testRole}, nil, 200, 503, "1", "have expired"},
		{"not a role", credentials("arn:aws:iam::111122223333:user/alpha"), nil, 500, 500, "", "not the ARN of a role"},
	} {
		for _, b := range []agent.Broker{
			always(tt.creds, tt.err),
			&planner{lend: always(tt.creds, tt.err), role: testRole},
		} {
			if _, ok := b.(agent.Decider); ok && tt.list != 200 {
				continue // the role is then known without the broker
			}
			m := agent.NewIMDS(b, agent.IMDSOptions{})
			who := listener("alpha")
			tok := tokenFor(t, m, who)
			r := request(m, who, "GET", iamPath+"security-credentials/", token+tok)
			if got := body(t, r); r.StatusCode != tt.list || tt.list == 200 && got != "alpha" {
				t.Errorf("%s: list: status %d, want %d: %s", tt.name, r.StatusCode, tt.list, got)
			}
			r = request(m, who, "GET", iamPath+"security-credentials/alpha", token+tok)
			got := body(t, r)
			if r.StatusCode != tt.status || !strings.Contains(got, tt.want) || r.Header.Get("Retry-After") != tt.retry {
				t.Errorf("%s: status %d, Retry-After %q; want %d, %q and %q in:\n%s", tt.name, r.StatusCode, r.Header.Get("Retry-After"), tt.status, tt.retry, tt.want, got)
			}
			if strings.Contains(got, "SecretAccessKey") {
				t.Errorf("%s: the answer has a secret: %s", tt.name, got)
			}
		}
	}
}

// planner is a Broker that says what it will do: alpha gets role.
type planner struct {
	lend
	role       string
	prefetched int
}

func (p *planner) Decide(c broker.Caller) broker.Decision {
	if c.Workload != "alpha" {
		return broker.Decision{Reason: "no rule fits"}
	}
	return broker.Decision{Rule: "alpha", Loan: broker.Loan{Role: p.role}}
}

func (p *planner) Prefetch(broker.Caller) error { p.prefetched++; return nil }

// A list of roles does not wait for STS when the rules can be asked, and a role
// that changed between list and credentials is a role that is not there.
func TestIMDSDecide(t *testing.T) {
	asked := 0
	b := &planner{role: testRole, lend: func(context.Context, broker.Caller) (broker.Credentials, error) {
		asked++
		return credentials("arn:aws:iam::111122223333:role/beta"), nil
	}}
	m := agent.NewIMDS(b, agent.IMDSOptions{})
	tok := tokenFor(t, m, listener("alpha"))
	for i, path := range []string{"", "info", "security-credentials/"} {
		if r := request(m, listener("alpha"), "GET", iamPath+path, token+tok); r.StatusCode != 200 {
			t.Errorf("%s: status %d", path, r.StatusCode)
		}
		if want := i / 2; b.prefetched != want {
			t.Errorf("%s: prefetched %d times, want %d", path, b.prefetched, want)
		}
	}
	if asked != 0 {
		t.Errorf("naming the role borrowed it %d times", asked)
	}
	if r := request(m, listener("alpha"), "GET", iamPath+"security-credentials/alpha", token+tok); r.StatusCode != 404 {
		t.Errorf("credentials of another role than the one asked for: status %d, want 404", r.StatusCode)
	}
	b.role = "arn:aws:iam::111122223333:role/beta"
	if r := request(m, listener("alpha"), "GET", iamPath+"security-credentials/beta", token+tok); r.StatusCode != 200 {
		t.Errorf("after the rules have settled: status %d, want 200", r.StatusCode)
	}
	asked = 0
	tok = tokenFor(t, m, listener("gamma"))
	if r := request(m, listener("gamma"), "GET", iamPath+"security-credentials/beta", token+tok); r.StatusCode != 404 || asked != 0 {
		t.Errorf("a caller without a rule: status %d, broker asked %d times", r.StatusCode, asked)
	}
}

func TestIMDSVersion1(t *testing.T) {
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance, AllowV1: func(c broker.Caller) bool { return c.Workload == "old" }})
	for _, tt := range []struct {
		who     *broker.Caller
		headers []string
		status  int
	}{
		{listener("old"), nil, 200},
		{listener("new"), nil, 401},
		{nil, nil, 401},
		{listener("old"), []string{token + "bogus"}, 401}, // a bad token is refused even where none is needed
		{listener("old"), []string{"X-Forwarded-For: 10.0.0.1"}, 403},
	} {
		r := request(m, tt.who, "GET", iamPath+"security-credentials/", tt.headers...)
		if r.StatusCode != tt.status {
			t.Errorf("caller %v %v: status %d, want %d", tt.who, tt.headers, r.StatusCode, tt.status)
		}
	}
	all := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{AllowV1: func(broker.Caller) bool { return true }})
	if r := request(all, nil, "GET", "/latest/meta-data/"); r.StatusCode != 401 {
		t.Errorf("an unknown caller, where all are allowed: status %d, want 401", r.StatusCode)
	}
}

func TestIMDSShortCredentials(t *testing.T) {
	for _, tt := range []struct {
		left time.Duration
		warn bool
	}{{26 * time.Minute, false}, {24 * time.Minute, true}} {
		var log lines
		short := credentials(testRole)
		short.Expires = time.Now().Add(tt.left)
		m := agent.NewIMDS(always(short, nil), agent.IMDSOptions{Log: log.logger()})
		tok := tokenFor(t, m, listener("alpha"))
		r := request(m, listener("alpha"), "GET", iamPath+"security-credentials/alpha", token+tok)
		if r.StatusCode != 200 || strings.Contains(log.String(), "botocore") != tt.warn {
			t.Errorf("%v left: status %d, log %q", tt.left, r.StatusCode, log.String())
		}
		if strings.Contains(log.String(), testSecret) {
			t.Errorf("the log holds a secret: %s", log.String())
		}
	}
}

func TestIMDSDocument(t *testing.T) {
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: testInstance})
	tok := tokenFor(t, m, listener("alpha"))
	text := body(t, request(m, listener("alpha"), "GET", "/latest/dynamic/instance-identity/document", token+tok))
	want := `{
  "accountId" : "111122223333",
  "architecture" : "x86_64",
  "availabilityZone" : "eu-west-1b",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : null,
  "imageId" : "ami-0abcdef1234567890",
  "instanceId" : "i-1234567890abcdef0",
  "instanceType" : "t3.micro",
  "kernelId" : null,
  "pendingTime" : "2016-11-19T16:32:11Z",
  "privateIp" : "10.0.7.10",
  "ramdiskId" : null,
  "region" : "eu-west-1",
  "version" : "2017-09-30"
}`
	if text != want {
		t.Errorf("got %s", text)
	}
}

func TestIMDSServices(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "amazonaws.com aws", "cn-north-1": "amazonaws.com.cn aws-cn", "us-gov-west-1": "amazonaws.com aws-us-gov",
		"us-iso-east-1": "c2s.ic.gov aws-iso", "us-isob-east-1": "sc2s.sgov.gov aws-iso-b", "eusc-de-east-1": "amazonaws.eu aws-eusc",
	} {
		m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Instance: func(broker.Caller) agent.Instance { return agent.Instance{Region: region} }})
		tok := tokenFor(t, m, listener("alpha"))
		get := func(path string) string {
			return body(t, request(m, listener("alpha"), "GET", "/latest/meta-data/"+path, token+tok))
		}
		if got := get("services/domain") + " " + get("services/partition"); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
		if got := get("placement/availability-zone"); got != region+"a" {
			t.Errorf("%s: zone %s", region, got)
		}
	}
}

func TestInstanceID(t *testing.T) {
	a, b := agent.InstanceID("host", "alpha"), agent.InstanceID("host", "beta")
	if a != agent.InstanceID("host", "alpha") || a == b || len(a) != 19 || !strings.HasPrefix(a, "i-") || agent.InstanceID("hosta", "lpha") == a {
		t.Errorf("ids %s, %s", a, b)
	}
}

// A process that is gone when its role has been borrowed gets neither the role's
// credentials nor its name.
func TestIMDSCallerGone(t *testing.T) {
	k := new(kernel)
	k.uid.Store(1001)
	url := start(t, agent.NewIMDS(lend(byUID), agent.IMDSOptions{AllowV1: func(broker.Caller) bool { return true }}), agent.ServeOptions{Identifier: k}) + iamPath
	c := client(t)
	for path, want := range map[string]string{"security-credentials/": "one", "security-credentials/one": testSecret} {
		k.stopped.Store(false)
		if status, text := get(t, c, url+path); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: status %d: %s", path, status, text)
		}
		k.stopped.Store(true)
		if status, text := get(t, c, url+path); status != 404 || strings.Contains(text, testSecret) || !strings.Contains(text, "process 42 has ended") {
			t.Errorf("%s of a process that is gone: status %d: %s", path, status, text)
		}
	}
}

// Names a listener has besides its address are allowed by name only.
func TestHosts(t *testing.T) {
	m := agent.NewIMDS(lend(byWorkload), agent.IMDSOptions{Hosts: []string{"Mantle.internal", "10.1.2.3", "[fd00::1]"}})
	e := agent.NewECS(lend(byWorkload), nil, agent.ECSOptions{Hosts: []string{"Mantle.internal", "10.1.2.3", "[fd00::1]"}})
	for host, allowed := range map[string]bool{
		"mantle.internal": true, "MANTLE.internal:8080": true, "10.1.2.3": true, "10.1.2.3:80": true, "[fd00::1]": true, "[fd00:0::1]:80": true, "LOCALHOST": true,
		"mantle.internal.evil.example": false, "x.mantle.internal": false, "10.1.2.30": false, "[fd00::2]": false, "": false, "[fd00::1": false, "[fd00::1]x": false,
		"localhost.": false, "10.1.2.3@evil.example": false,
	} {
		if r := request(m, listener("alpha"), "PUT", "/latest/api/token", ttl+"60", "Host: "+host); (r.StatusCode == 200) != allowed {
			t.Errorf("metadata: host %q: status %d", host, r.StatusCode)
		}
		if r := request(e, listener("alpha"), "GET", "/v1/credentials", "Host: "+host); (r.StatusCode == 200) != allowed {
			t.Errorf("container: host %q: status %d", host, r.StatusCode)
		}
	}
	// Each endpoint answers to its own addresses only.
	if r := request(e, listener("alpha"), "GET", "/v1/credentials", "Host: 169.254.169.254"); r.StatusCode != 403 {
		t.Errorf("container endpoint under the address of the metadata service: status %d", r.StatusCode)
	}
	if r := request(m, listener("alpha"), "PUT", "/latest/api/token", ttl+"60", "Host: 169.254.170.2"); r.StatusCode != 403 {
		t.Errorf("metadata service under the address of the container endpoint: status %d", r.StatusCode)
	}
}
