package sts

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// limit bounds every exchange of a client, from the first byte sent to the last
// read. The SDK has no such bound, and one answer that never comes would
// otherwise use up the time of all attempts.
func limit(client sts.HTTPClient, d time.Duration) sts.HTTPClient {
	return &limited{client, d}
}

type limited struct {
	next sts.HTTPClient
	d    time.Duration
}

func (l *limited) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), l.d)
	resp, err := l.next.Do(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &limitedBody{resp.Body, cancel}
	return resp, nil
}

// limitedBody ends the bound when the answer has been read.
type limitedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *limitedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
