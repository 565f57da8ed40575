package broker

import (
	"log/slog"
	"strings"
)

// Container is the container that a caller lives in, as its runtime describes
// it. Whoever may start containers chose all of it but ID.
type Container struct {
	// Runtime is who runs it: "docker", "podman", "containerd" or "cri-o".
	Runtime string

	// ID is the runtime's full identifier, 64 hexadecimal digits as a rule.
	ID string

	// Name is the container's name, Image the reference of its image as it was
	// asked for ("nginx:1.29", "registry.example/team/web@sha256:…").
	Name, Image string

	// Labels are the container's labels; Docker Compose writes project and
	// service there.
	Labels map[string]string
}

// Labels of Docker Compose,
// https://github.com/compose-spec/compose-spec/blob/main/spec.md.
const (
	LabelComposeProject = "com.docker.compose.project"
	LabelComposeService = "com.docker.compose.service"
)

// Project and Service are what Docker Compose calls the container, "" if it did
// not start it.
func (c *Container) Project() string { return c.Labels[LabelComposeProject] }

// Service is the service of Docker Compose, see Project.
func (c *Container) Service() string { return c.Labels[LabelComposeService] }

// LogValue writes the container without its labels, which may hold anything.
func (c *Container) LogValue() slog.Value {
	return attributes("runtime", c.Runtime, "id", c.ID, "name", c.Name, "image", c.Image,
		"compose_project", c.Project(), "compose_service", c.Service())
}

// Task is the task of Amazon ECS that a caller's container belongs to.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definitions.html
type Task struct {
	// ARN is the task's, Cluster the name of its cluster.
	ARN, Cluster string

	// Family and Revision are the task definition's.
	Family, Revision string

	// Container is the name of the container in the task definition.
	Container string
}

// ID is the last part of the task's ARN. A task that is started again has
// another.
func (t *Task) ID() string { return t.ARN[strings.LastIndexByte(t.ARN, '/')+1:] }

// LogValue writes the task as attributes.
func (t *Task) LogValue() slog.Value {
	return attributes("arn", t.ARN, "cluster", t.Cluster, "family", t.Family, "revision", t.Revision, "container", t.Container)
}

// Pod is the Kubernetes pod that a caller's container belongs to.
type Pod struct {
	// UID is unique in the cluster's life. Name is not: the pods of a stateful
	// set keep theirs.
	UID, Namespace, Name, ServiceAccount string

	// Container is the name of the container in the pod, "" if not known.
	Container string

	// Labels are the pod's labels.
	Labels map[string]string
}

// LogValue writes the pod without its labels, which may hold anything.
func (p *Pod) LogValue() slog.Value {
	return attributes("namespace", p.Namespace, "name", p.Name, "uid", p.UID, "service_account", p.ServiceAccount, "container", p.Container)
}

func attributes(pairs ...string) slog.Value {
	attrs := make([]slog.Attr, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			attrs = append(attrs, slog.String(pairs[i], pairs[i+1]))
		}
	}
	return slog.GroupValue(attrs...)
}

// Instance is what tells the container or pod that the caller lives in from all
// others, in space and time; "" twice for a process of the host.
func (c *Caller) Instance() (id, generation string) {
	switch {
	case c.Container != nil:
		return c.Container.ID, c.Generation
	case c.Pod != nil:
		return c.Pod.UID, c.Generation
	case c.Task != nil:
		return c.Task.ARN, c.Generation
	}
	return "", ""
}

// containerName is what the pod, the task or the runtime calls the container.
func (c *Caller) containerName() string {
	switch {
	case c.Pod != nil:
		return c.Pod.Container
	case c.Task != nil:
		return c.Task.Container
	case c.Container != nil && c.Container.Name != "":
		return c.Container.Name
	case c.Container != nil:
		return c.Container.ID
	}
	return ""
}
