package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// apiServer is a Kubernetes API server of pods and token reviews: it keeps a
// history, compacts it, pages its lists and sends bookmarks, as
// https://kubernetes.io/docs/reference/using-api/api-concepts/ describes.
type apiServer struct {
	*httptest.Server
	key *ecdsa.PrivateKey // signs service account tokens

	mu      sync.Mutex // guards the fields below
	version int
	pods    map[string]map[string]any // by UID
	history []event
	oldest  int           // watches from before are 410
	wake    chan struct{} // closed at the next event
	cut     chan struct{} // closed to break all watches
	down    bool
	status  int // if not 0, what every request is answered
	revoked bool
	ignore  bool // the fieldSelector
	mute    bool // a review answers no audiences
	page    int  // pods of a page whatever was asked for
	asked   []string
	reviews int
	held    chan struct{} // reviews wait for it
}

type event struct {
	version int
	kind    string
	pod     map[string]any
}

const ourToken = "node-agent-token"

func newAPIServer(t testing.TB) *apiServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &apiServer{key: key, version: 100, oldest: 100, pods: map[string]map[string]any{},
		wake: make(chan struct{}), cut: make(chan struct{})}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are the point
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(func() {
		s.sever()
		s.Close()
	})
	return s
}

// cluster is how to reach it.
func (s *apiServer) cluster() Cluster {
	return Cluster{Server: s.URL, Token: ourToken,
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})}
}

func (s *apiServer) client(t testing.TB) *Client {
	t.Helper()
	c, err := NewClient(s.cluster(), "mantle/test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func (s *apiServer) set(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }

// apply adds, changes or (with kind DELETED) removes a pod.
func (s *apiServer) apply(kind string, pod map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	pod = maps.Clone(pod)
	meta := maps.Clone(pod["metadata"].(map[string]any))
	meta["resourceVersion"] = strconv.Itoa(s.version)
	pod["metadata"] = meta
	uid := meta["uid"].(string)
	if kind == "DELETED" {
		delete(s.pods, uid)
	} else {
		s.pods[uid] = pod
	}
	s.history = append(s.history, event{s.version, kind, pod})
	close(s.wake)
	s.wake = make(chan struct{})
}

// compact forgets the history.
func (s *apiServer) compact() {
	s.set(func() { s.version++; s.oldest = s.version; s.history = nil })
}

// sever breaks all watches.
func (s *apiServer) sever() {
	s.set(func() { close(s.cut); s.cut = make(chan struct{}) })
}

func (s *apiServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.RequestURI())
	down, code := s.down, s.status
	s.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case code != 0:
		fail(w, code, "Forbidden", `pods is forbidden: User "x" cannot list resource "pods"`)
	case r.Header.Get("Authorization") != "Bearer "+ourToken:
		fail(w, 401, "Unauthorized", "Unauthorized")
	case r.Method == "GET" && r.URL.Path == "/api/v1/pods" && r.URL.Query().Get("watch") != "":
		s.watch(w, r)
	case r.Method == "GET" && r.URL.Path == "/api/v1/pods":
		s.list(w, r)
	case r.Method == "POST" && r.URL.Path == "/apis/authentication.k8s.io/v1/tokenreviews":
		s.review(w, r)
	default:
		fail(w, 404, "NotFound", "the server could not find the requested resource")
	}
}

func fail(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(failure(code, reason, message))
}

func failure(code int, reason, message string) map[string]any {
	return map[string]any{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{},
		"status": "Failure", "message": message, "reason": reason, "code": code}
}

// on reports whether the pod is on the node that the request asks for.
func (s *apiServer) on(r *http.Request, pod map[string]any) bool {
	node, ok := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "spec.nodeName=")
	return s.ignore || !ok || pod["spec"].(map[string]any)["nodeName"] == node
}

func (s *apiServer) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	if s.page != 0 {
		limit = s.page
	}
	version, from := s.version, 0
	if token := q.Get("continue"); token != "" {
		if _, err := fmt.Sscanf(token, "%d-%d", &version, &from); err != nil {
			fail(w, 400, "BadRequest", "continue key is not valid")
			return
		}
		if version < s.oldest {
			fail(w, 410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
			return
		}
	} else if v, _ := strconv.Atoi(q.Get("resourceVersion")); v > s.version {
		fail(w, 504, "Timeout", "Too large resource version: "+q.Get("resourceVersion"))
		return
	}
	var items []map[string]any
	for _, uid := range slices.Sorted(maps.Keys(s.pods)) {
		if s.on(r, s.pods[uid]) {
			items = append(items, s.pods[uid])
		}
	}
	meta := map[string]any{"resourceVersion": strconv.Itoa(version)}
	items = items[min(from, len(items)):]
	if limit > 0 && len(items) > limit {
		items = items[:limit]
		meta["continue"] = fmt.Sprintf("%d-%d", version, from+limit)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": items})
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, _ := strconv.Atoi(q.Get("resourceVersion"))
	s.mu.Lock()
	cut, old := s.cut, since < s.oldest
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(200)
	out := json.NewEncoder(w)
	send := func(kind string, object any) {
		out.Encode(map[string]any{"type": kind, "object": object})
		w.(http.Flusher).Flush()
	}
	w.(http.Flusher).Flush()
	if old {
		send("ERROR", failure(410, "Expired", "too old resource version: "+strconv.Itoa(since)))
		return
	}
	for {
		s.mu.Lock()
		wake := s.wake
		var news []event
		for _, e := range s.history {
			if e.version > since && s.on(r, e.pod) {
				news = append(news, e)
			}
		}
		since = s.version
		s.mu.Unlock()
		for _, e := range news {
			send(e.kind, e.pod)
		}
		if q.Get("allowWatchBookmarks") == "true" {
			send("BOOKMARK", map[string]any{"kind": "Pod", "apiVersion": "v1",
				"metadata": map[string]any{"resourceVersion": strconv.Itoa(since), "creationTimestamp": nil},
				"spec":     map[string]any{"containers": nil}, "status": map[string]any{}})
		}
		select {
		case <-wake:
		case <-cut:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return
		}
	}
}

func (s *apiServer) review(w http.ResponseWriter, r *http.Request) {
	var q tokenReview
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		fail(w, 400, "BadRequest", err.Error())
		return
	}
	s.mu.Lock()
	s.reviews++
	held, revoked, mute := s.held, s.revoked, s.mute
	s.mu.Unlock()
	if held != nil {
		<-held
	}
	a := map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
		"spec": map[string]any{"token": q.Spec.Token, "audiences": q.Spec.Audiences}}
	defer func() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(201)
		json.NewEncoder(w).Encode(a)
	}()
	no := func(why string) { a["status"] = map[string]any{"user": map[string]any{}, "error": why} }
	claims, ok := s.verify(q.Spec.Token)
	if !ok || revoked {
		no("invalid bearer token")
		return
	}
	own := claims["kubernetes.io"].(map[string]any)
	pod, _ := own["pod"].(map[string]any)
	s.mu.Lock()
	_, exists := s.pods[fmt.Sprint(pod["uid"])]
	s.mu.Unlock()
	if !exists {
		no("[invalid bearer token, service account token has been invalidated]")
		return
	}
	extra := map[string]any{
		"authentication.kubernetes.io/credential-id": []any{"JTI=x"},
		extraPod: []any{pod["name"]}, extraPodUID: []any{pod["uid"]},
	}
	if node, ok := own["node"].(map[string]any); ok {
		extra[extraNode] = []any{node["name"]}
	}
	status := map[string]any{"authenticated": true, "audiences": q.Spec.Audiences,
		"user": map[string]any{"username": claims["sub"], "uid": "u", "groups": []any{"system:serviceaccounts"}, "extra": extra}}
	if mute {
		delete(status, "audiences")
	}
	a["status"] = status
}

// sign makes a service account token, ES256.
func (s *apiServer) sign(claims map[string]any) string {
	enc := base64.RawURLEncoding
	head, _ := json.Marshal(map[string]any{"alg": "ES256", "kid": "k"})
	payload, _ := json.Marshal(claims)
	text := enc.EncodeToString(head) + "." + enc.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + enc.EncodeToString(sig)
}

func (s *apiServer) verify(token string) (map[string]any, bool) {
	i := strings.LastIndexByte(token, '.')
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	sum := sha256.Sum256([]byte(token[:i]))
	sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var c map[string]any
	return c, ecdsa.VerifyASN1(&s.key.PublicKey, sum[:], sig) && json.Unmarshal(payload, &c) == nil
}

// claimsOf are those of the token that the kubelet projects into a pod.
func claimsOf(pod map[string]any) map[string]any {
	meta, spec := pod["metadata"].(map[string]any), pod["spec"].(map[string]any)
	now := time.Now().Unix()
	return map[string]any{
		"aud": []any{Audience}, "exp": now + 3600, "iat": now, "nbf": now, "iss": "https://kubernetes.default.svc", "jti": "x",
		"sub": fmt.Sprintf("system:serviceaccount:%s:%s", meta["namespace"], spec["serviceAccountName"]),
		"kubernetes.io": map[string]any{
			"namespace":      meta["namespace"],
			"node":           map[string]any{"name": spec["nodeName"], "uid": "n"},
			"pod":            map[string]any{"name": meta["name"], "uid": meta["uid"]},
			"serviceaccount": map[string]any{"name": spec["serviceAccountName"], "uid": "sa"},
		},
	}
}

// podOf is a running pod with one container, as the API server has it.
func podOf(uid, name, account, ip, container string) map[string]any {
	return map[string]any{
		"kind": "Pod", "apiVersion": "v1",
		"metadata": map[string]any{"name": name, "namespace": "shop", "uid": uid, "creationTimestamp": "2026-11-01T10:00:00Z",
			"labels": map[string]any{"app": name}, "annotations": map[string]any{"note": strings.Repeat("x", 100)}},
		"spec": map[string]any{"nodeName": "node-1", "serviceAccountName": account,
			"containers": []any{map[string]any{"name": "main", "image": "registry.example/" + name + ":1"}}},
		"status": map[string]any{"phase": "Running", "podIP": ip, "podIPs": []any{map[string]any{"ip": ip}},
			"containerStatuses": []any{map[string]any{"name": "main", "containerID": "containerd://" + container, "image": "sha256:aa",
				"restartCount": 0, "ready": true, "state": map[string]any{"running": map[string]any{"startedAt": "2026-11-01T10:00:01Z"}}}}},
	}
}

// with returns a copy of a pod in which the value at a path is another.
func with(pod map[string]any, value any, path ...string) map[string]any {
	out := maps.Clone(pod)
	if len(path) == 1 {
		if value == nil {
			delete(out, path[0])
		} else {
			out[path[0]] = value
		}
		return out
	}
	out[path[0]] = with(out[path[0]].(map[string]any), value, path[1:]...)
	return out
}
