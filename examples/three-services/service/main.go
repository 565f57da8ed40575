// Command service is an ordinary program that uses the AWS SDK and knows
// nothing of mantle: it says who it is, reads its own bucket, and tries the
// buckets of its neighbours.
//
// Usage: service OWN-BUCKET OTHER-BUCKET…
//
// It ends with status 0 if it could read its own bucket and was refused the
// others.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: service OWN-BUCKET OTHER-BUCKET...")
		os.Exit(2)
	}
	if err := run(ctx, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, own string, others []string) error {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	fmt.Println("I am", aws.ToString(me.Arn))

	buckets := s3.NewFromConfig(cfg)
	text, err := read(ctx, buckets, own)
	if err != nil {
		return err
	}
	fmt.Printf("may read s3://%s/greeting.txt: %s\n", own, text)

	for _, other := range others {
		_, err := read(ctx, buckets, other)
		var refused smithy.APIError
		switch {
		case err == nil:
			return fmt.Errorf("could read s3://%s, which is not mine", other)
		case errors.As(err, &refused) && refused.ErrorCode() == "AccessDenied":
			fmt.Printf("refused s3://%s: %s\n", other, refused.ErrorMessage())
		default:
			return err
		}
	}
	return nil
}

func read(ctx context.Context, c *s3.Client, bucket string) (string, error) {
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("greeting.txt")})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return strings.TrimSpace(string(b)), err
}
