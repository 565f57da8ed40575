package check

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Kind is what a file is.
type Kind uint8

// The kinds of files.
const (
	Policy      Kind = iota + 1 // an IAM policy document
	Task                        // an ECS task definition, as the API takes or describes it
	Config                      // an AWS config file: [profile NAME]
	Credentials                 // an AWS credentials file: [NAME]
	Compose                     // a compose file
	Manifest                    // Kubernetes manifests
	GoModule                    // a go.mod
	NodePackage                 // a package.json
)

// String is the name of the kind.
func (k Kind) String() string {
	if k < Policy || k > NodePackage {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return []string{"policy", "task definition", "AWS config", "AWS credentials", "compose file", "Kubernetes manifest", "go.mod", "package.json"}[k-1]
}

// A File is a file that stands on its own.
type File struct {
	Path string
	Kind Kind
	Data []byte
}

// A Group is what belongs together: a Terraform root module with the files
// around it, or files alone.
type Group struct {
	Dir     string   // the folder; "" of files that were named alone
	Root    bool     // Dir holds a root module of Terraform
	Plans   []string // files of terraform show -json
	Configs []string // mantle.hcl files
	Files   []File
}

// skipped are folders that hold no source of the project.
var skipped = []string{".git", ".terraform", "node_modules", "vendor", "testdata", ".venv"}

// maxFile is the longest file that is read to find out what it is.
const maxFile = 16 << 20

// Collect reads the files that belong to some paths: a file is taken whatever
// its name, of a folder what looks like something to check. Folders that other
// ones use as modules are left to those.
func Collect(paths ...string) ([]Group, error) {
	var groups []*Group
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			found, err := collectDir(p)
			if err != nil {
				return nil, err
			}
			groups = append(groups, found...)
			continue
		}
		data, err := readLimited(p)
		if err != nil {
			return nil, err
		}
		g := &Group{}
		if !g.take(p, data, true) {
			return nil, fmt.Errorf("%s: not something that mantle checks: it is no policy, task definition, plan, AWS config, compose file, manifest or mantle.hcl", p)
		}
		groups = append(groups, g)
	}
	out := make([]Group, len(groups))
	for i, g := range groups {
		out[i] = *g
	}
	return out, nil
}

func collectDir(top string) ([]*Group, error) {
	roots := map[string]*Group{}
	var loose []string
	var order []string
	modules := map[string]bool{}
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != top && (slices.Contains(skipped, d.Name()) || strings.HasPrefix(d.Name(), ".terraform")) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if strings.HasSuffix(p, ".tf") {
			dir := filepath.Dir(p)
			if roots[dir] == nil {
				roots[dir] = &Group{Dir: dir, Root: true}
				order = append(order, dir)
			}
			data, err := readLimited(p)
			if err != nil {
				return err
			}
			for _, m := range localModules(data) {
				modules[filepath.Join(dir, m)] = true
			}
			return nil
		}
		loose = append(loose, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	rest := &Group{Dir: top}
	for _, p := range loose {
		g := rest
		for dir := filepath.Dir(p); ; dir = filepath.Dir(dir) {
			if r := roots[dir]; r != nil && !modules[dir] {
				g = r
				break
			}
			if dir == top || dir == filepath.Dir(dir) || len(dir) < len(top) {
				break
			}
		}
		if !candidate(p) {
			continue
		}
		data, err := readLimited(p)
		if err != nil {
			return nil, err
		}
		g.take(p, data, false)
	}
	var out []*Group
	for _, dir := range order {
		if !modules[dir] {
			out = append(out, roots[dir])
		}
	}
	if len(out) == 0 || len(rest.Files)+len(rest.Configs)+len(rest.Plans) > 0 {
		out = append(out, rest)
	}
	return out, nil
}

// localModules are the folders that module blocks name, relative to their own.
func localModules(src []byte) (out []string) {
	for line := range strings.Lines(string(src)) {
		name, val, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(name) != "source" {
			continue
		}
		val = strings.Trim(strings.TrimSpace(val), `"`)
		if strings.HasPrefix(val, "./") || strings.HasPrefix(val, "../") {
			out = append(out, val)
		}
	}
	return out
}

// candidate reports whether a file of a folder may be something to check.
func candidate(p string) bool {
	name := filepath.Base(p)
	switch filepath.Ext(name) {
	case ".json", ".yaml", ".yml":
		return !slices.Contains([]string{"package-lock.json", "tsconfig.json"}, name)
	}
	return name == "mantle.hcl" || name == "go.mod" || name == "config" || name == "credentials"
}

// take adds a file to the group if it is something to check. A file that was
// named is taken at its word: JSON with statements is a policy there, and in a
// folder it may be a test's or a tool's.
func (g *Group) take(p string, data []byte, named bool) bool {
	name := filepath.Base(p)
	add := func(k Kind) bool {
		g.Files = append(g.Files, File{Path: p, Kind: k, Data: data})
		return true
	}
	switch {
	case name == "mantle.hcl" || name == "mantle.hcl.json" || named && filepath.Ext(name) == ".hcl":
		g.Configs = append(g.Configs, p)
		return true
	case name == "go.mod":
		return add(GoModule)
	case name == "package.json":
		return add(NodePackage)
	case filepath.Ext(name) == ".json":
		root, err := readNode(data)
		switch {
		case err != nil && named:
			return add(Policy) // the rule on unreadable files says what is wrong
		case err != nil:
			return false
		case root.get("format_version") != nil && (root.get("planned_values") != nil || root.get("values") != nil):
			g.Plans = append(g.Plans, p)
			return true
		case root.get("containerDefinitions") != nil || root.get("taskDefinition").get("containerDefinitions") != nil:
			return add(Task)
		case root.get("Statement") != nil:
			// Policies in a folder are read by what attaches them; that says
			// what they are for.
			return named && add(Policy)
		}
		return false
	case filepath.Ext(name) == ".yaml" || filepath.Ext(name) == ".yml":
		switch {
		case strings.HasPrefix(name, "compose.") || strings.HasPrefix(name, "docker-compose"):
			return add(Compose)
		case hasLine(data, "apiVersion:") && hasLine(data, "kind:"):
			return add(Manifest)
		case named && hasLine(data, "services:"):
			return add(Compose)
		}
		return false
	}
	if !sharedFile(data) {
		return false
	}
	if strings.Contains(name, "credentials") {
		return add(Credentials)
	}
	if name == "config" || named {
		return add(Config)
	}
	return false
}

func hasLine(data []byte, prefix string) bool {
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

func readLimited(p string) ([]byte, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile && filepath.Ext(p) != ".json" {
		return nil, fmt.Errorf("%s has %d bytes; mantle checks files of at most %d", p, info.Size(), maxFile)
	}
	return os.ReadFile(p)
}
