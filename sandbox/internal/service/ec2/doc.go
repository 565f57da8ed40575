// Package ec2 is the part of the sandbox's EC2 that workloads, Terraform and
// IAM policies meet: networks, security groups, key pairs, images, launch
// templates, instances, and the instance profiles on them.
//
// Instances are records: nothing boots. What asynchronous operations of AWS
// reach after a while is reached at once; answers still name the first state
// (pending, shutting-down, associating), as AWS's do.
//
// Each account has in each region a default VPC with a subnet per zone, made
// on first use. Its ids are derived from account and region, so that the same
// account finds the same ids in every sandbox.
//
// The files, in the order in which a call meets them:
//
//	operations.go   the table
//	call.go         a call at work: rows, DryRun, transactions
//	checks.go context.go  the permissions and condition keys of a call
//	rows.go ids.go  what is stored, and under which ids
//	filters.go paging.go tags.go  what all resources share
//	regions.go defaults.go  zones, and the default VPC
//	vpc.go subnet.go routes.go gateways.go acls.go  networks
//	groups.go rules.go rulesets.go  security groups
//	keys.go images.go kinds.go templates.go  what instances are made of
//	launch.go run.go  RunInstances: the plan, its permissions, the records
//	instances.go attributes.go metadata.go profiles.go  instances
//	volumes.go interfaces.go  the devices of instances
//	lookup.go       what the rest of the sandbox asks of EC2
//
// Codes and texts are those of the EC2 API Reference,
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
package ec2
