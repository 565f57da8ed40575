package sandbox_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awsec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
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

// whole reads answers to their end before the SDK sees them, so that no test
// depends on how busy the machine is: see patience.go.
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

// TestLongAnswersArrive: the SDK for Go, as it is, gets long answers whole.
// Without the server's patience it loses half a dozen of these.
func TestLongAnswersArrive(t *testing.T) {
	cfg := newWorld(t, "").admin(dev).cfg
	cfg.HTTPClient = nil
	api, lost := awsec2.NewFromConfig(cfg), 0
	for range 120 {
		if _, err := api.DescribeImages(t.Context(), &awsec2.DescribeImagesInput{}); err != nil {
			lost++
		}
	}
	if lost > 3 { // more than a machine under full load loses
		t.Errorf("%d of 120 answers were lost", lost)
	}
}
