package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// Paths of the container endpoint. The first is EKS Pod Identity's, and the ECS
// agent's when it carries ?id=; the second is what the ECS agent injects.
const (
	pathV1 = "/v1/credentials"
	pathV2 = "/v2/credentials/"
)

// ECSOptions configure an [ECS]. The zero value is fit for production.
type ECSOptions struct {
	// Hosts are names or addresses clients may use for this endpoint besides
	// localhost, the address they connect to, and those AWS itself uses:
	// 169.254.170.2, 169.254.170.23 and fd00:ec2::23.
	Hosts []string

	// Log hears of every request that was turned away. Nil is silent.
	Log *slog.Logger

	// Refused hears of those that the Broker was not asked about. It may be nil,
	// must be quick, and may be called by many goroutines at once.
	Refused func(Refusal)
}

// ECS is the container credential endpoint: what SDKs ask when
// AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI is set. It serves
//
//	GET /v1/credentials          Authorization: <token of a grant>
//	GET /v2/credentials/<id>     the id of a grant; as in ECS, the path is the secret
//	GET /v1/credentials?id=<id>  the same, as old ECS agents spelled it
//
// and, where [Serve] was told a listener's workload or an [Identifier],
// /v1/credentials without Authorization for the caller so known. A request
// with both an id and a token gets credentials only if both belong to the same
// workload.
//
//	https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
//	https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
//	https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
type ECS struct {
	broker    Broker
	workloads *Workloads
	log       *slog.Logger
	refused   func(Refusal)
	hosts     hosts
	headers   headers
	buffers   buffers
}

// NewECS returns an endpoint that serves the grants of w with what b lends. A
// nil w knows no tokens.
func NewECS(b Broker, w *Workloads, opt ECSOptions) *ECS {
	names := append([]string{ECSAddress4, PodIdentityAddress4, PodIdentityAddress6}, opt.Hosts...)
	log := opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &ECS{broker: b, workloads: w, log: log, refused: opt.Refused, hosts: newHosts(names...), headers: newHeaders()}
}

// ServeHTTP answers one request.
func (e *ECS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := connectionOf(r)
	who, problem := e.who(r, c)
	if problem != nil {
		e.fail(w, r, who, problem)
		return
	}
	if !c.bill(who) {
		e.fail(w, r, who, &ecsProblem{status: http.StatusTooManyRequests, code: "TooManyConnections", retry: time.Second, class: RefusedTooMany,
			message: "this workload has too many connections open; reuse or close them"})
		return
	}
	creds, err := e.broker.Credentials(r.Context(), who)
	if err != nil {
		if r.Context().Err() != nil {
			err = errLate
		}
		e.fail(w, r, who, problemOf(err))
		return
	}
	if !creds.Expires.After(time.Now()) {
		e.fail(w, r, who, &ecsProblem{status: http.StatusServiceUnavailable, code: "CredentialsUninitialized", retry: time.Second, class: RefusedUnhealthy,
			message: "credentials of " + creds.RoleARN + " have expired and no new ones are at hand"})
		return
	}
	if err := c.confirm(); err != nil {
		e.fail(w, r, who, &ecsProblem{status: http.StatusForbidden, code: "AccessDenied", message: err.Error(), class: RefusedCaller})
		return
	}
	buf := e.buffers.get()
	defer e.buffers.put(buf)
	*buf = appendECS(*buf, &creds)
	h := w.Header()
	h["Content-Type"] = e.headers.json
	if len(*buf) > selfCounted || r.Method == http.MethodHead {
		setLength(h, len(*buf))
	}
	w.Write(*buf)
}

// who decides who sent r, from its path, its token and its connection.
func (e *ECS) who(r *http.Request, c *connection) (broker.Caller, *ecsProblem) {
	none := nobody()
	path, ok := canonicalPath(r)
	switch {
	case !ok:
		return none, badRequest("the path is not spelled canonically: no escapes, no empty or dotted segments")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return none, &ecsProblem{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed", allow: "GET, HEAD", class: RefusedRequest,
			message: "credentials are read with GET, not with " + quoteMethod(r.Method)}
	case !e.hosts.allow(r):
		return none, denied("this endpoint is not called %q; use the address in AWS_CONTAINER_CREDENTIALS_FULL_URI", r.Host)
	}
	if name := relayed(r); name != "" {
		return none, denied("the request has a %s header: credentials are not handed to proxies; take this endpoint out of the proxy's reach (NO_PROXY)", name)
	}
	if p := checkBody(r); p != nil {
		return none, &ecsProblem{status: p.status, code: "RequestTooLarge", message: p.reason, class: RefusedRequest}
	}

	id, byID, problem := credentialID(path, r.URL.RawQuery)
	if problem != nil {
		return none, problem
	}
	token, byToken, problem := authorization(r.Header)
	if problem != nil {
		return none, problem
	}
	if !byID && !byToken {
		who, err := c.identify()
		switch {
		case errors.Is(err, errUnknown):
			return none, denied("the request has no Authorization header; set AWS_CONTAINER_AUTHORIZATION_TOKEN or AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE as mantle gave it to this workload")
		case err != nil:
			return none, denied("%v", err)
		}
		return who, nil
	}
	who := broker.Caller{UID: -1, PID: -1, How: broker.ByToken}
	if byToken {
		if who.Workload, ok = e.workloads.lookup(formToken, token); !ok {
			return none, denied("the Authorization token belongs to no running workload; a token ends with the process it was given to, so start this one through mantle again")
		}
	}
	if byID {
		name, ok := e.workloads.lookup(formID, id)
		switch {
		case !ok:
			return none, &ecsProblem{status: http.StatusBadRequest, code: "InvalidIdInRequest", class: RefusedCaller,
				message: "CredentialsV2Request: Credentials not found; an id ends with the process it was given to"}
		case byToken && name != who.Workload:
			return none, denied("the id in the path and the Authorization token belong to different workloads")
		}
		who.Workload = name
	}
	if err := c.admits(who.Workload); err != nil {
		return none, denied("%v", err)
	}
	return who, nil
}

// credentialID returns the id of a request for credentials, if it has one.
func credentialID(path, query string) (id string, ok bool, problem *ecsProblem) {
	switch {
	case path == pathV1 || path == pathV1+"/":
		if query == "" {
			return "", false, nil
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			return "", false, badRequest("the query is malformed")
		}
		ids, ok := values["id"]
		if !ok {
			return "", false, nil // a query of the client's own, as SDKs pass it on
		}
		if len(ids) > 1 {
			return "", false, badRequest("the query has more than one id")
		}
		id = ids[0]
	case strings.HasPrefix(path, pathV2):
		id = strings.TrimSuffix(path[len(pathV2):], "/")
		if strings.Contains(id, "/") {
			return "", false, notFound()
		}
	case path+"/" == pathV2:
	default:
		return "", false, notFound()
	}
	if id == "" {
		return "", false, &ecsProblem{status: http.StatusBadRequest, code: "NoIdInRequest", class: RefusedRequest,
			message: "CredentialsV2Request: No Credential ID in the request"}
	}
	return id, true, nil
}

// authorization returns the token of a request, if it has one. SDKs send what
// AWS_CONTAINER_AUTHORIZATION_TOKEN says, so no scheme is expected before it.
func authorization(h http.Header) (token string, ok bool, problem *ecsProblem) {
	values := h["Authorization"]
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		if values[0] == "" {
			return "", false, denied("the Authorization header is empty; AWS_CONTAINER_AUTHORIZATION_TOKEN, or the file its _FILE form names, holds nothing")
		}
		return values[0], true, nil
	}
	return "", false, badRequest("the request has more than one Authorization header")
}

// quoteMethod keeps a method that is no method from filling the log.
func quoteMethod(m string) string {
	if len(m) > 16 {
		m = m[:16] + "…"
	}
	return fmt.Sprintf("%q", m)
}
