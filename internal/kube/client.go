package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client asks one API server. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	http   *http.Client
	tokens *tokens
	agent  string
}

// NewClient returns a client that has not asked anything yet. The agent is what
// it calls itself in the API server's audit log, "mantle/1.2".
func NewClient(c Cluster, agent string) (*Client, error) {
	t, base, err := c.transport()
	if err != nil {
		return nil, err
	}
	return &Client{base: base, agent: agent, tokens: &tokens{fixed: c.Token, path: c.TokenFile},
		http: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the API server redirects, which it must not")
		}}}, nil
}

// StatusError is the API server's refusal, a Status object,
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
type StatusError struct {
	Code            int    // HTTP status
	Reason, Message string // "Forbidden", and a sentence for people
}

// Error is the API server's sentence, and a cure where one is known.
func (e *StatusError) Error() string {
	text := e.Message
	if text == "" {
		text = http.StatusText(e.Code)
	}
	switch e.Code {
	case http.StatusForbidden:
		text += " (apply packaging/kubernetes/rbac.yaml, which grants it)"
	case http.StatusUnauthorized:
		text += " (the token or certificate that mantle shows is not this cluster's, or has expired)"
	}
	return fmt.Sprintf("API server answered %d: %s", e.Code, text)
}

// gone reports whether err says that a resourceVersion is too old to watch from
// or a list too old to go on with: begin again with a fresh list.
func gone(err error) bool {
	s, ok := errors.AsType[*StatusError](err)
	return ok && (s.Code == http.StatusGone || s.Reason == "Expired" || s.Reason == "Gone")
}

// maxAnswer is the size in bytes of the largest answer that is read: a page of
// pods has 250 of them at most, each of 100 KiB if its managed fields are large.
const maxAnswer = 32 << 20

// do sends a request. The caller closes the body of an answer without error.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	u.RawQuery = query.Encode()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), in)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.agent)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	token, err := c.tokens.bearer()
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the query, which is long and says nothing
		}
		return nil, fmt.Errorf("ask the API server at %s: %w", c.base.Host, err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusUnauthorized {
		c.tokens.forget()
	}
	var s status
	b, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if json.Unmarshal(b, &s) != nil || s.Kind != "Status" {
		return nil, &StatusError{Code: answer.StatusCode} // a load balancer's page, not the API server's
	}
	return nil, s.err(answer.StatusCode)
}

// status is a Status object.
type status struct {
	Kind    string `json:"kind"`
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

func (s *status) err(code int) *StatusError {
	if s.Code != 0 {
		code = s.Code
	}
	return &StatusError{Code: code, Reason: s.Reason, Message: s.Message}
}

// call sends a request and reads its answer into out.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	answer, err := c.do(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body := &io.LimitedReader{R: answer.Body, N: maxAnswer}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		if body.N <= 0 {
			return fmt.Errorf("read the API server's answer: it has more than %d MiB", maxAnswer>>20)
		}
		return fmt.Errorf("read the API server's answer: %w", err)
	}
	return nil
}
