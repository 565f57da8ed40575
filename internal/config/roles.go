package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/mantle-iam/mantle/iam"
)

func roleBlock() block[Role] {
	return block[Role]{
		name: "role", label: "name",
		where: func(r *Role) *Where { return &r.Where },
		fields: []field[Role]{
			{name: "arn", want: "role ARN", required: true, doc: "The role that is lent.",
				set: func(d *decoder, r *Role, v value) {
					if it, ok := d.text(v); ok {
						r.ARN = d.roleARN("arn", it)
					}
				}},
			{name: "via", want: "list of role ARNs, `role.NAME` or objects", def: "none", doc: "The roles to assume before this one, in order. `role.NAME` stands for that block's ARN, external id and session name; an object has `arn`, `external_id` and `session_name`. STS limits what is assumed with a role's credentials to one hour.",
				set: func(d *decoder, r *Role, v value) {
					for _, e := range d.elements(v) {
						if h, ok := d.hop(e); ok {
							r.Via = append(r.Via, h)
						}
					}
				}},
			{name: "external_id", want: "string", def: "none", doc: "The external id that the role's trust policy asks for.",
				set: func(d *decoder, r *Role, v value) { r.ExternalID = d.externalID(v) }},
			{name: "session_name", want: "string", def: "`\"{workload}@{host}\"`", doc: "The session name that CloudTrail shows. It may hold placeholders, see below.",
				set: func(d *decoder, r *Role, v value) { r.SessionName = d.sessionName(v, nameLimits) }},
			{name: "source_identity", want: "string", def: "none", doc: "The source identity, which stays on every later session of the chain. The trust policy must allow `sts:SetSourceIdentity`. It may hold placeholders.",
				set: func(d *decoder, r *Role, v value) { r.SourceIdentity = d.sessionName(v, nameLimits) }},
			{name: "tags", want: "map of strings", doc: "Session tags, at most 50. The trust policy must allow `sts:TagSession`. Values may hold placeholders.",
				set: func(d *decoder, r *Role, v value) { r.Tags = d.tags(v) }},
			{name: "transitive_tags", want: "list of strings", doc: "Keys of `tags` that later sessions of the chain inherit.",
				set: func(d *decoder, r *Role, v value) { r.TransitiveTags = d.transitive(v, r.Tags) }},
			{name: "policy", want: "JSON string", def: "none", doc: "A session policy: the session may do what the role and this policy both allow. At most 2048 characters.",
				set: func(d *decoder, r *Role, v value) {
					if it, ok := d.filled(v); ok {
						d.policy(iam.Session, "session policy", it, "")
						r.Policy = it.text
					}
				}},
			{name: "policy_arns", want: "list of policy ARNs", doc: "Managed policies that limit the session in the same way, at most 10.",
				set: func(d *decoder, r *Role, v value) { r.PolicyARNs = d.policyARNs(v, r.ARN) }},
			{name: "duration", want: "duration", def: `"1h"`, doc: "How long a session lasts: `\"15m\"` to `\"12h\"`, at most the role's MaxSessionDuration, and at most `\"1h\"` with `via`.",
				set: func(d *decoder, r *Role, v value) { r.Duration = d.duration(v) }},
			{name: "region", want: "string", def: "`base`'s region", doc: "The region whose STS lends the role; workloads get it as `AWS_REGION`.",
				set: func(d *decoder, r *Role, v value) { r.Region = d.region(v) }},
		},
		children: []child[Role]{
			{block: viaBlock(), many: true, doc: "The same as an element of `via`, written as a block.",
				set: func(d *decoder, r *Role, b *hcl.Block) {
					if r.Where.Has("via") {
						d.add(start(b), "write the whole chain either as a list or as blocks", "via is set both as an argument and as a block")
						return
					}
					h := hopBlock{Hop: Hop{Position: start(b)}}
					decode(d, viaBlock(), b.Body, start(b), &h)
					r.Via = append(r.Via, h.Hop)
				}},
		},
		check: func(d *decoder, r *Role) {
			if len(r.Via) > 0 && r.Duration > time.Hour {
				d.add(r.Where.At("duration"), `write duration = "1h": whatever MaxSessionDuration says, only the first role of a chain lasts longer`,
					"duration is %s, but STS limits a role assumed by another role to one hour", short(r.Duration))
			}
		},
	}
}

// hopBlock is a Hop while its block is read.
type hopBlock struct {
	Hop
	where Where
}

func viaBlock() block[hopBlock] {
	return block[hopBlock]{
		name:  "via",
		where: func(h *hopBlock) *Where { return &h.where },
		fields: []field[hopBlock]{
			{name: "arn", want: "role ARN", required: true, doc: "The role to assume.",
				set: func(d *decoder, h *hopBlock, v value) {
					if it, ok := d.text(v); ok {
						h.ARN = d.roleARN("arn", it)
					}
				}},
			{name: "external_id", want: "string", def: "none", doc: "The external id that its trust policy asks for.",
				set: func(d *decoder, h *hopBlock, v value) { h.ExternalID = d.externalID(v) }},
			{name: "session_name", want: "string", def: "`\"mantle@{host}\"`", doc: "The session name of this hop, which workloads of a host share if it is the same for them. It may hold placeholders.",
				set: func(d *decoder, h *hopBlock, v value) { h.SessionName = d.sessionName(v, nameLimits) }},
		},
	}
}

// hop reads one element of via: an ARN, a role block, or an object that has
// the arguments of a via block.
func (d *decoder) hop(e value) (Hop, bool) {
	v, _ := e.v.Unmark()
	if !v.Type().IsObjectType() {
		it, ok := d.text(e)
		if !ok {
			return Hop{}, false
		}
		return Hop{Position: e.at, ARN: d.roleARN("via", it)}, true
	}
	h := Hop{Position: e.at}
	fields := v.AsValueMap()
	if _, ok := d.roles[plain(fields["name"])]; ok && len(fields) == 2 { // role.NAME
		arn, known := fields["arn"]
		if known && !arn.IsKnown() {
			return Hop{}, false // reported where the role is read
		}
		h.ref, h.ARN = plain(fields["name"]), plain(arn)
		return h, h.ARN != ""
	}
	into := hopBlock{Hop: h}
	rows := viaBlock().fields
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if !slices.ContainsFunc(rows, func(f field[hopBlock]) bool { return f.name == k }) {
			d.add(e.at, d.suggest(k, []string{"arn", "external_id", "session_name"}, ""), "an element of via has no %s", quote(k))
		}
	}
	for _, f := range rows {
		if x, ok := fields[f.name]; ok && !x.IsNull() {
			f.set(d, &into, value{f.name, x, nil, e.at})
		} else if f.required {
			d.add(e.at, "add "+f.name+" = …", "this element of via has no %s", f.name)
		}
	}
	return into.Hop, true
}

func workloadBlock() block[Workload] {
	return block[Workload]{
		name: "workload", label: "name",
		where: func(w *Workload) *Where { return &w.Where },
		fields: []field[Workload]{
			{name: "role", want: "name of a role, or `role.NAME`", required: true, doc: "The role that the workload wears.",
				set: func(d *decoder, w *Workload, v value) { w.Role = d.roleRef(v) }},
			{name: "command", want: "list of strings", doc: "The program and its arguments, for `mantle up`. No shell is involved.",
				set: func(d *decoder, w *Workload, v value) {
					items := d.list(v)
					w.Command = texts(items)
					if list, _ := v.v.Unmark(); list.CanIterateElements() && list.LengthInt() == 0 {
						d.add(v.at, `write command = ["program", "argument"]`, "command is empty")
					} else if len(items) > 0 && strings.TrimSpace(items[0].text) == "" {
						d.add(items[0].at, "", "command has no program")
					} else if len(items) == 1 && strings.ContainsAny(items[0].text, " \t") {
						fields := strings.Fields(items[0].text)
						d.add(items[0].at, fmt.Sprintf(`no shell splits it: write ["%s"]`, strings.Join(fields, `", "`)), "the program's name is %s, with spaces", quote(items[0].text))
					}
				}},
			{name: "dir", want: "path", def: "the directory of the configuration", doc: "The directory that the command starts in.",
				set: func(d *decoder, w *Workload, v value) {
					if it, ok := d.filled(v); ok {
						w.Dir = d.folder("dir", it)
					}
				}},
			{name: "env", want: "map of strings", doc: "Environment variables for the command. Variables that would make an SDK use other credentials than the role's are refused.",
				set: func(d *decoder, w *Workload, v value) { w.Env = d.environment(v) }},
			{name: "endpoint", want: "`\"container\"` or `\"metadata\"`", def: `"container"`, doc: "How the workload is handed its credentials: by the container credentials endpoint, or by an EC2 instance metadata service of its own for programs that know no other.",
				set: func(d *decoder, w *Workload, v value) {
					it, ok := d.text(v)
					known := []string{string(EndpointContainer), string(EndpointMetadata)}
					if ok && !slices.Contains(known, it.text) {
						d.add(it.at, d.suggest(it.text, known, `write "container" or "metadata"`), "%s is no endpoint", quote(it.text))
					} else if ok {
						w.Endpoint = Endpoint(it.text)
					}
				}},
			{name: "imds_v1", want: "bool", def: "false", doc: "Let the metadata endpoint answer without a session token too. Any server-side request forgery in the program can then read its credentials.",
				set: func(d *decoder, w *Workload, v value) { w.IMDSv1 = d.truth(v) }},
		},
		children: []child[Workload]{
			matchChild(matchBlock(), KindProcess, "How the agent knows a process of the workload that it did not start: by what the kernel says of it. A process has to fit everything that is set in one of the blocks; one that fits two workloads is refused. A process in a container never fits: its users are not the host's."),
			matchChild(containerBlock(), KindContainer, "The same for what runs in a container that belongs to no task and no pod. Patterns cover the whole text; `*` and `?` stand for anything but `/`. Name, image and labels are chosen by whoever starts the container."),
			matchChild(taskBlock(), KindTask, "The same for a container of an Amazon ECS task, known by the labels that the ECS agent sets."),
			matchChild(podBlock(), KindPod, "The same for a Kubernetes pod."),
		},
		check: func(d *decoder, w *Workload) {
			if w.IMDSv1 && w.Endpoint != EndpointMetadata {
				d.add(w.Where.At("imds_v1"), `add endpoint = "metadata" or remove it`, "imds_v1 is for the metadata endpoint only")
			}
			if _, off := w.Env["AWS_EC2_METADATA_DISABLED"]; off && w.Endpoint == EndpointMetadata {
				d.add(w.Where.At("env"), "remove it", "env has AWS_EC2_METADATA_DISABLED, which keeps SDKs from the workload's own metadata endpoint")
			}
		},
	}
}

// roleRef reads the name of a role that must exist.
func (d *decoder) roleRef(v value) string {
	bare, _ := v.v.Unmark()
	if bare.Type().IsObjectType() && bare.Type().HasAttribute("name") {
		return plain(bare.GetAttr("name")) // references has checked it
	}
	it, ok := d.text(v)
	if !ok {
		return ""
	}
	if _, known := d.roles[it.text]; !known {
		if strings.HasPrefix(it.text, "arn:") {
			d.add(it.at, "declare a role block with this ARN and use its name", "role takes the name of a role block, not an ARN")
		} else {
			d.noRole(it.at, it.text)
		}
		return ""
	}
	return it.text
}

func matchBlock() block[Match] {
	return block[Match]{
		name:  "match",
		where: func(m *Match) *Where { return &m.Where },
		fields: []field[Match]{
			{name: "uid", want: "number", doc: "The numeric user of the process.",
				set: func(d *decoder, m *Match, v value) { m.UID = d.id(v, "user") }},
			{name: "user", want: "string", doc: "The same by name, looked up when the agent starts.",
				set: func(d *decoder, m *Match, v value) {
					if it, ok := d.filled(v); ok {
						m.User = it.text
					}
				}},
			{name: "gid", want: "number", doc: "The numeric group of the process: its effective one, not those that its user belongs to besides.",
				set: func(d *decoder, m *Match, v value) { m.GID = d.id(v, "group") }},
			{name: "group", want: "string", doc: "The same by name, looked up when the agent starts.",
				set: func(d *decoder, m *Match, v value) {
					if it, ok := d.filled(v); ok {
						m.Group = it.text
					}
				}},
			{name: "exe", want: "glob", doc: "The absolute path of the program; `*` and `?` stand for anything but `/`. It narrows and does not prove, since a mount namespace can put any program at any path: give `uid`, `user` or `unit` too.",
				set: func(d *decoder, m *Match, v value) { m.Exe = d.exe(v) }},
			{name: "unit", want: "glob", doc: "The systemd unit of the process, for example `web.service` or `web@*.service`.",
				set: func(d *decoder, m *Match, v value) { m.Unit = d.unit(v) }},
		},
		check: func(d *decoder, m *Match) {
			switch at := m.Where.Position; {
			case m.UID != nil && m.User != "":
				d.add(m.Where.At("user"), "keep one of them", "match has both uid and user")
			case m.GID != nil && m.Group != "":
				d.add(m.Where.At("group"), "keep one of them", "match has both gid and group")
			case len(m.Where.args) == 0:
				d.add(at, "set uid, user, gid, group, exe or unit, or remove the block", "match is empty: it would fit nobody")
			}
		},
	}
}

// id reads the number of a user or a group.
func (d *decoder) id(v value, of string) *int {
	n, ok := d.number(v)
	if !ok {
		return nil
	}
	if n < 0 || n >= 1<<32-1 {
		d.add(v.at, "", "%d is no %s id: it is 0 to 4294967294", n, of)
	}
	return &n
}
