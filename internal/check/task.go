package check

import (
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/internal/tf"
)

// A task is an ECS task definition.
type task struct {
	name     string // for people: "task app"
	address  string
	resource *tf.Resource // nil of a JSON file
	world    *tf.World
	source   source

	network    string // bridge, host, awsvpc, none; "" = bridge
	fargate    bool
	taskRole   string // ARN or name; "" if it has none
	execRole   string
	openRole   bool // the task role is set and not known
	openExec   bool
	account    string // that the definition is in, "" if not known
	containers []container
	open       bool // the containers are not known
	volumes    []string
}

type container struct {
	*node
	task    *task
	name    string
	image   string
	env     []variable
	secrets []secret
	user    string
	run     []string // entry point and command
	mounts  []string // paths in the container
	log     string
	private bool // its registry needs credentials that are a secret
}

type variable struct {
	name, value string
	node        *node // of its name
}

type secret struct {
	name, from string
	node       *node // of from
}

func (c *container) get(name string) (variable, bool) {
	for _, v := range c.env {
		if v.name == name {
			return v, true
		}
	}
	return variable{}, false
}

// readTasks gathers the task definitions.
func (f *facts) readTasks() {
	for _, w := range f.worlds {
		for _, r := range f.index[w].types["aws_ecs_task_definition"] {
			family, _ := str(r.Values, "family")
			t := &task{name: "task " + family, address: r.Address, resource: r, world: w, source: f.sourceOf(w, r, "container_definitions"), account: r.Account}
			if family == "" {
				t.name = r.Address
			}
			t.network, _ = str(r.Values, "network_mode")
			for _, c := range texts(r.Values, "requires_compatibilities") {
				t.fargate = t.fargate || c == "FARGATE"
			}
			var known bool
			t.taskRole, known = str(r.Values, "task_role_arn")
			t.openRole = !known
			t.execRole, known = str(r.Values, "execution_role_arn")
			t.openExec = !known
			for _, v := range blocks(r.Values, "volume") {
				if host, _ := str(v, "host_path"); host != "" {
					t.volumes = append(t.volumes, host)
				}
			}
			text, known := str(r.Values, "container_definitions")
			t.open = !known
			if known && text != "" {
				if root, err := readNode([]byte(text)); err == nil {
					t.read(root.items)
				} else {
					f.broken = append(f.broken, Finding{Where: place(r, "container_definitions"), Address: r.Address,
						Message: "container_definitions is not JSON" + because(err), Cure: "write it with jsonencode([{ name = … }])"})
				}
			}
			f.tasks = append(f.tasks, t)
		}
	}
	for _, x := range f.files {
		if x.Kind != Task {
			continue
		}
		root, err := readNode(x.Data)
		if err != nil {
			f.broken = append(f.broken, Finding{Where: tf.Range{Position: tf.Position{File: x.Path, Line: 1}}, Message: "not JSON" + because(err), Cure: "write one JSON object"})
			continue
		}
		if inner := root.get("taskDefinition"); inner != nil && inner.kind == '{' {
			root = inner
		}
		t := &task{name: "task " + root.str("family"), address: x.Path, source: source{file: x.Path, data: x.Data},
			network: root.str("networkMode"), taskRole: root.str("taskRoleArn"), execRole: root.str("executionRoleArn")}
		if root.str("family") == "" {
			t.name = filepath.Base(x.Path)
		}
		for _, c := range root.texts("requiresCompatibilities") {
			t.fargate = t.fargate || c == "FARGATE"
		}
		if a := strings.Split(root.str("taskDefinitionArn"), ":"); len(a) > 5 {
			t.account = a[4]
		}
		for _, v := range root.list("volumes") {
			if host := v.get("host").str("sourcePath"); host != "" {
				t.volumes = append(t.volumes, host)
			}
		}
		t.read(root.list("containerDefinitions"))
		f.tasks = append(f.tasks, t)
	}
}

func (t *task) read(list []*node) {
	for _, n := range list {
		c := container{node: n, task: t, name: n.str("name"), image: n.str("image"), user: n.str("user")}
		for _, e := range n.list("environment") {
			c.env = append(c.env, variable{e.str("name"), e.str("value"), e.get("name")})
		}
		for _, s := range n.list("secrets") {
			c.secrets = append(c.secrets, secret{s.str("name"), s.str("valueFrom"), s.get("valueFrom")})
		}
		c.log = n.get("logConfiguration").str("logDriver")
		for _, s := range n.get("logConfiguration").list("secretOptions") {
			c.secrets = append(c.secrets, secret{s.str("name"), s.str("valueFrom"), s.get("valueFrom")})
		}
		if p := n.get("repositoryCredentials").get("credentialsParameter"); p != nil {
			c.private = true
			c.secrets = append(c.secrets, secret{"the registry's credentials", p.text, p})
		}
		c.run = append(n.texts("entryPoint"), n.texts("command")...)
		for _, m := range n.list("mountPoints") {
			c.mounts = append(c.mounts, m.str("containerPath"))
		}
		t.containers = append(t.containers, c)
	}
}

func (t *task) at(n *node) tf.Range { return t.source.at(n) }

// where is the definition itself.
func (t *task) where() tf.Range {
	if t.resource != nil {
		return head(t.resource)
	}
	return t.source.here()
}

func (t *task) found(at tf.Range, message, cure string) Finding {
	return Finding{Where: at, Address: t.address, Message: message, Cure: cure}
}

// role finds a role of the estate by ARN or by name.
func (f *facts) role(ref, account string) *role {
	if r := f.byARN[ref]; r != nil {
		return r
	}
	name := ref
	if _, after, ok := strings.Cut(ref, ":role/"); ok {
		name = after[strings.LastIndexByte(after, '/')+1:]
		account = strings.Split(ref, ":")[4]
	}
	var out *role
	for _, r := range f.byName[name] {
		if account == "" || r.account == account {
			if out != nil {
				return nil // several accounts have one
			}
			out = r
		}
	}
	return out
}

// unset reports whether an attribute is absent or null: neither known nor
// going to be.
func unset(v cty.Value, path string) bool {
	x := get(v, path)
	if x == cty.NilVal {
		return true
	}
	x, _ = x.Unmark()
	return x.IsKnown() && x.IsNull()
}
