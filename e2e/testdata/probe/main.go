// Probe tells what a program finds where it runs. It is a static program with
// the plain AWS SDK, which an image can consist of.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const usage = `probe tell          one line of JSON: user, folder, variables, arguments, who AWS says it is
probe arn           the ARN that it has
probe get URL       GET with the token of the environment: the status
probe read FILE     the file
probe write FILE    writes a file
probe sleep SECONDS
probe exit STATUS`

func main() {
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		status = 1
	}
	os.Exit(status)
}

func run(args []string) (int, error) {
	if len(args) == 0 {
		return 2, fmt.Errorf("no command\n%s", usage)
	}
	word := ""
	if len(args) > 1 {
		word = args[1]
	}
	switch args[0] {
	case "tell":
		return 0, tell(args)
	case "arn":
		arn, err := whoami()
		fmt.Println(arn)
		return 0, err
	case "get":
		return 0, get(word)
	case "read":
		b, err := os.ReadFile(word)
		os.Stdout.Write(b)
		return 0, err
	case "write":
		return 0, os.WriteFile(word, []byte("written\n"), 0o600)
	case "sleep":
		n, err := strconv.Atoi(word)
		time.Sleep(time.Duration(n) * time.Second)
		return 0, err
	case "exit":
		return strconv.Atoi(word)
	}
	return 2, fmt.Errorf("no command %q\n%s", args[0], usage)
}

func tell(args []string) error {
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	arn, err := whoami()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"uid": os.Getuid(), "gid": os.Getgid(), "folder": folder, "greeting": os.Getenv("GREETING"), "args": args, "arn": arn,
	})
}

func whoami() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", err
	}
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.Arn), nil
}

func get(url string) error {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"); token != "" {
		r.Header.Set("Authorization", token)
	}
	resp, err := (&http.Client{Timeout: 5 * time.Second}).Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	fmt.Println(resp.StatusCode)
	return nil
}
