package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// source is the part of a service-2 model that is read.
type source struct {
	Metadata struct {
		APIVersion, Protocol, XMLNamespace, TargetPrefix, JSONVersion string
	}
	Operations map[string]srcOp
	Shapes     map[string]srcShape
}

type srcOp struct {
	Name string
	HTTP struct {
		Method, RequestURI string
		ResponseCode       int
	}
	Input, Output *srcMember
	Errors        []srcMember
	Deprecated    bool
}

type srcShape struct {
	Type               string
	Members            members
	Member, Key, Value *srcMember
	Required           []string
	Payload            string
	Flattened          bool
	TimestampFormat    string
	Sensitive          bool
	Min, Max           json.Number
	Pattern            string
	Enum               []string
	XMLNamespace       *namespace
	Union              bool
	Document           bool
	Eventstream        bool
	Fault              bool
	Error              *struct {
		Code           string
		HTTPStatusCode int
	}
}

type srcMember struct {
	name            string
	Shape           string
	Location        string
	LocationName    string
	QueryName       string
	ResultWrapper   string
	Flattened       bool
	XMLAttribute    bool
	Streaming       bool
	TimestampFormat string
	XMLNamespace    *namespace
}

type namespace struct{ Prefix, URI string }

// UnmarshalJSON accepts both spellings that models use: an object, or the
// bare URI.
func (n *namespace) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &n.URI)
	}
	type plain namespace
	return json.Unmarshal(b, (*plain)(n))
}

// members keeps the order of the model, which is the order in which AWS
// writes them.
type members []srcMember

func (m *members) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("members: want an object, got %v (%v)", t, err)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		e := srcMember{name: t.(string)}
		if err := d.Decode(&e); err != nil {
			return err
		}
		*m = append(*m, e)
	}
	return nil
}

// model and the types below are the trimmed format; package wire reads the
// same fields (see model.go there).
type model struct {
	Service     string            `json:"service"`
	Protocol    string            `json:"protocol"`
	Version     string            `json:"version"`
	Namespace   string            `json:"namespace,omitempty"`
	Target      string            `json:"target,omitempty"`
	JSONVersion string            `json:"jsonVersion,omitempty"`
	Operations  []operation       `json:"operations"`
	Shapes      map[string]*shape `json:"shapes"`
	Errors      map[string]*fault `json:"errors,omitempty"`
}

type operation struct {
	Name       string   `json:"name"`
	Method     string   `json:"method"`
	URI        string   `json:"uri"`
	Status     int      `json:"status,omitempty"`
	Input      string   `json:"input,omitempty"`
	InputRoot  string   `json:"inputRoot,omitempty"`
	Output     string   `json:"output,omitempty"`
	OutputRoot string   `json:"outputRoot,omitempty"`
	Wrapper    string   `json:"wrapper,omitempty"`
	Errors     []string `json:"errors,omitempty"`
}

type fault struct {
	Code   string `json:"code"`
	Status int    `json:"status"`
}

type shape struct {
	Type      string      `json:"type"`
	Members   []member    `json:"members,omitempty"`
	Member    *member     `json:"member,omitempty"`
	Key       *member     `json:"key,omitempty"`
	Value     *member     `json:"value,omitempty"`
	Required  []string    `json:"required,omitempty"`
	Payload   string      `json:"payload,omitempty"`
	Flattened bool        `json:"flattened,omitempty"`
	Time      string      `json:"time,omitempty"`
	Prefix    string      `json:"prefix,omitempty"`
	Namespace string      `json:"namespace,omitempty"`
	Sensitive bool        `json:"sensitive,omitempty"`
	Union     bool        `json:"union,omitempty"`
	Document  bool        `json:"document,omitempty"`
	Stream    bool        `json:"stream,omitempty"`
	Min       json.Number `json:"min,omitempty"`
	Max       json.Number `json:"max,omitempty"`
	Pattern   string      `json:"pattern,omitempty"`
	Expr      string      `json:"expr,omitempty"`
	Enum      []string    `json:"enum,omitempty"`
}

type member struct {
	Name      string `json:"name,omitempty"`
	Shape     string `json:"shape"`
	Location  string `json:"location,omitempty"`
	Wire      string `json:"wire,omitempty"`
	Query     string `json:"query,omitempty"`
	Flattened bool   `json:"flattened,omitempty"`
	Attribute bool   `json:"attribute,omitempty"`
	Streaming bool   `json:"streaming,omitempty"`
	Time      string `json:"time,omitempty"`
	Prefix    string `json:"prefix,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

var escapes = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// translate turns a pattern of Java's regular expressions into RE2, or
// fails if RE2 has no equal.
func translate(p string) (string, error) {
	// AWS means the supplementary planes by both of these, once as UTF-16
	// and once with five-digit escapes that Java does not have.
	e := strings.NewReplacer(
		`\uD800\uDC00-\uDBFF\uDFFF`, `\x{10000}-\x{10FFFF}`,
		`\u10000-\u10FFFF`, `\x{10000}-\x{10FFFF}`,
		`\p{Print}`, `[[:print:]]`,
	).Replace(p)
	e = escapes.ReplaceAllStringFunc(e, func(s string) string {
		n, _ := strconv.ParseUint(s[2:], 16, 32)
		return fmt.Sprintf(`\x{%X}`, n)
	})
	// A constraint is on the whole value.
	if _, err := regexp.Compile(`^(?:` + e + `)$`); err != nil {
		return "", err
	}
	return e, nil
}
