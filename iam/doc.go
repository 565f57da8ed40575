// Package iam reads AWS IAM policies, decides requests against them, and says why.
//
// # The language
//
// A policy is a list of statements. A statement has an Effect, Allow or Deny, and
// says which actions on which resources it is about, under which conditions, and,
// when it is attached to a resource, for whom:
//
//	{
//	  "Version": "2012-10-17",
//	  "Statement": [{
//	    "Sid": "OwnFolder",
//	    "Effect": "Allow",
//	    "Action": ["s3:GetObject", "s3:PutObject"],
//	    "Resource": "arn:aws:s3:::homes/${aws:username}/*",
//	    "Condition": {"Bool": {"aws:SecureTransport": "true"}}
//	  }]
//	}
//
// Actions ignore case; "*" stands for any characters and "?" for one. Resources are
// ARNs, whose wildcards stay inside one of the six fields. A variable such as
// ${aws:username} stands for a value of the request, and only in documents that say
// they are of version 2012-10-17: in others the same text is just text. All
// conditions of a statement must hold; of the values of one key one must match, or
// none if the operator is negated. A condition on a key that the request does not
// have fails, unless the operator is negated or ends in IfExists.
//
// # The decision
//
// A request is a principal, an action, a resource and a [Context] of condition keys.
// Many policies have a say in it, and each set of them is a layer:
//
//	service control policies    what an account may do at all, level by level
//	resource control policies   what may be done to an account's resources
//	VPC endpoint policy         what may pass through an endpoint
//	resource or trust policy    whom a resource lets in
//	permissions boundary        the most a user or role can have
//	session policies            the most one session can have
//	identity policies           what a user or role may do
//
// Three laws decide:
//
//  1. A Deny that applies, in any layer, denies.
//  2. Within an account, a grant by identity policies or by the resource's policy is
//     enough, as long as no layer that limits stays silent. How much still limits a
//     grant by the resource depends on how closely it names the caller: see [Grant].
//  3. Across accounts both sides must grant.
//
// Role trust policies and the policies of KMS keys are resource policies without
// which identity policies grant nothing. Assuming a role is up to three requests:
// see [Policies.DecideAssume].
//
// Where AWS documents no answer the package chooses, in most cases the reading that
// allows less. DESIGN.md lists the choices.
//
// # The API
//
// [Parse] compiles a document once; a [Policy] never changes and may be shared.
// [Policies] gathers the layers for a request, [Policies.Decide] answers it without
// allocating, and [Policies.Explain] answers it again with every step, near misses
// included. [DenialMessage] says it in the words of AWS. [Validate] answers another
// question: whether AWS would store a document at all, and with which error it
// would refuse.
//
// The files, in the order of the steps: json.go, document.go and parse.go read;
// pattern.go, action.go, resource.go, value.go, condition.go, principal.go and
// statement.go compile and match; index.go finds statements; decide.go and assume.go
// decide; explain.go and message.go speak; validate.go stands apart, as does match.go,
// which matches single patterns for readers of policies. DESIGN.md tells
// how compiling, finding and explaining work.
//
// The package performs no I/O and keeps no state.
package iam
