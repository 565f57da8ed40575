package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mantle-iam/mantle/internal/ledger"
)

// fetchURL prints the status and the body of what is at a URL, for the scripts.
func fetchURL() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer resp.Body.Close()
	fmt.Print(resp.StatusCode, " ")
	io.Copy(os.Stdout, resp.Body)
}

// Who is not known to be root or the agent's own user is told nothing of what it
// lends, and everything else on the socket is the endpoint's.
func TestControlIsForFew(t *testing.T) {
	o := &operations{}
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h := o.control(next)
	for path, want := range map[string]int{pathPs: http.StatusForbidden, pathStatus: http.StatusForbidden, "/v1/credentials": http.StatusTeapot, pathPs + "/": http.StatusTeapot} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d: %s", path, w.Code, want, w.Body)
		}
	}
}

func TestWritePs(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ends, past := now.Add(42*time.Minute), now.Add(-time.Minute)
	out := psAnswer{
		Workloads: []ledger.Row{
			{Workload: "db", How: "container", Role: "arn:aws:iam::111122223333:role/team/db", SessionName: "db@h", Expires: &past, Calls: 3},
			{Workload: "web", How: "unit", Role: "arn:aws:iam::111122223333:role/web", SessionName: "web@h", Expires: &ends, Calls: 7, Denied: 1, LastRefusal: &ledger.Refused{Time: now.Add(-3 * time.Hour), Reason: "no\nway"}},
			{Workload: "idle"},
		},
		Turned: 9, Strangers: []ledger.Refused{{Time: now.Add(-48 * time.Hour), Door: "metadata", Reason: "nobody"}},
	}
	var b strings.Builder
	writePs(&b, out, now)
	want := `WORKLOAD   KNOWN BY    ROLE      SESSION   EXPIRES   CALLS   DENIED   LAST REFUSAL
db         container   team/db   db@h      expired   3       0        -
web        unit        web       web@h     in 42m    7       1        3h00m ago: no way
idle       -           -         -         -         0       0        -

9 requests of callers of no workload refused; the last:
  2d ago at metadata: nobody
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
