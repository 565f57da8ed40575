// Package tf reads Terraform: configuration as it is written (.tf), plans and
// states as terraform show -json prints them.
//
// All three become the same thing, a [World] of resources whose values are known
// or marked unknown, and never guessed.
//
// # What is known of a configuration
//
// [Read] evaluates a folder of .tf files as terraform plan would with nothing
// but the files: variables, locals, functions, modules by path, count and
// for_each, and the policies of aws_iam_policy_document. It adds what follows
// from names: the ARN of a role, the id of a bucket.
//
// Ids that AWS makes up (of keys, of roles without a name) are known after
// apply. A stand-in, the address between « and », takes their place inside
// texts, so that a policy is not lost for one of them:
//
//	arn:aws:kms:eu-west-1:111122223333:key/«aws_kms_key.main»
//
// It is equal to itself and to nothing else; whether it equals a real id nobody
// knows. [StandIns] finds them.
//
// The files, in order: parse.go files and blocks; variable.go the values of
// variables; scope.go names and what they mean; evaluate.go expressions and why
// they are not known; module.go calls of modules; provider.go accounts and
// regions; resource.go instances and their attributes; computed.go what follows
// from names; data.go data sources; document.go aws_iam_policy_document;
// functions.go Terraform's functions; trace.go where policies are written;
// json.go, plan.go and state.go what terraform show prints.
package tf

import (
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Position is a place in a file.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line"`             // from 1; 0 if only the file is known
	Column int    `json:"column,omitempty"` // from 1, in characters; 0 if not known
}

// Range is a piece of a file, from byte Start up to but not including End.
type Range struct {
	Position
	Start, End int
}

// World is what Terraform manages or is about to manage.
type World struct {
	// Dir is the folder of the root module, "" of a plan or state whose folder
	// is not known.
	Dir string

	Resources []*Resource // managed and data resources, in the order of their addresses
	Providers []Provider
	Calls     []Call // of modules by the root module, as far as their number is known

	// Unknown are the things that could not be known and why; a question whose
	// answer needs one of them cannot be decided.
	Unknown []Unknown

	// Files holds the text of each file that a Position names.
	Files map[string][]byte
}

// Resource is one instance of a resource or data source.
type Resource struct {
	Address  string // "module.web.aws_iam_role.app[0]"
	Mode     string // "managed" or "data"
	Type     string // "aws_iam_role"
	Name     string // "app"
	Provider string // local address of its provider configuration: "aws", "aws.shared"

	// Values are the attributes and nested blocks: an object. Nested blocks are
	// tuples of objects. What is not known before apply is cty.UnknownVal, or
	// holds a stand-in; what is not set is null or absent.
	Values cty.Value

	// Uncertain says that count or for_each is not known: this stands for any
	// number of instances, none included.
	Uncertain bool

	// Change is what a plan does: "create", "update", "replace", "delete",
	// "read", "no-op"; "" if there is no plan.
	Change string

	// Account, Region and Partition are those of the resource's provider, if it
	// is one of AWS. The account is [Here] or another placeholder if not known
	// (see [Placeholder]); the region is "" if not known.
	Account, Region, Partition string

	// Where is the resource's block; zero of a state without configuration.
	Where Range

	// Documents says where the policies among the attributes were written, by
	// the paths of Attributes.
	Documents map[string]Document

	// Attributes are the places of attributes and nested blocks by path:
	// "assume_role_policy", "container_definitions", "metadata_options.http_tokens".
	Attributes map[string]Range

	// References are the addresses that each attribute mentions, by the same
	// paths, without instance keys: "aws_iam_role.app".
	References map[string][]string

	// DependsOn are the addresses of depends_on.
	DependsOn []string

	// Ignored are the rules that a comment "mantle:ignore RULE reason" above or
	// beside the block names, with their reasons.
	Ignored map[string]string
}

// Leaving reports whether the resource is there no more once the plan is applied.
func (r *Resource) Leaving() bool { return r.Change == "delete" }

// Document is where a policy was written.
type Document struct {
	Range
	Address string // of the resource or data source whose text it is
	// Statements are the places of its statements in order; empty if only the
	// whole is known.
	Statements []Range
}

// Provider is a configuration of the AWS provider.
type Provider struct {
	Address string // "aws", "aws.shared", "module.x.aws"
	Region  string // "" if not known
	Account string // from allowed_account_ids or an assumed role; a placeholder if not known
	Profile string // "" if none is named
	Role    string // ARN of the role that it assumes, "" if none
	Where   Range
}

// Call is one instance of a module that the root module calls.
type Call struct {
	Address string // `module.web`, `module.web["a"]`
	Name    string // "web"
	Dir     string // the module's folder, relative to that of the root module
	Where   Range

	// Arguments are what the call gives the module, and Outputs what it gets
	// back.
	Arguments map[string]cty.Value
	Outputs   map[string]Output
}

// Output is an output of a module.
type Output struct {
	Value cty.Value
	// References are the addresses that it comes from, without instance keys:
	// "module.web.aws_iam_role.app".
	References []string
}

// Unknown is something that cannot be known without an apply.
type Unknown struct {
	Where   Position
	Address string // of the resource, "" of a module or file
	Path    string // of the attribute
	Why     string // "the ARN of aws_s3_bucket.x is known after apply"

	// Concerns are the ARNs of the roles, users and resources whose policies it
	// leaves open: answers about them cannot be decided. An Unknown that
	// concerns nobody is only worth telling.
	Concerns []string

	// Wrong says that Terraform itself would refuse it, with or without an apply.
	Wrong bool
}

// Here is the account id that stands for the account of the default provider
// where nothing says which that is.
const Here = "000000000000"

// Placeholder reports whether an account id is [Here], or stands likewise for
// the account of a further provider with credentials of its own.
func Placeholder(account string) bool { return strings.HasPrefix(account, "0000000000") }

// StandIn is what takes the place of an id that is known after apply.
func StandIn(address string) string { return "«" + address + "»" }

// StandIns lists the addresses of the stand-ins in a text, each once.
func StandIns(text string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(text, "«")
		if !ok {
			return out
		}
		address, after, ok := strings.Cut(rest, "»")
		if !ok {
			return out
		}
		if !slices.Contains(out, address) {
			out = append(out, address)
		}
		text = after
	}
}
