package ecs

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Task definitions: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definitions.html

// mayRegisterTaskDefinition checks the family at the revision that it will
// get.
func (c *call) mayRegisterTaskDefinition(in *api.RegisterTaskDefinitionInput) ([]service.Check, error) {
	d := definition{home: c.here(), family: aws.ToString(in.Family)}
	if !validName(d.family) {
		return nil, clientError("Family contains invalid characters.")
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	taskRole, err := c.role(in.TaskRoleArn)
	if err != nil {
		return nil, err
	}
	executionRole, err := c.role(in.ExecutionRoleArn)
	if err != nil {
		return nil, err
	}
	last, _ := revisions.Get(c.tx, d.familyKey())
	d.revision = last + 1
	privileged := slices.ContainsFunc(in.ContainerDefinitions, func(x types.ContainerDefinition) bool { return aws.ToBool(x.Privileged) })
	keys := slices.Concat(requestTags(in.Tags), sizeKeys(in.Cpu, in.Memory),
		[]service.KV{kv("ecs:privileged", strconv.FormatBool(privileged))})
	if len(in.RequiresCompatibilities) > 0 {
		var names []string
		for _, x := range in.RequiresCompatibilities {
			names = append(names, string(x))
		}
		keys = append(keys, kv("ecs:compute-compatibility", names...))
	}
	arn := c.definitionARN(d)
	return slices.Concat(
		c.one(d.home, arn, keys...),
		c.passing(tasksPrincipal, taskRole, executionRole),
		c.tagging(d.home, arn, in.Tags)), nil
}

func (c *call) registerTaskDefinition(in *api.RegisterTaskDefinitionInput) (*api.RegisterTaskDefinitionOutput, error) {
	taskRole, err := c.role(in.TaskRoleArn)
	if err != nil {
		return nil, err
	}
	executionRole, err := c.role(in.ExecutionRoleArn)
	if err != nil {
		return nil, err
	}
	if err := validate(in); err != nil {
		return nil, err
	}
	d := definition{home: c.here(), family: *in.Family}
	last, _ := revisions.Get(c.tx, d.familyKey())
	d.revision = last + 1
	v := types.TaskDefinition{
		TaskDefinitionArn:       new(c.definitionARN(d)),
		Family:                  in.Family,
		Revision:                d.revision,
		Status:                  types.TaskDefinitionStatusActive,
		ContainerDefinitions:    filled(in),
		NetworkMode:             in.NetworkMode,
		Volumes:                 orEmpty(in.Volumes),
		PlacementConstraints:    orEmpty(in.PlacementConstraints),
		RequiresCompatibilities: in.RequiresCompatibilities,
		RuntimePlatform:         in.RuntimePlatform,
		PidMode:                 in.PidMode,
		IpcMode:                 in.IpcMode,
		ProxyConfiguration:      in.ProxyConfiguration,
		EphemeralStorage:        in.EphemeralStorage,
		EnableFaultInjection:    in.EnableFaultInjection,
		InferenceAccelerators:   in.InferenceAccelerators,
		RegisteredAt:            new(c.now()),
		RegisteredBy:            new(c.req.Caller.ARN),
	}
	if n, ok := cpuUnits(aws.ToString(in.Cpu)); ok {
		v.Cpu = new(strconv.Itoa(int(n)))
	}
	if n, ok := mebibytes(aws.ToString(in.Memory)); ok {
		v.Memory = new(strconv.Itoa(int(n)))
	}
	if taskRole != "" {
		v.TaskRoleArn = &taskRole
	}
	if executionRole != "" {
		v.ExecutionRoleArn = &executionRole
	}
	v.Compatibilities = compatibilities(&v)
	v.RequiresAttributes = abilities(&v)
	row := definitionRow{View: v, Tags: mergeTags(nil, in.Tags)}
	definitions.Put(c.tx, d.key(), row)
	revisions.Put(c.tx, d.familyKey(), d.revision)
	out := &api.RegisterTaskDefinitionOutput{TaskDefinition: &row.View}
	if len(row.Tags) > 0 {
		out.Tags = row.Tags
	}
	return out, nil
}

func (c *call) describeTaskDefinition(in *api.DescribeTaskDefinitionInput) (*api.DescribeTaskDefinitionOutput, error) {
	d, err := c.definition(aws.ToString(in.TaskDefinition))
	if err != nil {
		return nil, err
	}
	row, ok := c.own(c.latest(d))
	if !ok {
		return nil, clientError("Unable to describe task definition.")
	}
	out := &api.DescribeTaskDefinitionOutput{TaskDefinition: &row.View}
	if slices.Contains(in.Include, types.TaskDefinitionFieldTags) {
		out.Tags = orEmpty(row.Tags)
	}
	return out, nil
}

// own reads a definition of the caller's account; operations on definitions
// without resource-level permissions reach no other.
func (c *call) own(d definition) (definitionRow, bool) {
	if d.home != c.here() {
		return definitionRow{}, false
	}
	row, ok := definitions.Get(c.tx, d.key())
	return row, ok && (row.View.Status != types.TaskDefinitionStatusDeleteInProgress || c.inUse(row))
}

// inUse tells whether a service or a task still refers to a definition,
// which keeps it from going away.
func (c *call) inUse(row definitionRow) bool {
	for _, t := range tasks.Range(c.tx, c.here().key()) {
		if *t.View.TaskDefinitionArn == *row.View.TaskDefinitionArn && !c.forgotten(t) {
			return true
		}
	}
	for _, s := range services.Range(c.tx, c.here().key()) {
		if *s.View.TaskDefinition == *row.View.TaskDefinitionArn && *s.View.Status != inactive {
			return true
		}
	}
	return false
}

func (c *call) deregisterTaskDefinition(in *api.DeregisterTaskDefinitionInput) (*api.DeregisterTaskDefinitionOutput, error) {
	d, err := c.definition(aws.ToString(in.TaskDefinition))
	if err != nil {
		return nil, err
	}
	if d.revision == 0 {
		return nil, clientError("Invalid revision number. Number: null")
	}
	row, ok := c.own(d)
	switch {
	case !ok:
		return nil, clientError("Unable to describe task definition.")
	case row.View.Status != active:
		return nil, clientError("The specified task definition is inactive. You can deregister a task definition that is active.")
	}
	row.View.Status = types.TaskDefinitionStatusInactive
	row.View.DeregisteredAt = new(c.now())
	definitions.Put(c.tx, d.key(), row)
	return &api.DeregisterTaskDefinitionOutput{TaskDefinition: &row.View}, nil
}

func (c *call) mayDeleteTaskDefinitions(in *api.DeleteTaskDefinitionsInput) ([]service.Check, error) {
	var checks []service.Check
	for _, s := range in.TaskDefinitions {
		d, err := c.definition(s)
		if err != nil {
			return nil, err
		}
		row, _ := definitions.Get(c.tx, d.key())
		checks = append(checks, c.one(d.home, c.definitionARN(d), resourceTags(row.Tags)...)...)
	}
	if checks == nil {
		checks = c.one(c.here(), c.arn(c.here(), "task-definition/*"))
	}
	return checks, nil
}

// maxDeleted bounds one DeleteTaskDefinitions.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html
const maxDeleted = 10

// deleteTaskDefinitions deletes INACTIVE revisions. The answer shows them
// being deleted, which those in use stay until they are not.
func (c *call) deleteTaskDefinitions(in *api.DeleteTaskDefinitionsInput) (*api.DeleteTaskDefinitionsOutput, error) {
	if n := len(in.TaskDefinitions); n < 1 || n > maxDeleted {
		return nil, clientError("You must specify between 1 and %d task definitions.", maxDeleted)
	}
	out := &api.DeleteTaskDefinitionsOutput{TaskDefinitions: []types.TaskDefinition{}, Failures: []types.Failure{}}
	for _, s := range in.TaskDefinitions {
		d, err := c.definition(s)
		if err != nil {
			return nil, err
		}
		row, ok := c.own(d)
		reason := ""
		switch {
		case d.revision == 0:
			reason = "The specified task definition identifier is invalid. Specify a valid family and revision, or an ARN, and try again."
		case !ok:
			reason = "The specified task definition does not exist. Specify a valid account, family, revision and try again."
		case row.View.Status == active:
			reason = "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
		}
		if reason != "" {
			out.Failures = append(out.Failures, types.Failure{Arn: &s, Reason: &reason})
			continue
		}
		row.View.Status = types.TaskDefinitionStatusDeleteInProgress
		row.View.DeleteRequestedAt = new(c.now())
		if c.inUse(row) {
			definitions.Put(c.tx, d.key(), row)
		} else {
			definitions.Delete(c.tx, d.key())
		}
		out.TaskDefinitions = append(out.TaskDefinitions, row.View)
	}
	return out, nil
}

func (c *call) listTaskDefinitions(in *api.ListTaskDefinitionsInput) (*api.ListTaskDefinitionsOutput, error) {
	prefix := c.here().key()
	if f := aws.ToString(in.FamilyPrefix); f != "" {
		prefix += f + "/" // the whole name of a family, whatever the parameter is called
	}
	from := func(after string) iter.Seq2[string, definitionRow] {
		return below(definitions.After(c.tx, prefix, prefix+after), prefix)
	}
	if in.Sort == types.SortOrderDesc {
		from = func(after string) iter.Seq2[string, definitionRow] {
			return reversed(below(definitions.Range(c.tx, prefix), prefix), after)
		}
	}
	want := in.Status
	if want == "" {
		want = types.TaskDefinitionStatusActive
	}
	arns, next, err := paginate(in.NextToken, in.MaxResults, from,
		func(row definitionRow) (string, bool) {
			return *row.View.TaskDefinitionArn, row.View.Status == want && (want != types.TaskDefinitionStatusDeleteInProgress || c.inUse(row))
		})
	if err != nil {
		return nil, err
	}
	return &api.ListTaskDefinitionsOutput{TaskDefinitionArns: arns, NextToken: next}, nil
}

// reversed yields a listing from its end, what comes before the key after.
func reversed[T any](seq iter.Seq2[string, T], after string) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		var keys []string
		var rows []T
		for k, row := range seq {
			keys, rows = append(keys, k), append(rows, row)
		}
		for i, k := range slices.Backward(keys) {
			if (after == "" || k < after) && !yield(k, rows[i]) {
				return
			}
		}
	}
}

func (c *call) listTaskDefinitionFamilies(in *api.ListTaskDefinitionFamiliesInput) (*api.ListTaskDefinitionFamiliesOutput, error) {
	home := c.here().key()
	start := home + aws.ToString(in.FamilyPrefix)
	// The item is the family, which is the end of the key.
	families := func(after string) iter.Seq2[string, string] {
		return func(yield func(string, string) bool) {
			for key := range revisions.After(c.tx, start, home+after) {
				if !yield(key[len(home):], key[len(home):]) {
					return
				}
			}
		}
	}
	names, next, err := paginate(in.NextToken, in.MaxResults, families, func(family string) (string, bool) {
		live, any := false, false
		for _, row := range definitions.Range(c.tx, home+family+"/") {
			live, any = live || row.View.Status == active, true
		}
		switch in.Status {
		case types.TaskDefinitionFamilyStatusActive:
			return family, live
		case types.TaskDefinitionFamilyStatusInactive:
			return family, any && !live
		}
		return family, any
	})
	if err != nil {
		return nil, err
	}
	return &api.ListTaskDefinitionFamiliesOutput{Families: names, NextToken: next}, nil
}

// isECR tells whether an image lies in an Elastic Container Registry.
func isECR(image string) bool {
	host, _, ok := strings.Cut(image, "/")
	return ok && strings.Contains(host, ".dkr.ecr.") && strings.Contains(host, ".amazonaws.com")
}
