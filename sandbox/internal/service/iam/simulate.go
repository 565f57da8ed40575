package iam

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// The policy simulator answers with the very engine that decides the
// sandbox's own calls. What it is asked is collected here; simulate_context.go
// reads condition keys, simulate_result.go decides and words the results.
//
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html

// source is a policy with what the simulator calls it.
type source struct {
	policy *policy.Policy
	id     string
	kind   types.PolicySourceType
}

// simulation is one call of the simulator.
type simulation struct {
	identity, boundary []source
	levels             [][]source // service control policies, from the root of the organization
	resource           []source   // none or one
	caller             policy.Principal
	owner              string // the account of ResourceOwner, empty if it was not given
	context            *policy.Context
	actions, resources []string
	together           bool // the resources belong to one request: ResourceHandlingOption
}

// simulationInput is what the two operations have in common.
type simulationInput struct {
	actions, resources, policies, boundaries []string
	resourcePolicy, owner, caller, handling  *string
	entries                                  []types.ContextEntry
}

func (c *call) simulateCustomPolicy(in *api.SimulateCustomPolicyInput) (*api.SimulateCustomPolicyOutput, error) {
	if in.ResourcePolicy != nil && in.CallerArn == nil {
		return nil, invalidInput("CallerArn is required if a ResourcePolicy is included.")
	}
	sim := &simulation{caller: policy.Principal{
		Type: policy.User, ARN: c.arn(c.account(), userKind, "/", "simulated"), Account: c.account(),
	}}
	if err := c.prepare(sim, simulationInput{
		in.ActionNames, in.ResourceArns, in.PolicyInputList, in.PermissionsBoundaryPolicyInputList,
		in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ResourceHandlingOption, in.ContextEntries,
	}); err != nil {
		return nil, err
	}
	page, err := paginate(in.Marker, in.MaxItems, numbered(sim.results()))
	if err != nil {
		return nil, err
	}
	return &api.SimulateCustomPolicyOutput{EvaluationResults: page.items, IsTruncated: page.more, Marker: page.marker}, nil
}

func (c *call) simulatePrincipalPolicy(in *api.SimulatePrincipalPolicyInput) (*api.SimulatePrincipalPolicyOutput, error) {
	e, err := c.sourceEntity(in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	if c.passed("PolicyExclusionList") {
		return nil, invalidInput("PolicyExclusionList is not supported by the sandbox. Pass the policies that remain to SimulateCustomPolicy.")
	}
	if e.Kind == groupKind && in.ResourcePolicy != nil && in.CallerArn == nil {
		return nil, invalidInput("CallerArn is required if a ResourcePolicy is included and PolicySourceArn names a group.")
	}
	sim := &simulation{caller: c.principalOf(e)}
	if sim.identity, sim.boundary, err = c.sources(e); err != nil {
		return nil, err
	}
	if err := c.prepare(sim, simulationInput{
		in.ActionNames, in.ResourceArns, in.PolicyInputList, in.PermissionsBoundaryPolicyInputList,
		in.ResourcePolicy, in.ResourceOwner, in.CallerArn, in.ResourceHandlingOption, in.ContextEntries,
	}); err != nil {
		return nil, err
	}
	if in.CallerArn == nil || *in.CallerArn == *in.PolicySourceArn {
		c.principalKeys(sim.context, e)
	}
	page, err := paginate(in.Marker, in.MaxItems, numbered(sim.results()))
	if err != nil {
		return nil, err
	}
	return &api.SimulatePrincipalPolicyOutput{EvaluationResults: page.items, IsTruncated: page.more, Marker: page.marker}, nil
}

// numbered makes a listing of results in the order of the request.
func numbered(results []types.EvaluationResult) func(string) seq[types.EvaluationResult] {
	return func(after string) seq[types.EvaluationResult] {
		return func(yield func(string, types.EvaluationResult) bool) {
			for i, r := range results {
				if key := fmt.Sprintf("%08d", i); key > after && !yield(key, r) {
					return
				}
			}
		}
	}
}

// prepare reads the parameters of a call into sim.
func (c *call) prepare(sim *simulation, in simulationInput) (err error) {
	for _, a := range in.actions {
		if err := checkAction(a); err != nil {
			return err
		}
	}
	sim.actions, sim.resources = in.actions, in.resources
	if len(sim.resources) == 0 {
		sim.resources = []string{"*"}
	}
	given, err := inputPolicies(policy.Identity, "PolicyInputList", in.policies)
	if err != nil {
		return err
	}
	sim.identity = append(sim.identity, given...)
	if len(in.boundaries) > 1 {
		return invalidInput("Only one permissions boundary can be simulated.")
	}
	if len(in.boundaries) == 1 {
		if sim.boundary, err = inputPolicies(policy.Boundary, "PermissionsBoundaryPolicyInputList", in.boundaries); err != nil {
			return err
		}
	}
	if sim.levels, err = c.organization(); err != nil {
		return err
	}
	if in.caller != nil {
		if sim.caller, err = c.simulatedCaller(*in.caller); err != nil {
			return err
		}
	}
	if in.owner != nil {
		if sim.owner, err = ownerAccount(*in.owner); err != nil {
			return err
		}
	}
	if in.resourcePolicy != nil {
		if err := oneKindOfResource(sim.resources); err != nil {
			return err
		}
		p, err := policy.Parse(policy.Resource, "ResourcePolicy", []byte(*in.resourcePolicy))
		if err != nil {
			return invalidInput("Invalid ResourcePolicy: %s", err)
		}
		sim.resource = []source{{p, "ResourcePolicy", types.PolicySourceTypeResource}}
	}
	if in.handling != nil {
		if err := checkScenario(*in.handling, sim.resources); err != nil {
			return err
		}
		sim.together = true
	}
	sim.context, err = contextOf(in.entries)
	return err
}

func checkAction(a string) error {
	vendor, name, ok := strings.Cut(a, ":")
	switch {
	case !ok || vendor == "" || name == "" || strings.Contains(name, ":"):
		return invalidInput("Invalid Input Actions: %s. Write the service and the operation, such as iam:CreateUser.", a)
	case strings.ContainsAny(a, "*?"):
		return invalidInput("Invalid Input Actions: %s. Wildcards are not supported in action names.", a)
	}
	return nil
}

// inputPolicies compiles the documents of a parameter; the simulator calls
// the first of PolicyInputList "PolicyInputList.1".
func inputPolicies(k policy.Kind, parameter string, docs []string) ([]source, error) {
	var out []source
	for i, doc := range docs {
		name := fmt.Sprintf("%s.%d", parameter, i+1)
		p, err := policy.Parse(k, name, []byte(doc))
		if err != nil {
			return nil, invalidInput("Invalid policy document: %s", err)
		}
		out = append(out, source{p, name, types.PolicySourceTypeNone})
	}
	return out, nil
}

// organization reads OrderedOrganizationPolicyInputList, which came to the
// API after the embedded model, from the form as it is sent.
func (c *call) organization() ([][]source, error) {
	const parameter = "OrderedOrganizationPolicyInputList"
	if !c.passed(parameter) {
		return nil, nil
	}
	var out [][]source
	form := c.req.Call.Form
	for level := 1; ; level++ {
		prefix := fmt.Sprintf("%s.member.%d.", parameter, level)
		var docs []string
		for i := 1; ; i++ {
			doc, ok := form[fmt.Sprintf("%sServiceControlPolicyInputList.member.%d", prefix, i)]
			if !ok {
				break
			}
			docs = append(docs, doc[0])
		}
		if len(docs) == 0 {
			return out, nil
		}
		set, err := inputPolicies(policy.SCP, fmt.Sprintf("%s.%d", parameter, level), docs)
		if err != nil {
			return nil, err
		}
		out = append(out, set)
	}
}

// passed tells whether a list parameter is in the form.
func (c *call) passed(parameter string) bool {
	if c.req.Call == nil {
		return false
	}
	for key := range c.req.Call.Form {
		if strings.HasPrefix(key, parameter+".") {
			return true
		}
	}
	return false
}

// simulatedCaller reads CallerArn. The entity need not exist; if it does, its
// unique id goes with it.
func (c *call) simulatedCaller(arn string) (policy.Principal, error) {
	account, k, name, ok := c.splitEntity(arn)
	if !ok {
		return policy.Principal{}, invalidInput("Invalid CallerArn: %s. It must be the ARN of an IAM user, group or role.", arn)
	}
	if e, ok := find(c.tx, account, k, name); ok && c.entityARN(e) == arn {
		return c.principalOf(e), nil
	}
	return c.principalAt(arn, account, k, name), nil
}

// splitEntity takes the ARN of a user, group or role apart.
func (s *IAM) splitEntity(arn string) (account string, k kind, name string, ok bool) {
	account, svc, resource, ok := s.splitPrincipal(arn)
	word, rest, slash := strings.Cut(resource, "/")
	k, name = kind(word), rest[strings.LastIndexByte(rest, '/')+1:]
	ok = ok && svc == "iam" && isAccountID(account) && slash && name != "" && (k == userKind || k == groupKind || k == roleKind)
	return account, k, name, ok
}

// principalAt is the caller that an entity stands for: a session of a role,
// the user itself, and a member of a group.
func (s *IAM) principalAt(arn, account string, k kind, name string) policy.Principal {
	if k != roleKind {
		return policy.Principal{Type: policy.User, ARN: arn, Account: account}
	}
	return policy.Principal{
		Type: policy.AssumedRole, Account: account, Issuer: arn,
		ARN: "arn:" + s.partition + ":sts::" + account + ":assumed-role/" + name + "/simulated",
	}
}

func (s *IAM) principalOf(e *entity) policy.Principal {
	p := s.principalAt(s.entityARN(e), e.Account, e.Kind, e.Name)
	p.ID = e.ID
	return p
}

// sourceEntity finds the user, group or role of PolicySourceArn.
func (c *call) sourceEntity(arn *string) (*entity, error) {
	account, k, name, ok := c.splitEntity(aws.ToString(arn))
	if !ok {
		return nil, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", aws.ToString(arn))
	}
	e, ok := find(c.tx, account, k, name)
	if !ok || account != c.account() || c.entityARN(e) != *arn {
		return nil, missing(k, name)
	}
	return e, nil
}

// onSource checks the entity of PolicySourceArn.
func onSource[In any](arn func(*In) *string) checker[In] {
	return func(c *call, in *In) ([]service.Check, error) {
		account, k, name, ok := c.splitEntity(aws.ToString(arn(in)))
		if !ok {
			return nil, invalidInput("Invalid Entity Arn: %s does not clearly define entity type and name.", aws.ToString(arn(in)))
		}
		var keys []service.KV
		if e, ok := find(c.tx, account, k, name); ok && account == c.account() {
			keys = resourceTags(k, e.Tags)
		}
		return c.one(*arn(in), keys...), nil
	}
}

// sources are the policies of an entity, those of a user's groups included,
// and its boundary.
func (c *call) sources(e *entity) (identity, boundary []source, err error) {
	holders := []*entity{e}
	for _, id := range e.Groups {
		if g, ok := entities.Get(c.tx, id); ok {
			holders = append(holders, g)
		}
	}
	for _, holder := range holders {
		for _, in := range holder.Inline {
			p, err := policy.Parse(policy.Identity, fmt.Sprintf("inline policy %s of %s %s", in.Name, holder.Kind, holder.Name), []byte(in.Document))
			if err != nil {
				return nil, nil, err
			}
			identity = append(identity, source{p, in.Name, types.PolicySourceType(holder.Kind)})
		}
		for _, arn := range holder.Attached {
			if identity, err = c.withManaged(identity, policy.Identity, arn); err != nil {
				return nil, nil, err
			}
		}
	}
	if e.Boundary != "" {
		boundary, err = c.withManaged(nil, policy.Boundary, e.Boundary)
	}
	return identity, boundary, err
}

// withManaged adds a managed policy unless it is there already, as it is for
// a user and a group with the same policy.
func (c *call) withManaged(list []source, k policy.Kind, arn string) ([]source, error) {
	row, ok := c.findPolicy(c.tx, arn)
	if !ok || slices.ContainsFunc(list, func(s source) bool { return s.policy.Name() == row.ARN }) {
		return list, nil
	}
	p, err := c.compiled(k, row)
	if err != nil {
		return nil, err
	}
	from := types.PolicySourceTypeUserManaged
	if row.Account == "aws" {
		from = types.PolicySourceTypeAwsManaged
	}
	return append(list, source{p, row.Name, from}), nil
}

// ownerAccount reads ResourceOwner: the ARN of an account, or its id.
func ownerAccount(owner string) (string, error) {
	if isAccountID(owner) {
		return owner, nil
	}
	arn, err := policy.ParseARN(owner)
	if err != nil || arn.Service != "iam" || arn.Resource != "root" || !isAccountID(arn.Account) {
		return "", invalidInput("Invalid ResourceOwner: %s. Write arn:aws:iam::ACCOUNT:root.", owner)
	}
	return arn.Account, nil
}

// oneKindOfResource checks that one resource policy can belong to all of the
// resources. Trust policies are not simulated: "Simulation of resource-based
// policies isn't supported for IAM roles."
func oneKindOfResource(resources []string) error {
	first := ""
	for _, r := range resources {
		arn, err := policy.ParseARN(r)
		if err != nil {
			continue // "*"
		}
		if arn.Service == "iam" && strings.HasPrefix(arn.Resource, "role/") {
			return invalidInput("Simulation of resource-based policies is not supported for IAM roles: %s", r)
		}
		if first == "" {
			first = arn.Service
		}
		if arn.Service != first {
			return invalidInput("The ResourcePolicy is not applicable to all of the resources: they belong to %s and %s.", first, arn.Service)
		}
	}
	return nil
}

// scenarios are the values of ResourceHandlingOption and the types of EC2
// resources that each demands.
var scenarios = map[string][]string{
	"EC2-VPC-InstanceStore":        {"instance", "image", "security-group", "network-interface"},
	"EC2-VPC-InstanceStore-Subnet": {"instance", "image", "security-group", "network-interface", "subnet"},
	"EC2-VPC-EBS":                  {"instance", "image", "security-group", "network-interface", "volume"},
	"EC2-VPC-EBS-Subnet":           {"instance", "image", "security-group", "network-interface", "subnet", "volume"},
}

func checkScenario(name string, resources []string) error {
	need, ok := scenarios[name]
	if !ok {
		return invalidInput("Invalid ResourceHandlingOption: %s", name)
	}
	have := map[string]bool{}
	for _, r := range resources {
		if arn, err := policy.ParseARN(r); err == nil && arn.Service == "ec2" {
			word, _, _ := strings.Cut(arn.Resource, "/")
			have[word] = true
		}
	}
	for _, word := range need {
		if !have[word] {
			return invalidInput("ResourceHandlingOption %s requires a resource of type %s.", name, word)
		}
	}
	return nil
}
