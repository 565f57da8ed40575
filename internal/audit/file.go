package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/coreos/go-systemd/v22/journal"
)

func open(where string, stream io.Writer) (sink, error) {
	switch where {
	case "-":
		return plain{stream}, nil
	case "journald":
		if !journal.Enabled() {
			return nil, errors.New("the journal of systemd does not answer on this host; name a file, or - for standard error")
		}
		return theJournal{}, nil
	}
	f := &file{path: where}
	return f, f.open()
}

// plain is a stream that is somebody else's.
type plain struct{ io.Writer }

func (p plain) write(lines []byte) (int, error) { return p.Write(lines) }
func (plain) check(bool) error                  { return nil }
func (plain) close() error                      { return nil }

// file is a file that may be renamed or removed while it is written to.
type file struct {
	path string
	f    *os.File
}

func (f *file) open() error {
	next, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the audit log: %w", err)
	}
	if f.f != nil {
		f.f.Close()
	}
	f.f = next
	return nil
}

func (f *file) write(lines []byte) (int, error) { return f.f.Write(lines) }

func (f *file) check(reopen bool) error {
	if !reopen {
		now, err := os.Stat(f.path)
		if err == nil {
			was, err := f.f.Stat()
			if err == nil && os.SameFile(now, was) {
				return nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return f.open()
}

func (f *file) close() error { return f.f.Close() }

// theJournal is systemd's. Each line is one message; what people look for has
// a field of its own, so that journalctl MANTLE_WORKLOAD=web finds it.
type theJournal struct{}

func (theJournal) write(lines []byte) (int, error) {
	n := 0
	for line := range bytes.Lines(lines) {
		var at struct {
			Level    string
			Outcome  string
			Workload string
			Role     string
			Key      string `json:"access_key_id"`
		}
		if err := json.Unmarshal(line, &at); err != nil {
			return n, fmt.Errorf("audit line: %w", err)
		}
		fields := map[string]string{"SYSLOG_IDENTIFIER": "mantle-audit"}
		for name, value := range map[string]string{
			"MANTLE_OUTCOME": at.Outcome, "MANTLE_WORKLOAD": at.Workload, "MANTLE_ROLE": at.Role, "MANTLE_ACCESS_KEY_ID": at.Key,
		} {
			if value != "" {
				fields[name] = value
			}
		}
		priority := journal.PriInfo
		if at.Level != "INFO" {
			priority = journal.PriWarning
		}
		if err := journal.Send(string(bytes.TrimSuffix(line, []byte("\n"))), priority, fields); err != nil {
			return n, err
		}
		n += len(line)
	}
	return n, nil
}

func (theJournal) check(bool) error { return nil }
func (theJournal) close() error     { return nil }
