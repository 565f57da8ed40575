package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mantle-iam/mantle/internal/peer"
	"github.com/mantle-iam/mantle/sandbox"
)

// process is a container that runs as a process of this host.
type process struct {
	name string
	spec *initSpec
	undo func() // takes away what was made for its mounts
}

// inherited are the variables of the host that a container's process gets.
// Everything else comes from the task, as it does in a container.
var inherited = []string{"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERM", "TMPDIR"}

// processOf prepares a container of a task. Mounts and user are besides, and
// instead of, those of its definition.
func (e *env) processOf(s *site, x sandbox.Container, mounts []mount, userName string) (*process, error) {
	fail := func(format string, args ...any) error {
		return usagef("container %s: %w", x.Name, fmt.Errorf(format, args...))
	}
	if len(x.Secrets) > 0 {
		return nil, fail("the sandbox has neither Secrets Manager nor Parameter Store for secret %s", x.Secrets[0].Name)
	}
	command := slices.Concat(x.EntryPoint, x.Command)
	if len(command) == 0 {
		return nil, &exitError{code: exitUsage, err: fail("it has no command, and image %s is not run without Docker", x.Image), hint: "give it one behind --, or pull the image and start Docker"}
	}
	who, err := findUser(cmp.Or(userName, x.User))
	if err != nil {
		return nil, fail("%w", err)
	}
	mounts = slices.DeleteFunc(slices.Clone(mounts), func(m mount) bool {
		return m.Source == m.Target && !m.ReadOnly // it is there already
	})
	if !s.walled {
		if who.uid >= 0 && who.uid != os.Geteuid() {
			return nil, fail("to run as user %s: %w", cmp.Or(userName, x.User), errPrivilege)
		}
		if len(mounts) > 0 {
			return nil, fail("to mount %s: %w", mounts[0].Target, errPrivilege)
		}
	}
	p := &process{name: x.Name, undo: func() {}, spec: &initSpec{
		Command: command, Dir: x.WorkingDirectory, UID: who.uid, GID: who.gid, Groups: who.groups,
		Fresh: true, Mounts: mounts,
	}}
	if p.spec.Dir == "" {
		if p.spec.Dir, err = os.Getwd(); err != nil {
			return nil, fail("%w", err)
		}
	}
	// Sockets and keys of this user's sandboxes are no part of the place.
	dir, err := e.runtimeDir()
	if err != nil {
		return nil, err
	}
	p.spec.Hidden = []string{dir}
	p.spec.Env = s.containerEnviron(e.Environ, x, mounts, who)
	if s.walled {
		if p.undo, err = targets(mounts); err != nil {
			return nil, fail("%w", err)
		}
	}
	return p, nil
}

// containerEnviron is the environment of a container's process. What the
// definition says wins, as in ECS: keys in it take the place of the task role.
func (s *site) containerEnviron(host []string, x sandbox.Container, mounts []mount, who account) []string {
	var base []string
	for _, name := range inherited {
		if v := value(host, name); v != "" {
			base = append(base, name+"="+v)
		}
	}
	own := map[string]string{"HOME": who.home}
	if who.name != "" {
		own["USER"] = who.name
	}
	said := map[string]string{}
	for _, v := range x.Env {
		said[v.Name] = v.Value
	}
	home := cmp.Or(said["HOME"], who.home)
	out := s.environ(base, own, said)
	// The files of the host's user are not the container's, those that were
	// mounted are.
	for name, file := range map[string]string{"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"} {
		if _, ok := said[name]; !ok && covers(mounts, filepath.Join(home, ".aws", file)) {
			out = slices.DeleteFunc(out, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		}
	}
	return out
}

// exitNoProgram is the status of a container whose program is not there, as
// Docker and shells have it.
const exitNoProgram = 127

// command is the process of the container and how it is started.
func (p *process) command(s *site) (*exec.Cmd, func(*exec.Cmd) error, error) {
	if !s.walled {
		path, err := lookPath(p.spec.Command[0], value(p.spec.Env, "PATH"), p.spec.Dir)
		if err != nil {
			return nil, nil, failf(exitNoProgram, "container %s: %w", p.name, err)
		}
		return &exec.Cmd{Path: path, Args: p.spec.Command, Dir: p.spec.Dir, Env: p.spec.Env}, s.start, nil
	}
	cmd, tell, err := p.spec.command()
	if err != nil {
		return nil, nil, err
	}
	walled(cmd)
	if s.ns != nil {
		mortal(cmd)
	}
	return cmd, func(cmd *exec.Cmd) error { return errors.Join(s.start(cmd), tell()) }, nil
}

// startedAs is what the control socket is told of a process.
func (p *process) startedAs(s *site, pid int) started {
	// Without the time the process is never taken for alive.
	began, _ := peer.Started(pid)
	return started{PID: pid, Began: began, Own: s.ns != nil, Spec: p.spec}
}

// account is a user of this host.
type account struct {
	uid, gid int // -1: whoever we are
	groups   []int
	name     string
	home     string
}

// findUser reads the user of a container: name or id, with or without a
// group.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
func findUser(text string) (account, error) {
	if text == "" {
		me := account{uid: -1, gid: -1, home: "/"}
		if u, err := user.Current(); err == nil {
			me.name, me.home = u.Username, u.HomeDir
		}
		return me, nil
	}
	name, group, _ := strings.Cut(text, ":")
	a := account{home: "/", gid: 0}
	u, err := user.Lookup(name)
	if id, bad := strconv.Atoi(name); bad == nil && err != nil {
		a.uid = id
		u, err = user.LookupId(name)
		if err != nil {
			u, err = nil, nil // an id needs no name, and has group 0 then
		}
	}
	if err != nil {
		return a, fmt.Errorf("this host has no user %q: make one, or choose another with --user", name)
	}
	if u != nil {
		a.name, a.home = u.Username, u.HomeDir
		a.uid, _ = strconv.Atoi(u.Uid) // numbers, where there are containers
		a.gid, _ = strconv.Atoi(u.Gid)
		ids, err := u.GroupIds()
		if err != nil {
			return a, err
		}
		for _, id := range ids {
			if n, err := strconv.Atoi(id); err == nil {
				a.groups = append(a.groups, n)
			}
		}
	}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			g, err = user.LookupGroupId(group)
		}
		if n, bad := strconv.Atoi(group); err != nil && bad == nil {
			g, err = &user.Group{Gid: strconv.Itoa(n)}, nil
		}
		if err != nil {
			return a, fmt.Errorf("this host has no group %q", group)
		}
		a.gid, _ = strconv.Atoi(g.Gid)
		a.groups = nil
	}
	return a, nil
}

// userText is the user of a spec as --user takes it.
func (s *initSpec) userText() string {
	if s.UID < 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", s.UID, s.GID)
}

func joined(names []string) string { return strings.Join(names, ", ") }
