package peer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// stat is what /proc/PID/stat says (proc_pid_stat(5)).
type stat struct {
	ppid    int
	started uint64
}

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, err
	}
	return parseStat(b)
}

// parseStat counts fields from the last parenthesis: the program's name
// stands in parentheses and may hold spaces and parentheses itself.
func parseStat(b []byte) (stat, error) {
	i := bytes.LastIndexByte(b, ')')
	f := bytes.Fields(b[i+1:])
	if i < 0 || len(f) < 20 {
		return stat{}, errors.New("malformed /proc/PID/stat")
	}
	ppid, err1 := strconv.Atoi(string(f[1]))
	started, err2 := strconv.ParseUint(string(f[19]), 10, 64)
	return stat{ppid, started}, errors.Join(err1, err2)
}

// Started is when a process started, in clock ticks since boot.
func Started(pid int) (uint64, error) {
	s, err := readStat(pid)
	return s.started, err
}

// Descendant tells whether process pid descends from process ancestor, or is
// it. A process whose parent has ended belongs to init and no longer
// descends from the parent's parents, unless ancestor is a child subreaper
// (PR_SET_CHILD_SUBREAPER of prctl(2)).
func Descendant(pid, ancestor int) bool {
	if pid <= 0 || ancestor <= 0 {
		return false
	}
	first, err := readStat(pid)
	if err != nil {
		return false
	}
	s := first
	// Parents start before their children; a younger "parent" is another
	// process that was given the number after we read it. The bound is far
	// above any real depth.
	for p, depth := pid, 0; depth < 1<<12; depth++ {
		if p == ancestor {
			again, err := readStat(pid)
			return err == nil && again.started == first.started
		}
		p = s.ppid
		if p <= 0 {
			return false
		}
		up, err := readStat(p)
		if err != nil || up.started > s.started {
			return false
		}
		s = up
	}
	return false
}

// holdersOf finds the processes that have the socket open.
func holdersOf(inode uint32) (Holders, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return nil, err
	}
	target := "socket:[" + strconv.FormatUint(uint64(inode), 10) + "]"
	var found Holders
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		fd := descriptor(pid, target)
		if fd == "" {
			continue
		}
		p, err := inspect(pid)
		// Is the socket still its own? If the number was given to another
		// process meanwhile, it is that one's, and that one was inspected.
		if link, gone := os.Readlink(fd); gone != nil || link != target {
			continue
		}
		if err != nil {
			return nil, err // it is there and holds the socket: without it the answer is none
		}
		if now, err := readStat(pid); err != nil || now.started != p.Started {
			continue
		}
		found = append(found, p)
	}
	slices.SortFunc(found, func(a, b Process) int { return a.PID - b.PID })
	return found, nil
}

// descriptor is the path of the process's first descriptor of the socket.
func descriptor(pid int, target string) string {
	base := "/proc/" + strconv.Itoa(pid) + "/fd"
	dir, err := os.Open(base)
	if err != nil {
		return ""
	}
	defer dir.Close()
	fds, err := dir.Readdirnames(-1)
	if err != nil {
		return ""
	}
	// This is done for every descriptor of the host: no path is made for it.
	at := int(dir.Fd())
	link := make([]byte, len(target)+1)
	for _, fd := range fds {
		if n, err := unix.Readlinkat(at, fd, link); err == nil && string(link[:n]) == target {
			return base + "/" + fd
		}
	}
	return ""
}

// inspect reads what /proc says of a process.
func inspect(pid int) (Process, error) {
	base := "/proc/" + strconv.Itoa(pid)
	before, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	status, err := os.ReadFile(base + "/status")
	if err != nil {
		return Process{}, err
	}
	p := Process{PID: pid, Started: before.started, Exe: program(base), Apart: apart(base)}
	if p.UID, err = effective(status, "Uid:"); err != nil {
		return Process{}, err
	}
	if p.GID, err = effective(status, "Gid:"); err != nil {
		return Process{}, err
	}
	cgroup, err := os.ReadFile(base + "/cgroup")
	if err != nil {
		return Process{}, err
	}
	p.Unit = unitOf(string(cgroup))
	if p.Container, err = containerAmong(string(cgroup)); err != nil {
		return Process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	// All of it must be about one process.
	after, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	if after.started != before.started {
		return Process{}, fmt.Errorf("process %d ended", pid)
	}
	return p, nil
}

func containerAmong(cgroup string) (Container, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Container{}, err
	}
	return containerIn(cgroup, string(own))
}

// InContainer is the container that a process lives in, the zero Container if
// it lives in none.
func InContainer(pid int) (Container, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return Container{}, err
	}
	return containerAmong(string(b))
}

// Member finds a process of the container with an identifier, and where it
// lives. It reads about every process of the host.
func Member(id string) (pid int, c Container, err error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return 0, Container{}, err
	}
	names, err := dir.Readdirnames(-1)
	dir.Close()
	if err != nil {
		return 0, Container{}, err
	}
	for _, name := range names {
		n, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if c, err := InContainer(n); err == nil && c.ID == id && !c.Delegated {
			return n, c, nil
		}
	}
	return 0, Container{}, fmt.Errorf("no process of container %.12s is running", id)
}

// apart reports whether a process has another pid namespace than we have. One
// that may not be asked is not; nor are its descriptors then ours to read.
func apart(base string) bool {
	its, err := os.Readlink(base + "/ns/pid")
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && its != ours
}

// effective reads "Uid:	real	effective	saved	filesystem" or the like.
func effective(status []byte, field string) (int, error) {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(field)); ok {
			if f := bytes.Fields(rest); len(f) == 4 {
				return strconv.Atoi(string(f[1]))
			}
		}
	}
	return -1, fmt.Errorf("/proc/PID/status has no %s", strings.TrimSuffix(field, ":"))
}

// program is the path of a process's program. The link alone proves nothing:
// in a mount namespace of its own, which any user may make, a process can
// give its file any path. So the path must lead to the same file here.
func program(base string) string {
	path, err := os.Readlink(base + "/exe")
	if err != nil || !strings.HasPrefix(path, "/") {
		return ""
	}
	running, err := os.Stat(base + "/exe")
	if err != nil {
		return ""
	}
	here, err := os.Stat(path)
	if err != nil || !os.SameFile(running, here) {
		return ""
	}
	return path
}

// unitOf finds the systemd unit in /proc/PID/cgroup. Units of the system
// manager lie below slices only; what lies deeper is made by the unit itself
// and may have any name.
func unitOf(cgroup string) string {
	path := ""
	for line := range strings.Lines(cgroup) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		// cgroup v2 has the only hierarchy 0; v1 names systemd's.
		if f[1] == "name=systemd" {
			path = f[2]
			break
		}
		if f[0] == "0" && f[1] == "" {
			path = f[2]
		}
	}
	for s := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if strings.HasSuffix(s, ".slice") {
			continue
		}
		// systemd puts "_" before a name that the kernel would take for
		// its own (cg_escape).
		s = strings.TrimPrefix(s, "_")
		for _, kind := range []string{".service", ".scope", ".mount", ".socket", ".swap"} {
			if strings.HasSuffix(s, kind) {
				return s
			}
		}
		return ""
	}
	return ""
}
