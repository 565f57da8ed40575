//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimes "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/mantle-iam/mantle/internal/cri"
)

// containerd starts a containerd of the test's own with its CRI plugin on, and
// returns the address of its socket. Networks are a script's that says what the
// address is; nothing is pulled.
func containerd(t *testing.T) (address string) {
	t.Helper()
	path := tool(t, "containerd")
	tool(t, "runc")
	tool(t, "ctr")
	if os.Geteuid() != 0 {
		t.Skip("containerd needs root")
	}
	dir, err := os.MkdirTemp("", "mantle-cri-") // a short path: sockets have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	// The network plugins: https://www.cni.dev/docs/spec/.
	plugin := `#!/bin/sh
[ "$CNI_COMMAND" = VERSION ] && { echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}'; exit; }
[ "$CNI_COMMAND" = ADD ] || exit 0
echo '{"cniVersion":"0.4.0","interfaces":[{"name":"'$CNI_IFNAME'","sandbox":"'$CNI_NETNS'"}],"ips":[{"version":"4","address":"%s","interface":0}]}'
`
	write("bin/loopback", fmt.Sprintf(plugin, "127.0.0.1/8"), 0o755)
	write("bin/fixed", fmt.Sprintf(plugin, "10.213.255.7/24"), 0o755)
	write("net/10-fixed.conflist", `{"cniVersion":"0.4.0","name":"fixed","plugins":[{"type":"fixed"}]}`, 0o644)
	socket := filepath.Join(dir, "c.sock")
	conf := write("config.toml", fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "mantle.test/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
`, filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket, filepath.Join(dir, "bin"), filepath.Join(dir, "net")), 0o644)

	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config", conf)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if b, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("containerd: %s", b[max(0, len(b)-4000):])
		}
		os.RemoveAll(dir)
	})
	image := filepath.Join(dir, "pause.tar")
	pauseImage(t, image, "mantle.test/pause:1")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		out, err := exec.Command("ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", "--snapshotter", "native", image).CombinedOutput()
		if err == nil {
			return "unix://" + socket
		}
		if time.Now().After(deadline) {
			t.Fatalf("ctr images import: %v: %s", err, out)
		}
	}
}

// pauseImage writes an image of one program that waits to be ended, as docker
// save does.
func pauseImage(t *testing.T, path, tag string) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(`package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "pause"), source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	var blob bytes.Buffer
	if err := layer(&blob, map[string]string{"/pause": filepath.Join(dir, "pause")}); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "config": map[string]any{"Entrypoint": []string{"/pause"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(blob.Bytes()))}}})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{tag}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	for _, file := range []struct {
		name string
		data []byte
	}{{"layer.tar", blob.Bytes()}, {"config.json", config}, {"manifest.json", manifest}} {
		if err := w.WriteHeader(&tar.Header{Name: file.name, Mode: 0o644, Size: int64(len(file.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(file.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCRIContainerd has a real containerd run pods as a kubelet does, and holds
// what the agent knows of them against it.
func TestCRIContainerd(t *testing.T) {
	address := containerd(t)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := runtimes.NewRuntimeServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for ready := false; !ready; time.Sleep(200 * time.Millisecond) {
		s, err := client.Status(ctx, &runtimes.StatusRequest{})
		if ctx.Err() != nil {
			t.Fatalf("the runtime is never ready: %v %v", s, err)
		}
		if err == nil {
			ready = true
			for _, c := range s.GetStatus().GetConditions() {
				ready = ready && c.GetStatus()
			}
		}
	}

	d, err := cri.New(address, cri.Options{Every: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	watching, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- d.Run(watching) }()
	defer func() { end(); <-done }()

	start := func(name string, network runtimes.NamespaceMode) (box, id string) {
		t.Helper()
		sandbox := &runtimes.PodSandboxConfig{
			Metadata: &runtimes.PodSandboxMetadata{Name: name, Uid: "uid-" + name, Namespace: "shop"},
			Labels:   map[string]string{"app": name, "io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.uid": "uid-" + name},
			Linux:    &runtimes.LinuxPodSandboxConfig{SecurityContext: &runtimes.LinuxSandboxSecurityContext{NamespaceOptions: &runtimes.NamespaceOption{Network: network}}},
		}
		s, err := client.RunPodSandbox(ctx, &runtimes.RunPodSandboxRequest{Config: sandbox})
		if err != nil {
			t.Fatal(err)
		}
		box = s.GetPodSandboxId()
		t.Cleanup(func() {
			client.StopPodSandbox(context.Background(), &runtimes.StopPodSandboxRequest{PodSandboxId: box})
			client.RemovePodSandbox(context.Background(), &runtimes.RemovePodSandboxRequest{PodSandboxId: box})
		})
		c, err := client.CreateContainer(ctx, &runtimes.CreateContainerRequest{PodSandboxId: box, SandboxConfig: sandbox, Config: &runtimes.ContainerConfig{
			Metadata: &runtimes.ContainerMetadata{Name: "web"}, Image: &runtimes.ImageSpec{Image: "mantle.test/pause:1"},
			Labels: map[string]string{"io.kubernetes.container.name": "web", "io.kubernetes.pod.uid": "uid-" + name},
			Linux:  &runtimes.LinuxContainerConfig{SecurityContext: &runtimes.LinuxContainerSecurityContext{NamespaceOptions: &runtimes.NamespaceOption{Network: network}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.StartContainer(ctx, &runtimes.StartContainerRequest{ContainerId: c.GetContainerId()}); err != nil {
			t.Fatal(err)
		}
		return box, c.GetContainerId()
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			changed := d.Changed()
			select {
			case <-changed:
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				_, fault := d.Fault()
				t.Fatalf("never: %s; fault %v", what, fault)
			}
		}
	}
	known := func(id string) func() bool {
		return func() bool { _, ok := d.Container(id); return ok }
	}

	_, own := start("own", runtimes.NamespaceMode_POD)
	until("the container", known(own))
	p, _ := d.Container(own)
	if p.Container.Runtime != "containerd" || p.Container.Name != "web" || p.Pod == nil || p.Pod.UID != "uid-own" || p.Pod.Name != "own" || p.Pod.Namespace != "shop" || p.Pod.Labels["app"] != "own" {
		t.Errorf("got %+v of %+v", p.Container, p.Pod)
	}
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.PID)); err != nil || exe != "/pause" {
		t.Errorf("pid %d runs %q, %v", p.PID, exe, err)
	}
	if groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.PID)); err != nil || !bytes.Contains(groups, []byte(own)) {
		t.Errorf("pid %d is in %s, %v", p.PID, groups, err)
	}
	if got := d.Address(netip.MustParseAddr("10.213.255.7")); p.HostNetwork || len(got) != 1 || got[0].Container.ID != own {
		t.Errorf("10.213.255.7 belongs to %v, host network %v", got, p.HostNetwork)
	}

	_, shared := start("host", runtimes.NamespaceMode_NODE)
	until("the container on the host's network", known(shared))
	if h, _ := d.Container(shared); !h.HostNetwork || len(h.Addresses) != 0 || h.PID == 0 {
		t.Errorf("got %+v", h)
	}

	if _, err := client.StopContainer(ctx, &runtimes.StopContainerRequest{ContainerId: own}); err != nil {
		t.Fatal(err)
	}
	until("its end", func() bool { return !known(own)() })
	if got := d.Address(netip.MustParseAddr("10.213.255.7")); len(got) != 0 {
		t.Errorf("the address of what has ended belongs to %v", got)
	}
}
