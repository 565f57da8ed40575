// Package docker_test holds the Compose file to the agent that it runs.
package docker_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/mantle-iam/mantle/internal/config"
)

func TestCompose(t *testing.T) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image, Restart string
			Command        []string
			NetworkMode    string   `yaml:"network_mode"`
			PID            string   `yaml:"pid"`
			ReadOnly       bool     `yaml:"read_only"`
			CapDrop        []string `yaml:"cap_drop"`
			CapAdd         []string `yaml:"cap_add"`
			SecurityOpt    []string `yaml:"security_opt"`
			Volumes        []string
		}
	}
	if err := yaml.NewDecoder(strings.NewReader(string(text)), yaml.Strict()).Decode(&file); err != nil {
		t.Fatal(err)
	}
	s := file.Services["mantle"]
	if s.NetworkMode != "host" || s.PID != "host" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || slices.Contains(s.CapAdd, "ALL") {
		t.Errorf("%+v", s)
	}
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if want := `CMD ["` + strings.Join(s.Command, `", "`) + `"]`; !strings.Contains(string(dockerfile), want) {
		t.Errorf("the image does not run %s", want)
	}
	if !slices.ContainsFunc(s.Volumes, func(v string) bool { return strings.Contains(v, ":"+s.Command[1]) }) {
		t.Errorf("nothing is mounted at %s", s.Command[1])
	}
	c, err := config.Source{}.Load("mantle.hcl")
	if err != nil {
		t.Fatal(err)
	}
	docker, _ := c.Engines()
	if path := strings.TrimPrefix(docker, "unix://"); !slices.Contains(s.Volumes, path+":"+path) {
		t.Errorf("the engine at %s is not mounted", path)
	}
}
