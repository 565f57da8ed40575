// Package graph answers who can become whom: which users, roles, services and
// identity providers can assume a role, directly, through the role's account,
// by handing the role to a service, or along a chain of roles.
//
//	g, err := graph.Build(accounts...)
//	paths, err := g.WhoCanAssume("arn:aws:iam::111122223333:role/admin")
//	for _, p := range paths {
//		fmt.Println(p.Verdict, p)
//	}
//
// # Verdicts
//
// A policy may hang on what only a request knows: its external id, its MFA, its
// address. The graph therefore decides every question twice with the engine of
// package iam. Once everything that cannot be known counts against the caller:
// conditions of Allow statements fail, those of Deny statements hold. If that
// is allowed, every request is: [Allowed]. Once it all counts in the caller's
// favour: if even that is denied, every request is: [Denied]. Between the two
// lies [IfConditions], which lists the conditions that were not decided. What
// the data does say (the caller's ARN, account, name and tags, the role's
// account and tags) is decided, not listed. [Unknown] is said of callers
// outside the accounts in the data, whose own policies nobody has seen.
//
// Two limits follow. Conditions are not weighed against each other: an Allow
// that demands one external id and a Deny that spares only another one is
// IfConditions with both. And only one request is asked for each hop, without
// session tags, source identity or session policy.
//
// # What counts as becoming
//
// A hop is sts:AssumeRole, or AssumeRoleWithSAML and AssumeRoleWithWebIdentity
// for identity providers, or iam:PassRole together with a call that starts
// something under the role ([Services] lists the calls). Things that already run
// under a role, such as a function whose code the caller may replace, are not in
// the data of an account and so not in the graph.
//
// A principal that may rewrite the trust policy of any role, or give itself any
// permission, can become every role of its account. Such principals are listed
// by [Graph.Admins]; the queries leave out the roles that they could pass, and
// drawings show them as one node for each account.
//
// The files, in order: service.go the table of services; build.go the nodes;
// known.go what is known of a request; world.go policies with the unknown
// counted one way or the other; trust.go whom a trust policy may mean; edge.go
// decisions; why.go conditions and evidence; path.go and query.go the questions;
// draw.go DOT and Mermaid.
package graph
