package config

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/mantle-iam/mantle/iam"
)

// The tables below are the configuration language. They are functions, not
// variables, so that nothing can change them.

func rootBlock() block[Config] {
	return block[Config]{
		doc: "One file describes a host: which programs wear which roles, where their credentials are served, and, for development, the AWS they run against.",
		children: []child[Config]{
			{block: baseBlock(), doc: "Whose credentials mantle itself starts from. Without it, the default credential chain of the AWS SDK.",
				set: func(d *decoder, c *Config, b *hcl.Block) { decode(d, baseBlock(), b.Body, start(b), &c.Base) }},
			{block: agentBlock(), doc: "How the agent serves.",
				set: func(d *decoder, c *Config, b *hcl.Block) { decode(d, agentBlock(), b.Body, start(b), &c.Agent) }},
			{block: sandboxBlock(), doc: "An AWS inside the mantle process, with IAM always enforced; `mantle up` starts it if this block is there.",
				set: func(d *decoder, c *Config, b *hcl.Block) {
					c.Sandbox = &Sandbox{Listen: "127.0.0.1:4566"}
					decode(d, sandboxBlock(), b.Body, start(b), c.Sandbox)
				}},
			{block: roleBlock(), many: true, doc: "A role that mantle may lend, and how it asks STS for it.",
				set: func(d *decoder, c *Config, b *hcl.Block) {
					r := &Role{Name: d.label(b, "role")}
					decode(d, roleBlock(), b.Body, start(b), r)
					c.Roles = append(c.Roles, r)
				}},
			{block: workloadBlock(), many: true, doc: "A program that wears a role.",
				set: func(d *decoder, c *Config, b *hcl.Block) {
					w := &Workload{Name: d.label(b, "workload"), Endpoint: EndpointContainer}
					decode(d, workloadBlock(), b.Body, start(b), w)
					c.Workloads = append(c.Workloads, w)
				}},
		},
		where: func(*Config) *Where { return new(Where) },
		check: func(d *decoder, c *Config) {
			if c.Agent.Listen == "" {
				c.Agent.Listen = "127.0.0.1:0"
			}
			d.checkInterception(c)
			d.settle(c)
		},
	}
}

func baseBlock() block[Base] {
	return block[Base]{
		name:  "base",
		where: func(b *Base) *Where { return &b.Where },
		fields: append([]field[Base]{
			{name: "profile", want: "string", def: "the SDK's default chain", doc: "A profile of the shared AWS configuration files.",
				set: func(d *decoder, b *Base, v value) {
					if it, ok := d.filled(v); ok {
						b.Profile = it.text
					}
				}},
			{name: "region", want: "string", def: "the SDK's region", doc: "The region whose STS is called, and the default region of every role and bucket.",
				set: func(d *decoder, b *Base, v value) { b.Region = d.region(v) }},
		}, baseSourceFields()...),
		check: func(d *decoder, b *Base) { d.checkBase(b) },
	}
}

func agentBlock() block[Agent] {
	return block[Agent]{
		name:  "agent",
		where: func(a *Agent) *Where { return &a.Where },
		fields: append([]field[Agent]{
			{name: "allow_remote", want: "bool", def: "false", doc: "Let the endpoints below be reached from other machines. Whoever reaches them can ask for credentials.",
				set: func(d *decoder, a *Agent, v value) { a.AllowRemote = d.truth(v) }},
			{name: "listen", want: "HOST:PORT", def: `"127.0.0.1:0"`, doc: "Where the container credentials endpoint listens; port 0 takes a free one.",
				set: func(d *decoder, a *Agent, v value) { a.Listen = d.listen(v, a.AllowRemote) }},
			{name: "metadata", want: "HOST:PORT", def: "none for the whole host", doc: "Where the instance metadata endpoint listens for programs that `match` finds, for example `169.254.169.254:80` on a loopback alias.",
				set: func(d *decoder, a *Agent, v value) { a.Metadata = d.listen(v, a.AllowRemote) }},
			{name: "docker", want: "unix:///PATH", def: "`" + DockerSocket + "` if a workload has a `container` or `task` block that needs it", doc: "The socket of the Docker engine that is asked which container is whose. Who may write to it is root, so give the agent no more than that socket.",
				set: func(d *decoder, a *Agent, v value) { a.Docker = d.engine(v) }},
			{name: "podman", want: "unix:///PATH", def: "`" + PodmanSocket + "` if a workload has a `container` block with `runtime = \"podman\"`", doc: "The same for Podman, which serves Docker's API (`podman.socket`). Without `docker`, Docker is then not asked for containers of no stated runtime.",
				set: func(d *decoder, a *Agent, v value) { a.Podman = d.engine(v) }},
		}, doorFields()...),
		children: agentChildren(),
		check: func(d *decoder, a *Agent) {
			d.checkDoors(a)
			if a.Metadata != "" && a.Metadata == a.Listen && !strings.HasSuffix(a.Listen, ":0") {
				d.add(a.Where.At("metadata"), "give it an address of its own", "metadata and listen are the same address")
			}
		},
	}
}

func sandboxBlock() block[Sandbox] {
	return block[Sandbox]{
		name:  "sandbox",
		where: func(s *Sandbox) *Where { return &s.Where },
		fields: []field[Sandbox]{
			{name: "allow_remote", want: "bool", def: "false", doc: "Let the sandbox be reached from other machines.",
				set: func(d *decoder, s *Sandbox, v value) { s.AllowRemote = d.truth(v) }},
			{name: "listen", want: "HOST:PORT", def: `"127.0.0.1:4566"`, doc: "Where the sandbox answers AWS calls; port 0 takes a free one.",
				set: func(d *decoder, s *Sandbox, v value) { s.Listen = d.listen(v, s.AllowRemote) }},
			{name: "state", want: "path", def: "memory", doc: "A directory that keeps the sandbox's state between runs. It is created if it is missing.",
				set: func(d *decoder, s *Sandbox, v value) {
					if it, ok := d.filled(v); ok {
						s.State = d.state(it.text)
					}
				}},
			{name: "host", want: "role ARN", def: "the credentials of `base`", doc: "The role that mantle itself wears inside the sandbox, as an EC2 instance would; it must trust `ec2.amazonaws.com`.",
				set: func(d *decoder, s *Sandbox, v value) {
					if it, ok := d.text(v); ok {
						s.Host = d.roleARN("host", it)
					}
				}},
		},
		children: []child[Sandbox]{
			{block: accountBlock(), many: true, doc: "An account of the sandbox; at least one.",
				set: func(d *decoder, s *Sandbox, b *hcl.Block) {
					a := &Account{Name: d.label(b, "account")}
					decode(d, accountBlock(), b.Body, start(b), a)
					s.Accounts = append(s.Accounts, a)
				}},
		},
		check: func(d *decoder, s *Sandbox) {
			if len(s.Accounts) == 0 {
				d.add(s.Where.Position, `add account "dev" { id = "111122223333" }`, "sandbox has no account")
				return
			}
			if arn, err := iam.ParseARN(s.Host); err == nil && s.Host != "" {
				var ids []string
				for _, a := range s.Accounts {
					if a.ID == arn.Account || a.ID == "" {
						return
					}
					ids = append(ids, a.ID)
				}
				d.add(s.Where.At("host"), "the sandbox has "+strings.Join(ids, ", "), "host is a role of account %s, which the sandbox does not have", arn.Account)
			}
		},
	}
}

func accountBlock() block[Account] {
	return block[Account]{
		name: "account", label: "name",
		where: func(a *Account) *Where { return &a.Where },
		fields: []field[Account]{
			{name: "id", want: "string of 12 digits", required: true, doc: "The account id.",
				set: func(d *decoder, a *Account, v value) {
					it, ok := d.text(v)
					switch {
					case !ok:
					case !accountRE.MatchString(it.text):
						d.add(it.at, "an account id has 12 digits", "%s is no account id", quote(it.text))
					case d.unique("account id", it.text, it.at, "two accounts have the id %s", it.text):
						a.ID = it.text
					}
				}},
			{name: "load", want: "list of paths", doc: "Files with the users, groups, roles and policies of the account, as `aws iam get-account-authorization-details` prints them.",
				set: func(d *decoder, a *Account, v value) {
					for _, it := range d.list(v) {
						if f, ok := d.accountFile(it); ok {
							a.Load = append(a.Load, f)
						}
					}
				}},
		},
		children: []child[Account]{
			{block: bucketBlock(), many: true, doc: "An S3 bucket that exists from the start.",
				set: func(d *decoder, a *Account, b *hcl.Block) {
					bucket := &Bucket{Name: b.Labels[0]}
					at := place(b.LabelRanges[0].Filename, b.LabelRanges[0].Start)
					if hint, sound := bucketName(bucket.Name); !sound {
						d.add(at, hint, "%s is no bucket name", quote(bucket.Name))
					}
					d.unique("bucket", bucket.Name, at, "bucket %s is declared twice", quote(bucket.Name))
					decode(d, bucketBlock(), b.Body, start(b), bucket)
					a.Buckets = append(a.Buckets, bucket)
				}},
		},
	}
}

func bucketBlock() block[Bucket] {
	return block[Bucket]{
		name: "bucket", label: "name",
		where: func(b *Bucket) *Where { return &b.Where },
		fields: []field[Bucket]{
			{name: "region", want: "string", def: "`base`'s region, or `us-east-1`", doc: "The region of the bucket.",
				set: func(d *decoder, b *Bucket, v value) { b.Region = d.region(v) }},
			{name: "policy", want: "JSON string", def: "none", doc: "The bucket policy.",
				set: func(d *decoder, b *Bucket, v value) {
					if it, ok := d.filled(v); ok {
						d.policy(iam.Resource, "bucket policy", it, b.Name)
						b.Policy = it.text
					}
				}},
			{name: "objects", want: "map of key to content", doc: "Objects that the bucket holds from the start.",
				set: func(d *decoder, b *Bucket, v value) {
					for _, p := range d.dict(v) {
						if len(p.key) == 0 || len(p.key) > 1024 {
							d.add(p.keyAt, "", "an object key has 1 to 1024 bytes, this one %d", len(p.key))
						}
						if b.Objects == nil {
							b.Objects = map[string]string{}
						}
						b.Objects[p.key] = p.value.text
					}
				}},
			{name: "folder", want: "path", doc: "A directory whose files become objects, each under its path within the directory.",
				set: func(d *decoder, b *Bucket, v value) {
					if it, ok := d.filled(v); ok {
						b.Folder = d.folder("folder", it)
					}
				}},
		},
	}
}

// dir is the directory that relative paths start from.
func (d *decoder) dir() string { return filepath.Dir(d.name) }

// state is a folder, or the address of a database, which is no path.
func (d *decoder) state(p string) string {
	if strings.HasPrefix(p, "postgres://") || strings.HasPrefix(p, "postgresql://") {
		return p
	}
	return d.path(p)
}

// path joins a path of the configuration to the configuration's directory.
func (d *decoder) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(d.dir(), p)
}

// folder is path for a directory that must exist.
func (d *decoder) folder(what string, it item) string {
	p := d.path(it.text)
	if !d.src.IsDir(p) {
		d.add(it.at, "paths start from the directory of the configuration", "%s: there is no directory %s", what, p)
	}
	return p
}

// accountFile reads a file of account details and checks that it looks like
// one; what it says is for whoever loads it.
func (d *decoder) accountFile(it item) (File, bool) {
	p := d.path(it.text)
	if strings.HasPrefix(strings.TrimSpace(it.text), "{") {
		d.add(it.at, `write load = ["account.json"], without file()`, "load takes paths, not what the files hold")
		return File{}, false
	}
	data, err := d.src.ReadFile(p)
	if err != nil {
		d.add(it.at, "paths start from the directory of the configuration", "load: %s", reading(p, err))
		return File{}, false
	}
	d.files[p] = data
	var details map[string]json.RawMessage
	if err := json.Unmarshal(data, &details); err != nil {
		at, what := jsonFault(p, data, err)
		d.add(at, "save what `aws iam get-account-authorization-details` prints; loaded at "+it.at.String(), "%s", what)
		return File{}, false
	}
	for _, list := range []string{"UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"} {
		if _, ok := details[list]; ok {
			return File{p, data}, true
		}
	}
	d.add(it.at, "save what `aws iam get-account-authorization-details` prints", "load: %s has none of UserDetailList, GroupDetailList, RoleDetailList and Policies", p)
	return File{}, false
}

// jsonFault is where and why text is no JSON.
func jsonFault(file string, text []byte, err error) (Position, string) {
	offset, what := 0, err.Error()
	switch e := err.(type) {
	case *json.SyntaxError:
		offset = int(e.Offset) - 1
		what = "invalid JSON: " + e.Error()
	case *json.UnmarshalTypeError:
		what = "a JSON object is needed, not " + article(e.Value)
	}
	return positionAt(file, text, offset), what
}

// positionAt is the place of a byte of a text.
func positionAt(file string, text []byte, offset int) Position {
	before := text[:min(max(offset, 0), len(text))]
	return Position{file, 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])}
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// quote shows a value in a message, shortened.
func quote(s string) string {
	if r := []rune(s); len(r) > 80 {
		s = string(r[:77]) + "…"
	}
	return strconv.Quote(s)
}
