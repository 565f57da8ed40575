package peer

import (
	"fmt"
	"strings"
)

// Container is the container that a process lives in, as the names of its
// control groups say (cgroups(7)). Container runtimes put the container's
// identifier there.
type Container struct {
	// Runtime is "docker", "podman", "containerd" or "cri-o", "" if the name
	// does not say.
	Runtime string
	// ID is the container's identifier, 64 hexadecimal digits.
	ID string
	// Path is the control group of the container, which all its processes are
	// in or below.
	Path string
	// Delegated is set if the group lies in a service's. Whoever runs the
	// service may then have made it and given it any name: compare Path with
	// that of a process which is known to be the container's.
	Delegated bool
}

// containerIn finds the container of a process in its /proc/PID/cgroup. own is
// our own: of containers that we live in ourselves, others are not in one.
//
// What counts is the outermost container, since what lies in it has been named
// by it: a container may make a group with another container's name.
func containerIn(cgroup, own string) (Container, error) {
	var found Container
	for line := range strings.Lines(cgroup) {
		hierarchy, path, ok := hierarchyOf(line)
		if !ok {
			continue
		}
		chain := chainOf(path)
		for line := range strings.Lines(own) {
			if h, p, ok := hierarchyOf(line); !ok || h != hierarchy {
				continue
			} else {
				for _, c := range chainOf(p) {
					if len(chain) == 0 || chain[0].ID != c.ID {
						break
					}
					chain = chain[1:]
				}
			}
		}
		if len(chain) == 0 {
			continue
		}
		switch c := chain[0]; {
		case found.ID == "":
			found = c
			found.Path = hierarchy + ":" + c.Path
		case found.ID != c.ID:
			return Container{}, fmt.Errorf("its control groups belong to two containers, %.12s and %.12s", found.ID, c.ID)
		}
	}
	return found, nil
}

// hierarchyOf splits "ID:CONTROLLERS:PATH". The only hierarchy of version 2
// has no controllers here.
func hierarchyOf(line string) (controllers, path string, ok bool) {
	f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
	if len(f) != 3 || !strings.HasPrefix(f[2], "/") {
		return "", "", false
	}
	return f[1], f[2], true
}

// chainOf finds the containers that a path leads through, the outermost first.
func chainOf(path string) []Container {
	var chain []Container
	above, delegated := "", false
	for end := 1; end <= len(path); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		start := strings.LastIndexByte(path[:end], '/') + 1
		name := path[start:end]
		if runtime, id := containerName(name, above); id != "" {
			if len(chain) == 0 || chain[len(chain)-1].ID != id {
				chain = append(chain, Container{Runtime: runtime, ID: id, Path: path[:end], Delegated: delegated})
			}
		}
		if strings.HasSuffix(name, ".service") {
			delegated = true
		}
		above = name
	}
	return chain
}

// idLength is the length of a container's identifier: 32 bytes in hexadecimal.
const idLength = 64

// containerName reads the name of one control group, below another:
//
//	docker-ID.scope, docker/ID                 Docker, by systemd or directly
//	ecs/TASK/ID                                Docker, for the ECS agent
//	libpod-ID.scope, libpod-payload-ID         Podman
//	cri-containerd-ID.scope, nerdctl-ID.scope  containerd
//	crio-ID.scope                              CRI-O
//	podUID/ID                                  the kubelet, whoever runs it
//	…:cri-containerd:ID                        containerd told to use another driver than runc
//
// The monitors conmon-ID and the like are processes of the host.
func containerName(name, above string) (runtime, id string) {
	if strings.HasSuffix(name, ".slice") {
		return "", "" // a group of groups, such as a pod of Podman's
	}
	name = strings.TrimSuffix(name, ".scope")
	if len(name) < idLength || !isID(name[len(name)-idLength:]) {
		return "", ""
	}
	id, prefix := name[len(name)-idLength:], name[:len(name)-idLength]
	if prefix == "" {
		switch {
		case above == "libpod_parent":
			return "", "" // a pod of Podman's
		case above == "docker":
			return "docker", id
		}
		return "", id
	}
	kind, sep := prefix[:len(prefix)-1], prefix[len(prefix)-1]
	if sep != '-' && sep != ':' || strings.HasSuffix(kind, "conmon") {
		return "", ""
	}
	kind = kind[strings.LastIndexByte(kind, ':')+1:]
	switch kind {
	case "docker":
		return "docker", id
	case "libpod", "libpod-payload":
		return "podman", id
	case "cri-containerd", "nerdctl":
		return "containerd", id
	case "crio":
		return "cri-o", id
	}
	return "", id
}

func isID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
