package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/sts"
	"github.com/mantle-iam/mantle/sandbox"
)

// inside is an HTTP client whose requests a handler answers without a network,
// so that time can be made to fly.
type inside struct{ http.Handler }

func (h inside) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r = r.Clone(r.Context())
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:4711"
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	if r.Body == nil {
		r.Body = io.NopCloser(strings.NewReader(""))
	}
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// TestHours is a script that is left running for three hours: with keys that
// it has exported it fails after one, with the agent it does not.
func TestHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := sandbox.New(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		account, err := srv.AddAccount("dev", testAccount)
		if err != nil {
			t.Fatal(err)
		}
		cfg := aws.Config{
			Region: "eu-west-1", BaseEndpoint: aws.String("http://127.0.0.1:4566"), HTTPClient: inside{srv},
			Credentials: credentials.NewStaticCredentialsProvider(account.Admin.ID, account.Admin.Secret, ""),
		}
		const trust = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::` + testAccount + `:root"}, "Action": "sts:AssumeRole"}]}`
		if _, err := iam.NewFromConfig(cfg).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("job"), AssumeRolePolicyDocument: aws.String(trust)}); err != nil {
			t.Fatal(err)
		}

		rules := broker.Rules{{Name: "job", Loan: broker.Loan{Role: roleARN("job"), SessionName: "left-running"}}}
		b := broker.New(rules, sts.New(cfg, sts.Options{}), broker.Options{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Run(ctx) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		workloads := agent.NewWorkloads()
		door := agent.NewECS(b, workloads, agent.ECSOptions{})
		grant := workloads.Add("job")
		program := cfg.Copy()
		program.Credentials = aws.NewCredentialsCache(endpointcreds.New("http://"+agent.ECSAddress4+grant.RelativeURI(), func(o *endpointcreds.Options) {
			o.HTTPClient = inside{door}
		}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute }) // as the SDK's default chain has it

		exported := cfg.Copy()
		first, err := program.Credentials.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exported.Credentials = credentials.NewStaticCredentialsProvider(first.AccessKeyID, first.SecretAccessKey, first.SessionToken)
		arn := func(cfg aws.Config) (string, error) {
			out, err := awssts.NewFromConfig(cfg, func(o *awssts.Options) { o.RetryMaxAttempts = 1 }).GetCallerIdentity(context.Background(), &awssts.GetCallerIdentityInput{})
			if err != nil {
				return "", err
			}
			return *out.Arn, nil
		}
		const want = "arn:aws:sts::" + testAccount + ":assumed-role/job/left-running"
		keys := map[string]bool{}
		for began := time.Now(); time.Since(began) < 3*time.Hour; time.Sleep(7 * time.Minute) {
			if got, err := arn(program); err != nil || got != want {
				t.Fatalf("after %s the program is %s, %v", time.Since(began), got, err)
			}
			c, err := program.Credentials.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			keys[c.AccessKeyID] = true
			switch got, err := arn(exported); {
			case time.Since(began) < time.Hour && (err != nil || got != want):
				t.Errorf("after %s the exported keys are those of %s, %v", time.Since(began), got, err)
			case time.Since(began) >= time.Hour && (err == nil || !strings.Contains(err.Error(), "ExpiredToken: The security token included in the request is expired")):
				t.Errorf("after %s the exported keys are those of %s, %v", time.Since(began), got, err)
			}
		}
		if len(keys) < 3 {
			t.Errorf("%d sessions in three hours", len(keys))
		}
	})
}
