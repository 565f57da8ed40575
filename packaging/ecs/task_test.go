// Package ecs_test holds the task definition to the API of ECS, and to the
// agent.
package ecs_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/mantle-iam/mantle/internal/config"
)

func TestTaskDefinition(t *testing.T) {
	text, err := os.ReadFile("task-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	var in ecs.RegisterTaskDefinitionInput
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // nothing that the API does not have
	if err := d.Decode(&in); err != nil {
		t.Fatal(err)
	}
	if in.NetworkMode != "host" || in.PidMode != "host" || len(in.ContainerDefinitions) != 1 {
		t.Fatalf("network %q, processes %q, %d containers", in.NetworkMode, in.PidMode, len(in.ContainerDefinitions))
	}
	c := in.ContainerDefinitions[0]
	if caps := c.LinuxParameters.Capabilities; !slices.Equal(caps.Drop, []string{"ALL"}) || slices.Contains(caps.Add, "ALL") || c.Privileged != nil {
		t.Errorf("capabilities %+v, privileged %v", caps, c.Privileged)
	}
	volumes := map[string]bool{}
	for _, v := range in.Volumes {
		volumes[*v.Name] = true
	}
	for _, m := range c.MountPoints {
		if !volumes[*m.SourceVolume] {
			t.Errorf("there is no volume %s", *m.SourceVolume)
		}
	}
}

func TestConfiguration(t *testing.T) {
	c, err := config.Source{}.Load("mantle.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Agent.Intercepts(); !slices.Equal(got, []string{config.DoorMetadata}) {
		t.Errorf("intercepts %q: 169.254.170.2 is the ECS agent's", got)
	}
	if docker, _ := c.Engines(); docker != "unix:///var/run/docker.sock" {
		t.Errorf("asks %q which task is whose", docker)
	}
}
