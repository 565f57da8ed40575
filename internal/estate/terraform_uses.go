package estate

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// roleUses are the attributes of resources that name a role which runs them.
var roleUses = []struct{ resource, attribute, kind string }{
	{"aws_ecs_task_definition", "task_role_arn", "task role"},
	{"aws_ecs_task_definition", "execution_role_arn", "execution role"},
	{"aws_ecs_service", "iam_role", "service"},
	{"aws_lambda_function", "role", "function"},
	{"aws_codebuild_project", "service_role", "build project"},
	{"aws_codepipeline", "role_arn", "pipeline"},
	{"aws_sfn_state_machine", "role_arn", "state machine"},
	{"aws_eks_cluster", "role_arn", "cluster"},
	{"aws_eks_node_group", "node_role_arn", "node group"},
	{"aws_eks_fargate_profile", "pod_execution_role_arn", "fargate profile"},
	{"aws_eks_pod_identity_association", "role_arn", "pod identity"},
	{"aws_glue_job", "role_arn", "job"},
	{"aws_batch_job_definition", "job_role_arn", "job"},
	{"aws_sagemaker_notebook_instance", "role_arn", "notebook"},
	{"aws_apprunner_service", "instance_configuration.instance_role_arn", "app runner service"},
	{"aws_cloudwatch_event_target", "role_arn", "event target"},
	{"aws_scheduler_schedule", "target.role_arn", "schedule"},
}

// profileUses are the attributes of resources that name an instance profile.
var profileUses = []struct{ resource, attribute, kind string }{
	{"aws_instance", "iam_instance_profile", "instance"},
	{"aws_spot_instance_request", "iam_instance_profile", "instance"},
	{"aws_launch_configuration", "iam_instance_profile", "launch configuration"},
	{"aws_launch_template", "iam_instance_profile.name", "launch template"},
	{"aws_launch_template", "iam_instance_profile.arn", "launch template"},
}

// path follows blocks to an attribute.
func path(r *tf.Resource, name string) cty.Value {
	v := r.Values
	for part := range strings.SplitSeq(name, ".") {
		if v.IsKnown() && !v.IsNull() && !v.Type().IsObjectType() {
			list := elements(v)
			if len(list) == 0 {
				return cty.NullVal(cty.String)
			}
			v = list[0]
		}
		if !v.IsKnown() {
			return v
		}
		v = in(v, part)
	}
	return v
}

// uses says who uses roles.
func (b *builder) uses() {
	use := func(r *tf.Resource, attribute, kind, role string) {
		where := r.Where
		if at, ok := r.Attributes[attribute]; ok {
			where = at
		}
		b.e.Uses = append(b.e.Uses, Use{Role: role, Kind: kind, Name: r.Address, Account: accountOf(r), Where: where})
	}
	templates := map[string]string{} // role, by what names the launch template or configuration
	for _, k := range profileUses {
		for _, r := range b.byType[k.resource] {
			name, ok := read(path(r, k.attribute))
			if !ok {
				b.unknown(r, k.attribute, "its instance profile")
				continue
			}
			role := b.roleOfProfile(r, name)
			if role == "" {
				continue // none, or one that is not in the configuration
			}
			use(r, k.attribute, k.kind, role)
			for _, attr := range []string{"id", "name"} {
				templates[str(r, attr)] = role
			}
		}
	}
	for _, r := range b.byType["aws_autoscaling_group"] {
		for _, attr := range []string{"launch_configuration", "launch_template.id", "launch_template.name", "mixed_instances_policy.launch_template.launch_template_specification.launch_template_id"} {
			if name, _ := read(path(r, attr)); name != "" && templates[name] != "" {
				use(r, attr, "auto scaling group", templates[name])
				break
			}
		}
	}
	for _, k := range roleUses {
		for _, r := range b.byType[k.resource] {
			role, ok := read(path(r, k.attribute))
			if !ok {
				b.unknown(r, k.attribute, "its role")
				continue
			}
			if role == "" {
				continue
			}
			if !strings.HasPrefix(role, "arn:") {
				h := find(b.roles, r, role[strings.LastIndexByte(role, '/')+1:])
				if h == nil {
					continue
				}
				role = h.ARN
			}
			use(r, k.attribute, k.kind, role)
		}
	}
}

// roleOfProfile is the role in an instance profile, by its name or ARN.
func (b *builder) roleOfProfile(r *tf.Resource, name string) string {
	if role := b.profiles[name]; role != "" || name == "" {
		return role
	}
	found := ""
	for arn, role := range b.profiles {
		if !strings.HasSuffix(arn, "/"+name) {
			continue // before parsing: there may be thousands
		}
		a, err := iam.ParseARN(arn)
		if err != nil {
			continue
		}
		if a.Account == accountOf(r) {
			return role
		}
		if r.Account == "" {
			if found != "" {
				return "" // one in each of two accounts, and nobody says which
			}
			found = role
		}
	}
	return found
}

// organization puts the policies of an organization over its accounts.
func (b *builder) organization() {
	type policy struct {
		kind string
		doc  *iam.Policy
	}
	policies := map[string]policy{}
	for _, r := range b.byType["aws_organizations_policy"] {
		kind := iam.SCP
		switch str(r, "type") {
		case "", "SERVICE_CONTROL_POLICY":
		case "RESOURCE_CONTROL_POLICY":
			kind = iam.RCP
		default:
			continue
		}
		name := str(r, "name")
		if doc := b.document(r, kind, name, "content", at(r, "content")); doc != nil {
			policies[str(r, "id")] = policy{kind.String(), doc}
		}
	}
	if len(policies) == 0 {
		return
	}
	parents, accounts := map[string]string{}, map[string]string{}
	for _, r := range b.byType["aws_organizations_organizational_unit"] {
		parents[str(r, "id")] = str(r, "parent_id")
	}
	for _, r := range b.byType["aws_organizations_account"] {
		parents[str(r, "id")] = str(r, "parent_id")
		accounts[str(r, "id")] = str(r, "name")
	}
	over := map[string]map[string][]*iam.Policy{} // by kind and target
	for _, r := range b.byType["aws_organizations_policy_attachment"] {
		p, ok := policies[str(r, "policy_id")]
		target := str(r, "target_id")
		if !ok || target == "" {
			b.unknown(r, "target_id", "what it is attached to")
			continue
		}
		if over[p.kind] == nil {
			over[p.kind] = map[string][]*iam.Policy{}
		}
		over[p.kind][target] = append(over[p.kind][target], p.doc)
	}
	for id := range b.e.Accounts {
		if _, ok := accounts[id]; !ok {
			accounts[id] = ""
		}
	}
	for kind, byTarget := range over {
		reached := map[string]bool{}
		for _, id := range sortedKeys(accounts) {
			var levels [][]*iam.Policy
			for at, n := id, 0; at != "" && n < 16; at, n = parents[at], n+1 {
				reached[at] = true
				if len(byTarget[at]) > 0 {
					levels = append([][]*iam.Policy{withFullAccess(kind, byTarget[at])}, levels...)
				}
			}
			if len(levels) == 0 {
				continue
			}
			if kind == "scp" {
				b.e.SCPs[id] = levels
			} else {
				b.e.RCPs[id] = levels
			}
		}
		for _, target := range sortedKeys(byTarget) {
			if !reached[target] {
				b.e.miss(tf.Unknown{Why: "a policy of the organization is attached to " + target + ", and which accounts are below that is not known"})
			}
		}
	}
}

// withFullAccess adds FullAWSAccess to a level of SCPs that allows nothing: an
// organization attaches it everywhere, and without it nobody could do anything.
// See "How SCPs work with Allow" of the Organizations User Guide.
func withFullAccess(kind string, level []*iam.Policy) []*iam.Policy {
	if kind != "scp" {
		return level
	}
	for _, p := range level {
		for s := range p.Statements() {
			if s.Effect == iam.EffectAllow {
				return level
			}
		}
	}
	src := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`
	full, err := iam.Parse(iam.SCP, "p-FullAWSAccess", []byte(src))
	if err != nil {
		return level
	}
	return append([]*iam.Policy{full}, level...)
}
