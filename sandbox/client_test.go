package sandbox_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
)

// shifted signs as a client does whose clock goes with the sandbox's.
type shifted struct {
	awssts.HTTPSignerV4
	by time.Duration
}

func (s shifted) SignHTTP(ctx context.Context, c aws.Credentials, r *http.Request, hash, service, region string, at time.Time, opts ...func(*v4.SignerOptions)) error {
	return s.HTTPSignerV4.SignHTTP(ctx, c, r, hash, service, region, at.Add(s.by), opts...)
}

// whole reads answers to their end before the SDK sees them. The SDK closes
// the body of its request as soon as the answer's head is there; if the
// transport has not looked for the body's end by then, as happens with a
// server as quick as this, it drops the connection with the rest of a long
// answer.
type whole struct{}

func (whole) Do(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return resp, err
}
