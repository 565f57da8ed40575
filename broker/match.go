package broker

// Match describes the processes of a workload: plain processes of the host by
// UID, GID, Exe and Unit, or those in a container, a task or a pod by the field
// of that name. It is of one kind; a Match of two kinds fits nobody, as does
// the zero Match: such a rule is for callers that are known by a token or a
// listener. Every field that is set must fit.
//
// A process in a container is never a plain process: uid 1001 in a container is
// another user than uid 1001 of the host. A container of a task or a pod is
// described by Task or Pod and not by Container. So no caller is of two kinds.
//
// In every text `*` stands for any run of characters except '/', `?` for one
// such character, and every other character for itself. The pattern covers the
// whole text.
//
// Exe narrows and does not prove: who may make a mount namespace may put any
// program at any path. Set UID or Unit too.
type Match struct {
	// UID is the effective user by its number; nil means any. (new(1001)
	// makes one.)
	UID *int

	// GID is the effective group, not one of the supplementary ones; nil means
	// any.
	GID *int

	// Exe is a pattern for the absolute path of the program.
	Exe string

	// Unit is a pattern for the systemd unit: "web@*.service".
	Unit string

	Container *ContainerMatch
	Task      *TaskMatch
	Pod       *PodMatch
}

// ContainerMatch describes containers by what their runtime says of them. Its
// fields are patterns, "" means any; if all are empty it fits nobody.
type ContainerMatch struct {
	Name, Image, Runtime string

	// Project and Service are Docker Compose's.
	Project, Service string

	// Labels are patterns for the values of labels, all of which there must be.
	Labels map[string]string
}

// TaskMatch describes tasks of Amazon ECS. Its fields are patterns, "" means
// any; if all are empty it fits nobody.
type TaskMatch struct {
	Cluster, Family string

	// Container is the container's name in the task definition.
	Container string
}

// PodMatch describes Kubernetes pods. Its fields are patterns, "" means any; if
// all are empty it fits nobody.
type PodMatch struct {
	Namespace, ServiceAccount, Name string

	// Labels are patterns for the values of labels, all of which there must be.
	Labels map[string]string
}

// kind is what a Match describes, and what a caller is.
type kind uint8

const (
	kindNone kind = iota
	kindProcess
	kindContainer
	kindTask
	kindPod
	kinds
)

// kind is kindNone if m fits nobody.
func (m *Match) kind() kind {
	k, n := kindNone, 0
	is := func(set bool, what kind) {
		if set {
			k, n = what, n+1
		}
	}
	is(m.UID != nil || m.GID != nil || m.Exe != "" || m.Unit != "", kindProcess)
	is(m.Container != nil, kindContainer)
	is(m.Task != nil, kindTask)
	is(m.Pod != nil, kindPod)
	switch {
	case n != 1,
		k == kindContainer && m.Container.isZero(),
		k == kindTask && *m.Task == TaskMatch{},
		k == kindPod && m.Pod.isZero():
		return kindNone
	}
	return k
}

func (m *ContainerMatch) isZero() bool {
	return m.Name == "" && m.Image == "" && m.Runtime == "" && m.Project == "" && m.Service == "" && len(m.Labels) == 0
}

func (m *PodMatch) isZero() bool {
	return m.Namespace == "" && m.ServiceAccount == "" && m.Name == "" && len(m.Labels) == 0
}

// kind is what the caller is; kindNone if nobody said who it is.
func (c *Caller) kind() kind {
	switch {
	case c.How == "":
		return kindNone
	case c.Pod != nil:
		return kindPod
	case c.Task != nil:
		return kindTask
	case c.Container != nil:
		return kindContainer
	}
	return kindProcess
}

// IsZero reports whether m fits nobody, because nothing is set or what is set
// is of two kinds.
func (m Match) IsZero() bool { return m.kind() == kindNone }

// Fits reports whether the caller is one of the described.
func (m Match) Fits(c Caller) bool { return m.fits(&c) }

func (m *Match) fits(c *Caller) bool {
	k := m.kind()
	if k == kindNone || k != c.kind() {
		return false
	}
	switch k {
	case kindContainer:
		return m.Container.fits(c.Container)
	case kindTask:
		t := m.Task
		return is(t.Cluster, c.Task.Cluster) && is(t.Family, c.Task.Family) && is(t.Container, c.Task.Container)
	case kindPod:
		p := m.Pod
		return is(p.Namespace, c.Pod.Namespace) && is(p.ServiceAccount, c.Pod.ServiceAccount) &&
			is(p.Name, c.Pod.Name) && labelled(p.Labels, c.Pod.Labels)
	}
	if m.UID != nil && (c.UID < 0 || *m.UID != c.UID) {
		return false
	}
	if m.GID != nil && (c.GID < 0 || *m.GID != c.GID) {
		return false
	}
	return is(m.Exe, c.Exe) && is(m.Unit, c.Unit)
}

func (m *ContainerMatch) fits(c *Container) bool {
	return is(m.Runtime, c.Runtime) && is(m.Name, c.Name) && is(m.Image, c.Image) &&
		is(m.Project, c.Project()) && is(m.Service, c.Service()) && labelled(m.Labels, c.Labels)
}

// is reports whether a value is as asked; one that is not known never is.
func is(pattern, value string) bool {
	return pattern == "" || value != "" && glob(pattern, value)
}

// labelled reports whether all of the wanted labels are there.
func labelled(want, have map[string]string) bool {
	for k, pattern := range want {
		if v, ok := have[k]; !ok || !glob(pattern, v) {
			return false
		}
	}
	return true
}

// Overlaps reports whether some caller would fit both: two such rules refuse
// that caller, so a configuration that holds them is at fault.
func (m Match) Overlaps(o Match) bool {
	k := m.kind()
	if k == kindNone || k != o.kind() {
		return false
	}
	switch k {
	case kindContainer:
		a, b := m.Container, o.Container
		return meet(a.Runtime, b.Runtime) && meet(a.Name, b.Name) && meet(a.Image, b.Image) &&
			meet(a.Project, b.Project) && meet(a.Service, b.Service) &&
			labelsMeet(a.withCompose(), b.withCompose())
	case kindTask:
		a, b := m.Task, o.Task
		return meet(a.Cluster, b.Cluster) && meet(a.Family, b.Family) && meet(a.Container, b.Container)
	case kindPod:
		a, b := m.Pod, o.Pod
		return meet(a.Namespace, b.Namespace) && meet(a.ServiceAccount, b.ServiceAccount) &&
			meet(a.Name, b.Name) && labelsMeet(a.Labels, b.Labels)
	}
	if m.UID != nil && o.UID != nil && *m.UID != *o.UID {
		return false
	}
	if m.GID != nil && o.GID != nil && *m.GID != *o.GID {
		return false
	}
	return meet(m.Exe, o.Exe) && meet(m.Unit, o.Unit)
}

// meet is globsMeet where "" means any.
func meet(a, b string) bool { return a == "" || b == "" || globsMeet(a, b) }

// labelsMeet reports whether a container could have labels that fit both.
func labelsMeet(a, b map[string]string) bool {
	for k, p := range a {
		if q, ok := b[k]; ok && !globsMeet(p, q) {
			return false
		}
	}
	return true
}

// withCompose are the labels that are asked for, Docker Compose's among them:
// project and service may be asked for by either name.
func (m *ContainerMatch) withCompose() map[string]string {
	if m.Project == "" && m.Service == "" {
		return m.Labels
	}
	all := make(map[string]string, len(m.Labels)+2)
	if m.Project != "" {
		all[LabelComposeProject] = m.Project
	}
	if m.Service != "" {
		all[LabelComposeService] = m.Service
	}
	for k, p := range m.Labels {
		all[k] = p // asked for twice: the other one was compared already
	}
	return all
}

// glob reports whether the pattern covers all of s, in time proportional to the
// product of their lengths at worst. There is no escape character, since unit
// names hold backslashes, and so no malformed pattern.
func glob(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0 // where the last '*' was, and what it has swallowed up to
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == s[i] || pattern[p] == '?' && s[i] != '/'):
			p++
			i++
		case star >= 0 && s[mark] != '/':
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globsMeet reports whether some text is covered by both patterns.
func globsMeet(a, b string) bool {
	// meets[j] says, for the i of the current row, whether a[i:] and b[j:] have
	// a text in common; rows go from the end of a to its start.
	meets := make([]bool, len(b)+1)
	next := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				meets[j] = true
			case i < len(a) && a[i] == '*':
				// The star ends here, or it swallows what b says next.
				meets[j] = next[j] || j < len(b) && b[j] != '/' && meets[j+1]
			case j < len(b) && b[j] == '*':
				meets[j] = meets[j+1] || i < len(a) && a[i] != '/' && next[j]
			case i == len(a) || j == len(b):
				meets[j] = false
			default:
				same := a[i] == b[j] || a[i] == '?' && b[j] != '/' || b[j] == '?' && a[i] != '/'
				meets[j] = same && next[j+1]
			}
		}
		meets, next = next, meets
	}
	return next[0]
}
