package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// TokenReviewer says whose a service account token is. Its error is a
// *[TokenError] if the token proves nothing, and anything else if that cannot
// be found out now.
type TokenReviewer interface {
	// Review verifies a token that was sent from an address, the zero address
	// if that is not known, and returns the pod that it was made for.
	Review(ctx context.Context, token string, from netip.Addr) (broker.Pod, error)
}

// TokenFault is what is wrong with a token.
type TokenFault uint8

const (
	// TokenMalformed is no service account token at all.
	TokenMalformed TokenFault = iota
	// TokenExpired was one.
	TokenExpired
	// TokenInvalid is not known to the cluster, or was made for something else.
	TokenInvalid
	// TokenElsewhere belongs to a pod that is not here.
	TokenElsewhere
	// TokenUnheard was not looked at: too many from its sender proved nothing.
	TokenUnheard
)

// TokenError says that a token proves nothing.
type TokenError struct {
	Fault TokenFault

	// Reason is what its bearer is told: nothing that is not in the token.
	Reason string

	// Err is what the log is told besides; it may be nil.
	Err error
}

// Error is the reason and its cause, for the log.
func (e *TokenError) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.Err.Error()
}

// Unwrap is the cause.
func (e *TokenError) Unwrap() error { return e.Err }

// PodIdentityOptions configure a [PodIdentity]. The zero value is fit for
// production.
type PodIdentityOptions struct {
	// Hosts are names or addresses clients may use for this endpoint besides
	// localhost, the address they connect to, and those of Amazon EKS:
	// 169.254.170.23 and fd00:ec2::23.
	Hosts []string

	// Log hears of every request that was turned away. Nil is silent.
	Log *slog.Logger

	// Refused hears of those that the Broker was not asked about. It may be nil,
	// must be quick, and may be called by many goroutines at once.
	Refused func(Refusal)
}

// PodIdentity is the endpoint of the Amazon EKS Pod Identity Agent: what SDKs
// in pods ask when AWS_CONTAINER_CREDENTIALS_FULL_URI and
// AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE are set as EKS sets them.
//
//	GET /v1/credentials          Authorization: <service account token of the pod>
//
// The token is verified before anything else is done with it, also when its
// credentials are at hand already.
//
//	https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
//	https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
type PodIdentity struct {
	broker   Broker
	reviewer TokenReviewer
	log      *slog.Logger
	refused  func(Refusal)
	hosts    hosts
	headers  headers
	buffers  buffers
}

// NewPodIdentity returns an endpoint that lends to the pods whose tokens r
// verifies.
func NewPodIdentity(b Broker, r TokenReviewer, opt PodIdentityOptions) *PodIdentity {
	log := opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &PodIdentity{broker: b, reviewer: r, log: log, refused: opt.Refused, headers: newHeaders(),
		hosts: newHosts(append([]string{PodIdentityAddress4, PodIdentityAddress6}, opt.Hosts...)...)}
}

// ServeHTTP answers one request.
func (p *PodIdentity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := connectionOf(r)
	who, problem := p.who(r)
	if problem != nil {
		if problem.class == "" {
			problem.class = classOf(problem.status)
		}
		p.fail(w, r, who, problem)
		return
	}
	if !c.bill(who) {
		p.fail(w, r, who, &podProblem{status: http.StatusTooManyRequests, code: codeThrottled, retry: time.Second, class: RefusedTooMany,
			message: "this pod has too many connections open; reuse or close them"})
		return
	}
	creds, err := p.broker.Credentials(r.Context(), who)
	if err != nil {
		if r.Context().Err() != nil {
			err = errLate
		}
		p.fail(w, r, who, podProblemOf(err))
		return
	}
	if !creds.Expires.After(time.Now()) {
		p.fail(w, r, who, &podProblem{status: http.StatusServiceUnavailable, code: codeUnavailable, retry: time.Second,
			message: "credentials of " + creds.RoleARN + " have expired and no new ones are at hand"})
		return
	}
	buf := p.buffers.get()
	defer p.buffers.put(buf)
	*buf = appendPodIdentity(*buf, &creds)
	h := w.Header()
	h["Content-Type"] = p.headers.json
	if len(*buf) > selfCounted || r.Method == http.MethodHead {
		setLength(h, len(*buf))
	}
	w.Write(*buf)
}

// who decides which pod sent r.
func (p *PodIdentity) who(r *http.Request) (broker.Caller, *podProblem) {
	none := nobody()
	path, ok := canonicalPath(r)
	switch {
	case !ok:
		return none, invalidRequest("the path is not spelled canonically: no escapes, no empty or dotted segments")
	case path != pathV1 && path != pathV1+"/":
		return none, &podProblem{status: http.StatusNotFound, message: "404 page not found", class: RefusedRequest}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return none, &podProblem{status: http.StatusMethodNotAllowed, allow: "GET, HEAD",
			message: "credentials are read with GET, not with " + quoteMethod(r.Method)}
	case !p.hosts.allow(r):
		// The words are the EKS agent's.
		return none, &podProblem{status: http.StatusForbidden, message: fmt.Sprintf(
			"Access Denied. Called agent through invalid address, please use either [%s %s] address not %q", PodIdentityAddress4, PodIdentityAddress6, r.Host)}
	}
	if name := relayed(r); name != "" {
		return none, &podProblem{status: http.StatusForbidden, code: codeDenied,
			message: "the request has a " + name + " header: credentials are not handed to proxies; take this endpoint out of the proxy's reach (NO_PROXY)"}
	}
	if refused := checkBody(r); refused != nil {
		return none, &podProblem{status: refused.status, message: refused.reason}
	}
	values := r.Header["Authorization"]
	switch {
	case len(values) > 1:
		return none, invalidRequest("the request has more than one Authorization header")
	case len(values) == 0 || values[0] == "":
		return none, &podProblem{status: http.StatusBadRequest, message: "Service account token cannot be empty"} // the EKS agent's words
	}
	pod, err := p.reviewer.Review(r.Context(), values[0], remoteAddress(r))
	if bad, ok := errors.AsType[*TokenError](err); ok {
		return none, tokenProblem(bad)
	}
	if err != nil {
		if r.Context().Err() != nil {
			err = errLate
		}
		// The bearer is nobody yet, so what failed is for the log alone.
		return none, &podProblem{status: http.StatusServiceUnavailable, code: codeUnavailable, retry: time.Second,
			message: "the token cannot be verified now; try again", err: err}
	}
	return broker.Caller{UID: -1, GID: -1, PID: -1, Pod: &pod, Generation: pod.UID, How: broker.ByPodToken}, nil
}

// remoteAddress is where r came from; the zero address if that is not known.
func remoteAddress(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

// appendPodIdentity appends the endpoint's answer: the five keys of the EKS
// agent. It writes nanoseconds, which some SDKs round up past the end; whole
// seconds are what the same SDKs read from ECS.
func appendPodIdentity(b []byte, c *broker.Credentials) []byte {
	b = appendField(b, `{"AccessKeyId":`, c.AccessKeyID)
	b = appendField(b, `,"SecretAccessKey":`, c.SecretAccessKey)
	b = appendField(b, `,"Token":`, c.SessionToken)
	b = appendField(b, `,"AccountId":`, c.AccountID)
	b = append(b, `,"Expiration":"`...)
	b = c.Expires.UTC().AppendFormat(b, timeFormat)
	return append(b, `"}`...)
}
