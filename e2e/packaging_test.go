//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The image of packaging/docker is built by the real engine, runs the agent
// without a shell or a library, and says that it is ready.
func TestImage(t *testing.T) {
	host := engine(t)
	context := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "grpcnotrace", "-o", filepath.Join(context, "mantle"), "../cmd/mantle")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	// Nothing is asked of AWS here, so any certificates will do.
	if err := os.WriteFile(filepath.Join(context, "ca-certificates.crt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	docker := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("docker", args...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host, "DOCKER_BUILDKIT=0")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	name := fmt.Sprintf("mantle-image-test-%d", os.Getpid())
	docker("build", "-f", "../packaging/docker/Dockerfile", "-t", name, context)
	t.Cleanup(func() { docker("rmi", "-f", name) })

	if got := docker("run", "--rm", name, "version"); !strings.HasPrefix(got, "mantle ") {
		t.Errorf("version says %q", got)
	}
	size := docker("image", "inspect", "--format", "{{.Size}}", name)
	t.Logf("the image has %s bytes", size)

	conf := t.TempDir()
	text := `base {
  source   = "environment"
  region   = "eu-west-1"
  endpoint = "http://127.0.0.1:1"
}
agent {
  socket  = "/run/mantle/agent.sock"
  metrics = "127.0.0.1:0"
}
role "a" { arn = "arn:aws:iam::111122223333:role/a" }
workload "a" {
  role = role.a
  match { uid = 4242 }
}
`
	if err := os.WriteFile(filepath.Join(conf, "mantle.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	id := docker("run", "-d", "--network", "host", "--read-only", "--tmpfs", "/run/mantle", "-v", conf+":/etc/mantle:ro",
		"-e", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "-e", "AWS_SECRET_ACCESS_KEY=x", "-e", "AWS_EC2_METADATA_DISABLED=true", name)
	t.Cleanup(func() { docker("rm", "-f", id) })
	logs, url := "", ""
	for range 100 {
		logs = docker("logs", id)
		if _, rest, ok := strings.Cut(logs, "metrics      "); ok {
			url, _, _ = strings.Cut(rest, "/metrics")
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if url == "" {
		t.Fatalf("the agent does not say where its metrics are:\n%s", logs)
	}
	if got := docker("exec", id, "/mantle", "agent", "status"); !strings.Contains(got, "ok") || !strings.Contains(got, "doors") {
		t.Errorf("status says\n%s", got)
	}
	resp, err := http.Get(url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %d, %v: %s", resp.StatusCode, err, body)
	}
}
