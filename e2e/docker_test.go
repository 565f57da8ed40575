//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// dockerEngine is the engine that all tests share: the one that answers on
// this machine, else one that the tests start for themselves and TestMain
// ends.
type dockerEngine struct {
	host string // value of DOCKER_HOST
	err  error  // why there is none
	stop func()
}

var theEngine = sync.OnceValue(startEngine)

// engineUsed is true once theEngine was asked for, so that TestMain does not
// start one in order to end it.
var engineUsed bool

// engine returns the value of DOCKER_HOST that leads to a Docker engine. It
// never pulls: images come from scratchImage.
func engine(t *testing.T) string {
	t.Helper()
	tool(t, "docker")
	e := theEngine()
	if e.err != nil {
		t.Skipf("no Docker engine: %v", e.err)
	}
	return e.host
}

// endEngine ends the engine if the tests have started one.
func endEngine() {
	if engineUsed {
		theEngine().stop()
	}
}

func startEngine() dockerEngine {
	engineUsed = true
	none := func(err error) dockerEngine { return dockerEngine{err: err, stop: func() {}} }
	if host := os.Getenv("DOCKER_HOST"); answers(host) == nil {
		if host == "" {
			host = "unix:///var/run/docker.sock"
		}
		return dockerEngine{host: host, stop: func() {}}
	}
	switch {
	case runtime.GOOS != "linux":
		return none(errors.New("dockerd is there on Linux only"))
	case os.Geteuid() != 0:
		return none(errors.New("none answers, and starting dockerd needs root"))
	}
	for _, name := range []string{"dockerd", "ip"} {
		if _, err := exec.LookPath(name); err != nil {
			return none(fmt.Errorf("none answers, and %w: run e2e/setup", err))
		}
	}
	dir, err := os.MkdirTemp("", "mantle-docker-")
	if err != nil {
		return none(err)
	}
	// A bridge of this run's own, so that two runs at a time share none, and
	// no firewall rules: what runs here reaches this host and nothing else.
	bridge := "mtl" + strconv.Itoa(os.Getpid())
	subnet := netip.AddrFrom4([4]byte{10, 213, byte(os.Getpid()), 1})
	remove := func() {
		exec.Command("ip", "link", "del", bridge).Run()
		unmountBelow(dir)
		os.RemoveAll(dir)
	}
	for _, args := range [][]string{{"link", "add", bridge, "type", "bridge"}, {"addr", "add", subnet.String() + "/24", "dev", bridge}, {"link", "set", bridge, "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			remove()
			return none(fmt.Errorf("ip %s: %s", strings.Join(args, " "), bytes.TrimSpace(out)))
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		remove()
		return none(err)
	}
	host := "unix://" + filepath.Join(dir, "docker.sock")
	cmd := exec.Command("dockerd", "--host", host, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--config-file", filepath.Join(dir, "none.json"), "--bridge", bridge,
		"--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false")
	cmd.Stdout, cmd.Stderr = log, log
	if err := os.WriteFile(filepath.Join(dir, "none.json"), []byte("{}"), 0o600); err != nil {
		remove()
		return none(err)
	}
	// If the tests are killed, so is the engine. The kernel looks at the
	// thread that started it, which therefore stays.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	begun, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		begun <- err
		if err == nil {
			cmd.Wait()
		}
		close(ended)
	}()
	if err := <-begun; err != nil {
		remove()
		return none(err)
	}
	stop := func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
		log.Close()
		remove()
	}
	for range 150 {
		if err = answers(host); err == nil {
			return dockerEngine{host: host, stop: stop}
		}
		select {
		case <-ended:
			err = errors.New("dockerd ended")
		case <-time.After(100 * time.Millisecond):
			continue
		}
		break
	}
	text, _ := os.ReadFile(log.Name()) // what there is of it
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	stop()
	return none(fmt.Errorf("start dockerd: %w: %s", err, lines[len(lines)-1]))
}

// unmountBelow takes away what dockerd leaves mounted: the host's network has
// a name below its folder.
func unmountBelow(dir string) {
	mounts, _ := os.ReadFile("/proc/self/mounts") // none to be read, none to be taken away
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			syscall.Unmount(f[1], syscall.MNT_DETACH)
		}
	}
}

// answers tells whether an engine answers at a DOCKER_HOST, the default one
// if that is empty.
func answers(host string) error {
	cmd := exec.Command("docker", "version", "--format", "{{.Server.Version}}")
	if host != "" {
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s", bytes.TrimSpace(out))
	}
	return nil
}

// docker runs a command of Docker's that has to succeed and returns what it
// printed, without the space around it.
func docker(t *testing.T, host string, args ...string) string {
	t.Helper()
	return strings.TrimSpace(must(t, append(plainEnv(), "DOCKER_HOST="+host), "", "docker", args...))
}

// scratchImage makes an image of one static program, which is its entry
// point: nothing is pulled. Besides it the image has the users root and app
// (1000:1000, at home in /home/app) and a /tmp.
func scratchImage(t *testing.T, host, tag, binary string) {
	t.Helper()
	importImage(t, host, tag, map[string]string{"/" + filepath.Base(binary): binary}, "/"+filepath.Base(binary))
}

// importImage makes an image of files of this machine, by their path in the
// image. A path that ends with a slash is a folder with what is in it.
func importImage(t *testing.T, host, tag string, files map[string]string, entryPoint ...string) {
	t.Helper()
	r, w := io.Pipe()
	go func() { w.CloseWithError(layer(w, files)) }()
	cmd := exec.CommandContext(t.Context(), "docker", "import", "--change", "ENTRYPOINT "+quoted(entryPoint), "-", tag)
	cmd.Env = append(plainEnv(), "DOCKER_HOST="+host)
	cmd.Stdin = r
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker import %s: %v: %s", tag, err, out)
	}
	t.Cleanup(func() {
		cmd := exec.Command("docker", "image", "rm", "--force", tag)
		cmd.Env = append(plainEnv(), "DOCKER_HOST="+host)
		cmd.Run()
	})
}

func quoted(list []string) string {
	var b []string
	for _, s := range list {
		b = append(b, strconv.Quote(s))
	}
	return "[" + strings.Join(b, ",") + "]"
}

// layer writes the files of an image.
func layer(w io.Writer, files map[string]string) error {
	t := tar.NewWriter(w)
	for _, d := range []tar.Header{
		{Name: "tmp/", Mode: 0o1777}, {Name: "etc/", Mode: 0o755}, {Name: "home/", Mode: 0o755},
		{Name: "home/app/", Mode: 0o755, Uid: 1000, Gid: 1000},
	} {
		d.Typeflag = tar.TypeDir
		if err := t.WriteHeader(&d); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0::/:/none\napp:x:1000:1000::/home/app:/none\n",
		"etc/group":  "root:x:0:\napp:x:1000:\n",
	} {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := io.WriteString(t, text); err != nil {
			return err
		}
	}
	for name, path := range files {
		if strings.HasSuffix(name, "/") {
			if err := layerFolder(t, strings.TrimPrefix(name, "/"), path); err != nil {
				return err
			}
			continue
		}
		if err := layerFile(t, strings.TrimPrefix(name, "/"), path); err != nil {
			return err
		}
	}
	return t.Close()
}

func layerFolder(t *tar.Writer, name, path string) error {
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !d.Type().IsRegular():
			return nil // folders come with their files; links are for people
		}
		return layerFile(t, name+strings.TrimPrefix(file, path+"/"), file)
	})
}

func layerFile(t *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a folder", path)
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}
