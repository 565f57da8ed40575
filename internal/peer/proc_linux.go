package peer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
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

// holdersOf finds the processes that have the socket open. It fails if one of
// them has another user than the socket: a program may drop its privileges
// after connecting, or be handed the socket of somebody greater.
func holdersOf(inode uint32, uid int) (Holders, error) {
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
		before, err := readStat(pid)
		if err != nil {
			continue
		}
		fd := descriptor(pid, target)
		if fd == "" {
			continue
		}
		p, euid, err := inspect(pid)
		if err != nil {
			continue // ended since
		}
		// The same process all along, and the socket still its own?
		link, err := os.Readlink(fd)
		if err != nil || link != target || p.Started != before.started {
			continue
		}
		if euid != uid {
			return nil, fmt.Errorf("the socket belongs to uid %d, and process %d, which holds it, is uid %d", uid, pid, euid)
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
	for _, fd := range fds {
		p := base + "/" + fd
		if link, err := os.Readlink(p); err == nil && link == target {
			return p
		}
	}
	return ""
}

// inspect reads what /proc says of a process, and its effective user.
func inspect(pid int) (Process, int, error) {
	base := "/proc/" + strconv.Itoa(pid)
	before, err := readStat(pid)
	if err != nil {
		return Process{}, -1, err
	}
	status, err := os.ReadFile(base + "/status")
	if err != nil {
		return Process{}, -1, err
	}
	euid, err := effectiveUID(status)
	if err != nil {
		return Process{}, -1, err
	}
	p := Process{PID: pid, Started: before.started, Exe: program(base)}
	if cgroup, err := os.ReadFile(base + "/cgroup"); err == nil {
		p.Unit = unitOf(string(cgroup))
	}
	// All of it must be about one process.
	after, err := readStat(pid)
	if err != nil {
		return Process{}, -1, err
	}
	if after.started != before.started {
		return Process{}, -1, fmt.Errorf("process %d ended", pid)
	}
	return p, euid, nil
}

// effectiveUID reads "Uid:	real	effective	saved	filesystem".
func effectiveUID(status []byte) (int, error) {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("Uid:")); ok {
			if f := bytes.Fields(rest); len(f) == 4 {
				return strconv.Atoi(string(f[1]))
			}
		}
	}
	return -1, errors.New("/proc/PID/status names no user")
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
