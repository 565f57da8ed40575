package peer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Processes tells whether processes are still the ones that they were, and run
// the same program. It is for those who ask for every answer: to read
// /proc/PID/stat each time costs as much as a whole request. Instead the folder
// /proc/PID is held open, which stands for that process for ever, and not for
// the next one of its number. The zero value is ready for use.
type Processes struct {
	mu   sync.RWMutex // guards the field below; held while a descriptor is used
	open map[started]int
}

// started names a process for ever.
type started struct {
	pid int
	at  uint64
}

// maxOpen is how many folders are held open.
const maxOpen = 256

// Same returns an error if process pid is not the one that started then, or
// runs another program; exe "" is a program that could not be told.
func (p *Processes) Same(pid int, since uint64, exe string) error {
	key := started{pid, since}
	p.mu.RLock()
	fd, ok := p.open[key]
	if ok {
		err := runs(fd, exe)
		p.mu.RUnlock()
		if err == nil {
			return nil
		}
		p.forget(key)
		return fmt.Errorf("pid %d is another program by now: %w", pid, err)
	}
	p.mu.RUnlock()
	fd, err := openProcess(key)
	if err != nil {
		return err
	}
	if err := runs(fd, exe); err != nil {
		unix.Close(fd)
		return fmt.Errorf("pid %d is another program by now: %w", pid, err)
	}
	p.keep(key, fd)
	return nil
}

// openProcess opens the folder of a process, if it is still that one.
func openProcess(key started) (int, error) {
	name := "/proc/" + strconv.Itoa(key.pid)
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	// Whose folder was opened is read from it, not from the name.
	file, err := unix.Openat(fd, "stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(fd)
		return -1, &os.PathError{Op: "open", Path: name + "/stat", Err: err}
	}
	var text [1024]byte
	n, err := unix.Read(file, text[:])
	unix.Close(file)
	if err == nil {
		var s stat
		if s, err = parseStat(text[:n]); err == nil && s.started != key.at {
			err = fmt.Errorf("pid %d is another process by now", key.pid)
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

var errProgram = errors.New("it runs another file")

// runs returns an error if the process of a folder has ended, or runs another
// program.
func runs(fd int, exe string) error {
	if exe == "" {
		var st unix.Stat_t
		return unix.Fstatat(fd, "stat", &st, 0) // fails with ESRCH or ENOENT once it has ended
	}
	var name [unix.PathMax]byte
	n, err := unix.Readlinkat(fd, "exe", name[:])
	if err != nil {
		return err
	}
	if string(name[:n]) != exe {
		return errProgram
	}
	return nil
}

func (p *Processes) keep(key started, fd int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = map[started]int{}
	}
	if _, ok := p.open[key]; ok {
		unix.Close(fd)
		return
	}
	if len(p.open) >= maxOpen {
		for k, old := range p.open {
			if runs(old, "") != nil {
				unix.Close(old)
				delete(p.open, k)
			}
		}
	}
	if len(p.open) >= maxOpen { // all of them live: begin anew
		for k, old := range p.open {
			unix.Close(old)
			delete(p.open, k)
		}
	}
	p.open[key] = fd
}

func (p *Processes) forget(key started) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd, ok := p.open[key]; ok {
		unix.Close(fd)
		delete(p.open, key)
	}
}
