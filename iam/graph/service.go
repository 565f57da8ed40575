package graph

// A Service is one way to make an AWS service act as a role that the caller
// passes to it.
type Service struct {
	// Principal is the service principal that the role's trust policy must
	// allow, and that iam:PassRole sees as iam:PassedToService.
	Principal string

	// Calls are the actions that the caller needs besides iam:PassRole, all of
	// them.
	Calls []Call

	// Profile says that the role is used through an instance profile. A role
	// without one must first be added to one.
	Profile bool
}

// A Call is an action and what it acts on.
type Call struct {
	Action string

	// Resources are ARNs of what the action needs, one for each type, all of which
	// it must be allowed on: {partition} and {account} stand for those of the
	// caller, (any) for what is the caller's to choose. No policy names that, so
	// what allows it allows all; what allows only some makes a condition. "*" is
	// for actions without resource-level permissions.
	Resources []string
}

// Services lists the ways that the graph knows, in the order of preference when
// several lead to the same role.
//
// The actions and their resource types are those of the Service Authorization
// Reference (https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html),
// the principals those of "AWS services that work with IAM" and of the services'
// own pages on their roles. For iam:PassRole see "Grant a user permissions to
// pass a role to an AWS service" in the IAM User Guide.
func Services() []Service {
	one := func(principal string, calls ...Call) Service { return Service{Principal: principal, Calls: calls} }
	on := func(action, resource string) Call { return Call{action, []string{resource}} }
	arn := func(service, resource string) string {
		return "arn:{partition}:" + service + ":(any):{account}:" + resource
	}
	task := arn("ecs", "task-definition/(any):1")
	project := arn("codebuild", "project/(any)")
	machine := arn("states", "stateMachine:(any)")
	job := arn("glue", "job/(any)")
	return []Service{
		{Principal: "ec2.amazonaws.com", Profile: true, Calls: []Call{{"ec2:RunInstances", []string{
			arn("ec2", "instance/(any)"), arn("ec2", "volume/(any)"), arn("ec2", "network-interface/(any)"),
			arn("ec2", "subnet/(any)"), arn("ec2", "security-group/(any)"), "arn:{partition}:ec2:(any)::image/(any)",
		}}}},
		{Principal: "ec2.amazonaws.com", Profile: true, Calls: []Call{on("ec2:AssociateIamInstanceProfile", arn("ec2", "instance/(any)"))}},
		// A task's overrides may name another task role, which is passed anew.
		one("ecs-tasks.amazonaws.com", on("ecs:RunTask", task)),
		one("ecs-tasks.amazonaws.com", on("ecs:StartTask", task)),
		one("ecs-tasks.amazonaws.com", on("ecs:RegisterTaskDefinition", task), on("ecs:CreateService", arn("ecs", "service/(any)/(any)"))),
		one("ecs-tasks.amazonaws.com", on("ecs:RegisterTaskDefinition", task), on("ecs:UpdateService", arn("ecs", "service/(any)/(any)"))),
		// Creating a function is enough: what runs it may be an event of the
		// caller's making.
		one("lambda.amazonaws.com", on("lambda:CreateFunction", arn("lambda", "function:(any)"))),
		one("lambda.amazonaws.com", on("lambda:UpdateFunctionConfiguration", arn("lambda", "function:(any)"))),
		one("pods.eks.amazonaws.com", on("eks:CreatePodIdentityAssociation", arn("eks", "cluster/(any)"))),
		one("cloudformation.amazonaws.com", on("cloudformation:CreateStack", arn("cloudformation", "stack/(any)/(any)"))),
		one("cloudformation.amazonaws.com", on("cloudformation:UpdateStack", arn("cloudformation", "stack/(any)/(any)"))),
		one("codebuild.amazonaws.com", on("codebuild:CreateProject", project), on("codebuild:StartBuild", project)),
		one("codebuild.amazonaws.com", on("codebuild:UpdateProject", project), on("codebuild:StartBuild", project)),
		one("codepipeline.amazonaws.com", on("codepipeline:CreatePipeline", arn("codepipeline", "(any)"))),
		one("states.amazonaws.com", on("states:CreateStateMachine", machine), on("states:StartExecution", machine)),
		one("glue.amazonaws.com", on("glue:CreateJob", job), on("glue:StartJobRun", job)),
		one("glue.amazonaws.com", on("glue:CreateDevEndpoint", arn("glue", "devEndpoint/(any)"))),
		one("sagemaker.amazonaws.com", on("sagemaker:CreateNotebookInstance", arn("sagemaker", "notebook-instance/(any)"))),
		one("sagemaker.amazonaws.com", on("sagemaker:CreateTrainingJob", arn("sagemaker", "training-job/(any)"))),
		one("sagemaker.amazonaws.com", on("sagemaker:CreateProcessingJob", arn("sagemaker", "processing-job/(any)"))),
		one("ssm.amazonaws.com", on("ssm:StartAutomationExecution", arn("ssm", "automation-definition/(any):1"))),
		one("scheduler.amazonaws.com", on("scheduler:CreateSchedule", arn("scheduler", "schedule/default/(any)"))),
		one("events.amazonaws.com", on("events:PutTargets", arn("events", "rule/(any)"))),
	}
}

// maxServices is how many ways fit in the set that every principal carries.
const maxServices = 64
