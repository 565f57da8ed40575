// Package config turns the one file operators write, mantle.hcl, into typed
// values, and says where it is wrong.
//
// A file is sound or it is refused: every problem is found in one reading and
// told with its place, the line, and the cure. What a sound file says needs no
// further checks by its readers, except for what only the machine knows:
// [Config.Rules] looks up user names.
//
// The language is declared in tables (blocks.go, roles.go): each row names an
// argument, documents it and reads it. [Reference] prints those rows, and
// docs/config.md is what it prints.
//
// Files, in the order a configuration meets them: config.go, schema.go,
// nesting.go, functions.go, value.go, blocks.go, roles.go, checks.go,
// environment.go, policy.go, settle.go, problem.go, suggest.go, rules.go; and
// apart from them reference.go and format.go.
package config
