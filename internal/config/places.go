package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/mantle-iam/mantle/broker"
)

// Kind is what a [Match] describes: the name of its block.
type Kind string

const (
	KindProcess   Kind = "match"     // a process of the host
	KindContainer Kind = "container" // a container of Docker, Podman or another runtime
	KindTask      Kind = "task"      // a container of an ECS task
	KindPod       Kind = "pod"       // a Kubernetes pod
)

// Match says how the agent knows a process. A process has to fit every field
// that is set.
type Match struct {
	Where Where  `json:"-"`
	Kind  Kind   // which of the fields below may be set
	UID   *int   `json:",omitempty"`
	User  string `json:",omitempty"` // looked up when [Config.Rules] is called
	GID   *int   `json:",omitempty"`
	Group string `json:",omitempty"` // looked up when [Config.Rules] is called
	Exe   string `json:",omitempty"` // glob over the absolute path of the program
	Unit  string `json:",omitempty"` // systemd unit

	Container *broker.ContainerMatch `json:",omitempty"`
	Task      *broker.TaskMatch      `json:",omitempty"`
	Pod       *broker.PodMatch       `json:",omitempty"`
}

// runtimes are those that the agent can tell apart.
var runtimes = [...]string{"docker", "podman", "containerd", "cri-o"}

// Sockets of the engines where they are by default.
const (
	DockerSocket = "unix:///var/run/docker.sock"
	PodmanSocket = "unix:///run/podman/podman.sock"
)

// Engines are the addresses of Docker and Podman that have to be asked who a
// container is: those of the agent block, or the default ones. They are "" if
// no workload is described by a container or task block.
func (c *Config) Engines() (docker, podman string) {
	needed, byName := false, map[string]bool{}
	for _, w := range c.Workloads {
		for _, m := range w.Match {
			switch m.Kind {
			case KindTask:
				needed, byName["docker"] = true, true
			case KindContainer:
				needed, byName[m.Container.Runtime] = true, true
			}
		}
	}
	if !needed {
		return "", ""
	}
	docker, podman = c.Agent.Docker, c.Agent.Podman
	if podman == "" && byName["podman"] {
		podman = PodmanSocket
	}
	if docker == "" && (byName["docker"] || byName[""] && podman == "") {
		docker = DockerSocket
	}
	return docker, podman
}

// matchChild is the row of a kind of match block in a workload.
func matchChild(b block[Match], kind Kind, doc string) child[Workload] {
	return child[Workload]{block: b, many: true, doc: doc, set: func(d *decoder, w *Workload, hb *hcl.Block) {
		m := &Match{Kind: kind}
		if n := len(w.Match); n > 0 && w.Match[0].Kind != kind {
			d.add(start(hb), "make a workload of each", "workload %s is described by both %s and %s", quote(w.Name), w.Match[0].Kind, kind)
		}
		decode(d, b, hb.Body, start(hb), m)
		w.Match = append(w.Match, m)
	}}
}

// pattern is the row of an argument that is a pattern.
func pattern(name, doc string, check func(string) (hint, fault string), set func(*Match, string)) field[Match] {
	return field[Match]{name: name, want: "glob", doc: doc, set: func(d *decoder, m *Match, v value) {
		it, ok := d.filled(v)
		if !ok {
			return
		}
		if strings.Contains(it.text, "**") {
			d.add(it.at, "* stands for anything but /", "%s %s has **", name, quote(it.text))
		} else if check != nil {
			if hint, fault := check(it.text); fault != "" {
				d.add(it.at, hint, "%s %s %s", name, quote(it.text), fault)
			}
		}
		set(m, it.text)
	}}
}

// noSlash checks a name that never has a slash.
func noSlash(example string) func(string) (hint, fault string) {
	return func(s string) (string, string) {
		if strings.Contains(s, "/") {
			return "write only the name, as in " + example, "has a slash"
		}
		return "", ""
	}
}

// labelField is the row of an argument that holds patterns for labels.
func labelField(of string, set func(*Match, map[string]string)) field[Match] {
	return field[Match]{name: "labels", want: "map of label to glob", doc: "Labels that the " + of + " has to have, each with a pattern for its value.",
		set: func(d *decoder, m *Match, v value) {
			out := map[string]string{}
			if bare, _ := v.v.Unmark(); bare.CanIterateElements() && bare.LengthInt() == 0 {
				d.add(v.at, "remove the argument or give it a value", "labels is empty")
			}
			for _, p := range d.dict(v) {
				switch {
				case p.key == "":
					d.add(p.keyAt, "", "a label has no name")
				case strings.ContainsAny(p.key, "*?"):
					d.add(p.keyAt, "only the value may be a pattern", "label %s has a wildcard in its name", quote(p.key))
				}
				out[p.key] = p.value.text
			}
			if len(out) > 0 {
				set(m, out)
			}
		}}
}

// emptyCheck refuses a block that sets nothing, for it would fit nobody.
func emptyCheck(kind Kind, fields string) func(d *decoder, m *Match) {
	return func(d *decoder, m *Match) {
		if len(m.Where.args) == 0 {
			d.add(m.Where.Position, "set "+fields+", or remove the block", "%s is empty: it would fit nobody", kind)
		}
	}
}

func containerBlock() block[Match] {
	c := func(m *Match) *broker.ContainerMatch {
		if m.Container == nil {
			m.Container = new(broker.ContainerMatch)
		}
		return m.Container
	}
	return block[Match]{
		name:  string(KindContainer),
		where: func(m *Match) *Where { return &m.Where },
		fields: []field[Match]{
			pattern("name", "The container's name.", noSlash("web"), func(m *Match, s string) { c(m).Name = s }),
			pattern("image", "The reference of the image as the container was started with it: `nginx` fits neither `nginx:1.29` nor `docker.io/library/nginx`. A `*` does not stand for `/`, so a registry cannot slip in.", nil,
				func(m *Match, s string) { c(m).Image = s }),
			pattern("compose_project", "The project of Docker Compose.", noSlash("shop"), func(m *Match, s string) { c(m).Project = s }),
			pattern("compose_service", "The service of Docker Compose.", noSlash("api"), func(m *Match, s string) { c(m).Service = s }),
			labelField("container", func(m *Match, l map[string]string) { c(m).Labels = l }),
			{name: "runtime", want: "`\"docker\"`, `\"podman\"`, `\"containerd\"` or `\"cri-o\"`", def: "any", doc: "Who runs the container.",
				set: func(d *decoder, m *Match, v value) {
					it, ok := d.filled(v)
					if ok && !slices.Contains(runtimes[:], it.text) {
						d.add(it.at, d.suggest(it.text, runtimes[:], "known are "+strings.Join(runtimes[:], ", ")), "%s is no runtime", quote(it.text))
					} else if ok {
						c(m).Runtime = it.text
					}
				}},
		},
		check: func(d *decoder, m *Match) {
			c(m)
			emptyCheck(KindContainer, "name, image, compose_project, compose_service, labels or runtime")(d, m)
		},
	}
}

func taskBlock() block[Match] {
	t := func(m *Match) *broker.TaskMatch {
		if m.Task == nil {
			m.Task = new(broker.TaskMatch)
		}
		return m.Task
	}
	return block[Match]{
		name:  string(KindTask),
		where: func(m *Match) *Where { return &m.Where },
		fields: []field[Match]{
			pattern("cluster", "The name of the cluster.", noSlash("prod"), func(m *Match, s string) { t(m).Cluster = s }),
			pattern("family", "The family of the task definition.", noSlash("orders"), func(m *Match, s string) { t(m).Family = s }),
			pattern("container", "The name of the container in the task definition.", noSlash("app"), func(m *Match, s string) { t(m).Container = s }),
		},
		check: func(d *decoder, m *Match) {
			t(m)
			emptyCheck(KindTask, "cluster, family or container")(d, m)
		},
	}
}

func podBlock() block[Match] {
	p := func(m *Match) *broker.PodMatch {
		if m.Pod == nil {
			m.Pod = new(broker.PodMatch)
		}
		return m.Pod
	}
	return block[Match]{
		name:  string(KindPod),
		where: func(m *Match) *Where { return &m.Where },
		fields: []field[Match]{
			pattern("namespace", "The namespace of the pod.", noSlash("shop"), func(m *Match, s string) { p(m).Namespace = s }),
			pattern("service_account", "The service account of the pod.", noSlash("orders"), func(m *Match, s string) { p(m).ServiceAccount = s }),
			pattern("name", "The name of the pod.", noSlash("orders-*"), func(m *Match, s string) { p(m).Name = s }),
			labelField("pod", func(m *Match, l map[string]string) { p(m).Labels = l }),
		},
		check: func(d *decoder, m *Match) {
			p(m)
			emptyCheck(KindPod, "namespace, service_account, name or labels")(d, m)
			if len(m.Where.args) > 0 && m.Pod.Namespace == "" {
				d.add(m.Where.Position, "add namespace: whoever may create pods in another namespace chooses all the rest", "pod has no namespace")
			}
		},
	}
}

// engine checks the address of an engine's socket.
func (d *decoder) engine(v value) string {
	it, ok := d.filled(v)
	if !ok {
		return ""
	}
	path, isUnix := strings.CutPrefix(it.text, "unix://")
	switch {
	case isUnix && strings.HasPrefix(path, "/"):
		return it.text
	case strings.HasPrefix(it.text, "/"):
		return "unix://" + it.text
	}
	d.add(it.at, `as in "unix:///var/run/docker.sock"`, "%s %s is no Unix socket of this host", v.name, quote(it.text))
	return ""
}

// owner is what keeps matches apart that have different ones: the user of a
// process, or a name without wildcards. It is "" if m has none.
func (m *Match) owner() string {
	plain := func(parts ...string) string {
		for _, s := range parts {
			if s == "" || strings.ContainsAny(s, "*?") {
				return ""
			}
		}
		return string(m.Kind) + " " + strings.Join(parts, "/")
	}
	switch {
	case m.User != "":
		return "user " + m.User
	case m.UID != nil:
		return fmt.Sprint("uid ", *m.UID)
	case m.Container != nil:
		return plain(m.Container.Name)
	case m.Task != nil:
		return plain(m.Task.Family)
	case m.Pod != nil:
		return plain(m.Pod.Namespace, m.Pod.ServiceAccount)
	}
	return ""
}

// described is the block as the broker takes it, for a user and a group whose
// numbers are known.
func (m *Match) described(uid, gid *int) broker.Match {
	out := broker.Match{UID: uid, GID: gid, Exe: m.Exe, Unit: m.Unit}
	if m.Container != nil {
		c := *m.Container
		c.Labels = maps.Clone(c.Labels)
		out.Container = &c
	}
	if m.Task != nil {
		out.Task = new(*m.Task)
	}
	if m.Pod != nil {
		p := *m.Pod
		p.Labels = maps.Clone(p.Labels)
		out.Pod = &p
	}
	return out
}
