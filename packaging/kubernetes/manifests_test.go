// Package kubernetes_test holds the manifests to what they have to say.
package kubernetes_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/mantle-iam/mantle/internal/config"
)

// Meta is the head of every object.
type Meta struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name, Namespace string
		Labels          map[string]string
	}
}

// The types below have exactly the fields that the manifests use, spelled as
// Kubernetes spells them; a field that is not among them is an error.
type (
	plain struct { // Namespace, ServiceAccount
		Meta `yaml:",inline"`
	}
	configMap struct {
		Meta `yaml:",inline"`
		Data map[string]string
	}
	clusterRole struct {
		Meta  `yaml:",inline"`
		Rules []struct {
			APIGroups        []string `yaml:"apiGroups"`
			Resources, Verbs []string
		}
	}
	binding struct {
		Meta    `yaml:",inline"`
		RoleRef struct {
			APIGroup   string `yaml:"apiGroup"`
			Kind, Name string
		} `yaml:"roleRef"`
		Subjects []struct{ Kind, Name, Namespace string }
	}
	daemonSet struct {
		Meta `yaml:",inline"`
		Spec struct {
			Selector struct {
				MatchLabels map[string]string `yaml:"matchLabels"`
			}
			UpdateStrategy struct {
				Type          string
				RollingUpdate struct {
					MaxUnavailable int `yaml:"maxUnavailable"`
				} `yaml:"rollingUpdate"`
			} `yaml:"updateStrategy"`
			Template struct {
				Metadata struct{ Labels map[string]string }
				Spec     podSpec
			}
		}
	}
	podSpec struct {
		ServiceAccountName            string `yaml:"serviceAccountName"`
		PriorityClassName             string `yaml:"priorityClassName"`
		HostNetwork                   bool   `yaml:"hostNetwork"`
		HostPID                       bool   `yaml:"hostPID"`
		DNSPolicy                     string `yaml:"dnsPolicy"`
		TerminationGracePeriodSeconds int    `yaml:"terminationGracePeriodSeconds"`
		Tolerations                   []struct{ Operator string }
		Containers                    []containerSpec
		Volumes                       []volume
	}
	volume struct {
		Name      string
		ConfigMap *struct{ Name string }       `yaml:"configMap"`
		HostPath  *struct{ Path, Type string } `yaml:"hostPath"`
		EmptyDir  *struct{ Medium string }     `yaml:"emptyDir"`
	}
	containerSpec struct {
		Name, Image string
		Args        []string
		Env         []struct {
			Name      string
			ValueFrom struct {
				FieldRef struct {
					FieldPath string `yaml:"fieldPath"`
				} `yaml:"fieldRef"`
			} `yaml:"valueFrom"`
		}
		ReadinessProbe struct {
			HTTPGet struct {
				Host, Path string
				Port       int
			} `yaml:"httpGet"`
			PeriodSeconds  int `yaml:"periodSeconds"`
			TimeoutSeconds int `yaml:"timeoutSeconds"`
		} `yaml:"readinessProbe"`
		SecurityContext struct {
			RunAsUser                int                   `yaml:"runAsUser"`
			ReadOnlyRootFilesystem   bool                  `yaml:"readOnlyRootFilesystem"`
			AllowPrivilegeEscalation bool                  `yaml:"allowPrivilegeEscalation"`
			SeccompProfile           struct{ Type string } `yaml:"seccompProfile"`
			Capabilities             struct{ Drop, Add []string }
		} `yaml:"securityContext"`
		Resources    struct{ Requests, Limits map[string]string }
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
)

// read decodes the n-th document of a manifest and allows no unknown field.
func read[T any](t *testing.T, file string, n int) (out T) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	docs := strings.Split(string(b), "\n---\n")
	if n >= len(docs) {
		t.Fatalf("%s has %d documents", file, len(docs))
	}
	if err := yaml.NewDecoder(strings.NewReader(docs[n]), yaml.Strict()).Decode(&out); err != nil {
		t.Fatalf("%s, document %d: %v", file, n, err)
	}
	return out
}

// The agent may do what it does, on the paths and with the verbs of
// internal/kube, and nothing else.
func TestRBAC(t *testing.T) {
	if ns := read[plain](t, "rbac.yaml", 0); ns.Kind != "Namespace" || ns.Metadata.Name != "mantle" {
		t.Errorf("namespace is %+v", ns)
	}
	sa := read[plain](t, "rbac.yaml", 1)
	role := read[clusterRole](t, "rbac.yaml", 2)
	bound := read[binding](t, "rbac.yaml", 3)
	if sa.Kind != "ServiceAccount" || len(bound.Subjects) != 1 || bound.Subjects[0].Name != sa.Metadata.Name || bound.Subjects[0].Namespace != sa.Metadata.Namespace ||
		bound.RoleRef.Name != role.Metadata.Name || bound.RoleRef.Kind != role.Kind {
		t.Errorf("%+v is not bound to %+v", sa, role)
	}
	var got []string
	for _, r := range role.Rules {
		got = append(got, strings.Join(r.APIGroups, ",")+"/"+strings.Join(r.Resources, ",")+" "+strings.Join(r.Verbs, ","))
	}
	if want := []string{"/pods list,watch", "authentication.k8s.io/tokenreviews create"}; !slices.Equal(got, want) {
		t.Errorf("granted %q, want %q", got, want)
	}
}

func TestDaemonSet(t *testing.T) {
	set := read[daemonSet](t, "daemonset.yaml", 0)
	pod := set.Spec.Template.Spec
	if set.Kind != "DaemonSet" || set.APIVersion != "apps/v1" || set.Metadata.Namespace != "mantle" || pod.ServiceAccountName != "mantle" {
		t.Errorf("%+v", set.Meta)
	}
	for k, v := range set.Spec.Selector.MatchLabels {
		if set.Spec.Template.Metadata.Labels[k] != v {
			t.Errorf("the selector's %s=%s is no label of the pod", k, v)
		}
	}
	if !pod.HostNetwork || !pod.HostPID || len(pod.Tolerations) != 1 || pod.Tolerations[0].Operator != "Exists" {
		t.Error("the pod does not share the node's network and processes, or not run on every node")
	}
	if len(pod.Containers) != 1 {
		t.Fatal("not one container")
	}
	c := pod.Containers[0]
	if c.SecurityContext.AllowPrivilegeEscalation || !c.SecurityContext.ReadOnlyRootFilesystem || !slices.Equal(c.SecurityContext.Capabilities.Drop, []string{"ALL"}) ||
		slices.Contains(c.SecurityContext.Capabilities.Add, "ALL") {
		t.Errorf("%+v gives too much", c.SecurityContext)
	}
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v volume) bool { return v.Name == m.Name }) {
			t.Errorf("nothing is mounted at %s", m.MountPath)
		}
	}
	if len(c.Env) != 1 || c.Env[0].Name != "NODE_NAME" || c.Env[0].ValueFrom.FieldRef.FieldPath != "spec.nodeName" {
		t.Errorf("environment %+v", c.Env)
	}
}

// The configuration is sound, and goes with the DaemonSet.
func TestConfigMap(t *testing.T) {
	m := read[configMap](t, "configmap.yaml", 0)
	set := read[daemonSet](t, "daemonset.yaml", 0)
	c := set.Spec.Template.Spec.Containers[0]
	text, ok := m.Data[filepath.Base(c.Args[1])]
	if !ok {
		t.Fatalf("the agent reads %s, and the ConfigMap has no such file", c.Args[1])
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "mantle.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Source{LookupEnv: func(name string) (string, bool) {
		return "node-1", name == c.Env[0].Name
	}}.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Agent.Kubernetes == nil || cfg.Agent.Kubernetes.Node != "node-1" {
		t.Fatalf("kubernetes is %+v", cfg.Agent.Kubernetes)
	}
	socket := strings.TrimPrefix(cfg.Agent.Kubernetes.CRI, "unix://")
	mounted := false
	for _, v := range c.VolumeMounts {
		mounted = mounted || v.MountPath == socket
	}
	if !mounted {
		t.Errorf("the runtime's socket %s is not mounted", socket)
	}
	probe := c.ReadinessProbe.HTTPGet
	if at := net.JoinHostPort(probe.Host, strconv.Itoa(probe.Port)); at != cfg.Agent.Metrics || probe.Path != "/readyz" {
		t.Errorf("the probe looks at %+v, the agent tells how it is at %s", probe, cfg.Agent.Metrics)
	}
}
