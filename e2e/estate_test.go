//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// TestEstate reads each example from its configuration, its plan before the
// apply, its state in both forms and the sandbox after it, and wants the same
// roles, policies and resources of all of them.
func TestEstate(t *testing.T) {
	for _, x := range []struct {
		example  string
		folders  []string // applied in this order; the last is looked at
		accounts []string
		with     map[string]string // variables
	}{
		{example: "ec2-assume-role/problem"},
		{example: "ec2-assume-role/solution"},
		{example: "ec2-assume-role/solution-root"},
		{example: "ec2-elevate"},
		{example: "ecs-cross-account", accounts: []string{"dev", "shared"}, with: map[string]string{"external_id": "k-77"}},
		{example: "ecs-iam-profile"},
		{example: "ecs-iam-profile", folders: []string{".", "nodes"}},
		{example: "ecs-iam-profile/state"},
		{example: "ecs-task-role"},
		{example: "../e2e/testdata/stories/1-ecs-iam-profile/bootstrap", with: map[string]string{"account_id": "111122223333"}},
		{example: "../e2e/testdata/stories/2-ec2-assume-role/solution-root"},
		{example: "../e2e/testdata/stories/3-ec2-elevate"},
		{example: "../e2e/testdata/stories/4-ecs-cross-account", accounts: []string{"dev", "shared"}, with: map[string]string{"account_a": "444455556666", "account_b": "111122223333"}},
		{example: "../e2e/testdata/stories/5-ecs-task-role"},
	} {
		name := strings.TrimPrefix(x.example, "../e2e/testdata/")
		if len(x.folders) > 0 {
			name += "/" + x.folders[len(x.folders)-1]
		}
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			t.Parallel()
			a := start(t)
			env := append(terraformEnv(t, a.env("dev")), "XDG_RUNTIME_DIR="+a.runtime)
			top := t.TempDir()
			root := filepath.Join(top, "examples", strings.TrimLeft(x.example, "./"))
			copyConfiguration(t, root, filepath.Join("../examples", x.example))
			copyConfiguration(t, filepath.Join(top, "modules"), "../modules")
			if strings.Contains(x.example, "4-ecs") {
				// The input names profiles of its own.
				main := filepath.Join(root, "main.tf")
				text, err := os.ReadFile(main)
				if err != nil {
					t.Fatal(err)
				}
				write(t, root, "main.tf", []byte(strings.NewReplacer(`"account-a"`, `"shared"`, `"account-b"`, `"dev"`).Replace(string(text))))
			}
			bin := tool(t, "terraform")
			var vars []tf.Assignment
			for name, value := range x.with {
				env = append(env, "TF_VAR_"+name+"="+value)
				vars = append(vars, tf.Assignment{Name: name, Value: value})
			}
			folders := x.folders
			if folders == nil {
				folders = []string{"."}
			}
			var dir string
			var plan string
			for _, f := range folders {
				dir = filepath.Join(root, f)
				must(t, env, dir, bin, "init", "-input=false")
				must(t, env, dir, bin, "plan", "-input=false", "-out=p")
				plan = must(t, env, dir, bin, "show", "-json", "p")
				must(t, env, dir, bin, "apply", "-input=false", "p")
			}
			state := must(t, env, dir, bin, "show", "-json")
			raw, err := os.ReadFile(filepath.Join(dir, "terraform.tfstate"))
			if err != nil {
				t.Fatal(err)
			}

			o := tf.Options{Dir: dir, Vars: vars, Account: "111122223333", Region: "us-east-1"}
			estates := map[string]*estate.Estate{}
			read := func(what string, w *tf.World, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				estates[what] = estate.FromWorld(w, what)
			}
			w, err := tf.Read(o)
			read("configuration", w, err)
			w, err = tf.ReadPlan([]byte(plan), "", o)
			read("plan", w, err)
			w, err = tf.ReadState([]byte(state), "", o)
			read("state", w, err)
			alone := o
			alone.Dir = ""
			w, err = tf.ReadState([]byte(state), "", alone)
			read("state alone", w, err)
			w, err = tf.ReadState(raw, "", alone)
			read("state file alone", w, err)
			sandbox := a.estate(t, x.accounts)

			want := picture(t, sandbox)
			if len(want) == 0 {
				t.Fatal("the sandbox has nothing")
			}
			for _, what := range []string{"configuration", "plan", "state", "state alone", "state file alone"} {
				// What one configuration does not make, it does not tell of.
				got := picture(t, estates[what])
				if x.folders != nil {
					for k := range want {
						if _, ok := got[k]; !ok {
							got[k] = want[k]
						}
					}
				}
				compare(t, what, got, want, what == "configuration" || what == "plan")
			}
		})
	}
}

// estate reads the accounts of the sandbox as their administrators.
func (a *aws) estate(t *testing.T, names []string) *estate.Estate {
	t.Helper()
	if names == nil {
		names = []string{"dev"}
	}
	var parts []*estate.Estate
	for _, name := range names {
		var file string
		for _, kv := range a.env(name) {
			if v, ok := strings.CutPrefix(kv, "AWS_CONFIG_FILE="); ok {
				file = v
			}
		}
		cfg, err := config.LoadDefaultConfig(t.Context(), config.WithSharedConfigFiles([]string{file}), config.WithSharedCredentialsFiles(nil), config.WithSharedConfigProfile(name))
		if err != nil {
			t.Fatal(err)
		}
		cfg.BaseEndpoint = sdk.String(a.url)
		// The examples choose regions of their own.
		for _, region := range []string{"us-west-2", "us-east-1", "eu-central-1", "ap-southeast-2"} {
			cfg.Region = region
			e, err := estate.FromAccount(t.Context(), cfg, estate.LiveOptions{Name: name, PathStyle: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range e.Unknown {
				t.Errorf("account %s in %s: %s", name, region, u.Why)
			}
			parts = append(parts, e)
		}
	}
	whole, err := estate.Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// picture is an estate as lines of text by what they are about.
func picture(t *testing.T, e *estate.Estate) map[string]string {
	t.Helper()
	out := map[string]string{}
	put := func(key, format string, args ...any) { out[key] = fmt.Sprintf(format, args...) }
	for _, a := range e.Accounts {
		for _, r := range a.Roles {
			var profiles []string
			for _, p := range r.Profiles {
				profiles = append(profiles, p.ARN)
			}
			slices.Sort(profiles)
			attached := slices.Sorted(slices.Values(r.Attached))
			put("role "+r.ARN, "path %s boundary %q profiles %v attached %v trust %s", r.Path, r.Boundary, profiles, attached, canonical(t, r.Trust))
			for _, in := range r.Inline {
				put("inline "+in.Name+" of "+r.ARN, "%s", canonical(t, in.Document))
			}
		}
		for _, p := range a.Policies {
			if p.AWS() && !slices.ContainsFunc(a.Roles, func(r account.Role) bool { return slices.Contains(r.Attached, p.ARN) }) {
				continue // that of the administrator
			}
			put("policy "+p.ARN, "%s", canonical(t, p.Document()))
		}
	}
	for _, r := range e.Resources {
		switch r.Type {
		case "s3:bucket", "dynamodb:table", "ecr:repository":
			put("resource "+r.ARN, "%s policy %s", r.Type, canonical(t, r.Policy))
		}
	}
	return out
}

// canonical is a policy without what means nothing: the order of lists, and
// whether one value is a list.
func canonical(t *testing.T, p *iam.Policy) string {
	t.Helper()
	if p == nil {
		return "none"
	}
	var v any
	if err := json.Unmarshal([]byte(p.Source()), &v); err != nil {
		t.Fatal(err)
	}
	var tidy func(v any) any
	tidy = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				if k == "Condition" || k == "Sid" {
					if m, ok := e.(map[string]any); (ok && len(m) == 0) || e == "" {
						delete(v, k)
						continue
					}
				}
				v[k] = tidy(e)
			}
			return v
		case []any:
			var list []string
			for i := range v {
				s, ok := v[i].(string)
				if !ok {
					for i := range v {
						v[i] = tidy(v[i])
					}
					return v
				}
				list = append(list, s)
			}
			slices.Sort(list)
			return list
		case string:
			return []string{v}
		}
		return v
	}
	b, err := json.Marshal(tidy(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// compare holds a picture to that of the sandbox. What a source could not know
// before the apply has a stand-in: it is left out, and counted.
func compare(t *testing.T, what string, got, want map[string]string, before bool) {
	t.Helper()
	left := 0
	for k, w := range want {
		g, ok := got[k]
		switch {
		case ok && g == w:
		case before && strings.Contains(g, "«"):
			left++
		case !ok && before && strings.HasPrefix(k, "resource arn:aws:s3:::node-sdk-sample-"):
			left++
		case !ok:
			t.Errorf("%s does not know %s", what, k)
		default:
			t.Errorf("%s: %s\n got %s\nwant %s", what, k, g, w)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok && !strings.Contains(k, "«") {
			t.Errorf("%s knows %s, which the sandbox has not", what, k)
		}
	}
	if left > 1 {
		t.Errorf("%s: %d things could not be compared, want at most 1", what, left)
	}
}
