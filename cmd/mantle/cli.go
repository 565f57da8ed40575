package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Exit statuses, the same for every verb. run hands on its child's own.
const (
	exitOK          = 0
	exitDenied      = 1   // a truthful no: denied, refused, a check found something
	exitUsage       = 2   // the command line or the configuration is wrong
	exitUnknown     = 3   // cannot decide: data is missing
	exitHuman       = 4   // a person has to do something, such as log in
	exitUnreachable = 5   // nothing answers: the agent, the sandbox or AWS
	exitInterrupt   = 130 // ended by Ctrl-C
)

// env is the process around a command, so that tests can stand in for it.
type env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Environ        []string
	Output         string // --output
}

// settings are the environment variables that mantle itself reads.
var settings = map[string]string{
	"MANTLE_CONFIG": "the configuration file or its folder, instead of ./mantle.hcl",
	"MANTLE_SOCKET": "the socket of the agent, instead of /run/mantle/agent.sock or one in $XDG_RUNTIME_DIR",
}

func settingNames() []string { return slices.Sorted(maps.Keys(settings)) }

// get reads a variable of the environment.
func (e *env) get(name string) string {
	for _, kv := range slices.Backward(e.Environ) {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}

func (e *env) lookup(name string) (string, bool) {
	for _, kv := range slices.Backward(e.Environ) {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// log is where mantle's parts tell what is worth a look.
func (e *env) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(e.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (e *env) printf(format string, args ...any) { fmt.Fprintf(e.Stdout, format, args...) }
func (e *env) talkf(format string, args ...any)  { fmt.Fprintf(e.Stderr, format, args...) }

// answer prints a result: v as JSON with --output json, else what text
// writes. JSON answers carry the schema's name and version.
func (e *env) answer(v any, text func(io.Writer)) error {
	if e.Output != "json" {
		text(e.Stdout)
		return nil
	}
	enc := json.NewEncoder(e.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

const schema = "mantle/v1"

// exitError is an error with an exit status and, where there is one, the
// cure.
type exitError struct {
	code int
	err  error
	hint string
}

func (x *exitError) Error() string { return x.err.Error() }
func (x *exitError) Unwrap() error { return x.err }

// write prints the error as every verb does.
func (x *exitError) write(w io.Writer) {
	if x.err == nil {
		return
	}
	if d, ok := x.err.(interface{ Write(io.Writer) error }); ok {
		d.Write(w)
	} else {
		fmt.Fprintf(w, "mantle: error: %s\n", x.err)
	}
	if x.hint != "" {
		fmt.Fprintf(w, "mantle: hint: %s\n", x.hint)
	}
}

func (x *exitError) withHint(hint string) *exitError {
	x.hint = hint
	return x
}

func usagef(format string, args ...any) *exitError {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func failf(code int, format string, args ...any) *exitError {
	return &exitError{code: code, err: fmt.Errorf(format, args...)}
}
