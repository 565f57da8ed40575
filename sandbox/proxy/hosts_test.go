package proxy

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestHostsOfSDK: every host that the AWS SDK resolves, in each partition and
// with each variant, is AWS's, and no other has to be.
func TestHostsOfSDK(t *testing.T) {
	seen := map[string]bool{}
	check := func(host string) {
		t.Helper()
		got, bad := target(host, "443")
		if bad != nil || got != host {
			t.Errorf("%s: got %q, %v", host, got, bad)
		}
		for _, s := range suffixes {
			if strings.HasSuffix(host, "."+s) {
				seen[s] = true
			}
		}
	}
	ctx := context.Background()
	for _, region := range []string{"us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"} {
		for _, dual := range []bool{false, true} {
			for _, fips := range []bool{false, true} {
				r, d, f := aws.String(region), aws.Bool(dual), aws.Bool(fips)
				if e, err := sts.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, sts.EndpointParameters{Region: r, UseDualStack: d, UseFIPS: f}); err == nil {
					check(e.URI.Host)
				}
				if e, err := iam.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, iam.EndpointParameters{Region: r, UseDualStack: d, UseFIPS: f}); err == nil {
					check(e.URI.Host)
				}
				if e, err := ec2.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, ec2.EndpointParameters{Region: r, UseDualStack: d, UseFIPS: f}); err == nil {
					check(e.URI.Host)
				}
				if e, err := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, dynamodb.EndpointParameters{Region: r, UseDualStack: d, UseFIPS: f, AccountId: aws.String("111122223333")}); err == nil {
					check(e.URI.Host)
				}
				if e, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, s3.EndpointParameters{Region: r, UseDualStack: d, UseFIPS: f, Bucket: aws.String("bucket")}); err == nil {
					check(e.URI.Host)
				}
			}
		}
	}
	for _, s := range suffixes {
		if !seen[s] {
			t.Errorf("no endpoint lies in %s", s)
		}
	}
}

func TestBypasses(t *testing.T) {
	for entry, want := range map[string]bool{
		"*": true, "amazonaws.com": true, ".amazonaws.com": true, "*.amazonaws.com": true, "AMAZONAWS.COM": true,
		"amazonaws.com:443": true, "s3.eu-west-1.amazonaws.com": true, ".com": true, "com": true, " api.aws ": true,
		"zonaws.com": true, // some clients compare ends of names
		"":           false, ".": false, "localhost": false, "127.0.0.1": false, "10.0.0.0/8": false, "::1": false, "fd00::1": false,
		"example.com": false, "registry.terraform.io": false, "myamazonaws.com": false, "169.254.169.254": false,
	} {
		if got := Bypasses(entry); got != want {
			t.Errorf("%q: got %v, want %v", entry, got, want)
		}
	}
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"sts.amazonaws.com:443", "b.s3.amazonaws.com", "[::1]:443", "169.254.169.254:443", "a@b.amazonaws.com:443", "x.amazonaws.com:443:443", "S3.Amazonaws.Com.:443", "%00.amazonaws.com:443"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		host, bad := target(authority, "443")
		if bad != nil {
			if bad.status < 400 || bad.status > 499 || strings.ContainsFunc(bad.reason, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("%q: status %d, reason %q", authority, bad.status, bad.reason)
			}
			return
		}
		if !isAWS(host) || !isHostName(host) || host != strings.ToLower(host) {
			t.Errorf("%q was let through as %q", authority, host)
		}
		if _, err := netip.ParseAddr(host); err == nil {
			t.Errorf("%q is an address", authority)
		}
		rest := strings.TrimSuffix(strings.ToLower(authority), ":443")
		if strings.TrimSuffix(rest, ".") != host && strings.TrimSuffix(strings.Trim(rest, "[]"), ".") != host {
			t.Errorf("%q became %q", authority, host)
		}
		if again, bad := target(host, "443"); bad != nil || again != host {
			t.Errorf("%q became %q, then %q, %v", authority, host, again, bad)
		}
	})
}

// TestOpensNoConnection: no file of the package names a way to open one.
func TestOpensNoConnection(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		read++
		tree, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				switch name := s.Sel.Name; {
				case strings.HasPrefix(name, "Dial"), strings.HasPrefix(name, "Lookup"), name == "Client",
					name == "Transport", name == "DefaultTransport", name == "DefaultClient", name == "RoundTrip":
					t.Errorf("%s uses %s", f.Name(), name)
				}
			}
			return true
		})
	}
	if read == 0 {
		t.Error("no file was read")
	}
}
