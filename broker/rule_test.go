package broker

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDecide(t *testing.T) {
	loan := func(name string) Loan { return Loan{Role: "arn:aws:iam::111122223333:role/" + name} }
	rules := Rules{
		{Name: "alpha", Match: Match{UID: new(1001)}, Loan: loan("alpha")},
		{Name: "beta", Match: Match{UID: new(1002), Exe: "/usr/bin/beta*"}, Loan: loan("beta")},
		{Name: "gamma", Match: Match{Unit: "gamma@*.service"}, Loan: loan("gamma")},
		{Name: "delta", Match: Match{Exe: "/opt/delta/bin/delta"}, Loan: loan("delta")},
		{Name: "root", Match: Match{UID: new(0), Exe: "/usr/sbin/backup"}, Loan: loan("root")},
		{Name: "token", Loan: loan("token")},
		{Name: "twin", Loan: loan("twin-1")},
		{Name: "twin", Loan: loan("twin-2")},
		{Match: Match{UID: new(1009)}, Loan: loan("nameless")},
	}
	peer := func(uid int, exe, unit string) Caller {
		return Caller{UID: uid, PID: 4711, Exe: exe, Unit: unit, How: ByPeer}
	}
	tests := []struct {
		name   string
		caller Caller
		rule   string // "" if refused
		reason string // part of the reason
	}{
		{"by token", Caller{Workload: "token", UID: -1, How: ByToken}, "token", ""},
		{"a token wins over what the kernel says", Caller{Workload: "alpha", UID: 1002, Exe: "/usr/bin/beta", How: ByListener}, "alpha", ""},
		{"unknown workload", Caller{Workload: "omega", UID: 1001, How: ByToken}, "", `no workload "omega"`},
		{"two workloads of a name", Caller{Workload: "twin", How: ByToken}, "", `2 workloads are called "twin"`},
		{"by uid", peer(1001, "/usr/bin/anything", ""), "alpha", ""},
		{"uid alone does not do where exe is asked", peer(1002, "/usr/bin/other", ""), "", "no workload's match"},
		{"uid and exe", peer(1002, "/usr/bin/beta-2", ""), "beta", ""},
		{"the exe pattern is anchored at its end", peer(1002, "/usr/bin/beta/../evil", ""), "", "no workload's match"},
		{"the exe pattern is anchored at its start", peer(1002, "/tmp/usr/bin/beta", ""), "", "no workload's match"},
		{"an exact exe does not fit a longer one", peer(7, "/opt/delta/bin/delta2", ""), "", "no workload's match"},
		{"by unit", peer(7, "/usr/bin/x", "gamma@7.service"), "gamma", ""},
		{"no unit", peer(7, "/usr/bin/x", ""), "", "no workload's match"},
		{"two rules fit", peer(1001, "/opt/delta/bin/delta", ""), "", `"alpha", "delta" all fit`},
		{"uid 0 has to be asked for", peer(0, "/usr/sbin/backup", ""), "root", ""},
		{"uid unknown", peer(-1, "/usr/sbin/backup", ""), "", "no workload's match"},
		{"a rule for tokens fits no peer", peer(4000, "/usr/bin/token", "token.service"), "", "no workload's match"},
		{"a rule without a name fits nobody", peer(1009, "", ""), "", "no workload's match"},
		{"nothing is known", Caller{}, "", "could not be identified"},
		{"facts without who says so", Caller{UID: 1001, Exe: "/usr/bin/x"}, "", "could not be identified"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := rules.Decide(tt.caller)
			if d.Rule != tt.rule || d.Granted() != (tt.rule != "") {
				t.Fatalf("Decide(%v) = rule %q, granted %v, reason %q; want rule %q", tt.caller, d.Rule, d.Granted(), d.Reason, tt.rule)
			}
			if d.Granted() && !strings.Contains(d.Loan.Role, tt.rule) {
				t.Errorf("loan of role %q for rule %q", d.Loan.Role, d.Rule)
			}
			if !d.Granted() && (d.Loan.Role != "" || !strings.Contains(d.Reason, tt.reason) || tt.reason == "") {
				t.Errorf("refused with role %q and reason %q; want none and one with %q", d.Loan.Role, d.Reason, tt.reason)
			}
		})
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"/usr/bin/foo", "/usr/bin/foo", true},
		{"/usr/bin/foo*", "/usr/bin/foo", true},
		{"/usr/bin/foo*", "/usr/bin/foobar", true},
		{"/usr/bin/foo*", "/usr/bin/foo/bar", false},
		{"/usr/*/foo", "/usr/bin/foo", true},
		{"/usr/*/foo", "/usr/a/b/foo", false},
		{"/*/*/foo", "/usr/bin/foo", true},
		{"foo?.service", "foo1.service", true},
		{"foo?.service", "foo.service", false},
		{"foo?bar", "foo/bar", false},
		{"*", "", true},
		{"*", "a/b", false},
		{"", "", true},
		{"", "a", false},
		{"a**b", "ab", true},
		{"[a]", "[a]", true},
		{"[a]", "a", false},
		{`dev-disk-by\x2duuid.swap`, `dev-disk-by\x2duuid.swap`, true},
		{"*a*b", "xaxaxb", true},
		{"*a*b", "xaxaxbx", false},
	}
	for _, tt := range tests {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q) = %v, want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}

func TestGlobAsRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab/*?]{0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[ab/]{0,8}`).Draw(t, "s")
		re := strings.NewReplacer("*", "[^/]*", "?", "[^/]").Replace(pattern)
		want := regexp.MustCompile("^(?:" + re + ")$").MatchString(s)
		if got := glob(pattern, s); got != want {
			t.Fatalf("glob(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}

func TestGlobsMeet(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"/usr/bin/a*", "/usr/bin/*b", true},
		{"/usr/bin/a*", "/usr/bin/b*", false},
		{"/usr/*", "/usr/bin/x", false},
		{"a?", "*b", true},
		{"a", "a", true},
		{"a", "b", false},
		{"*", "*", true},
		{"?", "", false},
		{"*", "", true},
	}
	for _, tt := range tests {
		if got := globsMeet(tt.a, tt.b); got != tt.want {
			t.Errorf("globsMeet(%q, %q) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
	// Whatever fits both is found, whichever comes first.
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[ab/*?]{0,5}`).Draw(t, "a")
		b := rapid.StringMatching(`[ab/*?]{0,5}`).Draw(t, "b")
		s := rapid.StringMatching(`[ab/]{0,5}`).Draw(t, "s")
		if got := globsMeet(a, b); got != globsMeet(b, a) {
			t.Fatalf("globsMeet(%q, %q) = %v, and not the other way round", a, b, got)
		} else if !got && glob(a, s) && glob(b, s) {
			t.Fatalf("globsMeet(%q, %q) = false, but %q fits both", a, b, s)
		}
	})
	// And two patterns that meet do so in a text: all of up to six letters are tried.
	texts := []string{""}
	for i := 0; len(texts[i]) < 6; i++ {
		texts = append(texts, texts[i]+"a", texts[i]+"b", texts[i]+"/")
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[ab/*?]{0,3}`).Draw(t, "a")
		b := rapid.StringMatching(`[ab/*?]{0,3}`).Draw(t, "b")
		if !globsMeet(a, b) {
			return
		}
		for _, s := range texts {
			if glob(a, s) && glob(b, s) {
				return
			}
		}
		t.Fatalf("globsMeet(%q, %q) = true, but nothing fits both", a, b)
	})
}

// drawRules and drawCaller keep to few values, so that rules and callers often
// fit.
func drawRules(t *rapid.T) Rules {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Rule {
		r := Rule{
			Name: rapid.SampledFrom([]string{"", "a", "b", "c", "d"}).Draw(t, "name"),
			Loan: Loan{Role: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "role")},
		}
		r.Match = drawMatch(t)
		for range rapid.IntRange(0, 2).Draw(t, "more") {
			r.Or = append(r.Or, drawMatch(t))
		}
		return r
	}), 0, 5).Draw(t, "rules")
}

func drawMatch(t *rapid.T) (m Match) {
	text := func(name string) string {
		return rapid.SampledFrom([]string{"", "", "a", "b", "a*", "*"}).Draw(t, name)
	}
	labels := rapid.SampledFrom([]map[string]string{nil, nil, {"l": "a"}, {"l": "*", "m": "b"}, {LabelComposeService: "a"}})
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 1:
		m.Container = &ContainerMatch{Name: text("name"), Image: text("image"), Service: text("service"), Labels: labels.Draw(t, "labels")}
	case 2:
		m.Task = &TaskMatch{Cluster: text("cluster"), Family: text("family"), Container: text("container")}
	case 3:
		m.Pod = &PodMatch{Namespace: text("namespace"), ServiceAccount: text("service account"), Name: text("name"), Labels: labels.Draw(t, "labels")}
	default:
		if uid := rapid.IntRange(-1, 3).Draw(t, "uid"); uid >= 0 {
			m.UID = new(uid)
		}
		if gid := rapid.IntRange(-1, 1).Draw(t, "gid"); gid >= 0 {
			m.GID = new(gid)
		}
		m.Exe = rapid.SampledFrom([]string{"", "/a", "/b", "/*"}).Draw(t, "exe")
		m.Unit = rapid.SampledFrom([]string{"", "u.service", "*"}).Draw(t, "unit")
	}
	return m
}

func drawCaller(t *rapid.T) Caller {
	text := rapid.SampledFrom([]string{"", "a", "b", "ab", "a/b"})
	labels := rapid.SampledFrom([]map[string]string{nil, {"l": "a"}, {"l": "a", "m": "b"}, {LabelComposeService: "a", "m": "c"}})
	var container *Container
	var task *Task
	var pod *Pod
	if rapid.Bool().Draw(t, "in a container") {
		container = &Container{ID: "id", Name: text.Draw(t, "name"), Image: text.Draw(t, "image"), Labels: labels.Draw(t, "labels")}
	}
	switch rapid.IntRange(0, 4).Draw(t, "of") {
	case 1:
		task = &Task{Cluster: text.Draw(t, "cluster"), Family: text.Draw(t, "family"), Container: text.Draw(t, "container")}
	case 2:
		pod = &Pod{Namespace: text.Draw(t, "namespace"), ServiceAccount: text.Draw(t, "service account"), Name: text.Draw(t, "pod"), Labels: labels.Draw(t, "labels")}
	}
	return Caller{
		GID:       rapid.IntRange(-1, 1).Draw(t, "gid"),
		Container: container, Task: task, Pod: pod,
		Workload: rapid.SampledFrom([]string{"", "", "", "a", "b", "z"}).Draw(t, "workload"),
		UID:      rapid.IntRange(-1, 4).Draw(t, "uid"),
		Exe:      rapid.SampledFrom([]string{"", "/a", "/b", "/c/d"}).Draw(t, "exe"),
		Unit:     rapid.SampledFrom([]string{"", "u.service"}).Draw(t, "unit"),
		How:      rapid.SampledFrom([]string{"", ByPeer, ByToken}).Draw(t, "how"),
	}
}

func TestBookAgreesWithRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, c := drawRules(t), drawCaller(t)
		k := newBook(rules, Host{}, func(l Loan) *lease { return &lease{loan: l} })
		d := rules.Decide(c)
		i := k.find(&c)
		switch {
		case d.Granted() != (i >= 0):
			t.Fatalf("Decide grants %v (%q), the book has rule %d", d.Granted(), d.Reason, i)
		case i >= 0 && (rules[i].Name != d.Rule || rules[i].Loan.Role != d.Loan.Role):
			t.Fatalf("Decide finds rule %q, the book %q", d.Rule, rules[i].Name)
		case !d.Granted() && d.Reason == "":
			t.Fatal("refused without a reason")
		}
	})
}

func TestOverlapsIsWhatMakesDecideRefuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, c := drawRules(t), drawCaller(t)
		for i := range rules {
			for j := range rules[:i] {
				a, b := &rules[i], &rules[j]
				if a.Fits(c) && b.Fits(c) && !(a.Overlaps(b) && b.Overlaps(a)) {
					t.Fatalf("%v fits %+v and %+v, which do not overlap", c, a, b)
				}
			}
		}
	})
}
