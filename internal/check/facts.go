package check

import (
	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/estate"
	"github.com/mantle-iam/mantle/internal/tf"
)

// facts is an input in the form that rules read.
type facts struct {
	estate *estate.Estate
	worlds []*tf.World
	index  map[*tf.World]*index
	files  []File

	documents []*document
	roles     []*role
	byARN     map[string]*role
	byName    map[string][]*role    // roles alone
	reach     map[string]*reach     // by account; made when asked for
	trusts    map[*document][]*role // the roles of each trust policy
	managed   map[string]*iam.Policy
	byText    map[string][]*document // identity policies by text; made when asked for
	ownersOf  map[string][]*role
	tasks     []*task
	profiles  []*profileFile
	compose   []*composeFile
	manifests []*manifest
	programs  []program

	broken  []Finding // files and documents that cannot be read
	ignores map[string][]ignore
}

// prepare reads the input once and says what it has.
func (in *Input) prepare() Have {
	f := in.facts
	if f == nil {
		f = &facts{estate: in.Estate, files: in.Files, index: map[*tf.World]*index{}, managed: map[string]*iam.Policy{},
			byARN: map[string]*role{}, byName: map[string][]*role{}, trusts: map[*document][]*role{}}
		in.facts = f
		if f.estate != nil {
			f.worlds = f.estate.Terraform
		}
		for _, w := range f.worlds {
			f.index[w] = newIndex(w)
		}
		f.readDocuments()
		f.readRoles()
		f.readTasks()
		f.readProfiles()
		f.readCompose()
		f.readManifests()
		f.readPrograms()
	}
	var have Have
	for _, x := range []struct {
		h  Have
		ok bool
	}{
		{HaveTerraform, len(f.worlds) > 0},
		{HavePolicies, len(f.documents) > 0},
		{HaveRoles, len(f.roles) > 0},
		{HaveTasks, len(f.tasks) > 0},
		{HaveProfiles, len(f.profiles) > 0},
		{HaveCompose, len(f.compose) > 0},
		{HaveManifests, len(f.manifests) > 0},
		{HaveConfig, len(in.Configs) > 0},
		{HavePrograms, len(f.programs) > 0},
	} {
		if x.ok {
			have |= x.h
		}
	}
	return have
}

// Counts says how much there was to check.
type Counts struct {
	Roles       int `json:"roles"`
	Profiles    int `json:"instanceProfiles"`
	Attachments int `json:"attachments"`
	Policies    int `json:"policies"`
	Tasks       int `json:"taskDefinitions"`
	Files       int `json:"files"`
}

func (f *facts) counts() Counts {
	c := Counts{Tasks: len(f.tasks), Files: len(f.files)}
	seen := map[string]bool{}
	for _, r := range f.roles {
		if r.user {
			continue
		}
		c.Roles++
		c.Attachments += len(r.Attached)
		for _, p := range r.profiles {
			if !seen[p.ARN+p.Name] {
				seen[p.ARN+p.Name] = true
				c.Profiles++
			}
		}
	}
	for _, d := range f.documents {
		if d.attached {
			c.Policies++
		}
	}
	return c
}
