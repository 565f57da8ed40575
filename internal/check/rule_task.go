package check

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

func foreignTaskRole(in *Input, add func(Finding)) {
	for _, t := range in.facts.tasks {
		account := t.account
		if tf.Placeholder(account) {
			account = ""
		}
		for _, x := range []struct{ what, ref, path string }{{"task role", t.taskRole, "task_role_arn"}, {"execution role", t.execRole, "execution_role_arn"}} {
			a, err := iam.ParseARN(x.ref)
			if err != nil || a.Account == "" || tf.Placeholder(a.Account) {
				continue
			}
			if account == "" {
				account = a.Account // both roles are in one account at least
				continue
			}
			if a.Account == account {
				continue
			}
			at := t.where()
			if t.resource != nil {
				at = place(t.resource, x.path)
			}
			add(t.found(at, fmt.Sprintf("the %s of %s is in account %s, and the task in %s", x.what, t.name, a.Account, account),
				"give the task a role of its own account that may assume "+x.ref+", and let the program do so (an AWS profile, or mantle run --role)"))
		}
	}
}

func executionRoleMissing(in *Input, add func(Finding)) {
	for _, t := range in.facts.tasks {
		if t.execRole != "" || t.openExec {
			continue
		}
		for _, c := range t.containers {
			why := ""
			at := t.at(c.node)
			switch {
			case c.private:
				why = "credentials for a private registry"
			case len(c.secrets) > 0:
				why = "the secret " + c.secrets[0].name
				at = t.at(c.secrets[0].node)
			case t.fargate && strings.Contains(c.image, ".dkr.ecr."):
				why = "an image of ECR on Fargate"
			case t.fargate && c.log == "awslogs":
				why = "the log driver awslogs on Fargate"
			}
			if why != "" {
				add(t.found(at, fmt.Sprintf("container %s has %s and the task no execution role: When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.", c.name, why), "set executionRoleArn to a role that trusts ecs-tasks.amazonaws.com and has AmazonECSTaskExecutionRolePolicy"))
				break
			}
		}
	}
}

func sameRoles(in *Input, add func(Finding)) {
	for _, t := range in.facts.tasks {
		same := t.taskRole != "" && t.taskRole == t.execRole
		if t.resource != nil && !same {
			a, b := references(t.resource, "task_role_arn"), references(t.resource, "execution_role_arn")
			same = len(a) == 1 && slices.Equal(a, b) && strings.HasPrefix(plain(a[0]), "aws_iam_role.") && (t.openRole || t.taskRole == "") && (t.openExec || t.execRole == "")
		}
		if !same {
			continue
		}
		at := t.where()
		if t.resource != nil {
			at = place(t.resource, "execution_role_arn")
		}
		add(t.found(at, t.name+" has one role for itself and for the ECS agent: the program can read every secret that the agent can", "give the task a role of its own"))
	}
}

func secretRefused(in *Input, add func(Finding)) {
	for _, t := range in.facts.tasks {
		if t.execRole == "" {
			continue
		}
		r := in.facts.role(t.execRole, "")
		for _, c := range t.containers {
			for _, s := range c.secrets {
				action, arn := secretAction(s.from, t)
				if action == "" {
					continue
				}
				at := t.at(s.node)
				if r == nil {
					add(Finding{Where: at, Address: t.address, Needs: "the policies of execution role " + t.execRole})
					continue
				}
				able := r.may(action, arn)
				for _, region := range r.regions() {
					// A name says no region; any that the role is allowed in will do.
					if able != yes && strings.Contains(arn, anyRegion) {
						able = r.may(action, strings.Replace(arn, anyRegion, ":"+region+":", 1))
					}
				}
				arn = strings.Replace(arn, anyRegion, ":*:", 1)
				switch able {
				case unknown:
					add(Finding{Where: at, Address: t.address, Needs: strings.Join(r.missing, ", ")})
				case no:
					add(t.found(at, fmt.Sprintf("%s, the execution role, may not %s on %s: ResourceInitializationError ahead", r.title(), action, s.from),
						fmt.Sprintf(`allow it: {"Effect":"Allow","Action":%q,"Resource":%q}`, action, arn)))
				}
			}
		}
	}
}

// anyRegion stands in an ARN for a region that is not known.
const anyRegion = ":REGION:"

// regions are those that the role's policies name.
func (r *role) regions() (out []string) {
	for _, p := range r.policies {
		for s := range p.Statements() {
			for _, x := range s.Resources {
				if a, err := iam.ParseARN(x); err == nil && a.Region != "" && !slices.Contains(out, a.Region) {
					out = append(out, a.Region)
				}
			}
		}
	}
	return out
}

// secretAction is what the agent does to read a secret: names without an ARN
// are parameters of the same account and region.
func secretAction(from string, t *task) (action, arn string) {
	a, err := iam.ParseARN(from)
	switch {
	case err != nil && from != "" && !strings.Contains(from, ":"):
		account := t.account
		if r, err := iam.ParseARN(t.execRole); err == nil {
			account = r.Account
		}
		region := anyRegion
		if t.resource != nil && t.resource.Region != "" {
			region = ":" + t.resource.Region + ":"
		}
		return "ssm:GetParameters", "arn:aws:ssm" + region + account + ":parameter/" + strings.TrimPrefix(from, "/")
	case a.Service == "ssm":
		return "ssm:GetParameters", from
	case a.Service == "secretsmanager":
		// arn:…:secret:NAME-SUFFIX:json-key:version-stage:version-id
		parts := strings.Split(a.Resource, ":")
		if len(parts) > 2 {
			a.Resource = strings.Join(parts[:2], ":")
		}
		return "secretsmanager:GetSecretValue", a.String()
	}
	return "", ""
}

var execActions = []string{"ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"}

func execRefused(in *Input, add func(Finding)) {
	for _, w := range in.facts.worlds {
		x := in.facts.index[w]
		for _, s := range x.types["aws_ecs_service"] {
			if on, _ := str(s.Values, "enable_execute_command"); on != "true" {
				continue
			}
			t := in.taskOf(x, s)
			if t == nil {
				add(Finding{Where: place(s, "enable_execute_command"), Address: s.Address, Needs: "the task definition of the service"})
				continue
			}
			if t.taskRole == "" && !t.openRole {
				add(Finding{Where: place(s, "enable_execute_command"), Address: s.Address, Message: t.name + " has no task role, and ECS Exec needs one: TargetNotConnectedException ahead",
					Cure: "give it a task role that may " + strings.Join(execActions, ", ")})
				continue
			}
			r := in.facts.role(t.taskRole, "")
			if r == nil {
				for _, y := range x.referred(t.resource, "task_role_arn") {
					if name, _ := str(y.Values, "name"); y.Type == "aws_iam_role" && name != "" {
						r = in.facts.role(name, "")
					}
				}
			}
			if r == nil {
				add(Finding{Where: place(s, "enable_execute_command"), Address: s.Address, Needs: "the policies of the task role of " + t.name})
				continue
			}
			var lacks []string
			open := false
			for _, a := range execActions {
				switch r.may(a, "*") {
				case no:
					lacks = append(lacks, a)
				case unknown:
					open = true
				}
			}
			switch {
			case len(lacks) > 0:
				add(Finding{Where: place(s, "enable_execute_command"), Address: s.Address,
					Message: fmt.Sprintf("ECS Exec is on, and %s, the task role, lacks %s: TargetNotConnectedException ahead", r.title(), strings.Join(lacks, ", ")),
					Cure:    `allow it: {"Effect":"Allow","Action":["` + strings.Join(execActions, `","`) + `"],"Resource":"*"}`})
			case open:
				add(Finding{Where: place(s, "enable_execute_command"), Address: s.Address, Needs: strings.Join(r.missing, ", ")})
			}
		}
	}
}

// taskOf is the task definition of a service.
func (in *Input) taskOf(x *index, s *tf.Resource) *task {
	ref, _ := str(s.Values, "task_definition")
	family, _, _ := strings.Cut(ref[strings.LastIndexByte(ref, '/')+1:], ":")
	referred := x.referred(s, "task_definition")
	for _, t := range in.facts.tasks {
		if t.world != x.world {
			continue
		}
		if slices.Contains(referred, t.resource) || family != "" && t.name == "task "+family {
			return t
		}
	}
	return nil
}

func keysInContainer(in *Input, add func(Finding)) {
	for _, t := range in.facts.tasks {
		if t.taskRole == "" && !t.openRole {
			continue
		}
		for _, c := range t.containers {
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
				if v, ok := c.get(name); ok {
					add(t.found(t.at(v.node), fmt.Sprintf("container %s sets %s: the task role is never used", c.name, name), "remove it; the SDK finds the task role by itself"))
					break
				}
				if slices.ContainsFunc(c.secrets, func(s secret) bool { return s.name == name }) {
					add(t.found(t.at(c.node), fmt.Sprintf("container %s gets %s from a secret: the task role is never used", c.name, name), "remove it; the SDK finds the task role by itself"))
					break
				}
			}
			v, ok := c.get("AWS_PROFILE")
			_, config := c.get("AWS_CONFIG_FILE")
			_, shared := c.get("AWS_SHARED_CREDENTIALS_FILE")
			mounted := slices.ContainsFunc(c.mounts, func(m string) bool { return strings.Contains(m, ".aws") || strings.HasPrefix(m, "/etc/aws") })
			if ok && !config && !shared && !mounted {
				f := t.found(t.at(v.node), fmt.Sprintf("container %s sets AWS_PROFILE=%s and no file with profiles is mounted: unless the image has one, every call fails", c.name, v.value), "remove it, or mount the file at ~/.aws of the container's user")
				f.Severity = Warning
				add(f)
			}
		}
	}
}

func containerInstanceRole(in *Input, add func(Finding)) {
	in.machines(func(x *index, m *tf.Resource) {
		script, _ := in.script(m, x.world)
		if !strings.Contains(script, "ECS_CLUSTER") {
			return
		}
		r := in.roleOfMachine(x, m)
		if r == nil {
			add(Finding{Where: head(m), Address: m.Address, Needs: "the role in the instance profile of " + m.Address})
			return
		}
		switch r.may("ecs:RegisterContainerInstance", "arn:aws:ecs:us-east-1:"+r.account+":cluster/x") {
		case unknown:
			add(Finding{Where: head(m), Address: m.Address, Needs: strings.Join(r.missing, ", ")})
		case no:
			// A statement about another cluster would match with that name.
			if strings.Contains(documentTexts(r), "ecs:registercontainerinstance") {
				return
			}
			f := Finding{Where: place(m, strings.Split(profilePath(m), ".")[0]), Address: m.Address,
				Message: fmt.Sprintf("a container instance whose %s may not register: the agent's log will say AccessDeniedException … is not authorized to perform: ecs:RegisterContainerInstance", r.title()),
				Cure:    "attach arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role to it"}
			if r.where.File != "" {
				f.Related = []Related{{r.where, "the role"}}
			}
			add(f)
		}
	})
}

func documentTexts(r *role) string {
	var b strings.Builder
	for _, p := range r.policies {
		b.WriteString(strings.ToLower(p.Source()))
	}
	return b.String()
}

// roleOfMachine is the role in a machine's instance profile.
func (in *Input) roleOfMachine(x *index, m *tf.Resource) *role {
	path := profilePath(m)
	var profile *tf.Resource
	for _, y := range x.referred(m, strings.Split(path, ".")[0]) {
		if y.Type == "aws_iam_instance_profile" {
			profile = y
		}
	}
	if name, _ := str(m.Values, path); profile == nil && name != "" {
		profile = x.named("aws_iam_instance_profile", "name", name)
		if profile == nil {
			for _, r := range in.facts.roles {
				for _, p := range r.profiles {
					if p.Name == name {
						return r
					}
				}
			}
		}
	}
	if profile == nil {
		return nil
	}
	if name, _ := str(profile.Values, "role"); name != "" {
		return in.facts.role(name, "")
	}
	return nil
}

// hosts are the container instances of a configuration: how many, and one that
// does not serve task roles to the host's network.
type hosts struct {
	n   int
	off string
}

func hostNetworkRole(in *Input, add func(Finding)) {
	all := map[*tf.World]hosts{}
	in.machines(func(x *index, m *tf.Resource) {
		if script, _ := in.script(m, x.world); strings.Contains(script, "ECS_CLUSTER") {
			h := all[x.world]
			h.n++
			if !strings.Contains(script, "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=true") {
				h.off = m.Address
			}
			all[x.world] = h
		}
	})
	for _, t := range in.facts.tasks {
		if t.network != "host" || t.fargate || t.taskRole == "" && !t.openRole {
			continue
		}
		hosts, off := 0, ""
		for w, h := range all {
			if w == t.world || t.world == nil {
				hosts += h.n
				off = cmp.Or(off, h.off)
			}
		}
		at := t.where()
		if t.resource != nil {
			at = place(t.resource, "network_mode")
		}
		switch {
		case hosts == 0:
			add(Finding{Where: at, Address: t.address, Needs: "the user data of the container instances"})
		case off != "":
			add(t.found(at, fmt.Sprintf("%s shares the host's network, and %s does not set ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST: it gets the instance role", t.name, off),
				"add ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=true to /etc/ecs/ecs.config"))
		}
	}
}

var hidesEnvironment = regexp.MustCompile(`(^|[\s;&|/])(env -i|sudo (?:-[a-zA-Z]+ )*\w|su -|su --login|sshd|crond?)( |$)`)

func hiddenVariable(in *Input, add func(Finding)) {
	for _, t := range in.facts.tasks {
		if t.taskRole == "" && !t.openRole {
			continue
		}
		for _, c := range t.containers {
			m := hidesEnvironment.FindStringSubmatch(strings.Join(c.run, " ") + " ")
			if m == nil || strings.Contains(strings.Join(c.run, " "), "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
				continue
			}
			add(t.found(t.at(c.node.get("command")), fmt.Sprintf("container %s starts its program through %q, which does not hand on AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: the SDK falls back to the instance's role", c.name, strings.TrimSpace(m[2])),
				"export it there, from /proc/1/environ if need be"))
		}
	}
}
