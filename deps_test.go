package mantle_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mantle-iam/mantle"

// law says what each package may import beyond the standard library. It is a
// statement of policy: a change to it is a commit of its own. "!x" forbids a
// package of the standard library; "pkg/..." stands for a whole module.
const law = `
iam                            : !context !net !net/http !os
iam/account                    : iam !net/http !os
iam/graph                      : iam iam/account !net/http !os
iam/iamtest                    : iam txtar
iam/managed                    : !net !net/http !os
broker                         : iam !net/http !os
agent                          : broker internal/metapath net
internal/sigv4                 :
internal/peer                  : broker netlink sys
internal/host                  : broker internal/peer
internal/docker                : broker internal/host moby
internal/audit                 : agent broker systemd
internal/ledger                : agent broker
internal/metrics               : agent broker
internal/kube                  : agent broker internal/host yaml
internal/cri                   : broker internal/host cri grpc
internal/sts                   : broker sdk
internal/config                : broker iam internal/metapath hcl
internal/hostroles             : broker hcl
internal/record                : iam hcl
internal/metapath              : !net !net/http !os
internal/sealed                :
internal/redirect              : netlink nftables sys
internal/pgtest                : pgx
internal/tf                    : hcl terraform-json
internal/estate                : iam iam/account iam/managed internal/tf sdk cty
internal/chain                 : !net !os
internal/chain/live            : internal/chain sdk sys
internal/doctor                : internal/chain
internal/check                 : iam iam/account iam/managed internal/estate internal/tf internal/config hcl yaml
internal/ask                   : iam iam/account iam/graph iam/managed internal/estate internal/tf hcl cty txtar
sandbox/internal/wire          :
sandbox/internal/wire/gen      :
sandbox/internal/store         : sqlite pgx
sandbox/internal/xmldsig       :
sandbox/internal/objects       : sandbox/internal/store blob pgx
sandbox/internal/service       : iam sandbox/internal/wire
sandbox/internal/service/servicetest : iam sandbox/internal/service sandbox/internal/wire sdk
sandbox/internal/service/iam   : iam iam/account iam/managed sandbox/internal/service sandbox/internal/store sandbox/internal/wire sdk
sandbox/internal/service/sts   : iam sandbox/internal/service sandbox/internal/store sandbox/internal/wire sandbox/internal/xmldsig sdk
sandbox/internal/service/s3    : iam sandbox/internal/service sandbox/internal/store sandbox/internal/wire sdk blob
sandbox/internal/service/ec2   : iam sandbox/internal/service sandbox/internal/store sandbox/internal/wire sdk
sandbox/internal/service/ecs   : iam sandbox/internal/service sandbox/internal/store sandbox/internal/wire sdk
sandbox/internal/service/ecr   : iam sandbox/internal/service sandbox/internal/store sandbox/internal/wire sdk blob
sandbox/internal/service/autoscaling : iam sandbox/internal/service sandbox/internal/store sandbox/internal/wire sdk
sandbox/internal/service/dynamodb : iam sandbox/internal/service sandbox/internal/store sandbox/internal/wire sdk participle apd
sandbox/proxy                  :
sandbox                        : iam iam/account internal/sigv4 sandbox/internal/... blob sdk
cmd/mantle                     : *
bench                          :
e2e                            :
`

// modules names every third-party module that the product links and why it
// is there. Test-only modules stand in testModules.
var modules = map[string]struct{ path, why string }{
	"sdk":            {"github.com/aws/", "AWS's own client: STS calls, the credential chain, and the wire types of the sandbox"},
	"sqlite":         {"modernc.org/sqlite", "the sandbox's state on disk, without cgo"},
	"blob":           {"gocloud.dev/", "object bytes in memory or in files behind one interface"},
	"hcl":            {"github.com/hashicorp/hcl/v2", "the configuration language, with positions; also zclconf/go-cty, its values"},
	"cty":            {"github.com/zclconf/go-cty", "the values of HCL"},
	"terraform-json": {"github.com/hashicorp/terraform-json", "what terraform show -json prints of plans and states, as types"},
	"sys":            {"golang.org/x/sys", "the system calls behind namespaces and mounts of instances and tasks"},
	"pgx":            {"github.com/jackc/pgx/v5", "the sandbox's state on PostgreSQL, shared between processes"},
	"participle":     {"github.com/alecthomas/participle/v2", "the grammar of DynamoDB's expressions"},
	"apd":            {"github.com/cockroachdb/apd/v3", "DynamoDB's numbers: 38 digits"},
	"cri":            {"k8s.io/cri-api", "the interface of containerd and CRI-O: which containers run, and which processes are theirs"},
	"grpc":           {"google.golang.org/grpc", "the transport of that interface"},
	"yaml":           {"github.com/goccy/go-yaml", "YAML with positions: manifests, Compose files and kubeconfigs"},
	"netlink":        {"github.com/vishvananda/netlink", "sock_diag: which process is at the other end of a socket"},
	"nftables":       {"github.com/google/nftables", "the table that brings requests for metadata to the agent, replaced in one transaction"},
	"fsnotify":       {"github.com/fsnotify/fsnotify", "a configuration that is changed is read again"},
	"systemd":        {"github.com/coreos/go-systemd/v22", "sockets that outlive a restart of the agent, and telling systemd when it is ready"},
	"moby":           {"github.com/moby/moby/", "the client of Docker's API, which Podman serves too: whose containers run on this host"},
	"errdefs":        {"github.com/containerd/errdefs", "the kinds of errors that the client of the Docker API returns"},
	"cobra":          {"github.com/spf13/cobra", "verbs, flags, completion and man pages"},
	"pflag":          {"github.com/spf13/pflag", "cobra's flags, for those that several verbs share"},
	"txtar":          {"github.com/rogpeppe/go-internal", "decision scripts and CLI scripts (tests only), and unified diffs"},
}

// together lists what a short name of the law opens besides itself.
var together = map[string][]string{"hcl": {"cty"}, "moby": {"errdefs"}}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
	GoFiles    []string
	Doc        string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Standard,GoFiles,Doc", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportLaw(t *testing.T) {
	allowed, forbidden, free := map[string][]string{}, map[string][]string{}, map[string]bool{}
	for line := range strings.Lines(law) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		pkg := path.Join(module, strings.TrimSpace(name))
		allowed[pkg] = nil
		for _, w := range strings.Fields(rest) {
			switch {
			case w == "*":
				free[pkg] = true
			case strings.HasPrefix(w, "!"):
				forbidden[pkg] = append(forbidden[pkg], w[1:])
			default:
				allowed[pkg] = append(allowed[pkg], append([]string{w}, together[w]...)...)
			}
		}
	}
	for _, p := range list(t) {
		rel := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if len(p.GoFiles) == 0 || rel == "" || strings.HasPrefix(rel, "examples/") {
			continue
		}
		may, known := allowed[p.ImportPath]
		if !known {
			t.Errorf("%s has no line in the import law", rel)
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains(forbidden[p.ImportPath], imp) {
				t.Errorf("%s must not import %s", rel, imp)
			}
			if free[p.ImportPath] || !strings.Contains(strings.Split(imp, "/")[0], ".") {
				continue
			}
			if !slices.ContainsFunc(may, func(w string) bool {
				if inside, ok := strings.CutSuffix(w, "/..."); ok {
					return strings.HasPrefix(imp, path.Join(module, inside)+"/")
				}
				if m, ok := modules[w]; ok {
					return strings.HasPrefix(imp, strings.TrimSuffix(m.path, "/"))
				}
				return imp == path.Join(module, w)
			}) {
				t.Errorf("%s imports %s, which the law does not allow", rel, imp)
			}
		}
	}
}

// TestModulesHaveReasons holds go.mod against the table: no requirement
// without a reason, no reason without a requirement.
func TestModulesHaveReasons(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	used := map[string]bool{}
	for m := range strings.FieldsSeq(string(out)) {
		found := false
		for name, r := range modules {
			if strings.HasPrefix(m, strings.TrimSuffix(r.path, "/")) {
				used[name], found = true, true
			}
		}
		for name := range testModules {
			if strings.HasPrefix(m, name) {
				used[name], found = true, true
			}
		}
		if !found {
			t.Errorf("go.mod requires %s, and nothing says why", m)
		}
	}
	for name := range modules {
		if !used[name] {
			t.Errorf("modules lists %s, which go.mod does not require", name)
		}
	}
	for name := range testModules {
		if !used[name] {
			t.Errorf("testModules lists %s, which go.mod does not require", name)
		}
	}
}

// testModules are linked by tests and benchmarks only.
var testModules = map[string]string{
	"github.com/cedar-policy/cedar-go": "the engine that iam's benchmarks are measured beside",
	"pgregory.net/rapid":               "property tests",
}
