package estate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// thing says how Terraform writes a kind of resource that may have a policy.
type thing struct {
	typ    string // "s3:bucket"
	policy string // attribute with the policy, "" if another resource holds it
	key    string // attribute with the KMS key: "block.attribute"
}

var things = map[string]thing{
	"aws_s3_bucket":             {typ: "s3:bucket", policy: "policy"},
	"aws_dynamodb_table":        {typ: "dynamodb:table", key: "server_side_encryption.kms_key_arn"},
	"aws_kms_key":               {typ: "kms:key", policy: "policy"},
	"aws_ecr_repository":        {typ: "ecr:repository", key: "encryption_configuration.kms_key"},
	"aws_sqs_queue":             {typ: "sqs:queue", policy: "policy", key: "kms_master_key_id"},
	"aws_sns_topic":             {typ: "sns:topic", policy: "policy", key: "kms_master_key_id"},
	"aws_lambda_function":       {typ: "lambda:function", key: "kms_key_arn"},
	"aws_secretsmanager_secret": {typ: "secretsmanager:secret", policy: "policy", key: "kms_key_id"},
	"aws_ssm_parameter":         {typ: "ssm:parameter", key: "key_id"},
	"aws_kinesis_stream":        {typ: "kinesis:stream", key: "kms_key_id"},
	"aws_cloudwatch_event_bus":  {typ: "events:event-bus", key: "kms_key_identifier"},
	"aws_cloudwatch_log_group":  {typ: "logs:log-group", key: "kms_key_id"},
	"aws_ecs_cluster":           {typ: "ecs:cluster"},
	"aws_sfn_state_machine":     {typ: "states:stateMachine"},
}

// policyOf are the resources that give another one its policy.
var policyOf = map[string]struct{ target, policy string }{
	"aws_s3_bucket_policy":             {"bucket", "policy"},
	"aws_dynamodb_resource_policy":     {"resource_arn", "policy"},
	"aws_kms_key_policy":               {"key_id", "policy"},
	"aws_ecr_repository_policy":        {"repository", "policy"},
	"aws_sqs_queue_policy":             {"queue_url", "policy"},
	"aws_sns_topic_policy":             {"arn", "policy"},
	"aws_secretsmanager_secret_policy": {"secret_arn", "policy"},
	"aws_kinesis_resource_policy":      {"resource_arn", "policy"},
	"aws_cloudwatch_event_bus_policy":  {"event_bus_name", "policy"},
}

// things makes the resources.
func (b *builder) things() {
	names := map[string]map[string]int{} // index, by type and by whatever names the resource
	for _, kind := range sortedKeys(things) {
		t := things[kind]
		names[kind] = map[string]int{}
		for _, r := range b.byType[kind] {
			arn := str(r, "arn")
			if arn == "" {
				b.unknown(r, "arn", "its ARN")
				continue
			}
			x := Resource{ARN: arn, Account: accountOf(r), Type: t.typ, Where: r.Where, Key: b.keyOf(r, t.key)}
			if t.policy != "" {
				x.Policy = b.document(r, iam.Resource, "policy of "+arn, t.policy, at(r, t.policy), arn)
				if kind == "aws_kms_key" && x.Policy == nil && known(at(r, t.policy)) && str(r, t.policy) == "" {
					x.Policy = defaultKeyPolicy(arn, x.Account)
				}
			}
			b.maybe(r, arn)
			b.resources[arn] = len(b.e.Resources)
			for _, attr := range []string{"id", "arn", "name", "bucket", "key_id", "url"} {
				if s := str(r, attr); s != "" {
					names[kind][accountOf(r)+"\x00"+s] = len(b.e.Resources)
				}
			}
			b.e.Resources = append(b.e.Resources, x)
		}
	}
	for _, kind := range sortedKeys(policyOf) {
		p := policyOf[kind]
		for _, r := range b.byType[kind] {
			target, ok := read(at(r, p.target))
			if !ok || target == "" {
				b.unknown(r, p.target, "the resource whose policy it is")
				continue
			}
			of := strings.TrimSuffix(kind, "_policy")
			i := -1
			for _, candidate := range []string{of, map[string]string{
				"aws_dynamodb_resource": "aws_dynamodb_table", "aws_kinesis_resource": "aws_kinesis_stream",
			}[of]} {
				if at, ok := named(names[candidate], r, target); ok {
					i = at
				}
			}
			if j, ok := b.resources[target]; ok {
				i = j
			}
			if i < 0 {
				b.e.miss(tf.Unknown{Where: r.Where.Position, Address: r.Address, Path: p.target, Why: target + " is not in the configuration"})
				continue
			}
			x := &b.e.Resources[i]
			b.maybe(r, x.ARN)
			x.Policy = b.document(r, iam.Resource, "policy of "+x.ARN, p.policy, at(r, p.policy), x.ARN)
		}
	}
	b.permissions(names["aws_lambda_function"])
	for _, r := range b.byType["aws_s3_bucket_server_side_encryption_configuration"] {
		if i, ok := named(names["aws_s3_bucket"], r, str(r, "bucket")); ok {
			b.e.Resources[i].Key = b.keyOf(r, "rule.apply_server_side_encryption_by_default.kms_master_key_id")
		}
	}
	for _, kind := range []string{"aws_iam_openid_connect_provider", "aws_iam_saml_provider"} {
		for _, r := range b.byType[kind] {
			if arn := str(r, "arn"); arn != "" {
				b.e.Resources = append(b.e.Resources, Resource{ARN: arn, Account: accountOf(r), Type: map[bool]string{true: "iam:saml-provider", false: "iam:oidc-provider"}[kind == "aws_iam_saml_provider"], Where: r.Where})
			}
		}
	}
}

// named finds a resource by what names it, in the account of another one; in
// any account if a state does not tell that, and the name is there once.
func named(names map[string]int, r *tf.Resource, name string) (int, bool) {
	i, ok := names[accountOf(r)+"\x00"+name]
	if ok || r.Account != "" {
		return i, ok
	}
	found := map[int]bool{}
	for n, at := range names {
		if strings.HasSuffix(n, "\x00"+name) {
			found[at] = true
			i = at
		}
	}
	return i, len(found) == 1
}

func known(v cty.Value) bool { return v.IsKnown() }

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// defaultKeyPolicy is what a key gets that is made without a policy: the
// account may delegate. See "Default key policy" of the KMS Developer Guide.
func defaultKeyPolicy(arn, account string) *iam.Policy {
	partition := "aws"
	if a, err := iam.ParseARN(arn); err == nil {
		partition = a.Partition
	}
	src := fmt.Sprintf(`{"Version": "2012-10-17", "Id": "key-default-1", "Statement": [{"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": "arn:%s:iam::%s:root"}, "Action": "kms:*", "Resource": "*"}]}`, partition, account)
	p, err := iam.Parse(iam.Resource, "policy of "+arn, []byte(src))
	if err != nil {
		return nil // an account id that is none
	}
	return p
}

// keyOf is the ARN of the KMS key that an attribute names: by ARN, id or alias.
func (b *builder) keyOf(r *tf.Resource, path string) string {
	if path == "" {
		return ""
	}
	v := r.Values
	for name := range strings.SplitSeq(path, ".") {
		if list := elements(v); len(list) > 0 && !v.Type().IsObjectType() {
			v = list[0]
		}
		v = in(v, name)
	}
	name, ok := read(v)
	if !ok {
		b.unknown(r, strings.SplitN(path, ".", 2)[0], "the key that it is encrypted with", str(r, "arn"))
		return ""
	}
	if name == "" || strings.HasPrefix(name, "alias/aws/") || strings.Contains(name, ":alias/aws/") {
		return ""
	}
	for _, k := range b.byType["aws_kms_key"] {
		if accountOf(k) == accountOf(r) && (str(k, "key_id") == name || str(k, "arn") == name || str(k, "id") == name) {
			return str(k, "arn")
		}
	}
	for _, a := range b.byType["aws_kms_alias"] {
		if str(a, "name") == name || str(a, "arn") == name {
			target := str(a, "target_key_id")
			for _, k := range b.byType["aws_kms_key"] {
				if str(k, "key_id") == target || str(k, "arn") == target {
					return str(k, "arn")
				}
			}
		}
	}
	return name
}

// permissions makes the policies of functions from their statements, as
// AddPermission does.
func (b *builder) permissions(functions map[string]int) {
	type statement struct {
		Sid       string `json:",omitempty"`
		Effect    string
		Principal any
		Action    string
		Resource  string
		Condition map[string]map[string]string `json:",omitempty"`
	}
	byFunction := map[int][]statement{}
	places := map[int][]tf.Range{}
	for _, r := range b.byType["aws_lambda_permission"] {
		name := str(r, "function_name")
		i, ok := named(functions, r, name)
		if !ok {
			if i, ok = b.resources[name]; !ok {
				b.e.miss(tf.Unknown{Where: r.Where.Position, Address: r.Address, Path: "function_name", Why: "function " + name + " is not in the configuration"})
				continue
			}
		}
		x := &b.e.Resources[i]
		b.maybe(r, x.ARN)
		st := statement{Sid: str(r, "statement_id"), Effect: "Allow", Action: str(r, "action"), Resource: x.ARN, Condition: map[string]map[string]string{}}
		principal, ok := read(at(r, "principal"))
		if !ok || principal == "" || st.Action == "" {
			b.unknown(r, "principal", "whom it lets in", x.ARN)
			continue
		}
		switch {
		case principal == "*":
			st.Principal = "*"
		case strings.Contains(principal, ".amazonaws.com"):
			st.Principal = map[string]string{"Service": principal}
		default:
			st.Principal = map[string]string{"AWS": principal}
		}
		condition := func(operator, key, attr string) {
			v, ok := read(at(r, attr))
			if !ok {
				b.unknown(r, attr, attr, x.ARN)
			}
			if v != "" {
				if st.Condition[operator] == nil {
					st.Condition[operator] = map[string]string{}
				}
				st.Condition[operator][key] = v
			}
		}
		condition("ArnLike", "AWS:SourceArn", "source_arn")
		condition("StringEquals", "AWS:SourceAccount", "source_account")
		condition("StringEquals", "aws:PrincipalOrgID", "principal_org_id")
		condition("StringEquals", "lambda:FunctionUrlAuthType", "function_url_auth_type")
		byFunction[i] = append(byFunction[i], st)
		places[i] = append(places[i], r.Where)
	}
	for i, list := range byFunction {
		x := &b.e.Resources[i]
		src, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Id": "default", "Statement": list})
		if err != nil {
			continue // texts only
		}
		p, err := iam.Parse(iam.Resource, "policy of "+x.ARN, src)
		if err != nil {
			b.e.miss(tf.Unknown{Where: places[i][0].Position, Why: "the permissions of " + x.ARN + " make no policy: " + err.Error(), Concerns: []string{x.ARN}, Wrong: true})
			continue
		}
		x.Policy = p
		b.e.Written[p] = Written{Range: places[i][0], Address: x.ARN, Attribute: "aws_lambda_permission", Statements: places[i]}
	}
}
