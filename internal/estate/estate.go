// Package estate gathers what is known of some AWS accounts in one picture,
// wherever it comes from: a running sandbox, files of account details, a
// Terraform plan, state or configuration, or a live account.
//
// Questions are asked of an [Estate] and have the same answer for each source.
// What a source does not say is listed as unknown; nothing is guessed.
//
// Ids that AWS makes up are stand-ins where the source is Terraform that was not
// applied yet: see package tf. A policy that mentions one of a resource that is
// about to be made is known: nothing else can have that id. A policy with a
// stand-in for something that exists already (a data source) concerns whom it is
// attached to, in Unknown.
//
// The files, in order: builder.go how entities are put together; terraform.go,
// terraform_resources.go and terraform_uses.go [FromWorld]; details.go
// [FromDetails] and organizations; live.go and live_resources.go [FromAccount],
// which reads sandboxes and accounts by the API; merge.go [Merge].
package estate

import (
	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/internal/tf"
)

// Estate is the picture.
type Estate struct {
	// Source says where it comes from, for people: "sandbox http://127.0.0.1:4566",
	// "plan.json", "examples/ecs-cross-account".
	Source []string

	// Accounts by 12-digit id. The entities of Terraform resources whose account
	// is not known are in the account with id [Here].
	Accounts map[string]*account.Account

	// Names are what people call accounts ("dev"), by id.
	Names map[string]string

	// SCPs and RCPs are the policies over each account, by account id: one entry
	// for each level from the root of the organization down to the account.
	SCPs, RCPs map[string][][]*iam.Policy

	// Resources are what has, or could have, a policy of its own.
	Resources []Resource

	// Uses says who uses roles: instances, task definitions, services.
	Uses []Use

	// Written says where policies were written, by policy. A policy that is not
	// in it came without a place (a sandbox, a live account).
	Written map[*iam.Policy]Written

	// Entities says where roles, users and profiles were written, by ARN.
	Entities map[string]tf.Range

	// Unknown are the things that the sources do not say.
	Unknown []tf.Unknown

	// Terraform is the configuration that the estate was read from, nil if
	// there is none.
	Terraform []*tf.World

	index map[string][]int // places in Unknown, by address
	count int              // how many of them are in index
}

// Here is the account id that stands for "the account this is applied in" where
// a source does not say which that is.
const Here = tf.Here

// Resource is a thing that requests act on.
type Resource struct {
	ARN     string
	Account string
	Type    string      // "s3:bucket", "dynamodb:table", "kms:key", "ecr:repository", "secretsmanager:secret"
	Policy  *iam.Policy // nil if it has none
	Key     string      // ARN of the KMS key that it is encrypted with, "" if AWS's own or none
	Where   tf.Range
}

// Use is a use of a role by something that runs.
type Use struct {
	Role    string // ARN of the role
	Kind    string // "instance", "instance profile", "task role", "execution role", "launch template", "service"
	Name    string // "i-0abc…", "web:7", "aws_instance.web"
	Account string
	Where   tf.Range
}

// Written is where a policy was written.
type Written struct {
	tf.Range
	Address   string // of the Terraform resource or data source
	Attribute string // of the resource: "assume_role_policy"
	// Statements are the places of the policy's statements, in order; empty if
	// only the whole is known.
	Statements []tf.Range
}
