package live

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mantle-iam/mantle/internal/chain"
)

// fileLimit is how much of a file is read.
const fileLimit = 4 << 20

// Process is another process: its environment as it was started with it, its
// user and home, and a world with its root folder, its user's rights and its
// network. Errors wrap fs.ErrPermission where we may not look, and
// fs.ErrNotExist if there is no such process.
func Process(pid int) (*chain.Surroundings, *World, error) {
	proc := "/proc/" + strconv.Itoa(pid)
	data, err := os.ReadFile(proc + "/environ")
	if err != nil {
		return nil, nil, fmt.Errorf("process %d: %w", pid, err)
	}
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		return nil, nil, fmt.Errorf("process %d: %w", pid, err)
	}
	var environ []string
	for kv := range bytes.SplitSeq(data, []byte{0}) {
		environ = append(environ, string(kv))
	}
	return Beside(pid, environ, userOf(status))
}

// Beside is a program that is about to run beside a process, in its files and
// its network, with an environment and a user of its own.
func Beside(pid int, environ []string, user User) (*chain.Surroundings, *World, error) {
	proc := "/proc/" + strconv.Itoa(pid)
	root, err := unix.Open(proc+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("the files of process %d: %w", pid, os.NewSyscallError("open", err))
	}
	network, err := os.Open(proc + "/ns/net")
	if err != nil {
		unix.Close(root)
		return nil, nil, fmt.Errorf("the network of process %d: %w", pid, err)
	}
	read := func(path string) ([]byte, error) { return readAs(user, root, path) }
	name, home := passwd(read, user.UID)
	if name == "" {
		name = strconv.Itoa(user.UID)
	}
	s := Surroundings(environ, name, home)
	dial, foreign := new(net.Dialer).DialContext, false
	if ours, err := os.Stat("/proc/thread-self/ns/net"); err == nil {
		if theirs, err := network.Stat(); err == nil && !os.SameFile(ours, theirs) {
			dial, foreign = dialIn(network), true
		}
	}
	w := open(nil, read, dial, nil, func() { network.Close(); unix.Close(root) })
	w.look = func(path string) ([]byte, error) { return readAs(User{UID: os.Geteuid()}, root, path) }
	w.exe, w.root, w.apart = proc+"/exe", proc+"/root", foreign
	return s, w, nil
}

func userOf(status []byte) (id User) {
	for line := range bytes.Lines(status) {
		f := strings.Fields(string(line))
		switch {
		case len(f) > 4 && f[0] == "Uid:":
			id.UID, _ = strconv.Atoi(f[4]) // the one that counts for files
		case len(f) > 4 && f[0] == "Gid:":
			id.GID, _ = strconv.Atoi(f[4])
		case len(f) > 1 && f[0] == "Groups:":
			for _, g := range f[1:] {
				if n, err := strconv.ParseUint(g, 10, 32); err == nil {
					id.Groups = append(id.Groups, uint32(n))
				}
			}
		}
	}
	return id
}

// passwd finds a user's name and home.
func passwd(read func(string) ([]byte, error), uid int) (name, home string) {
	data, err := read("/etc/passwd")
	if err != nil {
		return "", ""
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if f := strings.Split(lines.Text(), ":"); len(f) == 7 && f[2] == strconv.Itoa(uid) {
			return f[0], f[5]
		}
	}
	return "", ""
}

// readAs reads a file below a root folder with a user's rights. Links are
// followed inside of that folder, as the process would follow them.
func readAs(user User, root int, path string) (data []byte, err error) {
	read := func() ([]byte, error) {
		fd, err := unix.Openat2(root, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT})
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		f := os.NewFile(uintptr(fd), path)
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, fileLimit))
	}
	if os.Geteuid() != 0 || user.UID == 0 {
		return read()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread has another user's rights and ends with
		// this goroutine.
		runtime.LockOSThread()
		var groups unsafe.Pointer
		if len(user.Groups) > 0 {
			groups = unsafe.Pointer(&user.Groups[0])
		}
		// The system call itself, because unix.Setgroups changes all threads.
		if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(user.Groups)), uintptr(groups), 0); e != 0 {
			err = fmt.Errorf("take the groups of user %d: %w", user.UID, e)
			return
		}
		// Without file system rights of root, since capabilities follow the user.
		if err = unix.Setfsgid(user.GID); err == nil {
			err = unix.Setfsuid(user.UID)
		}
		if err == nil {
			data, err = read()
		}
	}()
	<-done
	return data, err
}

// dialIn connects from another network. Each connection is made by a thread
// that goes there for it and ends.
func dialIn(network *os.File) dialer {
	return func(ctx context.Context, proto, address string) (conn net.Conn, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			if err = unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
				err = fmt.Errorf("enter the network of the process: %w", err)
				return
			}
			conn, err = new(net.Dialer).DialContext(ctx, proto, address)
		}()
		<-done
		return conn, err
	}
}
