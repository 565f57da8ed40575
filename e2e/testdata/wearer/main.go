// Wearer finds out which role it wears: with the plain AWS SDK, as any program
// does, and with requests that no SDK would send. It is a static program that an
// image can consist of.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const usage = `wearer whoami STS   who STS says it is, by the SDK's default chain, as JSON
wearer token        a metadata token
wearer send         sends the requests that standard input holds as JSON
wearer stay         until it is told to end`

const metadata = "http://169.254.169.254"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch strings.Join(args[:min(1, len(args))], "") {
	case "whoami":
		if len(args) == 2 {
			return json.NewEncoder(os.Stdout).Encode(whoami(args[1]))
		}
	case "token":
		token, err := metadataToken()
		fmt.Print(token)
		return err
	case "send":
		return send()
	case "stay":
		end := make(chan os.Signal, 1)
		signal.Notify(end, syscall.SIGTERM)
		<-end
		return nil
	}
	return fmt.Errorf("no such command\n%s", usage)
}

// worn is the role that the program found, or why it found none.
type worn struct{ Arn, Key, Source, Error string }

func whoami(endpoint string) worn {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return worn{Error: err.Error()}
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return worn{Error: err.Error()}
	}
	w := worn{Key: keys.AccessKeyID, Source: keys.Source}
	out, err := sts.NewFromConfig(cfg, func(o *sts.Options) { o.BaseEndpoint = &endpoint }).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		w.Error = err.Error()
		return w
	}
	w.Arn = aws.ToString(out.Arn)
	return w
}

func metadataToken() (string, error) {
	req, err := http.NewRequest(http.MethodPut, metadata+"/latest/api/token", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "300")
	resp, err := (&http.Client{Timeout: 3 * time.Second}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), err
}

// request is one to be sent byte for byte; {TOKEN} in it is a metadata token.
type request struct{ To, Raw string }

// send sends requests and prints the answers in the same order, as JSON.
func send() error {
	var list []request
	if err := json.NewDecoder(os.Stdin).Decode(&list); err != nil {
		return err
	}
	token, err := metadataToken()
	if err != nil {
		fmt.Fprintln(os.Stderr, "no token:", err)
	}
	answers := make([]string, len(list))
	var wg sync.WaitGroup
	turns := make(chan struct{}, 4)
	for i, r := range list {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			answers[i] = exchange(r.To, strings.ReplaceAll(r.Raw, "{TOKEN}", token))
		})
	}
	wg.Wait()
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// exchange is everything that comes back within a second or two.
func exchange(to, raw string) string {
	c, err := net.DialTimeout("tcp", to, 2*time.Second)
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(1500 * time.Millisecond))
	if _, err := io.WriteString(c, raw); err != nil {
		return "error: " + err.Error()
	}
	b, err := io.ReadAll(io.LimitReader(c, 64<<10))
	if err != nil && len(b) == 0 {
		return "error: " + err.Error()
	}
	return string(b)
}
