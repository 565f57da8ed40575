package ask

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A Cause is one of the reasons for "ECS was unable to assume the role".
type Cause struct {
	Number int    `json:"number"`
	Name   string `json:"name"`

	// Holds is "yes" if this is why, "no" if it is not, "unknown" if the data
	// does not say.
	Holds  string `json:"holds"`
	Detail string `json:"detail"`
	Cure   string `json:"cure,omitempty"`
}

// A TaskCase is the inquiry into a task whose role ECS could not assume.
type TaskCase struct {
	Task      string  `json:"task,omitempty"`
	Role      string  `json:"role"`
	Execution string  `json:"executionRole,omitempty"`
	Causes    []Cause `json:"causes"`

	// Answer is the question whether ECS may take the role on; nil if there is no
	// such role.
	Answer *Answer `json:"answer,omitempty"`
}

// Found is the first cause that holds, nil if none does.
func (c *TaskCase) Found() *Cause {
	for i := range c.Causes {
		if c.Causes[i].Holds == "yes" {
			return &c.Causes[i]
		}
	}
	return nil
}

const ecsTasks = "ecs-tasks.amazonaws.com"

// propagation is how long a new role may be unknown to services.
const propagation = 15 * time.Minute

// ExplainECSTask tests the causes of "ECS was unable to assume the role" in order.
// name is a task definition (web, web:7, a Terraform address) or a role; by is who
// registers or runs it, "" if that is not known; now is the time.
func (a *Asker) ExplainECSTask(name, by string, now time.Time) (*TaskCase, error) {
	task, execution, found := a.taskUses(name)
	c := &TaskCase{Task: name, Role: task, Execution: execution}
	if task == "" && execution != "" {
		c.Role = execution // it is what ECS takes on
	}
	if task == "" && execution == "" {
		if !strings.HasPrefix(name, "arn:") {
			if _, err := a.roleNamed(name); err != nil {
				slices.Sort(found)
				return nil, &NameError{What: "task definition or role", Name: name, Candidates: found}
			}
		}
		c.Task, c.Role = "", name
	}
	add := func(name, holds, detail, cure string) {
		c.Causes = append(c.Causes, Cause{len(c.Causes) + 1, name, holds, detail, cure})
	}
	role, err := a.roleNamed(c.Role)
	if err != nil {
		cure := "make the role, or name one that exists"
		if e, ok := err.(*NameError); ok && len(e.Candidates) > 0 {
			cure = e.Hint()
		}
		if arn, e := iam.ParseARN(c.Role); e == nil && a.accounts[arn.Account] == nil {
			add("the role is missing", "unknown", "account "+arn.Account+" is not in the data", "a task takes roles of its own account only: chain into the other with a profile")
		} else {
			add("the role is missing", "yes", c.Role+" does not exist", cure)
		}
		return c, nil
	}
	c.Role = role.arn
	add("the role is missing", "no", a.Name(role.arn)+" exists", "")

	// The service says for whose task it asks; a role is for tasks of its own
	// account only.
	context := iam.NewContext()
	if !tf.Placeholder(role.account) {
		context.Set("aws:SourceAccount", role.account)
	}
	x, err := a.Ask(Question{Principal: ecsTasks, Action: "sts:AssumeRole", Resource: role.arn, Context: context})
	if err != nil {
		return nil, err
	}
	c.Answer = x
	switch x.Verdict {
	case Allowed:
		add("its trust policy does not name the service", "no", "it names "+ecsTasks, "")
	case IfConditions:
		add("its trust policy does not name the service", "unknown", "it names "+ecsTasks+", "+x.Reason, "for tasks aws:SourceArn is like arn:aws:ecs:REGION:ACCOUNT:*, and names no cluster")
	case Undecided:
		add("its trust policy does not name the service", "unknown", x.Reason, "")
	default:
		detail := "it does not name " + ecsTasks
		for st := range role.role.Trust.Statements() {
			for _, p := range st.Principals {
				if p.Kind == "Service" && st.Effect == iam.EffectAllow {
					detail = "it names " + p.Value + ", not " + ecsTasks
				}
			}
		}
		add("its trust policy does not name the service", "yes", detail, "let "+ecsTasks+" assume it")
	}
	a.swapped(c, role, add)
	a.passed(c, role, by, add)
	switch created := role.role.Created; {
	case created.IsZero():
		add("the role is too new", "unknown", "the data does not say when it was made", "wait some seconds and start the task again")
	case now.Sub(created) < propagation:
		add("the role is too new", "yes", "made "+now.Sub(created).Round(time.Second).String()+" ago; services may take up to "+propagation.String()+" to know it", "start the task again")
	default:
		add("the role is too new", "no", "made "+created.UTC().Format(time.DateOnly), "")
	}
	return c, nil
}

// swapped tells whether the task role has what the execution role should have.
func (a *Asker) swapped(c *TaskCase, role *person, add func(name, holds, detail, cure string)) {
	const name = "task role and execution role are swapped"
	execution := a.people[c.Execution]
	if c.Execution == "" || c.Execution == role.arn || execution == nil {
		add(name, "no", "there is one role only", "")
		return
	}
	pulls := func(p *person) bool {
		return slices.ContainsFunc(p.policies.Identity, func(x *iam.Policy) bool { return mentions(x, "ecr:getauthorizationtoken") })
	}
	if pulls(role) && !pulls(execution) {
		add(name, "yes", a.Name(role.arn)+" may pull images and "+a.Name(execution.arn)+" may not", "exchange taskRoleArn and executionRoleArn")
		return
	}
	add(name, "no", "the execution role is "+a.Name(execution.arn), "")
}

// passed tells whether whoever starts the task may pass the role.
func (a *Asker) passed(c *TaskCase, role *person, by string, add func(name, holds, detail, cure string)) {
	const name = "the role may not be passed"
	context := iam.NewContext()
	context.Set("iam:PassedToService", ecsTasks)
	if by != "" {
		x, err := a.Ask(Question{Principal: by, Action: "iam:PassRole", Resource: role.arn, Context: context})
		switch {
		case err != nil:
			add(name, "unknown", err.Error(), "")
		case x.Verdict == Allowed:
			add(name, "no", a.Name(x.Principal)+" may pass it", "")
		case x.Verdict == Denied:
			add(name, "yes", a.Name(x.Principal)+" may not: "+x.Reason, "allow iam:PassRole on "+role.arn+" to "+a.Name(x.Principal))
		default:
			add(name, "unknown", x.Reason, "")
		}
		return
	}
	crowd := a.direct(&Question{Action: "iam:PassRole", Context: context}, role.arn)
	var names []string
	for _, s := range crowd {
		names = append(names, a.Name(s.Principal))
	}
	const most = 3
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	if len(names) == 0 {
		// Whoever applies a configuration is seldom in it.
		add(name, "unknown", "nobody in the data may pass it: say who starts the task (--by)", "allow iam:PassRole on "+role.arn+" to whoever starts the task")
		return
	}
	add(name, "unknown", "say who starts the task (--by); may pass it: "+strings.Join(names, ", "), "")
}

// WriteTaskCase prints the causes.
func (a *Asker) WriteTaskCase(w io.Writer, c *TaskCase) {
	if found := c.Found(); found != nil {
		fmt.Fprintf(w, "cause %d of 5: %s\n", found.Number, found.Name)
	} else {
		fmt.Fprintln(w, "none of the five causes holds for certain")
	}
	for _, x := range c.Causes {
		mark := map[string]string{"yes": "✗", "no": "✓", "unknown": "?"}[x.Holds]
		fmt.Fprintf(w, "  %d %s %-44s %s\n", x.Number, mark, x.Name, x.Detail)
		if x.Cure != "" && x.Holds != "no" {
			fmt.Fprintf(w, "      %s\n", x.Cure)
		}
	}
}
