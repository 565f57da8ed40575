package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// placeRules are the rules of a host with a workload of each kind, and places
// some of its callers.
func placeRules() Rules {
	r := func(name string, m ...Match) Rule {
		return Rule{Name: name, Match: m[0], Or: m[1:], Loan: Loan{Role: "arn:aws:iam::111122223333:role/" + name}}
	}
	return Rules{
		r("process", Match{UID: new(1001)}),
		r("group", Match{GID: new(50), UID: new(7)}),
		r("named", Match{Container: &ContainerMatch{Name: "web-?"}}),
		r("composed", Match{Container: &ContainerMatch{Project: "shop", Service: "api"}}),
		r("imaged", Match{Container: &ContainerMatch{Image: "registry.example/team/*:v1", Labels: map[string]string{"tier": "front*"}}}),
		r("task", Match{Task: &TaskMatch{Cluster: "prod", Family: "orders", Container: "app"}}),
		r("pod", Match{Pod: &PodMatch{Namespace: "shop", ServiceAccount: "orders"}}, Match{Pod: &PodMatch{Namespace: "shop", ServiceAccount: "returns"}}),
		r("two kinds", Match{UID: new(1002), Container: &ContainerMatch{Name: "both"}}),
		r("nothing", Match{Container: &ContainerMatch{}}, Match{Pod: &PodMatch{}}, Match{Task: &TaskMatch{}}),
	}
}

func TestDecidePlaces(t *testing.T) {
	rules := placeRules()
	in := func(c Container) Caller { return Caller{UID: 1001, GID: 50, PID: 4, How: ByPeer, Container: &c} }
	compose := func(project, service string) map[string]string {
		return map[string]string{LabelComposeProject: project, LabelComposeService: service}
	}
	of := func(c Caller, task *Task, pod *Pod) Caller { c.Task, c.Pod = task, pod; return c }
	orders := Task{ARN: "arn:aws:ecs:eu-west-1:111122223333:task/prod/0123", Cluster: "prod", Family: "orders", Container: "app"}
	for _, tt := range []struct {
		name   string
		caller Caller
		rule   string
		reason string
	}{
		{"process", Caller{UID: 1001, GID: 50, PID: 4, How: ByPeer}, "process", ""},
		{"user and group", Caller{UID: 7, GID: 50, PID: 4, How: ByPeer}, "group", ""},
		{"another group", Caller{UID: 7, GID: 51, PID: 4, How: ByPeer}, "", "add a match block"},
		{"group unknown", Caller{UID: 7, GID: -1, PID: 4, How: ByPeer}, "", "add a match block"},
		{"the uid of a process, in a container", in(Container{Name: "other"}), "", "add a container block"},
		{"the uid of a process, in a pod", of(in(Container{}), nil, &Pod{Namespace: "other"}), "", "add a pod block"},
		{"container by name", in(Container{Name: "web-1"}), "named", ""},
		{"the name pattern is anchored", in(Container{Name: "web-12"}), "", "add a container block"},
		{"container without a name", in(Container{ID: "web-1"}), "", "add a container block"},
		{"by compose", in(Container{Name: "shop-api-1", Labels: compose("shop", "api")}), "composed", ""},
		{"another project", in(Container{Name: "shop-api-1", Labels: compose("shop2", "api")}), "", "add a container block"},
		{"by image and label", in(Container{Image: "registry.example/team/web:v1", Labels: map[string]string{"tier": "front-1"}}), "imaged", ""},
		{"a star is no slash", in(Container{Image: "registry.example/team/x/web:v1", Labels: map[string]string{"tier": "front-1"}}), "", "add a container block"},
		{"label missing", in(Container{Image: "registry.example/team/web:v1"}), "", "add a container block"},
		{"two rules", in(Container{Name: "web-1", Labels: compose("shop", "api")}), "", `"named", "composed" all fit`},
		{"task", of(in(Container{Name: "web-1"}), &orders, nil), "task", ""},
		{"task of another family", of(in(Container{Name: "web-1"}), &Task{Cluster: "prod", Family: "web"}, nil), "", "add a task block"},
		{"pod", of(in(Container{Name: "web-1"}), nil, &Pod{Namespace: "shop", ServiceAccount: "orders"}), "pod", ""},
		{"pod, the other way to fit", of(in(Container{}), nil, &Pod{Namespace: "shop", ServiceAccount: "returns"}), "pod", ""},
		{"pod of another namespace", of(in(Container{}), nil, &Pod{Namespace: "evil", ServiceAccount: "orders"}), "", "add a pod block"},
		{"a rule of two kinds fits no process", Caller{UID: 1002, How: ByPeer}, "", "add a match block"},
		{"nor a container", of(Caller{UID: 1002, How: ByPeer, Container: &Container{Name: "both"}}, nil, nil), "", "add a container block"},
		{"pod by its token", Caller{UID: -1, PID: -1, How: ByPodToken, Pod: &Pod{Namespace: "shop", ServiceAccount: "orders"}}, "pod", ""},
		{"pod that nobody vouches for", Caller{Pod: &Pod{Namespace: "shop", ServiceAccount: "orders"}}, "", "could not be identified"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := rules.Decide(tt.caller)
			if d.Rule != tt.rule || d.Granted() != (tt.rule != "") || !strings.Contains(d.Reason, tt.reason) {
				t.Errorf("%v: got %q (%s), want %q (%s)", tt.caller, d.Rule, d.Reason, tt.rule, tt.reason)
			}
		})
	}
}

// Docker Compose's service is a label too, and may be asked for by its name.
func TestComposeOverlapsItsLabels(t *testing.T) {
	service := Match{Container: &ContainerMatch{Service: "api"}}
	for _, tt := range []struct {
		labels map[string]string
		want   bool
	}{
		{map[string]string{LabelComposeService: "api"}, true},
		{map[string]string{LabelComposeService: "a*"}, true},
		{map[string]string{LabelComposeService: "db"}, false},
		{map[string]string{"tier": "db"}, true},
	} {
		o := Match{Container: &ContainerMatch{Labels: tt.labels}}
		if a, b := service.Overlaps(o), o.Overlaps(service); a != tt.want || b != tt.want {
			t.Errorf("%v: got %v and %v, want %v", tt.labels, a, b, tt.want)
		}
	}
}

func TestCallerText(t *testing.T) {
	secret := map[string]string{"token": "hunter2", LabelComposeService: "api"}
	c := Caller{
		UID: 0, GID: 0, PID: 4711, How: ByPeer,
		Container: &Container{Runtime: "docker", ID: "3f2a", Name: "web\n1", Image: "nginx:1", Labels: secret},
		Task:      &Task{ARN: "arn:aws:ecs:eu-west-1:111122223333:task/prod/0123", Cluster: "prod", Family: "orders", Container: "app"},
		Pod:       &Pod{UID: "u-1", Namespace: "shop", Name: "orders-0", ServiceAccount: "orders", Container: "main", Labels: secret},
	}
	const pod = "uid 0 pid 4711 pod shop/orders-0 service account orders task 0123 family orders cluster prod container main image nginx:1 (peer)"
	if got := c.String(); got != pod {
		t.Errorf("got %s, want %s", got, pod)
	}
	plain := Caller{UID: -1, PID: -1, How: ByPeer, Container: c.Container}
	const container = `container "web\n1" image nginx:1 (peer)`
	if got := plain.String(); got != container {
		t.Errorf("got %s, want %s", got, container)
	}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "caller", c)
	if strings.Contains(b.String(), "hunter2") || !strings.Contains(b.String(), `"compose_service":"api"`) || !strings.Contains(b.String(), `"namespace":"shop"`) {
		t.Errorf("logged %s", b.String())
	}
}

func TestPlacePlaceholders(t *testing.T) {
	c := Caller{
		UID: 7, How: ByPeer,
		Container: &Container{Name: "web", Image: "team/web:1", Labels: map[string]string{LabelComposeProject: "shop", LabelComposeService: "api"}},
		Task:      &Task{ARN: "arn:aws:ecs:eu-west-1:111122223333:task/prod/0123", Cluster: "prod", Family: "orders", Container: "app"},
	}
	pod := Caller{UID: -1, How: ByPodToken, Pod: &Pod{UID: "u-1", Namespace: "shop", Name: "orders-0", ServiceAccount: "orders", Container: "main"}}
	for _, tt := range []struct {
		template string
		caller   Caller
		want     string // "" if that is not known
	}{
		{"{container}", c, "app"},
		{"{image}", c, "team-web-1"},
		{"{compose_project}.{service}", c, "shop.api"},
		{"{cluster}.{family}.{task}", c, "prod.orders.0123"},
		{"{namespace}.{service_account}", pod, "shop.orders"},
		{"{pod}.{pod_uid}.{container}", pod, "orders-0.u-1.main"},
		{"{namespace}", c, ""},
		{"{family}", pod, ""},
		{"{image}", pod, ""},
	} {
		l, err := Loan{Role: "r", SessionName: tt.template}.Resolve("w", tt.caller, Host{})
		if l.SessionName != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v, want %q", tt.template, l.SessionName, err, tt.want)
		}
	}
	// A text is kept apart by its place in the slot, or two callers would share
	// a lease.
	rules := Rules{{Name: "w", Match: Match{Pod: &PodMatch{Namespace: "*"}}, Loan: Loan{Role: "r", SessionName: "{namespace}-{service_account}"}}}
	k := newBook(rules, Host{}, func(l Loan) *lease { return &lease{loan: l} })
	seen := map[*lease]bool{}
	for _, p := range []Pod{{Namespace: "a", ServiceAccount: "b"}, {Namespace: "b", ServiceAccount: "a"}, {Namespace: "a", ServiceAccount: "c", Name: "x"}, {Namespace: "a", ServiceAccount: "c", Name: "y"}} {
		l, reason := k.lease(0, &Caller{How: ByPeer, Pod: &p}, Host{}, func(l Loan) *lease { return &lease{loan: l} })
		if l == nil {
			t.Fatal(reason)
		}
		seen[l] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d leases, want 3: pods of one account share one", len(seen))
	}
}
