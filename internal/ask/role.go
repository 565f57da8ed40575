package ask

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/graph"
	"github.com/mantle-iam/mantle/internal/estate"
)

// A RoleStory is a role in plain words.
type RoleStory struct {
	Role    string   `json:"role"`
	Trusted []string `json:"trusted"` // who may become it
	May     []string `json:"may"`     // what it may do
	Limits  []string `json:"limits,omitempty"`
	Used    []string `json:"used"`  // who uses it
	Traps   []string `json:"traps"` // what surprises
	Written string   `json:"written,omitempty"`
}

// ExplainRole tells of a role who may become it, what it may do, who uses it, and
// what surprises.
func (a *Asker) ExplainRole(name string) (*RoleStory, error) {
	p, err := a.roleNamed(name)
	if err != nil {
		return nil, err
	}
	s := &RoleStory{Role: p.arn}
	if where, ok := a.estate.Entities[p.arn]; ok && where.File != "" {
		s.Written = fmt.Sprintf("%s:%d", where.File, where.Line)
	}
	a.trusted(s, p)
	a.may(s, p)
	a.limits(s, p)
	a.used(s, p)
	if err := a.traps(s, p); err != nil {
		return nil, err
	}
	return s, nil
}

// services are how services hand roles out.
var services = map[string]string{
	"ec2.amazonaws.com":         "the EC2 service: it hands this role's temporary keys to any instance launched with %s",
	"ecs-tasks.amazonaws.com":   "ECS tasks: the container agent hands this role's temporary keys to the containers of tasks whose definition names it",
	"ecs.amazonaws.com":         "the ECS service itself, which registers tasks with load balancers (not its tasks)",
	"lambda.amazonaws.com":      "Lambda functions that are configured with it",
	"pods.eks.amazonaws.com":    "pods of EKS whose service account is associated with it",
	"codebuild.amazonaws.com":   "CodeBuild projects that are configured with it",
	"ssm.amazonaws.com":         "Systems Manager",
	"states.amazonaws.com":      "state machines of Step Functions that are configured with it",
	"glue.amazonaws.com":        "Glue jobs that are configured with it",
	"spotfleet.amazonaws.com":   "spot fleets",
	"events.amazonaws.com":      "rules of EventBridge that are configured with it",
	"apigateway.amazonaws.com":  "API Gateway",
	"cloudtrail.amazonaws.com":  "CloudTrail",
	"autoscaling.amazonaws.com": "Auto Scaling",
}

func (a *Asker) trusted(s *RoleStory, p *person) {
	for st := range p.role.Trust.Statements() {
		if st.Effect != iam.EffectAllow {
			s.Trusted = append(s.Trusted, "a statement denies some callers: "+strings.Join(principals(&st), ", "))
			continue
		}
		if !slices.ContainsFunc(st.Actions, func(x string) bool {
			return iam.MatchAction(x, "sts:AssumeRole") || strings.HasPrefix(strings.ToLower(x), "sts:assumerolewith")
		}) && !st.NotActions {
			continue
		}
		only := ""
		if len(st.Conditions) > 0 {
			var list []string
			for _, c := range st.Conditions {
				list = append(list, Condition{Operator: c.Operator, Key: c.Key, Values: c.Values, Effect: iam.EffectAllow}.String())
			}
			only = ", only if " + strings.Join(list, " and ")
		}
		if st.NotPrincipals {
			s.Trusted = append(s.Trusted, "everyone except "+strings.Join(principals(&st), ", ")+only)
			continue
		}
		for _, who := range st.Principals {
			s.Trusted = append(s.Trusted, a.whom(p, who)+only)
		}
	}
	if len(s.Trusted) == 0 {
		s.Trusted = []string{"nobody"}
	}
}

func principals(s *iam.Statement) []string {
	var out []string
	for _, p := range s.Principals {
		out = append(out, p.Value)
	}
	return out
}

func (a *Asker) whom(p *person, who iam.StatementPrincipal) string {
	switch who.Kind {
	case "Service":
		text, ok := services[who.Value]
		if !ok {
			text = "the service " + who.Value
		}
		if strings.Contains(text, "%s") {
			profile := "an instance profile that has this role; it is in none yet"
			if len(p.role.Profiles) > 0 {
				var names []string
				for _, x := range p.role.Profiles {
					names = append(names, x.Name)
				}
				profile = "profile " + strings.Join(names, " or ")
			}
			text = fmt.Sprintf(text, profile)
		}
		return text
	case "Federated":
		return "people and programs that " + lastProvider(who.Value) + " vouches for"
	}
	switch {
	case who.Value == "*":
		return "everyone with an AWS account"
	case strings.HasPrefix(who.Value, "AROA") || strings.HasPrefix(who.Value, "AIDA"):
		return who.Value + ", which is the id of a role or user that was deleted: nobody"
	}
	if x, err := iam.ParseARN(who.Value); err == nil && x.Resource == "root" || len(who.Value) == 12 {
		id := x.Account
		if err != nil {
			id = who.Value
		}
		return "account " + a.AccountName(id) + ": those of its users and roles whose own policies allow sts:AssumeRole on it"
	}
	if a.people[who.Value] != nil {
		if x, _ := iam.ParseARN(who.Value); x.Account == p.account {
			return a.Name(who.Value) + ", by name: it needs no policy of its own for it"
		}
		return a.Name(who.Value) + ", of another account: it needs a policy of its own that allows it as well"
	}
	return who.Value
}

func lastProvider(arn string) string {
	if _, name, ok := strings.Cut(arn, "-provider/"); ok {
		return name
	}
	return arn
}

// knownPolicies are what policies of AWS are for.
var knownPolicies = map[string]string{
	"AmazonEC2ContainerServiceforEC2Role":  "register with ECS, pull from ECR, write logs",
	"AmazonECSTaskExecutionRolePolicy":     "pull from ECR, write logs",
	"AmazonSSMManagedInstanceCore":         "be managed by Systems Manager",
	"AmazonS3FullAccess":                   "everything with S3",
	"AmazonS3ReadOnlyAccess":               "read S3",
	"AdministratorAccess":                  "everything",
	"PowerUserAccess":                      "everything but IAM",
	"ReadOnlyAccess":                       "read everything",
	"AmazonDynamoDBFullAccess":             "everything with DynamoDB",
	"AmazonEC2ContainerRegistryReadOnly":   "pull from ECR",
	"CloudWatchAgentServerPolicy":          "write metrics and logs",
	"AWSLambdaBasicExecutionRole":          "write logs",
	"AmazonEC2ReadOnlyAccess":              "read EC2",
	"IAMFullAccess":                        "everything with IAM",
	"SecurityAudit":                        "read the configuration of everything",
	"AmazonECS_FullAccess":                 "everything with ECS",
	"AmazonEC2FullAccess":                  "everything with EC2",
	"AWSLambdaVPCAccessExecutionRole":      "write logs, make network interfaces",
	"AmazonEC2ContainerRegistryPowerUser":  "pull from and push to ECR",
	"AmazonEC2ContainerRegistryFullAccess": "everything with ECR",
}

func (a *Asker) may(s *RoleStory, p *person) {
	const most = 4
	named := func(list []string) string {
		if len(list) > most {
			return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
		}
		return strings.Join(list, ", ")
	}
	for _, policy := range p.policies.Identity {
		name := lastSegment(policy.Name())
		if text := knownPolicies[name]; text != "" && strings.HasPrefix(policy.Name(), "arn:") {
			s.May = append(s.May, text+" ("+name+")")
			continue
		}
		for st := range policy.Statements() {
			if strings.EqualFold(named(st.Actions), "none:none") {
				continue // stands for a policy that is not in the data
			}
			actions, resources := named(st.Actions), make([]string, 0, len(st.Resources))
			if st.NotActions {
				actions = "everything but " + actions
			}
			for _, r := range st.Resources {
				resources = append(resources, short(r))
			}
			on := named(resources)
			if st.NotResources {
				on = "everything but " + on
			}
			text := actions + " on " + on
			if st.Effect == iam.EffectDeny {
				text = "not: " + text
			}
			if len(st.Conditions) > 0 {
				text += " (if conditions hold)"
			}
			s.May = append(s.May, text)
		}
	}
	for _, u := range a.unknown[p.arn] {
		s.May = append(s.May, "not known: "+u.Why)
	}
	if len(s.May) == 0 {
		s.May = []string{"nothing: no policy is attached"}
	}
}

func (a *Asker) limits(s *RoleStory, p *person) {
	for _, b := range p.policies.Boundary {
		s.Limits = append(s.Limits, "never more than its boundary "+lastSegment(b.Name())+" allows")
	}
	if len(p.policies.SCP) > 0 {
		s.Limits = append(s.Limits, "never more than the service control policies over "+a.AccountName(p.account)+" allow")
	}
}

func (a *Asker) used(s *RoleStory, p *person) {
	instances := 0
	for _, u := range a.estate.Uses {
		switch {
		case u.Role != p.arn:
		case u.Kind == "instance profile": // listed with the role
		case u.Kind == "instance":
			instances++
		default:
			if text := u.Kind + " " + u.Name; !slices.Contains(s.Used, text) {
				s.Used = append(s.Used, text)
			}
		}
	}
	for _, x := range p.role.Profiles {
		s.Used = append(s.Used, "instance profile "+x.Name+" → "+plural(instances, "instance", "instances"))
	}
	if len(s.Used) == 0 {
		s.Used = []string{"nothing in the data"}
	}
}

func (a *Asker) traps(s *RoleStory, p *person) error {
	trap := func(format string, args ...any) { s.Traps = append(s.Traps, fmt.Sprintf(format, args...)) }
	var names []string
	for st := range p.role.Trust.Statements() {
		if st.Effect != iam.EffectAllow {
			continue
		}
		for _, who := range st.Principals {
			names = append(names, who.Value)
			if who.Value == "*" && len(st.Conditions) == 0 {
				trap("anyone with an AWS account may assume it")
			}
			if who.Kind == "Federated" && !slices.ContainsFunc(st.Conditions, func(c iam.StatementCondition) bool { return strings.HasSuffix(strings.ToLower(c.Key), ":sub") }) && strings.Contains(who.Value, "oidc-provider") {
				trap("any token of %s will do: no condition on its sub", lastProvider(who.Value))
			}
			if x, err := iam.ParseARN(who.Value); err == nil && x.Account != "" && x.Account != p.account && a.accounts[x.Account] == nil &&
				!slices.ContainsFunc(st.Conditions, func(c iam.StatementCondition) bool { return strings.EqualFold(c.Key, "sts:ExternalId") }) {
				trap("account %s is not in the data, and no external id is asked of it", x.Account)
			}
		}
		for _, c := range st.Conditions {
			if strings.HasPrefix(c.Operator, "ForAllValues:") {
				trap("ForAllValues on %s also holds if the key is absent", c.Key)
			}
		}
	}
	if slices.Contains(names, "ec2.amazonaws.com") && len(p.role.Profiles) == 0 {
		trap("EC2 uses a role by way of an instance profile, and this role is in none")
	}
	if slices.Contains(names, "ec2.amazonaws.com") {
		trap("every process and container of the instance gets these keys, unless the metadata service is closed to it")
	}
	for _, x := range p.role.Profiles {
		if x.Name != p.name {
			trap("its instance profile is called %s: consoles and launches name the profile, not the role", x.Name)
		}
	}
	g, err := a.graph()
	if err != nil {
		return err
	}
	if n, ok := g.Node(p.arn); ok && n.Admin != "" {
		trap("it is as good as an administrator: it %s", n.Admin)
	}
	if slices.ContainsFunc(p.policies.Identity, func(x *iam.Policy) bool { return mentions(x, "iam:passrole") }) {
		reach, err := g.Reach(p.arn)
		if err != nil {
			return err
		}
		for _, path := range reach {
			if path.Hops[0].How == graph.PassRole {
				trap("by iam:PassRole it can become %s", a.Name(path.To()))
				break
			}
		}
	}
	if slices.ContainsFunc(a.estate.Uses, func(u estate.Use) bool { return u.Role == p.arn && u.Account != "" && u.Account != p.account }) {
		trap("something in another account is to use it: a service takes roles of its own account only")
	}
	if len(s.Traps) == 0 {
		s.Traps = []string{"none found"}
	}
	return nil
}

// WriteRole prints a role's story.
func (a *Asker) WriteRole(w io.Writer, s *RoleStory) {
	title := a.Name(s.Role)
	if s.Written != "" {
		title += "  " + s.Written
	}
	fmt.Fprintln(w, title)
	line := func(name string, list []string) {
		for _, text := range list {
			fmt.Fprintf(w, "%-12s %s\n", name, text)
			name = ""
		}
	}
	line("Trusted by", s.Trusted)
	line("May do", s.May)
	line("Limits", s.Limits)
	line("Used by", s.Used)
	line("Traps", s.Traps)
}

// A TaskRow is one of the roles around a task.
type TaskRow struct {
	What    string `json:"what"` // "task role", …
	Role    string `json:"role,omitempty"`
	Who     string `json:"who"`     // takes it on
	When    string `json:"when"`    // it is used
	Without string `json:"without"` // what breaks
}

// taskUses finds the roles that a task definition or service names.
func (a *Asker) taskUses(name string) (task, execution string, found []string) {
	family, _, _ := strings.Cut(name, ":")
	for _, u := range a.estate.Uses {
		if u.Kind != "task role" && u.Kind != "execution role" {
			continue
		}
		own, _, _ := strings.Cut(u.Name, ":")
		if !slices.Contains(found, u.Name) {
			found = append(found, u.Name)
		}
		if u.Name != name && own != family && !strings.HasSuffix(u.Name, "."+name) {
			continue
		}
		if name != family && u.Name != name && strings.Contains(u.Name, ":") {
			continue // of another revision
		}
		if u.Kind == "task role" {
			task = u.Role
		} else {
			execution = u.Role
		}
	}
	return task, execution, found
}

// ExplainTask lists the four roles around a task.
func (a *Asker) ExplainTask(name string) ([]TaskRow, error) {
	task, execution, found := a.taskUses(name)
	if task == "" && execution == "" && !slices.ContainsFunc(found, func(n string) bool {
		return n == name || strings.HasPrefix(n, name+":") || strings.HasSuffix(n, "."+name)
	}) {
		slices.Sort(found)
		return nil, &NameError{What: "task definition with a role", Name: name, Candidates: found}
	}
	instance, service := "", ""
	for _, p := range a.order {
		if p.role == nil {
			continue
		}
		trusts := func(s string) bool {
			for st := range p.role.Trust.Statements() {
				if slices.ContainsFunc(st.Principals, func(x iam.StatementPrincipal) bool { return x.Value == s }) {
					return true
				}
			}
			return false
		}
		if instance == "" && trusts("ec2.amazonaws.com") && slices.ContainsFunc(p.policies.Identity, func(x *iam.Policy) bool { return mentions(x, "ecs:registercontainerinstance") }) {
			instance = p.arn
		}
		if service == "" && trusts("ecs.amazonaws.com") {
			service = p.arn
		}
	}
	return []TaskRow{
		{"task role", task, "the containers' own programs", "at every call to AWS that they make", "the SDK finds no credentials, or falls to the instance's role"},
		{"execution role", execution, "ECS, before the containers run", "to pull images, fetch secrets, write logs", "the task stops with ResourceInitializationError or CannotPullContainerError"},
		{"instance role", instance, "the ECS agent of the container instance", "to register with the cluster", "no instance joins the cluster (Fargate needs none)"},
		{"service role", service, "the ECS service", "to register tasks with load balancers", "nothing: ECS makes the service-linked role AWSServiceRoleForECS itself"},
	}, nil
}

// WriteTask prints the roles around a task.
func (a *Asker) WriteTask(w io.Writer, name string, rows []TaskRow) {
	fmt.Fprintf(w, "%-15s %-34s %-40s %-42s %s\n", "ROLE OF "+name, "IS", "WHO WEARS IT", "WHEN", "WITHOUT IT")
	for _, r := range rows {
		role := "-"
		if r.Role != "" {
			role = a.Name(r.Role)
		}
		fmt.Fprintf(w, "%-15s %-34s %-40s %-42s %s\n", r.What, role, r.Who, r.When, r.Without)
	}
}
