package agent_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/mantle-iam/mantle/agent"
)

func TestWorkloads(t *testing.T) {
	w := agent.NewWorkloads()
	e := agent.NewECS(lend(byWorkload), w, agent.ECSOptions{})
	status := func(g *agent.Grant) int {
		byToken := request(e, nil, "GET", "/v1/credentials", "Authorization: "+g.Token()).StatusCode
		byID := request(e, nil, "GET", g.RelativeURI()).StatusCode
		if (byToken == 200) != (byID == 200) {
			t.Errorf("token answers %d and id %d", byToken, byID)
		}
		return byToken
	}
	one, two, other := w.Add("alpha"), w.Add("alpha"), w.Add("beta")
	if got, want := w.Names(), []string{"alpha", "beta"}; !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
	if one.Token() == two.Token() || one.RelativeURI() == two.RelativeURI() {
		t.Error("two grants share a secret")
	}
	for range 2 {
		one.Revoke()
		if a, b, c := status(one), status(two), status(other); a != 403 || b != 200 || c != 200 {
			t.Errorf("after revoking the first of three: %d %d %d", a, b, c)
		}
	}
	w.Add("alpha")
	if n := w.Remove("alpha"); n != 2 {
		t.Errorf("removed %d grants, want 2", n)
	}
	if a, b := status(two), status(other); a != 403 || b != 200 {
		t.Errorf("after removing the workload: %d, and another's %d", a, b)
	}
	if n := w.Remove("alpha"); n != 0 {
		t.Errorf("removed %d grants of a workload without any", n)
	}
}

func TestGrantSecrets(t *testing.T) {
	g := agent.NewWorkloads().Add("alpha")
	for _, c := range []byte(g.Token() + g.RelativeURI()) {
		if c <= ' ' || c > '~' {
			t.Fatalf("byte %q in %q", c, g.Token())
		}
	}
	if len(g.Token()) < 43 { // 256 bits, six to the character
		t.Errorf("token of %d characters", len(g.Token()))
	}
	id := strings.TrimPrefix(g.RelativeURI(), "/v2/credentials/")
	var log lines
	log.logger().Info("grant", "pointer", g, "value", *g, "group", slog.GroupValue(slog.Any("g", g)))
	text, err := json.Marshal(map[string]any{"pointer": g, "value": *g})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprint(g, *g), fmt.Sprintf("%v %+v %#v %s %q", g, g, g, g, g), fmt.Sprintf("%v %+v %#v %s %q", *g, *g, *g, *g, *g),
		log.String(), string(text),
	} {
		if strings.Contains(out, g.Token()) || strings.Contains(out, id) || !strings.Contains(out, "alpha") {
			t.Errorf("printed as %s", out)
		}
	}
}

func ExampleGrant_Env() {
	workloads := agent.NewWorkloads()
	grant := workloads.Add("web")
	defer grant.Revoke() // when the process has ended
	for _, v := range grant.Env("http://127.0.0.1:4510") {
		name, value, _ := strings.Cut(v, "=")
		fmt.Println(name, len(value))
	}
	fmt.Println(grant)
	// Output:
	// AWS_CONTAINER_CREDENTIALS_FULL_URI 36
	// AWS_CONTAINER_AUTHORIZATION_TOKEN 43
	// grant of workload "web"
}
