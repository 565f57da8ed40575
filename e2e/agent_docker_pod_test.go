//go:build e2e && linux

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// apiServer is the part of a Kubernetes API server that knows the pods of a node
// and the tokens that it has made for them.
//
// https://kubernetes.io/docs/reference/using-api/api-concepts/
type apiServer struct {
	ca []byte // PEM, in base64
	at string // its URL

	mu      sync.Mutex // guards the fields below
	version int
	pods    map[string]object // by UID
	events  []object
	wake    chan struct{} // closed at the next event
	tokens  map[string]object
	reviews int
}

type object map[string]any

const nodeToken = "token-of-the-node-agent"

func newAPIServer(serve func(func(context.Context, net.Listener) error)) *apiServer {
	s := &apiServer{version: 1, pods: map[string]object{}, tokens: map[string]object{}, wake: make(chan struct{})}
	ready := make(chan struct{})
	serve(func(ctx context.Context, ln net.Listener) error {
		web := httptest.NewUnstartedServer(s)
		web.Listener.Close()
		web.Listener = ln
		web.Config.ErrorLog = log.New(io.Discard, "", 0)
		web.Config.BaseContext = func(net.Listener) context.Context { return ctx } // ends watches
		web.StartTLS()
		s.at = web.URL
		s.ca = web.Certificate().Raw
		close(ready)
		<-ctx.Done()
		web.Close()
		return nil
	})
	<-ready
	return s
}

// kubeconfig writes a file that leads to the server.
func (s *apiServer) kubeconfig(t *testing.T, dir string) string {
	t.Helper()
	ca := base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(s.ca) + "\n-----END CERTIFICATE-----\n"))
	write(t, dir, "kubeconfig", fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: node
contexts:
- name: node
  context: {cluster: here, user: agent}
clusters:
- name: here
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: agent
  user: {token: %s}
`, s.at, ca, nodeToken))
	return filepath.Join(dir, "kubeconfig")
}

// podOf is a running pod with one container of a Docker engine.
func podOf(name, account, ip, container string) object {
	return object{"kind": "Pod", "apiVersion": "v1",
		"metadata": object{"name": name, "namespace": "shop", "uid": "uid-of-" + name, "labels": object{"app": name}},
		"spec":     object{"nodeName": "node-1", "serviceAccountName": account, "containers": []object{{"name": "main", "image": wearerImage}}},
		"status": object{"phase": "Running", "podIP": ip, "podIPs": []object{{"ip": ip}},
			"containerStatuses": []object{{"name": "main", "containerID": "docker://" + container, "state": object{"running": object{}}}}}}
}

// apply adds or (DELETED) removes a pod.
func (s *apiServer) apply(kind string, pod object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	pod = maps.Clone(pod)
	meta := maps.Clone(pod["metadata"].(object))
	meta["resourceVersion"] = strconv.Itoa(s.version)
	pod["metadata"] = meta
	s.pods[meta["uid"].(string)] = pod
	if kind == "DELETED" {
		delete(s.pods, meta["uid"].(string))
	}
	s.events = append(s.events, object{"type": kind, "object": pod})
	close(s.wake)
	s.wake = make(chan struct{})
}

// token makes a token as the kubelet projects it into a pod. One that is not
// known to the server is one that somebody else has signed.
func (s *apiServer) token(pod object, known bool, audience string, expires time.Time) string {
	meta, spec := pod["metadata"].(object), pod["spec"].(object)
	claims := object{"aud": []string{audience}, "exp": expires.Unix(), "iat": expires.Add(-time.Hour).Unix(), "nbf": expires.Add(-time.Hour).Unix(),
		"sub": fmt.Sprintf("system:serviceaccount:%s:%s", meta["namespace"], spec["serviceAccountName"]),
		"kubernetes.io": object{"namespace": meta["namespace"], "node": object{"name": spec["nodeName"], "uid": "n"},
			"pod": object{"name": meta["name"], "uid": meta["uid"]}, "serviceaccount": object{"name": spec["serviceAccountName"], "uid": "a"}}}
	payload, _ := json.Marshal(claims) // maps of strings
	var signature [64]byte
	rand.Read(signature[:])
	enc := base64.RawURLEncoding
	t := enc.EncodeToString([]byte(`{"alg":"RS256","kid":"k"}`)) + "." + enc.EncodeToString(payload) + "." + enc.EncodeToString(signature[:])
	if known {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tokens[t] = pod
	}
	return t
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+nodeToken:
		w.WriteHeader(http.StatusUnauthorized)
		out.Encode(object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401})
	case r.URL.Path == "/api/v1/pods" && r.URL.Query().Get("watch") != "":
		s.watch(w, r)
	case r.URL.Path == "/api/v1/pods":
		s.mu.Lock()
		defer s.mu.Unlock()
		items := []object{}
		for _, p := range s.pods {
			items = append(items, p)
		}
		out.Encode(object{"kind": "PodList", "apiVersion": "v1", "metadata": object{"resourceVersion": strconv.Itoa(s.version)}, "items": items})
	case r.Method == http.MethodPost && r.URL.Path == "/apis/authentication.k8s.io/v1/tokenreviews":
		var q struct {
			Spec struct {
				Token     string   `json:"token"`
				Audiences []string `json:"audiences"`
			} `json:"spec"`
		}
		if json.NewDecoder(r.Body).Decode(&q) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.reviews++
		status := object{"user": object{}, "error": "invalid bearer token"}
		if pod, ok := s.tokens[q.Spec.Token]; ok {
			meta, spec := pod["metadata"].(object), pod["spec"].(object)
			status = object{"authenticated": true, "audiences": q.Spec.Audiences, "user": object{
				"username": fmt.Sprintf("system:serviceaccount:%s:%s", meta["namespace"], spec["serviceAccountName"]),
				"extra": object{"authentication.kubernetes.io/pod-name": []any{meta["name"]}, "authentication.kubernetes.io/pod-uid": []any{meta["uid"]},
					"authentication.kubernetes.io/node-name": []any{spec["nodeName"]}}}}
		}
		w.WriteHeader(http.StatusCreated)
		out.Encode(object{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	w.WriteHeader(http.StatusOK)
	out := json.NewEncoder(w)
	for {
		s.mu.Lock()
		wake, events := s.wake, s.events
		s.mu.Unlock()
		for _, e := range events {
			version, _ := strconv.Atoi(e["object"].(object)["metadata"].(object)["resourceVersion"].(string))
			if version > since {
				out.Encode(e)
				since = version
			}
		}
		w.(http.Flusher).Flush()
		select {
		case <-wake:
		case <-r.Context().Done():
			return
		}
	}
}

// TestAgentPods: on a node whose pods are containers of a real engine, a pod
// wears the role of its service account at 169.254.169.254, where the kernel says
// who it is, and at 169.254.170.23, where its projected token does.
func TestAgentPods(t *testing.T) {
	h := newDockerHost(t, "pod", "loose")
	api := newAPIServer(func(serve func(context.Context, net.Listener) error) { h.serve(h.name, "127.0.0.1:6443", serve) })
	projected := filepath.Join(h.dir, "projected")
	if err := os.Mkdir(projected, 0o755); err != nil {
		t.Fatal(err)
	}
	volume := []string{"--volume", projected + ":/var/run/secrets/pods.eks.amazonaws.com:ro"}
	pods := map[string]object{}
	for name, account := range map[string]string{"web": "web", "other": "other", "late": "web", "loose": ""} {
		h.keep(name, volume...)
		if account != "" {
			pods[name] = podOf(name, account, h.docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", name), h.docker("inspect", "--format", "{{.Id}}", name))
		}
	}
	api.apply("ADDED", pods["web"])
	api.apply("ADDED", pods["other"])
	h.begin(h.configuration(fmt.Sprintf(`interception = "redirect"
 intercept = ["metadata", "container", "pod_identity"]
 kubernetes {
  kubeconfig = %q
  node = "node-1"
 }`, api.kubeconfig(t, h.dir)), "instance",
		"pod: pod {\n namespace = \"shop\"\n service_account = \"web\"\n }", `loose: container { name = "loose" }`))

	h.wears("a pod", h.ask("web"), "pod")
	h.wearsNothing("a pod without a rule", h.ask("other"))
	h.wears("a container that is no pod", h.ask("loose"), "loose")
	h.wearsNothing("a pod that the API server does not tell of yet", h.ask("late"))
	api.apply("ADDED", pods["late"])
	h.wears("the same when it does", h.ask("late"), "pod")

	const audience = "pods.eks.amazonaws.com"
	hour := time.Now().Add(time.Hour)
	with := func(from, token string) worn {
		t.Helper()
		write(t, projected, "token", []byte(token))
		if err := os.Chmod(filepath.Join(projected, "token"), 0o644); err != nil {
			t.Fatal(err)
		}
		return h.readWorn(h.docker("exec", "--env", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://169.254.170.23/v1/credentials",
			"--env", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/var/run/secrets/pods.eks.amazonaws.com/token", "--env", "AWS_EC2_METADATA_DISABLED=true",
			from, "/wearer", "whoami", dockerSTS))
	}
	good := api.token(pods["web"], true, audience, hour)
	h.wears("a pod, by its token", with("web", good), "pod")
	reviews := api.asked()
	if reviews == 0 {
		t.Error("the API server was not asked about the token")
	}
	for what, w := range map[string]worn{
		"with a token that somebody else signed":  with("web", api.token(pods["web"], false, audience, hour)),
		"with one that has expired":               with("web", api.token(pods["web"], true, audience, time.Now().Add(-time.Minute))),
		"with one for the API server":             with("web", api.token(pods["web"], true, "https://kubernetes.default.svc", hour)),
		"with one of a pod that has no rule":      with("other", api.token(pods["other"], true, audience, hour)),
		"with another pod's":                      with("other", good),
		"with none at all":                        with("web", "-"),
		"with a token of a pod of another node":   with("web", api.token(elsewhere(pods["web"]), true, audience, hour)),
		"with one whose signature was taken off":  with("web", good[:len(good)-86]),
		"with one of a service account of itself": with("other", api.token(renamed(pods["other"], "web"), true, audience, hour)),
	} {
		h.wearsNothing("a pod "+what, w)
	}

	api.apply("DELETED", pods["web"])
	soon(t, "a pod that was deleted gets nothing", func() bool { return h.ask("web").Key == "" })
	h.wearsNothing("its token", with("web", good))
	h.wears("a container beside it", h.ask("loose"), "loose")
	h.noLeak("with pods")
}

func (s *apiServer) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reviews
}

// elsewhere is a pod on another node, renamed one with another service account.
func elsewhere(pod object) object {
	return object{"metadata": object{"name": "far", "namespace": "shop", "uid": "uid-of-far"},
		"spec": object{"nodeName": "node-2", "serviceAccountName": pod["spec"].(object)["serviceAccountName"]}}
}

func renamed(pod object, account string) object {
	return object{"metadata": pod["metadata"], "spec": object{"nodeName": "node-1", "serviceAccountName": account}}
}

// TestAgentPodToken is the same endpoint without containers, at an address of
// one's own: a token is all that tells who calls.
func TestAgentPodToken(t *testing.T) {
	a := start(t)
	admin := a.env("dev")
	dir := t.TempDir()
	write(t, dir, "trust.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/dev-admin"},"Action":"sts:AssumeRole"}]}`))
	must(t, admin, dir, tool(t, "aws"), "iam", "create-role", "--role-name", "pod", "--assume-role-policy-document", "file://trust.json")
	api := newAPIServer(func(serve func(context.Context, net.Listener) error) {
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() { serve(ctx, listening(t)) })
		t.Cleanup(func() { cancel(); done.Wait() })
	})
	web, other := podOf("web", "web", "192.0.2.7", fmt.Sprintf("%064x", 7)), podOf("other", "other", "192.0.2.8", fmt.Sprintf("%064x", 8))
	api.apply("ADDED", web)
	api.apply("ADDED", other)
	ln := listening(t)
	at := ln.Addr().String()
	ln.Close()
	runAgent(t, admin, fmt.Sprintf(`agent {
  listen       = "127.0.0.1:0"
  pod_identity = %q
  kubernetes {
    kubeconfig = %q
    node       = "node-1"
  }
}
role "pod" {
  arn = "arn:aws:iam::111122223333:role/pod"
}
workload "web" {
  role = role.pod
  pod {
    namespace       = "shop"
    service_account = "web"
  }
}
`, at, api.kubeconfig(t, dir)))
	wearer := filepath.Join(dir, "wearer")
	must(t, os.Environ(), "", "go", "build", "-o", wearer, "./testdata/wearer")
	ask := func(token string) (w worn) {
		t.Helper()
		write(t, dir, "token", []byte(token))
		env := append(plainEnv(), "AWS_REGION=eu-west-1", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://"+at+"/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="+filepath.Join(dir, "token"))
		text := must(t, env, dir, wearer, "whoami", a.url)
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		return w
	}
	const audience = "pods.eks.amazonaws.com"
	hour := time.Now().Add(time.Hour)
	if got := ask(api.token(web, true, audience, hour)); !strings.HasPrefix(got.Arn, "arn:aws:sts::111122223333:assumed-role/pod/") {
		t.Errorf("with its projected token a pod gets %+v", got)
	}
	for what, token := range map[string]string{
		"of a pod without a rule": api.token(other, true, audience, hour),
		"that is forged":          api.token(web, false, audience, hour),
		"that has expired":        api.token(web, true, audience, time.Now().Add(-time.Minute)),
		"for somebody else":       api.token(web, true, "sts.amazonaws.com", hour),
		"that is none":            "none",
	} {
		if got := ask(token); got.Key != "" || got.Error == "" {
			t.Errorf("with a token %s: %+v, want nothing", what, got)
		}
	}
}

// listening is a listener on loopback.
func listening(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
