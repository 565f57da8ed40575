package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// tokenFolder holds a folder for each workload, with a file "token" and a file
// "env", for those that the kernel cannot tell apart: a virtual machine behind a
// bridge, a container of an engine that is not asked. Who can read the files is
// the workload, so they are its user's, or root's, alone.
type tokenFolder struct {
	path   string
	url    string // of the container endpoint, as the workloads see it
	known  *agent.Workloads
	grants map[string]*agent.Grant
}

// openTokens makes the folder, and tokens for the workloads of the rules. Those
// of an earlier run are worthless and are replaced; SDKs read the file again at
// every renewal.
func openTokens(path, url string, known *agent.Workloads, rules broker.Rules) (*tokenFolder, error) {
	t := &tokenFolder{path: path, url: url, known: known, grants: map[string]*agent.Grant{}}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return t, t.follow(rules)
}

// follow makes tokens for workloads that are new and takes away those of
// workloads that are gone.
func (t *tokenFolder) follow(rules broker.Rules) error {
	wanted := map[string]bool{}
	var failed []error
	for _, r := range rules {
		wanted[r.Name] = true
		if t.grants[r.Name] != nil {
			continue
		}
		g := t.known.Add(r.Name)
		if err := t.write(&r, g); err != nil {
			g.Revoke()
			failed = append(failed, fmt.Errorf("tokens of workload %s: %w", r.Name, err))
			continue
		}
		t.grants[r.Name] = g
	}
	for name, g := range t.grants {
		if !wanted[name] {
			g.Revoke()
			delete(t.grants, name)
			failed = append(failed, t.remove(name))
		}
	}
	return errors.Join(failed...)
}

// write puts down what the workload is given. A name is a name of the
// configuration, without a separator in it.
func (t *tokenFolder) write(r *broker.Rule, g *agent.Grant) error {
	dir := filepath.Join(t.path, r.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	token := filepath.Join(dir, "token")
	env := "AWS_CONTAINER_CREDENTIALS_FULL_URI=" + strings.TrimSuffix(t.url, "/") + "/v1/credentials\nAWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + token + "\n"
	owner := -1
	if uid := r.Match.UID; uid != nil && len(r.Or) == 0 && os.Geteuid() == 0 {
		owner = *uid
	}
	// Without a line break at the end: botocore and the SDK for Go refuse one.
	for name, content := range map[string]string{token: g.Token(), filepath.Join(dir, "env"): env} {
		if err := replaceFile(name, []byte(content)); err != nil {
			return err
		}
		if owner >= 0 {
			if err := os.Chown(name, owner, -1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tokenFolder) remove(name string) error {
	dir := filepath.Join(t.path, name)
	var failed []error
	for _, f := range []string{filepath.Join(dir, "token"), filepath.Join(dir, "env"), dir} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// close takes all of it away.
func (t *tokenFolder) close() error {
	if t == nil {
		return nil
	}
	return t.follow(nil)
}
