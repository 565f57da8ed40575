// Package ecs is the sandbox's Elastic Container Service: clusters, task
// definitions, services, tasks and container instances.
//
// A call goes through the files in this order: operations.go is the table,
// call.go opens the transaction, names.go reads what the parameters refer
// to, checks.go lists the permissions, and one file for each kind of
// resource answers: clusters.go, definitions.go (with defaults.go for what
// ECS fills in, validate.go for what it refuses and abilities.go for what a
// definition can run on), services.go with deployments.go and
// scheduler.go, tasks.go with launch.go, instances.go, tags.go and
// settings.go. lookup.go is for the server, which runs the tasks.
//
// Nothing happens in the background. A task is RUNNING in the answer to
// RunTask, or STOPPED if a role of it cannot be assumed; a service has its
// tasks when the call that asked for them returns. Containers are not
// started here: the server looks a task up, runs it, and says when it ended.
//
// Rules and texts follow the Amazon ECS API Reference and Developer Guide,
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/.
package ecs
