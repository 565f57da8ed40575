package tf

import (
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// made says how AWS names a kind of resource: what follows from its name. The
// formats are those of the Service Authorization Reference; what the resource's
// id is, the documentation of the provider says.
type made struct {
	// arn is the ARN after "arn:PARTITION:", with {region}, {account} and
	// attributes in braces.
	arn string
	// name is the attribute that holds the name, "name" if empty; prefix the one
	// that makes a unique name begin with something.
	name, prefix string
	// id is the attribute that id is the same as; "" if it is a text of its own.
	id string
	// data says that a data source of the kind follows from its name as well.
	data bool
}

var kinds = map[string]made{
	"aws_iam_role":                         {arn: "iam::{account}:role{path}{name}", prefix: "name_prefix", id: "name"},
	"aws_iam_user":                         {arn: "iam::{account}:user{path}{name}", id: "name"},
	"aws_iam_group":                        {arn: "iam::{account}:group{path}{name}", id: "name"},
	"aws_iam_policy":                       {arn: "iam::{account}:policy{path}{name}", prefix: "name_prefix", id: "arn"},
	"aws_iam_instance_profile":             {arn: "iam::{account}:instance-profile{path}{name}", prefix: "name_prefix", id: "name"},
	"aws_iam_openid_connect_provider":      {arn: "iam::{account}:oidc-provider/{host}", name: "url", id: "arn"},
	"aws_iam_saml_provider":                {arn: "iam::{account}:saml-provider/{name}", id: "arn"},
	"aws_s3_bucket":                        {arn: "s3:::{bucket}", name: "bucket", prefix: "bucket_prefix", id: "bucket", data: true},
	"aws_dynamodb_table":                   {arn: "dynamodb:{region}:{account}:table/{name}", id: "name", data: true},
	"aws_ecr_repository":                   {arn: "ecr:{region}:{account}:repository/{name}", id: "name", data: true},
	"aws_ecs_cluster":                      {arn: "ecs:{region}:{account}:cluster/{name}", id: "arn"},
	"aws_ecs_task_definition":              {arn: "ecs:{region}:{account}:task-definition/{family}:{revision}", name: "family", id: "family"},
	"aws_sqs_queue":                        {arn: "sqs:{region}:{account}:{name}", prefix: "name_prefix", id: "url", data: true},
	"aws_sns_topic":                        {arn: "sns:{region}:{account}:{name}", prefix: "name_prefix", id: "arn", data: true},
	"aws_lambda_function":                  {arn: "lambda:{region}:{account}:function:{function_name}", name: "function_name", id: "function_name", data: true},
	"aws_ssm_parameter":                    {arn: "ssm:{region}:{account}:parameter{slashed}", id: "name", data: true},
	"aws_cloudwatch_log_group":             {arn: "logs:{region}:{account}:log-group:{name}", prefix: "name_prefix", id: "name", data: true},
	"aws_cloudwatch_event_bus":             {arn: "events:{region}:{account}:event-bus/{name}", id: "name", data: true},
	"aws_cloudwatch_event_rule":            {arn: "events:{region}:{account}:rule/{name}", prefix: "name_prefix", id: "name"},
	"aws_kinesis_stream":                   {arn: "kinesis:{region}:{account}:stream/{name}", id: "arn", data: true},
	"aws_kinesis_firehose_delivery_stream": {arn: "firehose:{region}:{account}:deliverystream/{name}", id: "arn"},
	"aws_sfn_state_machine":                {arn: "states:{region}:{account}:stateMachine:{name}", prefix: "name_prefix", id: "arn", data: true},
	"aws_codebuild_project":                {arn: "codebuild:{region}:{account}:project/{name}", id: "arn"},
	"aws_codepipeline":                     {arn: "codepipeline:{region}:{account}:{name}", id: "name"},
	"aws_kms_alias":                        {arn: "kms:{region}:{account}:{name}", prefix: "name_prefix", id: "name", data: true},
	"aws_eks_cluster":                      {arn: "eks:{region}:{account}:cluster/{name}", id: "name", data: true},
	"aws_secretsmanager_secret":            {arn: "secretsmanager:{region}:{account}:secret:{name}-{new}", prefix: "name_prefix", id: "arn"},
	"aws_kms_key":                          {arn: "kms:{region}:{account}:key/{new}", name: "-", id: "key_id"},
	"aws_instance":                         {arn: "ec2:{region}:{account}:instance/{new}", name: "-", id: "-"},
	"aws_launch_template":                  {arn: "ec2:{region}:{account}:launch-template/{new}", prefix: "name_prefix", id: "-"},
}

var brace = regexp.MustCompile(`\{[a-z_]+\}`)

// compute adds to the attributes of a resource what follows from them.
func compute(r *Resource, values map[string]cty.Value) {
	if !strings.HasPrefix(r.Type, "aws_") {
		if r.Mode == "managed" {
			fillIn(values, "id", StandIn(r.Address))
		}
		return
	}
	k, known := kinds[r.Type]
	if r.Mode == "data" && !k.data {
		return
	}
	name := k.name
	if name == "" {
		name = "name"
	}
	if known && name != "-" && r.Mode == "managed" {
		defaultName(r, values, name, k.prefix)
	}
	switch r.Type {
	case "aws_iam_role", "aws_iam_user", "aws_iam_group", "aws_iam_policy", "aws_iam_instance_profile":
		fillIn(values, "path", "/")
	case "aws_ecs_task_definition":
		fillIn(values, "revision", StandIn(r.Address))
	case "aws_kms_key":
		fillIn(values, "key_id", StandIn(r.Address))
	}
	if known {
		if arn, ok := arnOf(r, k.arn, values); ok {
			fillIn(values, "arn", arn)
		} else if unset(values, "arn") {
			values["arn"] = cty.UnknownVal(cty.String)
		}
	} else if !strings.HasSuffix(r.Type, "_policy") && !strings.HasSuffix(r.Type, "_attachment") && !strings.HasSuffix(r.Type, "_membership") {
		// The ARN of something whose names nobody told us: it is itself. Ties
		// between things have none.
		fillIn(values, "arn", StandIn(r.Address+".arn"))
	}
	switch {
	case known && k.id != "" && k.id != "-" && k.id != "url":
		if v, ok := values[k.id]; ok && unset(values, "id") {
			values["id"] = v
		}
	case r.Mode == "managed" && k.id != "url":
		fillIn(values, "id", StandIn(r.Address))
	}
	more(r, values)
}

// more are further attributes that follow.
func more(r *Resource, values map[string]cty.Value) {
	name, _ := text(value(values, "name"))
	suffix := "amazonaws.com"
	if r.Partition == "aws-cn" {
		suffix += ".cn"
	}
	switch r.Type {
	case "aws_s3_bucket":
		if b, ok := text(value(values, "bucket")); ok {
			fillIn(values, "bucket_domain_name", b+".s3.amazonaws.com")
			if r.Region != "" {
				fillIn(values, "bucket_regional_domain_name", b+".s3."+r.Region+"."+suffix)
				fillIn(values, "region", r.Region)
			}
		}
	case "aws_ecr_repository":
		fillIn(values, "registry_id", r.Account)
		if name != "" {
			fillIn(values, "repository_url", r.Account+".dkr.ecr."+regionOf(r)+"."+suffix+"/"+name)
		}
	case "aws_sqs_queue":
		if name != "" {
			url := "https://sqs." + regionOf(r) + "." + suffix + "/" + r.Account + "/" + name
			fillIn(values, "url", url)
			fillIn(values, "id", url)
		} else if r.Mode == "managed" {
			fillIn(values, "id", StandIn(r.Address))
		}
	case "aws_ecs_task_definition":
		if arn, ok := text(value(values, "arn")); ok {
			fillIn(values, "arn_without_revision", strings.TrimSuffix(arn, ":"+StandIn(r.Address)))
		}
	case "aws_iam_role_policy":
		role, _ := text(value(values, "role"))
		if name != "" && role != "" && strings.Contains(valueText(values, "id"), "«") {
			values["id"] = cty.StringVal(role + ":" + name)
		}
	}
}

// regionOf is the region of a resource, or what stands for it.
func regionOf(r *Resource) string {
	if r.Region != "" {
		return r.Region
	}
	return StandIn("provider." + r.Provider + ".region")
}

// arnOf fills an ARN in; false if a part of it is not known.
func arnOf(r *Resource, format string, values map[string]cty.Value) (string, bool) {
	ok := true
	arn := brace.ReplaceAllStringFunc(format, func(b string) string {
		switch name := b[1 : len(b)-1]; name {
		case "account":
			return r.Account
		case "region":
			return regionOf(r)
		case "new":
			return StandIn(r.Address)
		case "host":
			url := valueText(values, "url")
			ok = ok && url != ""
			return strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/")
		case "slashed":
			s := valueText(values, "name")
			ok = ok && s != ""
			return "/" + strings.TrimPrefix(s, "/")
		default:
			s := valueText(values, name)
			ok = ok && s != ""
			return s
		}
	})
	partition := r.Partition
	if partition == "" {
		partition = "aws"
	}
	return "arn:" + partition + ":" + arn, ok
}

// defaultName is the name of a resource that has none, or only a prefix: AWS
// or the provider makes one up.
func defaultName(r *Resource, values map[string]cty.Value, name, prefix string) {
	if !unset(values, name) {
		return
	}
	begin := ""
	if prefix != "" {
		v, ok := values[prefix]
		if ok && !v.IsKnown() {
			values[name] = cty.UnknownVal(cty.String)
			return
		}
		begin = valueText(values, prefix)
	}
	values[name] = cty.StringVal(begin + StandIn(r.Address))
}

// unset reports whether an attribute is absent, null, or only known after
// apply where the configuration says nothing.
func unset(values map[string]cty.Value, name string) bool {
	v, ok := values[name]
	return !ok || v.IsKnown() && v.IsNull()
}

func fillIn(values map[string]cty.Value, name, text string) {
	if unset(values, name) {
		values[name] = cty.StringVal(text)
	}
}

func value(values map[string]cty.Value, name string) cty.Value {
	if v, ok := values[name]; ok {
		return v
	}
	return cty.NullVal(cty.String)
}

// valueText is an attribute that is a known text, "" if it is not.
func valueText(values map[string]cty.Value, name string) string {
	s, _ := text(value(values, name))
	return s
}
