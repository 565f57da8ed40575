package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Limits of the watch.
const (
	pageSize   = 250              // pods of one page of a list
	maxEvent   = 4 << 20          // bytes of one event: etcd holds objects of 1.5 MiB at most
	watchTime  = 4 * time.Minute  // for how long a watch is asked for, and up to a quarter more
	firstPause = time.Second / 2  // before trying again
	lastPause  = 30 * time.Second // after many failures
)

// Run lists the pods of the node and watches them until ctx ends; its error is
// ctx's. Whatever goes wrong, it tries again with a growing pause, and keeps
// what it knows: State says since when.
//
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
func (p *Pods) Run(ctx context.Context) error {
	w := watcher{p: p, from: "0", pause: p.pause}
	for {
		err := w.step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue
		}
		p.fail(err)
		wait := time.NewTimer(w.pause/2 + rand.N(w.pause))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
		w.pause = min(2*w.pause, lastPause)
	}
}

// watcher is where in the history of the pods we are.
type watcher struct {
	p *Pods

	// version is the resourceVersion to watch from, "" if a list is due.
	version string

	// from is the oldest resourceVersion that a list may answer with: "0" for
	// any, which the API server has in memory, "" for the very latest, which it
	// has to ask etcd for. A list is never older than what was known before, or
	// pods would come back to life.
	from string

	pause time.Duration
}

// step makes one list, or one watch until it ends. Nil is a success.
func (w *watcher) step(ctx context.Context) error {
	if w.version == "" {
		return w.list(ctx)
	}
	began := time.Now()
	heard, err := w.watch(ctx)
	switch {
	case gone(err):
		// History has been compacted past us. Not a failure, so not yet told
		// as one; but a list that leads to this at once must not spin.
		w.version = ""
		if heard {
			return nil
		}
		return err
	case err == nil && !heard && time.Since(began) < time.Second:
		return errors.New("watch pods: the API server ends the watch at once")
	}
	return err
}

// list asks for all pods of the node and makes them what is known.
func (w *watcher) list(ctx context.Context) error {
	query := w.query()
	query.Set("limit", strconv.Itoa(pageSize))
	if w.from != "" {
		query.Set("resourceVersion", w.from)
		query.Set("resourceVersionMatch", "NotOlderThan")
	}
	var all []*object
	for {
		var page struct {
			Metadata struct {
				ResourceVersion string `json:"resourceVersion"`
				Continue        string `json:"continue"`
			} `json:"metadata"`
			Items []*object `json:"items"`
		}
		if err := w.p.client.call(ctx, http.MethodGet, "/api/v1/pods", query, nil, &page); err != nil {
			if s, ok := errors.AsType[*StatusError](err); ok && (gone(err) || s.Code == http.StatusGatewayTimeout) {
				w.from = "" // a page has expired, or the version is of a future that a restored etcd has not
			}
			return fmt.Errorf("list pods: %w", err)
		}
		for _, o := range page.Items {
			if o != nil {
				all = append(all, o)
			}
		}
		if page.Metadata.Continue == "" {
			if page.Metadata.ResourceVersion == "" {
				return errors.New("list pods: the answer is no list of pods")
			}
			w.version, w.from = page.Metadata.ResourceVersion, page.Metadata.ResourceVersion
			break
		}
		query = w.query()
		query.Set("limit", strconv.Itoa(pageSize))
		query.Set("continue", page.Metadata.Continue)
	}
	w.pause = w.p.pause
	w.p.hear()
	w.p.reset(all, true)
	return nil
}

// query selects the pods of the node.
func (w *watcher) query() url.Values {
	return url.Values{"fieldSelector": {"spec.nodeName=" + w.p.opt.Node}}
}

// watch reads events until the API server ends the watch, which it does in its
// time. It reports whether there were any.
func (w *watcher) watch(ctx context.Context) (heard bool, err error) {
	long := watchTime + rand.N(watchTime/4)
	// Should the server forget to end it, we do.
	ctx, cancel := context.WithTimeout(ctx, long+30*time.Second)
	defer cancel()
	query := w.query()
	query.Set("watch", "1")
	query.Set("resourceVersion", w.version)
	query.Set("allowWatchBookmarks", "true")
	query.Set("timeoutSeconds", strconv.Itoa(int(long/time.Second)))
	answer, err := w.p.client.do(ctx, http.MethodGet, "/api/v1/pods", query, nil)
	if err != nil {
		return false, fmt.Errorf("watch pods: %w", err)
	}
	defer answer.Body.Close()
	w.p.hear()
	body := &io.LimitedReader{R: answer.Body}
	d := json.NewDecoder(body)
	for {
		body.N = maxEvent
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := d.Decode(&event); err == io.EOF && body.N > 0 {
			w.p.hear()
			return heard, nil
		} else if err != nil {
			if body.N <= 0 {
				err = fmt.Errorf("an event has more than %d MiB", maxEvent>>20)
			}
			return heard, fmt.Errorf("watch pods: %w", err)
		}
		if err := w.apply(event.Type, event.Object); err != nil {
			return heard, fmt.Errorf("watch pods: %w", err)
		}
		heard, w.pause = true, w.p.pause
		w.p.hear()
	}
}

// apply makes one event known.
func (w *watcher) apply(what string, b json.RawMessage) error {
	if what == "ERROR" {
		var s status
		if err := json.Unmarshal(b, &s); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		return s.err(http.StatusInternalServerError)
	}
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("read an event: %w", err)
	}
	switch what {
	case "ADDED", "MODIFIED":
		w.p.add(&o)
	case "DELETED":
		w.p.remove(o.Metadata.UID)
	case "BOOKMARK":
	default:
		return fmt.Errorf("an event is of the unknown type %q", what)
	}
	if o.Metadata.ResourceVersion != "" {
		w.version, w.from = o.Metadata.ResourceVersion, o.Metadata.ResourceVersion
	}
	return nil
}
