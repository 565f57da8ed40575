package agent

import (
	"net"
	"net/http"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// Classes of refusals, few enough to label a metric by.
const (
	RefusedCaller    = "caller"    // nothing tells who calls, or it may not come this way
	RefusedRole      = "role"      // it is known, and no role is for it
	RefusedToken     = "token"     // a metadata token is missing or wrong, or a pod's is not believed
	RefusedRequest   = "request"   // it is not a request that an SDK sends
	RefusedTooMany   = "too_many"  // too many connections, or requests
	RefusedUnhealthy = "unhealthy" // mantle itself cannot answer now
)

// Refusal is a request that was turned away without the Broker having refused
// it: what that refuses, it audits itself.
type Refusal struct {
	Time   time.Time
	Class  string // RefusedCaller and its like
	Caller broker.Caller
	Remote string // address of the other end
	Path   string // what was asked for, cut short, and without a secret in it
	Status int    // of the answer
	Reason string
}

// turnedAway tells hear, which may be nil, of an answer without what was asked
// for.
func turnedAway(hear func(Refusal), class string, r *http.Request, who broker.Caller, status int, reason string) {
	if hear == nil || class == "" {
		return
	}
	hear(Refusal{
		Time: time.Now(), Class: class, Caller: who, Remote: r.RemoteAddr, Path: pathOf(r), Status: status, Reason: reason,
	})
}

// classOf is the class of a refusal that is described by its status alone.
func classOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return RefusedToken
	case status == http.StatusForbidden || status == http.StatusNotFound:
		return RefusedCaller
	case status == http.StatusTooManyRequests:
		return RefusedTooMany
	case status >= 500:
		return RefusedUnhealthy
	}
	return RefusedRequest
}

// ConnOf is the connection that a request came in on, for what else is served
// on a door; nil if [Serve] does not serve it.
func ConnOf(r *http.Request) net.Conn {
	if c := connectionOf(r); c != nil {
		return c.Conn
	}
	return nil
}
