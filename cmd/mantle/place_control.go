package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/sandbox"
)

// control is the private side of a running sandbox: what `sandbox exec` and
// `sandbox run-task` need of it and AWS has no API for. It is spoken as JSON
// over a Unix socket below the runtime folder, which only the user who
// started the sandbox can enter.
//
//	GET  /v1/instance?id=       sandbox.Instance
//	GET  /v1/task?id=           task: sandbox.Task with what runs of it here
//	POST /v1/instance/keys?id=  keys of the role in the instance profile
//	POST /v1/task/keys?id=      keys of the task role
//	PUT  /v1/task/run?id=       run: what a runner has started
//	POST /v1/task/end?id=       ending
//	POST /v1/cluster/join       joining
//	POST /v1/instance/sign?id=  an identity document: signed
//	GET  /v1/identity           pemOf: the certificate to verify it with
//	GET  /v1/clock              clockOf
//	POST /v1/clock              clockMove, answered with the new clockOf
type control struct {
	*sandbox.Server
	listener net.Listener
	path     string
	srv      *http.Server

	mu   sync.Mutex // guards the field below
	runs map[string]taskRun
}

// task is a task as the control socket shows it.
type task struct {
	sandbox.Task
	Run *taskRun `json:",omitempty"`
}

// taskRun is what a runner has started for a task: its containers by name.
type taskRun struct {
	Runner     string // "docker" or "process"
	Containers map[string]started
}

// started is a container that runs.
type started struct {
	// Docker is the container's id; empty for processes.
	Docker string `json:",omitempty"`
	// PID is that of the container's first process and Began its start time;
	// together they name it for ever.
	PID   int    `json:",omitempty"`
	Began uint64 `json:",omitempty"`
	// Own says that the process is in namespaces of its own.
	Own bool `json:",omitempty"`
	// Spec is how the container's command was started. It holds the
	// container's secret and is kept in memory only.
	Spec *initSpec `json:",omitempty"`
}

// keys are credentials on their way through the control socket. Expires is by
// the sandbox's clock.
type keys struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Role                                       string
	Expires                                    time.Time
}

// String hides the secrets.
func (k keys) String() string { return "keys of " + k.Role }

// GoString hides the secrets.
func (k keys) GoString() string { return k.String() }

// ending is how a task ended.
type taskEnd struct {
	Reason string
	Exits  map[string]int32
}

// joining makes this host a container instance of a cluster.
type joining struct {
	Account, Region, Cluster string
	Machine                  sandbox.Machine
}

// problem is an error of the control socket.
type problem struct {
	Code  string
	Error string
	Role  string `json:",omitempty"`
}

const (
	noSuchThing  = "NotFound"
	noRole       = "NoRole"
	notAssumable = "NotAssumable"
	badRequest   = "BadRequest"
)

// maxControlBody bounds a request: task definitions have 64 KiB at most.
const maxControlBody = 1 << 20

// openControl starts the control socket beside the sandbox's profile file.
func (e *env) openControl(w *world, address string) (*control, error) {
	dir, err := e.runtimeDir()
	if err != nil {
		return nil, err
	}
	c := &control{Server: w.Server, path: controlFile(dir, address), runs: map[string]taskRun{}}
	// Whoever left a socket here has ended: we own the address.
	if err := os.Remove(c.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	err = shortPath(c.path, func(path string) error {
		c.listener, err = net.Listen("unix", path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the sandbox's control socket: %w", err)
	}
	// The name under which it was opened may have been a detour.
	c.listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(c.path, 0o600); err != nil {
		return nil, errors.Join(err, c.listener.Close(), os.Remove(c.path))
	}
	c.srv = &http.Server{Handler: c.routes(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	return c, nil
}

func controlFile(dir, address string) string {
	return strings.TrimSuffix(profileFile(dir, address), ".config") + ".sock"
}

// serve answers until close.
func (c *control) serve() error {
	if err := c.srv.Serve(c.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (c *control) close() error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := c.srv.Shutdown(ctx)
	if err != nil {
		err = c.srv.Close()
	}
	if gone := os.Remove(c.path); !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

func (c *control) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /v1/instance":       c.getInstance,
		"GET /v1/task":           c.getTask,
		"POST /v1/instance/keys": c.instanceKeys,
		"POST /v1/task/keys":     c.taskKeys,
		"PUT /v1/task/run":       c.putRun,
		"POST /v1/task/end":      c.endTask,
		"POST /v1/cluster/join":  c.join,
		"POST /v1/instance/sign": c.signIdentity,
		"GET /v1/identity":       c.getCertificate,
		"GET /v1/clock":          c.getClock,
		"POST /v1/clock":         c.moveClock,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
			out, err := h(r)
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				w.WriteHeader(http.StatusBadRequest)
				out = problemOf(err)
			}
			// Whoever has hung up wants no answer.
			_ = json.NewEncoder(w).Encode(out)
		})
	}
	return mux
}

// absent says that there is no such instance or task.
type absent struct{ what string }

func (a absent) Error() string { return a.what }

func problemOf(err error) problem {
	p := problem{Code: badRequest, Error: err.Error()}
	if _, ok := errors.AsType[absent](err); ok {
		p.Code = noSuchThing
	}
	if errors.Is(err, sandbox.ErrNoRole) {
		p.Code = noRole
	}
	if x, ok := errors.AsType[*sandbox.AssumeError](err); ok {
		p.Code, p.Role = notAssumable, x.Role
	}
	return p
}

func (c *control) instance(r *http.Request) (sandbox.Instance, error) {
	id := r.URL.Query().Get("id")
	i, ok := c.Instance(id)
	if !ok {
		return i, absent{fmt.Sprintf("the sandbox has no instance %s", id)}
	}
	return i, nil
}

func (c *control) task(r *http.Request) (sandbox.Task, error) {
	id := r.URL.Query().Get("id")
	t, ok := c.Task(id)
	if !ok {
		return t, absent{fmt.Sprintf("the sandbox has no task %s", id)}
	}
	return t, nil
}

func (c *control) getInstance(r *http.Request) (any, error) { return c.instance(r) }

func (c *control) getTask(r *http.Request) (any, error) {
	t, err := c.task(r)
	if err != nil {
		return nil, err
	}
	out := task{Task: t}
	c.mu.Lock()
	defer c.mu.Unlock()
	if x, ok := c.runs[t.ARN]; ok {
		out.Run = &x
	}
	return out, nil
}

func (c *control) instanceKeys(r *http.Request) (any, error) {
	i, err := c.instance(r)
	if err != nil {
		return nil, err
	}
	s, err := c.RoleSession(i)
	return keysOf(s, i.Role), err
}

func (c *control) taskKeys(r *http.Request) (any, error) {
	t, err := c.task(r)
	if err != nil {
		return nil, err
	}
	if t.Status == taskStopped {
		return nil, absent{fmt.Sprintf("task %s has stopped", t.ID)}
	}
	s, err := c.TaskSession(t)
	return keysOf(s, t.TaskRole), err
}

// taskStopped is the last status of a task.
const taskStopped = "STOPPED"

func keysOf(s sandbox.Session, role string) keys {
	return keys{s.AccessKeyID, s.SecretAccessKey, s.SessionToken, role, s.Expires}
}

func (c *control) putRun(r *http.Request) (any, error) {
	t, err := c.task(r)
	if err != nil {
		return nil, err
	}
	var in taskRun
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[t.ARN] = in
	return struct{}{}, nil
}

func (c *control) endTask(r *http.Request) (any, error) {
	t, err := c.task(r)
	if err != nil {
		return nil, err
	}
	var in taskEnd
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	c.mu.Lock()
	delete(c.runs, t.ARN)
	c.mu.Unlock()
	return struct{}{}, c.EndTask(t, in.Reason, in.Exits)
}

func (c *control) join(r *http.Request) (any, error) {
	var in joining
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	arn, err := c.JoinCluster(in.Account, in.Region, in.Cluster, in.Machine)
	return arn, err
}

// credentials are keys as the endpoints hand them out: to programs that go by
// this host's clock.
func (k keys) credentials(offset time.Duration, issued time.Time) broker.Credentials {
	return broker.Credentials{
		AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.SessionToken,
		Expires: k.Expires.Add(-offset), RoleARN: k.Role, AccountID: accountOf(k.Role), Issued: issued,
	}
}
