package docker

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// engine speaks as much of Docker's API as a Directory asks for, over a Unix
// socket.
type engine struct {
	t      *testing.T
	socket string
	srv    *httptest.Server

	mu         sync.Mutex
	containers map[string]*fake
	streams    map[chan string]bool
	inspected  int
	opened     int  // streams of events
	mute       bool // no events are sent
	starts     int
	hold       chan struct{} // inspections wait for it if it is not nil
}

type fake struct {
	id, name, image, mode, started string
	labels                         map[string]string
	pid                            int
	addresses                      map[string]string // network to address
}

// id is a container's identifier that begins with name.
func id(name string) string {
	return fmt.Sprintf("%x", name) + strings.Repeat("0", 64-2*len(name))
}

func newEngine(t *testing.T) *engine {
	e := &engine{t: t, socket: filepath.Join(t.TempDir(), "docker.sock"), containers: map[string]*fake{}, streams: map[chan string]bool{}}
	e.listen()
	t.Cleanup(func() { e.cut(); e.srv.Close() })
	return e
}

func (e *engine) listen() {
	e.t.Helper()
	ln, err := net.Listen("unix", e.socket)
	if err != nil {
		e.t.Fatal(err)
	}
	e.srv = &httptest.Server{Listener: ln, Config: &http.Server{Handler: e}}
	e.srv.Start()
}

// stop takes the engine away, as a restart does.
func (e *engine) stop() {
	e.cut()
	e.srv.CloseClientConnections()
	e.srv.Close()
}

// cut ends the streams of events.
func (e *engine) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		close(s)
		delete(e.streams, s)
	}
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, "/v"); ok {
		_, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	switch {
	case path == "/_ping":
		w.Header().Set("Api-Version", "1.41")
	case path == "/events":
		e.events(w, r)
	case path == "/containers/json":
		e.mu.Lock()
		out := []map[string]any{}
		for _, c := range e.containers {
			out = append(out, map[string]any{"Id": c.id, "Names": []string{"/" + c.name}})
		}
		e.mu.Unlock()
		json.NewEncoder(w).Encode(out)
	case strings.HasPrefix(path, "/containers/"):
		e.mu.Lock()
		e.inspected++
		hold := e.hold
		e.mu.Unlock()
		if hold != nil {
			<-hold
		}
		e.mu.Lock()
		c := e.containers[strings.Split(path, "/")[2]]
		e.mu.Unlock()
		if c == nil {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"message":"No such container"}`)
			return
		}
		json.NewEncoder(w).Encode(c.inspect())
	default:
		w.WriteHeader(404)
		fmt.Fprintf(w, `{"message":"page not found: %s"}`, path)
	}
}

// inspect is how Docker 20.10 describes a container, cut to size.
func (c *fake) inspect() map[string]any {
	networks := map[string]any{}
	for n, a := range c.addresses {
		v4, v6 := a, ""
		if strings.Contains(a, ":") {
			v4, v6 = "", a
		}
		networks[n] = map[string]any{"IPAddress": v4, "Gateway": "", "GlobalIPv6Address": v6, "IPv6Gateway": "", "MacAddress": "02:42:ac:11:00:02"}
	}
	return map[string]any{
		"Id": c.id, "Name": "/" + c.name, "Image": "sha256:aa",
		"State":           map[string]any{"Status": "running", "Running": true, "Pid": c.pid, "StartedAt": c.started},
		"HostConfig":      map[string]any{"NetworkMode": c.mode},
		"Config":          map[string]any{"Image": c.image, "Labels": c.labels},
		"NetworkSettings": map[string]any{"IPAddress": "", "Ports": map[string]any{}, "Networks": networks},
	}
}

func (e *engine) events(w http.ResponseWriter, r *http.Request) {
	s := make(chan string, 100)
	e.mu.Lock()
	e.streams[s] = true
	e.opened++
	e.mu.Unlock()
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	for {
		select {
		case line, open := <-s:
			if !open {
				return
			}
			fmt.Fprintln(w, line)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// say sends an event.
func (e *engine) say(kind, action, id string, attributes map[string]string) {
	b, err := json.Marshal(map[string]any{"Type": kind, "Action": action, "scope": "local", "Actor": map[string]any{"ID": id, "Attributes": attributes}})
	if err != nil {
		e.t.Error(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.streams {
		if !e.mute {
			s <- string(b)
		}
	}
}

// run starts a container, or starts it again.
func (e *engine) run(c fake) {
	e.mu.Lock()
	e.starts++
	c.started = time.Unix(1, int64(e.starts)).UTC().Format(time.RFC3339Nano)
	if c.pid == 0 {
		c.pid = 1000 + e.starts
	}
	if c.mode == "" {
		c.mode = "bridge"
	}
	e.containers[c.id] = &c
	e.mu.Unlock()
	e.say("container", "start", c.id, map[string]string{"name": c.name})
}

// connections is how many streams of events have been asked for.
func (e *engine) connections() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.opened
}

// end ends a container.
func (e *engine) end(id string) {
	e.mu.Lock()
	delete(e.containers, id)
	e.mu.Unlock()
	e.say("container", "die", id, nil)
}
