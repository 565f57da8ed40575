package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox"
)

// controller reaches a running sandbox by its control socket.
type controller struct {
	http    http.Client
	address string // of the sandbox
}

// sandboxAddress is an address, or without one where AWS_ENDPOINT_URL points,
// or the usual one.
func (e *env) sandboxAddress(address string) string {
	if address != "" {
		return address
	}
	if u, err := url.Parse(e.get("AWS_ENDPOINT_URL")); err == nil && u.Host != "" {
		return u.Host
	}
	return defaultListen
}

// controllerOf finds the sandbox at an address, or where AWS_ENDPOINT_URL
// points, or at the usual one.
func (e *env) controllerOf(address string) (*controller, error) {
	address = e.sandboxAddress(address)
	if _, err := e.placeOf(address); err != nil {
		return nil, err
	}
	dir, err := e.runtimeDir()
	if err != nil {
		return nil, err
	}
	path := controlFile(dir, address)
	c := &controller{address: address}
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			err = shortPath(path, func(path string) error {
				conn, err = new(net.Dialer).DialContext(ctx, "unix", path)
				return err
			})
			return conn, err
		},
		DisableCompression: true,
	}
	c.http.Timeout = 10 * time.Second
	return c, nil
}

// longestPath is how long the path of a Unix socket may be on every system:
// sockaddr_un has 104 bytes on some (unix(7), unix(4)).
const longestPath = 103

// shortPath calls f with a path that leads to the same file and is short
// enough for a Unix socket.
func shortPath(path string, f func(string) error) error {
	if len(path) <= longestPath {
		return f(path)
	}
	if runtime.GOOS != "linux" {
		return failf(exitUsage, "the path %s is too long for a Unix socket", path).withHint("set XDG_RUNTIME_DIR to a folder with a shorter name")
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// url is the sandbox's address as the programs of a place see it.
func (c *controller) url() string { return "http://" + c.address }

// refusal is a problem that the control socket tells of.
type refusal struct{ problem }

func (r refusal) Error() string { return r.problem.Error }

// call asks the control socket. A sandbox that does not answer is an
// exitError.
func (c *controller) call(ctx context.Context, method, path, id string, in, out any) error {
	var body io.Reader
	if raw, ok := in.(json.RawMessage); ok {
		body = bytes.NewReader(raw) // as it is: its bytes count
	} else if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://sandbox/v1/"+path+"?"+url.Values{"id": {id}}.Encode(), body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return failf(exitUnreachable, "the sandbox at %s does not answer: %w", c.address, cause(err)).withHint("start it with mantle sandbox up")
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var p problem
		if err := d.Decode(&p); err != nil {
			return failf(exitUnreachable, "the sandbox at %s answers %s", c.address, resp.Status)
		}
		return refusal{p}
	}
	return d.Decode(out)
}

// cause is the innermost error: the outer ones name a URL that is none.
func cause(err error) error {
	if x, ok := errors.AsType[*net.OpError](err); ok {
		return x.Err
	}
	return err
}

func (c *controller) instance(ctx context.Context, id string) (i sandbox.Instance, err error) {
	return i, c.call(ctx, http.MethodGet, "instance", id, nil, &i)
}

// sign has the identity document of an instance signed.
func (c *controller) sign(ctx context.Context, id string, document []byte) ([]byte, error) {
	var out signed
	err := c.call(ctx, http.MethodPost, "instance/sign", id, json.RawMessage(document), &out)
	return out.Signature, err
}

func (c *controller) task(ctx context.Context, id string) (t task, err error) {
	return t, c.call(ctx, http.MethodGet, "task", id, nil, &t)
}

func (c *controller) started(ctx context.Context, id string, r taskRun) error {
	return c.call(ctx, http.MethodPut, "task/run", id, r, new(struct{}))
}

func (c *controller) ended(ctx context.Context, id string, x taskEnd) error {
	return c.call(ctx, http.MethodPost, "task/end", id, x, new(struct{}))
}

func (c *controller) join(ctx context.Context, j joining) (arn string, err error) {
	return arn, c.call(ctx, http.MethodPost, "cluster/join", "", j, &arn)
}

// wearer is one instance or task: an [agent.Broker] whose only caller is the
// place itself.
type wearer struct {
	c        *controller
	id       string
	instance bool

	mu     sync.Mutex // guards the fields below
	have   keys
	issued time.Time
	role   string
	offset time.Duration // of the sandbox's clock
	seen   time.Time     // when role and offset were looked up
}

// fresh is how long credentials have to last if they are to be handed out
// again: botocore needs a good half hour on instances (package agent).
const fresh = time.Hour

// roleLife is how long a role that was looked up is believed: a role that is
// taken away is gone a moment later.
const roleLife = time.Second

// lookup is the role that the place has now, empty for none. It finds out as
// well what time it is in the sandbox.
func (w *wearer) lookup(ctx context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.seen) < roleLife {
		return w.role, nil
	}
	role := ""
	if w.instance {
		i, err := w.c.instance(ctx, w.id)
		if err != nil {
			return "", err
		}
		role = i.Role
	} else {
		t, err := w.c.task(ctx, w.id)
		if err != nil {
			return "", err
		}
		role = t.TaskRole
	}
	clock, err := w.c.clock(ctx)
	if err != nil {
		return "", err
	}
	w.role, w.offset, w.seen = role, clock.Offset, time.Now()
	return role, nil
}

func (w *wearer) cure() string {
	if w.instance {
		return "associate an instance profile with a role in it"
	}
	return "set taskRoleArn in its task definition"
}

// Credentials are those of the role, made anew when the last ones near their
// end or the role is another.
func (w *wearer) Credentials(ctx context.Context, who broker.Caller) (broker.Credentials, error) {
	if !w.instance && who.How != broker.ByToken {
		return broker.Credentials{}, &broker.RefusedError{Caller: who, Decision: broker.Decision{Reason: "a task proves who it is by the secret it was given"}}
	}
	role, err := w.lookup(ctx)
	if err != nil {
		return broker.Credentials{}, w.failure(who, role, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.have.Role == role && role != "" && time.Until(w.have.Expires)-w.offset > fresh {
		return w.have.credentials(w.offset, w.issued), nil
	}
	path := "task/keys"
	if w.instance {
		path = "instance/keys"
	}
	var k keys
	if err := w.c.call(ctx, http.MethodPost, path, w.id, nil, &k); err != nil {
		return broker.Credentials{}, w.failure(who, role, err)
	}
	w.have, w.issued = k, time.Now()
	return k.credentials(w.offset, w.issued), nil
}

// failure is a problem of the control socket in the broker's words, from
// which each dialect makes its own.
func (w *wearer) failure(who broker.Caller, role string, err error) error {
	x, ok := errors.AsType[refusal](err)
	if !ok {
		return &broker.LendError{Role: role, Kind: broker.Unreachable, Err: err, RetryAfter: time.Second}
	}
	if x.Code == notAssumable {
		return &broker.LendError{Role: x.Role, Kind: broker.Denied, Code: "AccessDenied", Message: x.Error()}
	}
	reason := x.Error()
	if x.Code == noRole {
		reason = w.id + " has no role; " + w.cure()
	}
	return &broker.RefusedError{Caller: who, Decision: broker.Decision{Reason: reason}}
}

// accountOf reads the account out of an ARN.
func accountOf(arn string) string {
	a, err := iam.ParseARN(arn)
	if err != nil {
		return ""
	}
	return a.Account
}

// isTaskID tells whether a word can be a task's id or ARN.
func isTaskID(s string) bool {
	return strings.Contains(s, ":task/") || len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}
