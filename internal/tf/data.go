package tf

import (
	"os"
	"path/filepath"

	"github.com/zclconf/go-cty/cty"
)

// data adds what a data source would read, where that follows from the
// configuration.
func (in *instance) data() {
	r, values := in.resource, in.values
	switch r.Type {
	case "aws_caller_identity":
		fillIn(values, "account_id", r.Account)
		fillIn(values, "id", r.Account)
	case "aws_partition":
		suffix := "amazonaws.com"
		if r.Partition == "aws-cn" {
			suffix += ".cn"
		}
		fillIn(values, "partition", r.Partition)
		fillIn(values, "id", r.Partition)
		fillIn(values, "dns_suffix", suffix)
	case "aws_region":
		for _, name := range []string{"name", "id", "region"} {
			if r.Region != "" {
				fillIn(values, name, r.Region)
			}
		}
	case "aws_service_principal":
		// "Service principals" of the IAM User Guide: the suffix is the same in
		// all partitions for the services that Terraform knows.
		if s := valueText(values, "service_name"); s != "" {
			fillIn(values, "name", s+".amazonaws.com")
		}
	case "aws_iam_policy":
		partition := "arn:" + r.Partition + ":iam::aws:policy/"
		if name := valueText(values, "name"); name != "" && valueText(values, "arn") == "" {
			// Whose policy it is, and its path, only the account knows.
			values["arn"] = cty.UnknownVal(cty.String)
		} else if arn := valueText(values, "arn"); len(arn) > len(partition) {
			fillIn(values, "id", arn)
			fillIn(values, "name", arn[lastSlash(arn)+1:])
		}
	case "aws_iam_policy_document":
		in.document()
	case "terraform_remote_state":
		in.remoteState()
	}
}

func lastSlash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return i
		}
	}
	return -1
}

// remoteState reads the outputs of another configuration, if its state is a
// local file that is there.
func (in *instance) remoteState() {
	config := value(in.values, "config")
	if valueText(in.values, "backend") != "local" || !config.IsKnown() || config.IsNull() || !config.Type().IsObjectType() && !config.Type().IsMapType() {
		return
	}
	path := valueText(config.AsValueMap(), "path")
	if path == "" {
		return
	}
	fail := func(why string) {
		in.why["outputs"] = []reason{{text: why}}
		in.m.ev.notes(in.resource.Where.Position, in.address, "outputs", in.why["outputs"])
	}
	file := in.m.ev.inside(filepath.FromSlash(path))
	text, err := os.ReadFile(file)
	if err != nil {
		fail("there is no state in " + file + ": apply that configuration first")
		return
	}
	v, err := fromJSON(text)
	if err != nil || !v.Type().IsObjectType() || !v.Type().HasAttribute("outputs") {
		fail(file + " is not a state of Terraform")
		return
	}
	outputs := map[string]cty.Value{}
	for name, o := range v.GetAttr("outputs").AsValueMap() {
		if o.Type().IsObjectType() && o.Type().HasAttribute("value") {
			outputs[name] = o.GetAttr("value")
		}
	}
	in.values["outputs"] = cty.ObjectVal(outputs)
}
