package peer

import (
	"strings"
	"testing"
)

const (
	idA = "3f2a9d1c0b5e47f88a6c2d90e1f4b7a3c5d8e9f0a1b2c3d4e5f60718293a4b5c"
	idB = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
	pod = "pod7c9e6679_7425_40de_944b_e07fc1f90ae7"
)

func TestContainerIn(t *testing.T) {
	for _, tt := range []struct {
		name, cgroup, own string
		want              Container
	}{
		{"docker, systemd", "0::/system.slice/docker-" + idA + ".scope\n", "", Container{"docker", idA, ":/system.slice/docker-" + idA + ".scope", false}},
		{"docker, cgroupfs", "0::/docker/" + idA + "\n", "", Container{"docker", idA, ":/docker/" + idA, false}},
		{"docker, slice of one's own", "0::/apps.slice/apps-web.slice/docker-" + idA + ".scope\n", "", Container{"docker", idA, ":/apps.slice/apps-web.slice/docker-" + idA + ".scope", false}},
		{"docker, version 1", "12:pids:/docker/" + idA + "\n11:memory:/docker/" + idA + "\n1:name=systemd:/docker/" + idA + "\n0::/system.slice/containerd.service\n", "", Container{"docker", idA, "pids:/docker/" + idA, false}},
		{"docker, rootless", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" + idA + ".scope\n", "", Container{"docker", idA, ":/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" + idA + ".scope", true}},
		{"docker in docker", "0::/docker/" + idA + "/docker/" + idB + "\n", "", Container{"docker", idA, ":/docker/" + idA, false}},
		{"a container that names a group after another", "0::/system.slice/docker-" + idA + ".scope/docker-" + idB + ".scope\n", "", Container{"docker", idA, ":/system.slice/docker-" + idA + ".scope", false}},
		{"systemd in docker", "0::/docker/" + idA + "/init.scope\n", "", Container{"docker", idA, ":/docker/" + idA, false}},
		{"ecs, cgroupfs", "9:memory:/ecs/0f8a6c1e7f0e4f6b9d2e3b8a9b7c1d2e/" + idA + "\n", "", Container{"", idA, "memory:/ecs/0f8a6c1e7f0e4f6b9d2e3b8a9b7c1d2e/" + idA, false}},
		{"ecs, systemd", "0::/ecstasks.slice/ecstasks-0f8a6c1e7f0e4f6b9d2e3b8a9b7c1d2e.slice/docker-" + idA + ".scope\n", "", Container{"docker", idA, ":/ecstasks.slice/ecstasks-0f8a6c1e7f0e4f6b9d2e3b8a9b7c1d2e.slice/docker-" + idA + ".scope", false}},
		{"podman", "0::/machine.slice/libpod-" + idA + ".scope/container\n", "", Container{"podman", idA, ":/machine.slice/libpod-" + idA + ".scope", false}},
		{"podman, pod", "0::/machine.slice/machine-libpod_pod_" + idB + ".slice/libpod-" + idA + ".scope\n", "", Container{"podman", idA, ":/machine.slice/machine-libpod_pod_" + idB + ".slice/libpod-" + idA + ".scope", false}},
		{"podman, cgroupfs pod", "0::/libpod_parent/" + idB + "/libpod-" + idA + "\n", "", Container{"podman", idA, ":/libpod_parent/" + idB + "/libpod-" + idA, false}},
		{"podman, in a unit", "0::/system.slice/web.service/libpod-payload-" + idA + "\n", "", Container{"podman", idA, ":/system.slice/web.service/libpod-payload-" + idA, true}},
		{"podman, rootless", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope/container\n", "", Container{"podman", idA, ":/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope", true}},
		{"podman's monitor", "0::/machine.slice/libpod-conmon-" + idA + ".scope\n", "", Container{}},
		{"cri-o's monitor", "0::/system.slice/crio-conmon-" + idA + ".scope\n", "", Container{}},
		{"containerd, systemd", "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + pod + ".slice/cri-containerd-" + idA + ".scope\n", "", Container{"containerd", idA, ":/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-" + pod + ".slice/cri-containerd-" + idA + ".scope", false}},
		{"the kubelet, cgroupfs", "5:cpu,cpuacct:/kubepods/besteffort/" + pod + "/" + idA + "\n", "", Container{"", idA, "cpu,cpuacct:/kubepods/besteffort/" + pod + "/" + idA, false}},
		{"cri-o", "0::/kubepods.slice/kubepods-" + pod + ".slice/crio-" + idA + ".scope\n", "", Container{"cri-o", idA, ":/kubepods.slice/kubepods-" + pod + ".slice/crio-" + idA + ".scope", false}},
		{"cri-dockerd", "0::/kubepods.slice/kubepods-" + pod + ".slice/docker-" + idA + ".scope\n", "", Container{"docker", idA, ":/kubepods.slice/kubepods-" + pod + ".slice/docker-" + idA + ".scope", false}},
		{"containerd with another driver than runc's", "0::/system.slice/containerd.service/kubepods-besteffort-" + pod + ".slice:cri-containerd:" + idA + "\n", "", Container{"containerd", idA, ":/system.slice/containerd.service/kubepods-besteffort-" + pod + ".slice:cri-containerd:" + idA, true}},
		{"nerdctl", "0::/default/nerdctl-" + idA + ".scope\n", "", Container{"containerd", idA, ":/default/nerdctl-" + idA + ".scope", false}},
		{"a runtime of the future", "0::/system.slice/newd-" + idA + ".scope\n", "", Container{"", idA, ":/system.slice/newd-" + idA + ".scope", false}},
		{"kind, seen from outside", "0::/docker/" + idA + "/kubelet.slice/kubelet-kubepods.slice/cri-containerd-" + idB + ".scope\n", "0::/user.slice\n", Container{"docker", idA, ":/docker/" + idA, false}},
		{"kind, seen from its node", "0::/docker/" + idA + "/kubelet.slice/cri-containerd-" + idB + ".scope\n", "0::/docker/" + idA + "/init.scope\n", Container{"containerd", idB, ":/docker/" + idA + "/kubelet.slice/cri-containerd-" + idB + ".scope", false}},
		{"our own container", "0::/docker/" + idA + "\n", "0::/docker/" + idA + "\n", Container{}},
		{"above our cgroup namespace", "0::/../cri-containerd-" + idB + ".scope\n", "0::/\n", Container{"containerd", idB, ":/../cri-containerd-" + idB + ".scope", false}},
		{"unit", "0::/system.slice/web.service\n", "", Container{}},
		{"session", "1:name=systemd:/user.slice/user-1000.slice/session-3.scope\n0::/user.slice/user-1000.slice/session-3.scope\n", "", Container{}},
		{"too short", "0::/system.slice/docker-" + idA[1:] + ".scope\n", "", Container{}},
		{"not hexadecimal", "0::/docker/" + strings.ToUpper(idA) + "\n", "", Container{}},
		{"no separator", "0::/dockerx" + idA + "\n", "", Container{}},
		{"root", "0::/\n", "", Container{}},
		{"garbage", "docker/" + idA + "\n", "", Container{}},
		{"nothing", "", "", Container{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := containerIn(tt.cgroup, tt.own)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
	if got, err := containerIn("2:pids:/docker/"+idA+"\n1:cpu:/docker/"+idB+"\n", ""); err == nil {
		t.Errorf("in two containers: got %+v, want an error", got)
	}
}

func FuzzContainerIn(f *testing.F) {
	f.Add("0::/docker/"+idA+"/docker/"+idB+"\n", "0::/docker/"+idA+"\n")
	f.Add("2:pids:/kubepods/"+pod+"/"+idA+"\n", "")
	f.Add("0::/system.slice/libpod-conmon-"+idA+".scope\n0::/x", "")
	f.Fuzz(func(t *testing.T, cgroup, own string) {
		c, err := containerIn(cgroup, own)
		if err != nil || c.ID == "" {
			if c != (Container{}) {
				t.Errorf("no container, but %+v (%v)", c, err)
			}
			return
		}
		_, path, _ := strings.Cut(c.Path, ":")
		if len(c.ID) != idLength || !isID(c.ID) || !strings.Contains(cgroup, c.ID) || !strings.Contains(cgroup, path) {
			t.Errorf("%q: got %+v", cgroup, c)
		}
		// What is below a container does not change which one it is.
		below := strings.ReplaceAll(cgroup, path+"\n", path+"/docker-"+idB+".scope\n")
		if again, err := containerIn(below, own); err == nil && again != c && strings.Count(cgroup, "\n") == 1 {
			t.Errorf("%q: got %+v, and below it %+v", cgroup, c, again)
		}
	})
}
