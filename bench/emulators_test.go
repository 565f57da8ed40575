//go:build e2e

package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mantle-iam/mantle/sandbox"
)

// The sandbox beside moto's server, with the same requests, each signed
// anew, at one connection and at eight:
//
//	go test -tags e2e ./bench -run '^$' -bench Emulators -benchtime 2s
//
// The sandbox authenticates, authorises and records every call; moto does
// none of that here.

// target is an emulator under load.
type target struct {
	name string
	url  string
	cred aws.Credentials
}

// request is one call, to be signed again for each sending.
type request struct {
	name, service, method, path, contentType, amzTarget, body string
}

func query(service, version string, kv ...string) request {
	form := url.Values{"Version": {version}}
	for i := 0; i < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	return request{
		name: form.Get("Action"), service: service, method: http.MethodPost, path: "/",
		contentType: "application/x-www-form-urlencoded; charset=utf-8", body: form.Encode(),
	}
}

func dynamodb(operation, body string) request {
	return request{
		name: operation, service: "dynamodb", method: http.MethodPost, path: "/",
		contentType: "application/x-amz-json-1.0", amzTarget: "DynamoDB_20120810." + operation, body: body,
	}
}

const (
	trustAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
	table    = `{"TableName":"bench","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`
)

var (
	kilobyte = strings.Repeat("x", 1024)
	setUp    = []request{
		query("iam", "2010-05-08", "Action", "CreateRole", "RoleName", "bench", "AssumeRolePolicyDocument", trustAll),
		{name: "CreateBucket", service: "s3", method: http.MethodPut, path: "/bench-bucket"},
		{name: "PutObject", service: "s3", method: http.MethodPut, path: "/bench-bucket/key", body: kilobyte},
		dynamodb("CreateTable", table),
		dynamodb("PutItem", `{"TableName":"bench","Item":{"id":{"S":"one"},"text":{"S":"hello"}}}`),
	}
	calls = []request{
		query("sts", "2011-06-15", "Action", "GetCallerIdentity"),
		query("sts", "2011-06-15", "Action", "AssumeRole", "RoleArn", "", "RoleSessionName", "bench"),
		query("iam", "2010-05-08", "Action", "GetRole", "RoleName", "bench"),
		{name: "PutObject1K", service: "s3", method: http.MethodPut, path: "/bench-bucket/key", body: kilobyte},
		{name: "GetObject1K", service: "s3", method: http.MethodGet, path: "/bench-bucket/key"},
		dynamodb("GetItem", `{"TableName":"bench","Key":{"id":{"S":"one"}}}`),
		dynamodb("PutItem", `{"TableName":"bench","Item":{"id":{"S":"one"},"text":{"S":"hello"}}}`),
	}
)

// send signs a request and sends it.
func (t *target) send(ctx context.Context, c *http.Client, signer *v4.Signer, r *request) error {
	body := r.body
	if r.name == "AssumeRole" {
		account := "111122223333"
		if t.name == "moto" {
			account = "123456789012"
		}
		body = strings.Replace(body, "RoleArn=", "RoleArn="+url.QueryEscape("arn:aws:iam::"+account+":role/bench"), 1)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, t.url+r.path, strings.NewReader(body))
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.amzTarget != "" {
		req.Header.Set("X-Amz-Target", r.amzTarget)
	}
	if r.service == "s3" {
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if err := signer.SignHTTP(ctx, t.cred, req, hash, r.service, "us-east-1", time.Now()); err != nil {
		return err
	}
	answer, err := c.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: status %d: %s", t.name, r.name, answer.StatusCode, bytes.TrimSpace(got))
	}
	return err
}

func BenchmarkEmulators(b *testing.B) {
	targets := []*target{mantleTarget(b)}
	if m := motoTarget(b); m != nil {
		targets = append(targets, m)
	}
	signer := v4.NewSigner()
	for _, t := range targets {
		for i := range setUp {
			if err := t.send(b.Context(), http.DefaultClient, signer, &setUp[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
	for i := range calls {
		for _, conns := range []int{1, 8} {
			for _, t := range targets {
				b.Run(fmt.Sprintf("%s/c=%d/%s", calls[i].name, conns, t.name), func(b *testing.B) {
					b.SetParallelism(max(1, conns/2))
					client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}}
					defer client.CloseIdleConnections()
					began := time.Now()
					if conns == 1 {
						for b.Loop() {
							if err := t.send(b.Context(), client, signer, &calls[i]); err != nil {
								b.Fatal(err)
							}
						}
					} else {
						b.RunParallel(func(pb *testing.PB) {
							for pb.Next() {
								if err := t.send(b.Context(), client, signer, &calls[i]); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "req/s")
				})
			}
		}
	}
}

// mantleTarget is a sandbox in this process, with its trail on.
func mantleTarget(b *testing.B) *target {
	srv, err := sandbox.New(sandbox.Options{
		Log: slog.New(slog.DiscardHandler), Trail: func(r sandbox.Record) { io.WriteString(io.Discard, r.String()) },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { srv.Close() })
	a, err := srv.AddAccount("dev", "111122223333")
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.Cleanup(cancel)
	go srv.Serve(ctx, ln)
	return &target{"mantle", "http://" + ln.Addr().String(), aws.Credentials{AccessKeyID: a.Admin.ID, SecretAccessKey: a.Admin.Secret}}
}

// motoTarget is moto's server, nil where it is not installed.
func motoTarget(b *testing.B) *target {
	path, err := exec.LookPath("moto_server")
	if err != nil {
		b.Log("moto_server is not in PATH: there is nothing to compare with")
		return nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(path, "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return &target{"moto", "http://" + address, aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}}
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("moto_server does not answer")
	return nil
}
