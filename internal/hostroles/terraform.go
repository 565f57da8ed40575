package hostroles

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Setup is what the Terraform configuration is made for.
type Setup struct {
	// Host is the ARN of the host's role. It is made, with an instance profile,
	// unless Exists.
	Host   string
	Exists bool

	// Source is where the modules are: "../modules", or an address such as
	// "git::https://example.org/mantle.git//modules".
	Source string

	// Region of the providers; "" leaves it to the environment.
	Region string
}

// Terraform is a configuration, in the format of terraform fmt, that makes the
// host's role and every role of the steps, each letting in exactly who assumes
// it. The error says which ARN is not that of a role.
//
// The roles' own permissions are not in a mantle.hcl: each has a place for them.
func Terraform(steps []Step, s Setup) ([]byte, error) {
	p, err := newPlan(steps, s)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	p.header(&b)
	p.hostModule(&b)
	for _, r := range p.roles {
		if r.place == own {
			p.roleModule(&b, r)
		}
	}
	p.outputs(&b)
	return hclwrite.Format([]byte(b.String())), nil
}

// place is where a role is made.
type place int

const (
	direct  place = iota // by host-roles: the host alone assumes it
	chained              // by host-roles: one direct role alone assumes it
	own                  // by a module of its own
)

// made is a role that the configuration makes.
type made struct {
	arn, partition, account, path, name string
	label                               string // of its module, if that is its own
	place                               place
	via                                 string // name of the direct role, if chained
	steps                               []Step // that lead to it
}

type plan struct {
	setup    Setup
	host     made
	accounts []string // the host's first
	roles    []*made  // callers before those whom they assume
}

func newPlan(steps []Step, s Setup) (*plan, error) {
	p := &plan{setup: s}
	host, err := parse(s.Host)
	if err != nil {
		return nil, err
	}
	p.host = *host
	byARN := map[string]*made{}
	for _, arn := range Targets(steps) {
		r, err := parse(arn)
		if err != nil {
			return nil, err
		}
		for _, st := range steps {
			if st.To == arn {
				r.steps = append(r.steps, st)
			}
		}
		byARN[arn] = r
		p.roles = append(p.roles, r)
	}
	if err := p.order(byARN); err != nil {
		return nil, err
	}
	p.settle(byARN)
	p.accounts = []string{host.account}
	for _, r := range p.roles {
		if !slices.Contains(p.accounts, r.account) {
			p.accounts = append(p.accounts, r.account)
		}
	}
	slices.Sort(p.accounts[1:])
	return p, nil
}

func parse(arn string) (*made, error) {
	f := strings.SplitN(arn, ":", 6)
	if len(f) != 6 || f[2] != "iam" || !strings.HasPrefix(f[5], "role/") || len(f[4]) != 12 {
		return nil, fmt.Errorf("%q is not the ARN of a role, arn:PARTITION:iam::ACCOUNT:role/NAME", arn)
	}
	rest := strings.TrimPrefix(f[5], "role")
	i := strings.LastIndexByte(rest, '/')
	return &made{arn: arn, partition: f[1], account: f[4], path: rest[:i+1], name: rest[i+1:]}, nil
}

// order puts callers before those whom they assume. Roles that assume each other
// in a circle have no order: neither trust policy could be stored first.
func (p *plan) order(byARN map[string]*made) error {
	depth := map[string]int{}
	var visit func(arn string, seen []string) (int, error)
	visit = func(arn string, seen []string) (int, error) {
		if slices.Contains(seen, arn) {
			return 0, fmt.Errorf("the roles %s assume one another in a circle; AWS could store neither trust policy first", strings.Join(append(seen, arn), " -> "))
		}
		if d, ok := depth[arn]; ok {
			return d, nil
		}
		d := 0
		for _, st := range byARN[arn].steps {
			if st.From == "" || st.From == p.setup.Host || byARN[st.From] == nil {
				continue
			}
			up, err := visit(st.From, append(seen, arn))
			if err != nil {
				return 0, err
			}
			d = max(d, up+1)
		}
		depth[arn] = d
		return d, nil
	}
	for _, r := range p.roles {
		if _, err := visit(r.arn, nil); err != nil {
			return err
		}
	}
	slices.SortStableFunc(p.roles, func(a, b *made) int {
		return cmp.Or(cmp.Compare(depth[a.arn], depth[b.arn]), cmp.Compare(a.arn, b.arn))
	})
	return nil
}

// settle decides where each role is made and what its module is called.
func (p *plan) settle(byARN map[string]*made) {
	names, labels := map[string]bool{}, map[string]bool{"host_roles": true}
	for _, r := range p.roles {
		r.place = own
		if r.account == p.host.account && len(r.steps) == 1 && !names[r.name] && plainStep(r.steps[0]) {
			from := byARN[r.steps[0].From]
			switch {
			case r.steps[0].From == "":
				r.place = direct
			case from != nil && from.place == direct:
				r.place, r.via = chained, from.name
			}
		}
		if r.place != own {
			names[r.name] = true
			continue
		}
		label := labelOf(r.name)
		if labels[label] {
			label += "_" + r.account
		}
		for n, base := 2, label; labels[label]; n++ {
			label = base + "_" + strconv.Itoa(n)
		}
		labels[label] = true
		r.label = label
	}
}

// plainStep reports whether module host-roles can say all of a step: at most one
// external id.
func plainStep(s Step) bool { return len(s.ExternalIDs) == 0 || len(s.ExternalIDs) == 1 && !s.Plain }

// labelOf makes an identifier of a role's name.
func labelOf(name string) string {
	label := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, name)
	if label[0] >= '0' && label[0] <= '9' {
		label = "role_" + label
	}
	return label
}

func alias(account string) string { return "a" + account }

func (p *plan) header(b *strings.Builder) {
	fmt.Fprintf(b, "# The roles of a host's workloads, made from its mantle.hcl.\n\n")
	fmt.Fprintf(b, "terraform {\nrequired_version = \">= 1.5\"\nrequired_providers {\naws = {\nsource = \"hashicorp/aws\"\nversion = \">= 5.0\"\n}\n}\n}\n\n")
	if len(p.accounts) > 1 {
		fmt.Fprintf(b, "variable \"profiles\" {\ndescription = \"Profiles of the shared AWS configuration that administer the accounts, by account id.\"\ntype = map(string)\n")
		fmt.Fprintf(b, "validation {\ncondition = length(setsubtract([%s], keys(var.profiles))) == 0\nerror_message = \"Name a profile for each of %s.\"\n}\n}\n\n", quotedList(p.accounts), strings.Join(p.accounts, ", "))
	}
	for i, account := range p.accounts {
		b.WriteString("provider \"aws\" {\n")
		if i > 0 {
			fmt.Fprintf(b, "alias = %s\n", quoted(alias(account)))
		}
		if len(p.accounts) > 1 {
			fmt.Fprintf(b, "profile = var.profiles[%s]\n", quoted(account))
		}
		if p.setup.Region != "" {
			fmt.Fprintf(b, "region = %s\n", quoted(p.setup.Region))
		}
		fmt.Fprintf(b, "allowed_account_ids = [%s]\n}\n\n", quoted(account))
	}
}

// hostModule makes the host's role, and the roles that only it leads to.
func (p *plan) hostModule(b *strings.Builder) {
	fmt.Fprintf(b, "module \"host_roles\" {\nsource = %s\n", quoted(p.setup.Source+"/host-roles"))
	if p.setup.Exists {
		fmt.Fprintf(b, "host_role_arn = %s\n", quoted(p.host.arn))
	} else {
		fmt.Fprintf(b, "name = %s\n", quoted(p.host.name))
		if p.host.path != "/" {
			fmt.Fprintf(b, "path = %s\n", quoted(p.host.path))
		}
	}
	var roles, targets strings.Builder
	for _, r := range p.roles {
		switch {
		case r.place != own:
			fmt.Fprintf(&roles, "%s = {\n", quoted(r.name))
			if r.path != "/" {
				fmt.Fprintf(&roles, "path = %s\n", quoted(r.path))
			}
			if r.via != "" {
				fmt.Fprintf(&roles, "via = %s\n", quoted(r.via))
			}
			flags(&roles, r.steps[0])
			roles.WriteString("# policies = { … } # what the workload may do\n}\n")
		default:
			for _, st := range r.steps {
				if st.From != "" {
					continue
				}
				fmt.Fprintf(&targets, "%s = {\narn = %s\n", quoted(r.label), quoted(r.arn))
				flags(&targets, st)
				targets.WriteString("}\n")
			}
		}
	}
	if roles.Len() > 0 {
		fmt.Fprintf(b, "roles = {\n%s}\n", roles.String())
	}
	if targets.Len() > 0 {
		fmt.Fprintf(b, "targets = {\n%s}\n", targets.String())
	}
	b.WriteString("}\n\n")
}

// flags writes what a step sends along.
func flags(b *strings.Builder, s Step) {
	if len(s.ExternalIDs) == 1 && !s.Plain {
		fmt.Fprintf(b, "external_id = %s\n", quoted(s.ExternalIDs[0]))
	}
	if len(s.TagKeys) > 0 {
		b.WriteString("session_tags = true\n")
	}
	if len(s.SourceIdentities) > 0 {
		b.WriteString("source_identity = true\n")
	}
}

// roleModule makes a role that other roles lead to as well, or that is in
// another account.
func (p *plan) roleModule(b *strings.Builder, r *made) {
	fmt.Fprintf(b, "module %s {\nsource = %s\n", quoted(r.label), quoted(p.setup.Source+"/assumable-role"))
	if r.account != p.host.account {
		fmt.Fprintf(b, "providers = { aws = aws.%s }\n", alias(r.account))
	}
	fmt.Fprintf(b, "name = %s\n", quoted(r.name))
	if r.path != "/" {
		fmt.Fprintf(b, "path = %s\n", quoted(r.path))
	}
	var principals, callers []string
	all := Step{}
	for _, st := range r.steps {
		principals = append(principals, p.reference(st.From))
		if from := p.find(st.From); from != nil && from.account == r.account {
			callers = append(callers, fmt.Sprintf("%s = %s", quoted(from.name), quoted(from.name)))
		}
		all.ExternalIDs = append(all.ExternalIDs, st.ExternalIDs...)
		all.Plain = all.Plain || st.Plain
		all.TagKeys = append(all.TagKeys, st.TagKeys...)
		all.SourceIdentities = append(all.SourceIdentities, st.SourceIdentities...)
	}
	fmt.Fprintf(b, "principals = [%s]\n", strings.Join(principals, ", "))
	if len(callers) > 0 {
		fmt.Fprintf(b, "caller_roles = { %s }\n", strings.Join(callers, ", "))
	}
	slices.Sort(all.ExternalIDs)
	all.ExternalIDs = slices.Compact(all.ExternalIDs)
	if len(all.ExternalIDs) > 1 && !all.Plain {
		fmt.Fprintf(b, "conditions = [{ test = \"StringEquals\", variable = \"sts:ExternalId\", values = [%s] }]\n", quotedList(all.ExternalIDs))
		all.ExternalIDs = nil
	}
	flags(b, all)
	b.WriteString("# policies = { … } # what the workload may do\n}\n\n")

	// Callers of other accounts get their half there.
	for _, st := range r.steps {
		from := p.find(st.From)
		if from == nil || from.account == r.account {
			continue
		}
		fmt.Fprintf(b, "resource \"aws_iam_role_policy\" %s {\n", quoted(labelOf(from.name)+"_to_"+r.label))
		if from.account != p.host.account {
			fmt.Fprintf(b, "provider = aws.%s\n", alias(from.account))
		}
		fmt.Fprintf(b, "name = %s\nrole = reverse(split(\"/\", %s))[0]\npolicy = module.%s.caller_policy\n}\n\n", quoted("Assume-"+r.account+"-"+r.name), p.reference(st.From), r.label)
	}
}

func (p *plan) find(arn string) *made {
	for _, r := range p.roles {
		if r.arn == arn {
			return r
		}
	}
	return nil
}

// reference is the expression for the ARN of a role, so that Terraform makes it
// before those that name it.
func (p *plan) reference(arn string) string {
	r := p.find(arn)
	switch {
	case arn == "" || r == nil:
		return "module.host_roles.host_role_arn"
	case r.place == own:
		return "module." + r.label + ".role_arn"
	}
	return "module.host_roles.role_arns[" + quoted(r.name) + "]"
}

func (p *plan) outputs(b *strings.Builder) {
	b.WriteString("output \"host_role_arn\" {\ndescription = \"The host's role.\"\nvalue = module.host_roles.host_role_arn\n}\n")
	if !p.setup.Exists {
		b.WriteString("\noutput \"instance_profile_name\" {\ndescription = \"The instance profile to launch the host with.\"\nvalue = module.host_roles.instance_profile_name\n}\n")
	}
}

// quoted writes a Terraform string.
func quoted(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

func quotedList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quoted(s)
	}
	return strings.Join(out, ", ")
}
