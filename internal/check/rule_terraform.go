package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// impatient are resources whose creation the AWS provider does not retry while
// IAM has not heard of a new role everywhere, with the attribute that names it.
// Most resources (roles, bucket policies, functions) are retried.
// https://github.com/hashicorp/terraform-provider-aws/issues/42933
var impatient = map[string]string{
	"aws_dynamodb_resource_policy":               "policy",
	"aws_s3control_access_grant":                 "grantee",
	"aws_vpc_endpoint_service_allowed_principal": "principal_arn",
	"aws_ram_principal_association":              "principal",
}

func usedAtOnce(in *Input, add func(Finding)) {
	for _, w := range in.facts.worlds {
		x := in.facts.index[w]
		for kind, path := range impatient {
			for _, r := range x.types[kind] {
				role := in.newRole(x, r, path, 0)
				if role == nil || x.waits(r) {
					continue
				}
				add(Finding{Where: place(r, path), Address: r.Address,
					Message: fmt.Sprintf("uses %s as soon as it is made, and IAM takes some seconds to tell everybody: the first apply may fail", plain(role.Address)),
					Cure:    "depend on a time_sleep of 15 s after " + plain(role.Address),
					Related: relatedTo(role)})
			}
		}
		for _, kind := range []string{"null_resource", "terraform_data"} {
			for _, r := range x.types[kind] {
				text := (&source{files: w.Files}).piece(r.Where)
				if x.waits(r) || !strings.Contains(text, "assume-role") {
					continue
				}
				var role *tf.Resource
				for _, m := range roleReference.FindAllString(text, -1) {
					for _, y := range x.byAt[moduleOf(r)+m] {
						role = y
					}
				}
				if role == nil {
					continue
				}
				add(Finding{Where: head(r), Address: r.Address,
					Message: fmt.Sprintf("assumes %s as soon as it is made: the first apply may be denied", plain(role.Address)),
					Cure:    "run mantle wait role before it, or depend on a time_sleep of 15 s", Related: relatedTo(role)})
			}
		}
	}
}

// roleReference is a role in a provisioner, whose references are not recorded.
var roleReference = regexp.MustCompile(`aws_iam_role\.[A-Za-z0-9_-]+`)

func relatedTo(r *tf.Resource) []Related {
	if r.Where.File == "" {
		return nil
	}
	return []Related{{r.Where, "made here"}}
}

// newRole is a role of the configuration that an attribute mentions, through
// policy documents too.
func (in *Input) newRole(x *index, r *tf.Resource, path string, depth int) *tf.Resource {
	if depth > 4 {
		return nil
	}
	for _, y := range x.referred(r, path) {
		switch {
		case y.Type == "aws_iam_role" && y.Mode == "managed":
			return y
		case y.Type == "aws_iam_policy_document":
			for p := range y.References {
				if role := in.newRole(x, y, p, depth+1); role != nil {
					return role
				}
			}
		}
	}
	return nil
}

// waits reports whether something that waits comes before a resource.
func (x *index) waits(r *tf.Resource) bool {
	before := slices.Clone(r.DependsOn)
	for p := range r.References {
		before = append(before, references(r, p)...)
	}
	return slices.ContainsFunc(before, func(a string) bool {
		a = plain(a)
		return strings.HasPrefix(a, "time_sleep.") || strings.Contains(a, "mantle_wait") || strings.HasPrefix(a, "module.") && strings.Contains(a, "wait")
	})
}

func exclusiveAttachment(in *Input, add func(Finding)) {
	for _, w := range in.facts.worlds {
		for _, r := range in.facts.index[w].types["aws_iam_policy_attachment"] {
			add(Finding{Where: head(r), Address: r.Address,
				Message: "takes the policy away from every user, group and role of the account that it does not list, those outside of Terraform too",
				Cure:    "use aws_iam_role_policy_attachment, one for each role"})
		}
	}
}

// literals are attributes that name a role or profile.
var literals = []struct{ kind, path, of, by, want string }{
	{"aws_iam_role_policy", "role", "aws_iam_role", "name", "name"},
	{"aws_iam_role_policy_attachment", "role", "aws_iam_role", "name", "name"},
	{"aws_iam_instance_profile", "role", "aws_iam_role", "name", "name"},
	{"aws_instance", "iam_instance_profile", "aws_iam_instance_profile", "name", "name"},
	{"aws_launch_configuration", "iam_instance_profile", "aws_iam_instance_profile", "name", "name"},
	{"aws_launch_template", "iam_instance_profile.name", "aws_iam_instance_profile", "name", "name"},
	{"aws_ecs_task_definition", "task_role_arn", "aws_iam_role", "arn", "arn"},
	{"aws_ecs_task_definition", "execution_role_arn", "aws_iam_role", "arn", "arn"},
	{"aws_lambda_function", "role", "aws_iam_role", "arn", "arn"},
}

func literalName(in *Input, add func(Finding)) {
	for _, w := range in.facts.worlds {
		x := in.facts.index[w]
		for _, l := range literals {
			for _, r := range x.types[l.kind] {
				if r.Where.File == "" && len(r.References) == 0 {
					continue // a state does not say how a value came about
				}
				value, known := str(r.Values, l.path)
				if !known || value == "" || len(references(r, strings.Split(l.path, ".")[0])) > 0 {
					continue
				}
				target := x.named(l.of, l.by, value)
				if target == nil && l.by == "arn" {
					if a, err := iam.ParseARN(value); err == nil {
						target = x.named(l.of, "name", a.Resource[strings.LastIndexByte(a.Resource, '/')+1:])
					}
				}
				if target == nil || slices.ContainsFunc(r.DependsOn, func(d string) bool { return plain(d) == plain(target.Address) }) {
					continue
				}
				ref := plain(target.Address) + "." + l.want
				f := Finding{Where: place(r, l.path), Address: r.Address, Message: fmt.Sprintf("names %q by its text: Terraform does not know that it depends on %s", value, plain(target.Address)), Cure: "write " + ref, Related: relatedTo(target)}
				if moduleOf(r) == moduleOf(target) && plain(target.Address) == target.Address && moduleOf(r) == "" {
					src := source{files: w.Files}
					if a, ok := r.Attributes[l.path]; ok {
						if at, whole := src.find(value, []tf.Range{a}); whole {
							f.Edit = &Edit{at.File, at.Start - 1, at.End + 1, ref}
						}
					}
				}
				add(f)
			}
		}
	}
}

func serviceBeforePolicy(in *Input, add func(Finding)) {
	for _, w := range in.facts.worlds {
		x := in.facts.index[w]
		for _, s := range x.types["aws_ecs_service"] {
			var role *tf.Resource
			for _, r := range x.referred(s, "iam_role") {
				if r.Type == "aws_iam_role" {
					role = r
				}
			}
			if role == nil {
				continue
			}
			for _, kind := range []string{"aws_iam_role_policy", "aws_iam_role_policy_attachment"} {
				for _, p := range x.types[kind] {
					if !slices.Contains(x.referred(p, "role"), role) || x.before(s, p) {
						continue
					}
					add(Finding{Where: place(s, "iam_role"), Address: s.Address,
						Message: fmt.Sprintf("uses %s and not its policy %s: the service may be made before, and destroyed after, the policy", plain(role.Address), plain(p.Address)),
						Cure:    "add depends_on = [" + plain(p.Address) + "]", Related: relatedTo(p)})
				}
			}
		}
	}
}

// before reports whether a depends on b directly.
func (x *index) before(a, b *tf.Resource) bool {
	return slices.ContainsFunc(a.DependsOn, func(d string) bool {
		return moduleOf(a)+plain(d) == plain(b.Address) || plain(d) == plain(b.Address) || strings.HasPrefix(plain(b.Address), moduleOf(a)+plain(d)+".")
	})
}
