package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// Audience is whom tokens of EKS Pod Identity are made for,
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html.
const Audience = "pods.eks.amazonaws.com"

// ReviewerOptions configure a [Reviewer]. The zero value is fit for production.
type ReviewerOptions struct {
	// Audience is whom tokens have to be made for; Audience if "".
	Audience string

	// Keep is for how long a token that was verified is not verified again, at
	// most: it ends with the token, and with the pod. One minute if 0.
	Keep time.Duration

	// Hold is how long a pod that is not yet known on this node is awaited;
	// 5 s if 0.
	Hold time.Duration
}

// Reviewer is an [agent.TokenReviewer] that has the cluster's API server verify
// tokens: it knows their signatures, which have been revoked, and whether the
// pod that they are bound to still exists. The pod has to be on this node.
//
// https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
type Reviewer struct {
	client  *Client
	pods    *Pods
	opt     ReviewerOptions
	strikes strikes

	mu    sync.Mutex // guards the fields below
	known map[[32]byte]*verdict
}

var _ agent.TokenReviewer = (*Reviewer)(nil)

// verdict is what the API server says of one token. Its other fields may be
// read once done is closed.
type verdict struct {
	done  chan struct{}
	until time.Time // when it has to be asked again
	pod   bound
	err   error
}

// bound is the pod that a verified token is bound to.
type bound struct {
	uid, name, namespace, account string
	node                          string // "" in a cluster before 1.30
}

// Limits of a Reviewer.
const (
	keepRefusal   = 10 * time.Second // SDKs try a token three to five times
	reviewTimeout = 10 * time.Second
	maxVerdicts   = 8192
)

// NewReviewer returns a reviewer of the tokens of pods.
func NewReviewer(c *Client, pods *Pods, opt ReviewerOptions) *Reviewer {
	if opt.Audience == "" {
		opt.Audience = Audience
	}
	if opt.Keep == 0 {
		opt.Keep = time.Minute
	}
	if opt.Hold == 0 {
		opt.Hold = 5 * time.Second
	}
	return &Reviewer{client: c, pods: pods, opt: opt, known: map[[32]byte]*verdict{}}
}

// Review returns the pod of a token. From is where it was sent from: the address
// of another pod than the token's is refused, for then it was stolen.
func (r *Reviewer) Review(ctx context.Context, token string, from netip.Addr) (broker.Pod, error) {
	pod, err := r.review(ctx, token, from)
	if bad, ok := errors.AsType[*agent.TokenError](err); ok && bad.Fault != agent.TokenUnheard {
		r.strikes.strike(from)
	}
	return pod, err
}

func (r *Reviewer) review(ctx context.Context, token string, from netip.Addr) (broker.Pod, error) {
	v, err := r.verdict(token, from)
	if err != nil {
		return broker.Pod{}, err
	}
	select {
	case <-v.done:
	case <-ctx.Done():
		return broker.Pod{}, ctx.Err()
	}
	if v.err != nil {
		return broker.Pod{}, v.err
	}
	return r.place(ctx, v.pod, from)
}

// verdict finds what is known of the token, or begins to ask.
func (r *Reviewer) verdict(token string, from netip.Addr) (*verdict, error) {
	key := sha256.Sum256([]byte(token)) // the map holds no token
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.known[key]; v != nil {
		select {
		case <-v.done:
			if now.Before(v.until) {
				return v, nil
			}
		default:
			return v, nil // being asked about
		}
	}
	if !r.strikes.may(from) {
		return nil, &agent.TokenError{Fault: agent.TokenUnheard, Reason: "too many tokens that prove nothing were sent from this address"}
	}
	c, err := r.plausible(token, now)
	if err != nil {
		return nil, err
	}
	r.makeRoom(now)
	v := &verdict{done: make(chan struct{})}
	r.known[key] = v
	// The question outlives the request that led to it: others wait as well.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), reviewTimeout)
		defer cancel()
		v.pod, v.err = r.ask(ctx, token, c)
		v.until = time.Now().Add(r.opt.Keep)
		if end := c.expires(); end.Before(v.until) {
			v.until = end
		}
		if _, refused := errors.AsType[*agent.TokenError](v.err); refused {
			v.until = time.Now().Add(keepRefusal)
		} else if v.err != nil {
			v.until = time.Time{} // not an answer: the next one asks again
		}
		close(v.done)
	}()
	return v, nil
}

// makeRoom keeps the number of verdicts within bounds.
func (r *Reviewer) makeRoom(now time.Time) {
	if len(r.known) < maxVerdicts {
		return
	}
	for key, v := range r.known {
		select {
		case <-v.done:
			if v.err != nil || !now.Before(v.until) {
				delete(r.known, key)
			}
		default:
		}
	}
	for key, v := range r.known {
		if len(r.known) < maxVerdicts {
			return
		}
		select {
		case <-v.done:
			delete(r.known, key)
		default:
		}
	}
}

// plausible refuses a token that no API server could accept.
func (r *Reviewer) plausible(token string, now time.Time) (claims, error) {
	c, fault := readClaims(token)
	if fault != "" {
		return c, &agent.TokenError{Fault: agent.TokenMalformed, Reason: fault}
	}
	end := c.expires()
	switch {
	case end.IsZero():
		return c, &agent.TokenError{Fault: agent.TokenInvalid, Reason: "the token never ends; use a projected one, whose pod is named in it"}
	case !now.Before(end):
		return c, &agent.TokenError{Fault: agent.TokenExpired, Reason: "the token has expired; read AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE again, which the kubelet renews"}
	case c.NotBefore > float64(now.Add(time.Minute).Unix()): // clocks differ
		return c, &agent.TokenError{Fault: agent.TokenInvalid, Reason: "the token is not valid yet"}
	case !slices.Contains(c.Audience, r.opt.Audience):
		return c, &agent.TokenError{Fault: agent.TokenInvalid, Reason: fmt.Sprintf("the token is made for the audience %.200q and has to be for %q", []string(c.Audience), r.opt.Audience)}
	case c.Bound.Pod == nil || c.Bound.Pod.UID == "":
		return c, &agent.TokenError{Fault: agent.TokenInvalid, Reason: "the token is bound to no pod; use one that the kubelet projects into the pod"}
	}
	return c, nil
}

// tokenReview is a TokenReview of authentication.k8s.io/v1.
type tokenReview struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Token     string   `json:"token,omitempty"`
		Audiences []string `json:"audiences,omitempty"`
	} `json:"spec"`
	Status struct {
		Authenticated bool     `json:"authenticated,omitempty"`
		Audiences     []string `json:"audiences,omitempty"`
		Error         string   `json:"error,omitempty"`
		User          struct {
			Username string              `json:"username,omitempty"`
			Extra    map[string][]string `json:"extra,omitempty"`
		} `json:"user"`
	} `json:"status"`
}

// Keys of a reviewed user's Extra.
const (
	extraPod    = "authentication.kubernetes.io/pod-name"
	extraPodUID = "authentication.kubernetes.io/pod-uid"
	extraNode   = "authentication.kubernetes.io/node-name"
)

// ask has the API server verify the token.
func (r *Reviewer) ask(ctx context.Context, token string, c claims) (bound, error) {
	q := tokenReview{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}
	q.Spec.Token, q.Spec.Audiences = token, []string{r.opt.Audience}
	var a tokenReview
	if err := r.client.call(ctx, http.MethodPost, "/apis/authentication.k8s.io/v1/tokenreviews", nil, &q, &a); err != nil {
		return bound{}, fmt.Errorf("review a token: %w", err)
	}
	unproved := &agent.TokenError{Fault: agent.TokenInvalid, Reason: "the token is not one of this cluster, or its pod is gone"}
	s := &a.Status
	if !s.Authenticated {
		if s.Error != "" {
			unproved.Err = errors.New(s.Error)
		}
		return bound{}, unproved
	}
	// An API server that knows nothing of audiences answers without any, and
	// has then verified the token for itself.
	if !slices.Contains(s.Audiences, r.opt.Audience) {
		unproved.Err = fmt.Errorf("the API server says that it is for %q", s.Audiences)
		return bound{}, unproved
	}
	one := func(key string) string {
		if v := s.User.Extra[key]; len(v) == 1 {
			return v[0]
		}
		return ""
	}
	b := bound{uid: one(extraPodUID), name: one(extraPod), node: one(extraNode)}
	var ok bool
	if b.namespace, b.account, ok = account(s.User.Username); !ok || b.uid == "" || b.name == "" {
		unproved.Err = fmt.Errorf("the API server says that it is of %q, pod %q", s.User.Username, b.uid)
		return bound{}, unproved
	}
	// What it says must be what the token says, or one of them was misread.
	if c.Bound.Pod.UID != b.uid || c.Bound.Pod.Name != b.name || c.Subject != s.User.Username {
		unproved.Err = errors.New("the API server's answer is about another pod than the token")
		return bound{}, unproved
	}
	return b, nil
}

// place finds the pod of a verified token on this node.
func (r *Reviewer) place(ctx context.Context, b bound, from netip.Addr) (broker.Pod, error) {
	elsewhere := func(format string, args ...any) error {
		return &agent.TokenError{Fault: agent.TokenElsewhere, Reason: fmt.Sprintf(format, args...)}
	}
	if b.node != "" && b.node != r.pods.opt.Node {
		return broker.Pod{}, elsewhere("the token belongs to a pod of another node")
	}
	wait, cancel := context.WithTimeout(ctx, r.opt.Hold)
	defer cancel()
	pod, ok := r.pods.await(wait, b.uid)
	switch {
	case !ok && ctx.Err() != nil:
		return broker.Pod{}, ctx.Err()
	case !ok && !r.pods.Ready():
		return broker.Pod{}, errors.New("the pods of this node are not listed yet")
	case !ok:
		return broker.Pod{}, elsewhere("pod %s/%s does not run on this node", b.namespace, b.name)
	case pod.Namespace != b.namespace || pod.Name != b.name || pod.ServiceAccount != b.account:
		return broker.Pod{}, elsewhere("the pod has another service account than the token")
	}
	if from.IsValid() {
		owners := r.pods.Address(from)
		for _, o := range owners {
			if o.Pod.UID == b.uid {
				return pod, nil
			}
		}
		if len(owners) > 0 {
			return broker.Pod{}, elsewhere("the token was sent from another pod's address")
		}
	}
	return pod, nil
}
