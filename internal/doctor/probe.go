package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// metadataWait is how long SDKs wait for the metadata service.
const metadataWait = time.Second

// AskMetadata asks the instance metadata service at endpoint, such as
// http://169.254.169.254, as an SDK does. Nothing of what it says is kept.
func AskMetadata(ctx context.Context, client *http.Client, endpoint string) (Metadata, error) {
	ask := func(method, path string, header ...string) (int, time.Duration, error) {
		ctx, cancel := context.WithTimeout(ctx, metadataWait)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(endpoint, "/")+path, nil)
		if err != nil {
			return 0, 0, err
		}
		if len(header) == 2 {
			req.Header.Set(header[0], header[1])
		}
		began := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return 0, 0, err
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		return resp.StatusCode, time.Since(began), nil
	}
	var m Metadata
	var err error
	if m.Plain, m.Took, err = ask(http.MethodGet, "/latest/meta-data/instance-id"); err == nil {
		m.Present = true
	}
	m.Token, _, err = ask(http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	m.TokenLate = err != nil && errors.Is(err, context.DeadlineExceeded)
	m.Present = m.Present || err == nil
	return m, ctx.Err()
}

// AskClock is how far this host's clock is ahead of the one that the Date header
// of an answer from an AWS endpoint tells, give or take a second.
func AskClock(ctx context.Context, client *http.Client, endpoint string, now func() time.Time) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, endpoint, nil)
	if err != nil {
		return 0, err
	}
	began := now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask for the time: %w", err)
	}
	resp.Body.Close()
	took := now().Sub(began)
	at, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("%s does not tell the time: %w", endpoint, err)
	}
	// The header has whole seconds, cut off; half the way was the answer's.
	skew := began.Add(took / 2).Sub(at.Add(time.Second / 2))
	if skew.Abs() < time.Second {
		skew = 0
	}
	return skew, nil
}

// Reach connects to the address of a door, http://HOST:PORT or the path of a
// socket, and ends the connection.
func Reach(ctx context.Context, address string) error {
	network, to := "unix", address
	if u, err := url.Parse(address); err == nil && u.Scheme == "http" {
		network, to = "tcp", u.Host
		if u.Port() == "" {
			to = net.JoinHostPort(u.Hostname(), "80")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, network, to)
	if err != nil {
		return err
	}
	return c.Close()
}

// Variables reads what is written as NAME=VALUE, one a line or, as in
// /proc/PID/environ, with a zero byte after each.
func Variables(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == 0 }) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			out[strings.TrimSpace(name)] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return out
}
