package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/mantle-iam/mantle/sandbox"
)

// trailLimit is the size at which a trail is set aside and a new one begun;
// one that was set aside is kept.
const trailLimit = 64 << 20

// trailFile writes the records of a sandbox, one JSON object a line.
type trailFile struct {
	path string
	link string     // where `sandbox log` looks: the file, or a link to it
	mu   sync.Mutex // guards the fields below
	f    *os.File
	size int64
}

// openTrail opens the trail of the sandbox at an address: in the runtime
// folder, begun anew, or in the state's folder, where it goes on.
func (e *env) openTrail(address, state string) (*trailFile, error) {
	dir, err := e.runtimeDir()
	if err != nil {
		return nil, err
	}
	link := strings.TrimSuffix(profileFile(dir, address), ".config") + ".trail"
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	path := link
	if state != "" && !strings.Contains(state, "://") {
		if err := os.MkdirAll(state, 0o700); err != nil {
			return nil, err
		}
		if path, err = filepath.Abs(filepath.Join(state, "trail.jsonl")); err != nil {
			return nil, err
		}
		if err := os.Symlink(path, link); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open trail: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &trailFile{path: path, link: link, f: f, size: info.Size()}, nil
}

// add writes a record before the next call of the same client can follow it,
// so that a trail kept with the state survives a crash as the state does.
func (t *trailFile) add(r sandbox.Record) {
	line := append([]byte(r.String()), '\n')
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size > trailLimit {
		if os.Rename(t.path, t.path+".1") == nil {
			if f, err := os.OpenFile(t.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
				t.f.Close()
				t.f, t.size = f, 0
			}
		}
	}
	n, _ := t.f.Write(line)
	t.size += int64(n)
}

func (t *trailFile) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.f.Close()
}

// logFlags choose records.
type logFlags struct {
	listen, principal, event, session, service string
	denied, follow                             bool
	last                                       int
}

func sandboxLogCommand(e *env) *cobra.Command {
	var f logFlags
	c := &cobra.Command{
		Use:   "log",
		Short: "Show the calls that a running sandbox has answered",
		Long: `Log prints the trail of a sandbox: every call with who made it, what it touched
and how it was decided, in the order of the answers. With --output json each
line is a record in CloudTrail's shape with the engine's decisions added. It
holds no secrets.`,
		Example: `  mantle sandbox log --denied
  mantle sandbox log --session 'i-0f3c*' --output json
  mantle sandbox log --follow --service sts`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return e.sandboxLog(c.Context(), &f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.listen, "listen", "", "address of the sandbox (default: AWS_ENDPOINT_URL, or "+defaultListen+")")
	fs.StringVar(&f.principal, "principal", "", "glob over the caller's ARN")
	fs.StringVar(&f.session, "session", "", "glob over the caller's session name")
	fs.StringVar(&f.event, "event", "", "glob over the operation's name")
	fs.StringVar(&f.service, "service", "", "only this service")
	fs.BoolVar(&f.denied, "denied", false, "only calls that a policy denied")
	fs.BoolVarP(&f.follow, "follow", "f", false, "go on as calls come in")
	fs.IntVarP(&f.last, "last", "n", 0, "only the last N of the chosen calls so far")
	return c
}

func (e *env) sandboxLog(ctx context.Context, f *logFlags) error {
	for _, g := range []string{f.principal, f.session, f.event} {
		if _, err := path.Match(g, ""); err != nil {
			return usagef("%q is not a glob: %w", g, err)
		}
	}
	f.listen = e.sandboxAddress(f.listen)
	place, err := e.placeOf(f.listen)
	if err != nil {
		return err
	}
	file, err := os.Open(place.Trail)
	if errors.Is(err, fs.ErrNotExist) {
		return failf(exitUnreachable, "the sandbox at %s keeps no trail", f.listen)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewReader(file)
	var kept []sandbox.Record
	var part strings.Builder
	for {
		text, err := in.ReadString('\n')
		part.WriteString(text)
		if err == nil {
			var r sandbox.Record
			if err := json.Unmarshal([]byte(part.String()), &r); err != nil {
				return failf(exitUnknown, "the trail has a line that is no record: %w", err)
			}
			part.Reset()
			if f.wants(&r) {
				kept = append(kept, r)
			}
			continue
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		if f.last > 0 && len(kept) > f.last {
			kept = kept[len(kept)-f.last:]
		}
		for i := range kept {
			e.printRecord(&kept[i])
		}
		kept, f.last = kept[:0], 0
		if !f.follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// wants tells whether the flags choose the record.
func (f *logFlags) wants(r *sandbox.Record) bool {
	fits := func(glob, s string) bool {
		// A session name has no slash, an ARN has: there * crosses it.
		ok, _ := path.Match(strings.ReplaceAll(glob, "/", "\x00"), strings.ReplaceAll(s, "/", "\x00"))
		return glob == "" || ok
	}
	_, session, _ := strings.Cut(r.UserIdentity.PrincipalID, ":")
	return fits(f.principal, r.UserIdentity.ARN) && fits(f.session, session) && fits(f.event, r.EventName) &&
		(f.service == "" || r.EventSource == f.service+".amazonaws.com") &&
		(!f.denied || isDenial(r))
}

// isDenial tells a refusal by policy from other errors.
func isDenial(r *sandbox.Record) bool {
	switch r.ErrorCode {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation":
		return true
	}
	return false
}

func (e *env) printRecord(r *sandbox.Record) {
	if e.Output == "json" {
		e.printf("%s\n", r)
		return
	}
	who := r.UserIdentity.ARN
	if who == "" {
		who = cmp.Or(r.UserIdentity.IdentityProvider, "-")
	}
	what := strings.TrimSuffix(r.EventSource, ".amazonaws.com") + ":" + r.EventName
	on := ""
	if len(r.Resources) > 0 {
		on = "  " + r.Resources[0].ARN
	}
	result := "ok"
	if r.ErrorCode != "" {
		result = r.ErrorCode
	}
	e.printf("%s  %-40s  %s  %s%s\n", r.EventTime.Local().Format("15:04:05.000"), what, result, who, on)
}
