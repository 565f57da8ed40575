package tf

import (
	"encoding/json"
	"fmt"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/zclconf/go-cty/cty"
)

// ReadState reads what terraform show -json prints of a state, or a state file
// (terraform.tfstate, version 4) as it is. path is the file that it comes from.
// With the configuration in o.Dir (or beside the file), everything has its
// place.
func ReadState(data []byte, path string, o Options) (*World, error) {
	if isStateFile(data) {
		return readStateFile(data, path, o)
	}
	if _, err := checkJSON(data, path, "state"); err != nil {
		return nil, err
	}
	s := &tfjson.State{}
	s.UseJSONNumber(true)
	if err := s.UnmarshalJSON(data); err != nil {
		return nil, &Error{Where: Position{File: path}, Summary: "it is no state of Terraform: " + err.Error()}
	}
	var list []*found
	if s.Values != nil {
		inModules(s.Values.RootModule, func(r *tfjson.StateResource) { list = append(list, stateResource(r)) })
	}
	return assembleWorld(list, o, path, nil)
}

// stateFile is a state as Terraform keeps it. Its format is Terraform's own
// affair, but version 4 has not changed since Terraform 0.12.
type stateFile struct {
	Version   int `json:"version"`
	Resources []struct {
		Module    string `json:"module"`
		Mode      string `json:"mode"`
		Type      string `json:"type"`
		Name      string `json:"name"`
		Provider  string `json:"provider"` // provider["registry.terraform.io/hashicorp/aws"].shared
		Instances []struct {
			IndexKey     any             `json:"index_key"`
			Deposed      string          `json:"deposed"`
			Attributes   json.RawMessage `json:"attributes"`
			Dependencies []string        `json:"dependencies"`
		} `json:"instances"`
	} `json:"resources"`
}

func isStateFile(data []byte) bool {
	var head struct {
		FormatVersion *json.RawMessage `json:"format_version"`
		Version       *json.RawMessage `json:"version"`
		Lineage       *json.RawMessage `json:"lineage"`
	}
	return json.Unmarshal(data, &head) == nil && head.FormatVersion == nil && head.Version != nil && head.Lineage != nil
}

func readStateFile(data []byte, path string, o Options) (*World, error) {
	var s stateFile
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, &Error{Where: Position{File: path}, Summary: "it is no state of Terraform: " + err.Error()}
	}
	if s.Version != 4 {
		return nil, &Error{Where: Position{File: path}, Summary: fmt.Sprintf("the state is of version %d, and only version 4 can be read; print it with terraform show -json", s.Version)}
	}
	var list []*found
	for _, r := range s.Resources {
		for _, i := range r.Instances {
			if i.Deposed != "" {
				continue
			}
			v, err := fromJSON(i.Attributes)
			if err != nil || !v.Type().IsObjectType() {
				continue // a resource that was created by halves has no attributes
			}
			address := r.Type + "." + r.Name
			if r.Mode == "data" {
				address = "data." + address
			}
			if r.Module != "" {
				address = r.Module + "." + address
			}
			switch k := i.IndexKey.(type) {
			case string:
				address += keyOf(cty.StringVal(k))
			case float64:
				address += keyOf(cty.NumberFloatVal(k))
			}
			f := &found{Resource: &Resource{Address: address, Mode: r.Mode, Type: r.Type, Name: r.Name, Provider: stateProvider(r.Provider), DependsOn: i.Dependencies}, values: v.AsValueMap()}
			f.Attributes, f.References, f.Documents = map[string]Range{}, map[string][]string{}, map[string]Document{}
			if f.values == nil {
				f.values = map[string]cty.Value{}
			}
			list = append(list, f)
		}
	}
	providers := map[string]Provider{}
	for _, f := range list {
		if id := accountIn(f.Type, f.values); id != "" && f.Provider != "" {
			providers[f.Provider] = Provider{Address: f.Provider, Account: id}
		}
	}
	return assembleWorld(list, o, path, providers)
}

// stateProvider is the local address of a provider in a state file:
// provider["registry.terraform.io/hashicorp/aws"].shared is "aws.shared".
func stateProvider(s string) string {
	module, rest, ok := strings.Cut(s, `provider["`)
	if !ok {
		return ""
	}
	source, alias, _ := strings.Cut(rest, `"]`)
	return module + source[strings.LastIndexByte(source, '/')+1:] + alias
}
