package check

import (
	"github.com/mantle-iam/mantle/internal/config"
	"github.com/mantle-iam/mantle/internal/tf"
)

// A loan is a role block of a mantle.hcl, beside the role that it names.
type loan struct {
	name       string // role.web
	arn        string
	via        bool
	externalID string
	session    string
	source     string
	tags       bool
	seconds    int
	target     *role // nil if the estate does not have it
	where      tf.Range
	at         func(argument string) Finding // a finding with its place
}

func atConfig(p config.Position) tf.Range {
	return tf.Range{Position: tf.Position{File: p.File, Line: p.Line, Column: p.Column}}
}
