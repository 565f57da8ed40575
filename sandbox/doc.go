// Package sandbox is an AWS in one process, with IAM always switched on.
//
// A [Server] answers the AWS API on one HTTP address for several accounts
// side by side. Every call is authenticated (signature version 4, its
// session token, the clock) and every call is authorised by the same engine
// that package iam offers to everyone; there is no switch that turns either
// off, no key that passes by itself, and an operation that the sandbox does
// not implement is refused by name.
//
// The life of a call, in the order it happens, is in serve.go; each step has
// a file of its own:
//
//	serve.go          the whole call on one screen
//	authenticate.go   signature and session token → principal
//	authorize.go      the operation's checks → the engine's decisions
//	context.go        the condition keys of a request
//	refuse.go         each refusal in the words of the service that was asked
//	directory.go      what the services ask of each other
//	accounts.go       accounts, what is loaded into them, their keys
//	instance.go       sessions that a service hands to its workload
//	place.go          instances and tasks, for whoever runs commands in them
//	services.go       the services and what they ask of each other
//	trail.go          the record that every call leaves
//	fault.go          calls that fail on request
//	propagation.go    changes of IAM that count late
//	snapshot.go       the whole state in one file
//	conformance.go    what there is of each API
package sandbox
