// Command gen writes the service models that package wire embeds.
//
// The source is the service-2 models that AWS publishes in botocore
// (https://github.com/boto/botocore, Apache License 2.0). Only what a codec
// needs is kept: no documentation, no endpoint rules, no client hints. The
// output depends on nothing but the models and this program:
//
//	go run ./sandbox/internal/wire/gen -data …/site-packages/botocore/data -out sandbox/internal/wire/models
//
// It prints each pattern that RE2 cannot express; those are written with
// "skip" and are not checked by the codec.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// services are the models to trim, by botocore's directory and API version.
var services = []struct{ name, version string }{
	{"autoscaling", "2011-01-01"},
	{"dynamodb", "2012-08-10"},
	{"ec2", "2016-11-15"},
	{"ecr", "2015-09-21"},
	{"ecs", "2014-11-13"},
	{"eks-auth", "2023-11-26"},
	{"iam", "2010-05-08"},
	{"s3", "2006-03-01"},
	{"sts", "2011-06-15"},
}

func main() {
	data := flag.String("data", "", "botocore's data `directory`")
	out := flag.String("out", "", "`directory` to write the models to")
	flag.Parse()
	if *data == "" || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*data, *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run trims every service from data into out and lists skipped patterns on w.
func run(data, out string, w io.Writer) error {
	sums := new(bytes.Buffer)
	for _, s := range services {
		dir := filepath.Join(s.name, s.version)
		src, err := readSource(filepath.Join(data, dir))
		if err != nil {
			return err
		}
		text, skipped, err := trim(s.name, src)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		for _, p := range skipped {
			fmt.Fprintf(w, "%s: pattern not checked: %s\n", s.name, p)
		}
		var z bytes.Buffer
		g, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := g.Write(text); err != nil {
			return err
		}
		if err := g.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, s.name+".json.gz"), z.Bytes(), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(sums, "%x  %s.json\n", sha256.Sum256(text), s.name)
		fmt.Fprintf(sums, "%x  source:%s/service-2.json\n", sha256.Sum256(src), filepath.ToSlash(dir))
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), sums.Bytes(), 0o644)
}

// readSource reads service-2.json, which botocore installs compressed.
func readSource(dir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, "service-2.json.gz"))
	if os.IsNotExist(err) {
		return os.ReadFile(filepath.Join(dir, "service-2.json"))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// trim turns one service-2 model into the codec's own format.
func trim(service string, src []byte) (text []byte, skipped []string, err error) {
	var in source
	if err := json.Unmarshal(src, &in); err != nil {
		return nil, nil, err
	}
	md := in.Metadata
	o := model{Service: service, Protocol: md.Protocol, Version: md.APIVersion, Namespace: md.XMLNamespace,
		Target: md.TargetPrefix, JSONVersion: md.JSONVersion, Shapes: map[string]*shape{}, Errors: map[string]*fault{}}
	t := trimmer{in: &in, out: &o, skipped: map[string]bool{}}
	for _, name := range slices.Sorted(maps.Keys(in.Operations)) {
		if err := t.operation(in.Operations[name]); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	text, err = json.MarshalIndent(o, "", " ")
	return append(text, '\n'), slices.Sorted(maps.Keys(t.skipped)), err
}

type trimmer struct {
	in      *source
	out     *model
	skipped map[string]bool
}

func (t *trimmer) operation(op srcOp) error {
	if op.Deprecated || leftOut[t.out.Service+":"+op.Name] {
		return nil
	}
	o := operation{Name: op.Name, Method: op.HTTP.Method, URI: op.HTTP.RequestURI, Status: op.HTTP.ResponseCode}
	if op.Input != nil {
		o.Input, o.InputRoot = op.Input.Shape, op.Input.LocationName
		if err := t.shape(op.Input.Shape); err != nil {
			return err
		}
	}
	if op.Output != nil {
		o.Output, o.Wrapper, o.OutputRoot = op.Output.Shape, op.Output.ResultWrapper, op.Output.LocationName
		if t.out.Service == "s3" {
			o.OutputRoot = s3Roots[op.Name]
		}
		if err := t.shape(op.Output.Shape); err != nil {
			return err
		}
	}
	for _, e := range op.Errors {
		s, ok := t.in.Shapes[e.Shape]
		if !ok {
			return fmt.Errorf("error shape %s is missing", e.Shape)
		}
		f := &fault{Code: e.Shape, Status: 400}
		if s.Fault {
			f.Status = 500
		}
		if s.Error != nil {
			if s.Error.Code != "" {
				f.Code = s.Error.Code
			}
			if s.Error.HTTPStatusCode != 0 {
				f.Status = s.Error.HTTPStatusCode
			}
		}
		t.out.Errors[f.Code] = f
		o.Errors = append(o.Errors, f.Code)
	}
	t.out.Operations = append(t.out.Operations, o)
	return nil
}

// shape copies a shape and all that it refers to.
func (t *trimmer) shape(name string) error {
	if t.out.Shapes[name] != nil {
		return nil
	}
	s, ok := t.in.Shapes[name]
	if !ok {
		return fmt.Errorf("shape %s is missing", name)
	}
	if t.out.Service == "s3" && name == "Expires" {
		// The header is free text, so botocore does not parse it; it is a
		// timestamp to AWS's other SDKs.
		s.Type = "timestamp"
	}
	d := &shape{Type: s.Type, Required: s.Required, Payload: s.Payload, Flattened: s.Flattened, Time: s.TimestampFormat,
		Sensitive: s.Sensitive, Min: s.Min, Max: s.Max, Union: s.Union, Document: s.Document, Stream: s.Eventstream}
	t.out.Shapes[name] = d
	if s.XMLNamespace != nil && s.XMLNamespace.Prefix != "" {
		d.Prefix, d.Namespace = s.XMLNamespace.Prefix, s.XMLNamespace.URI
	}
	// EC2 checks its values itself and words the errors by hand.
	if t.out.Protocol != "ec2" {
		d.Enum = s.Enum
		if s.Pattern != "" {
			d.Pattern = s.Pattern
			expr, err := translate(s.Pattern)
			switch {
			case err != nil:
				d.Expr = "skip"
				t.skipped[s.Pattern] = true
			case expr != s.Pattern:
				d.Expr = expr
			}
		}
	}
	for _, m := range s.Members {
		d.Members = append(d.Members, ref(m))
		if err := t.shape(m.Shape); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		from *srcMember
		to   **member
	}{{s.Member, &d.Member}, {s.Key, &d.Key}, {s.Value, &d.Value}} {
		if p.from == nil {
			continue
		}
		r := ref(*p.from)
		*p.to = &r
		if err := t.shape(p.from.Shape); err != nil {
			return err
		}
	}
	return nil
}

func ref(m srcMember) member {
	r := member{Name: m.name, Shape: m.Shape, Location: m.Location, Wire: m.LocationName, Query: m.QueryName,
		Flattened: m.Flattened, Attribute: m.XMLAttribute, Streaming: m.Streaming, Time: m.TimestampFormat}
	if m.XMLNamespace != nil && m.XMLNamespace.Prefix != "" {
		r.Prefix, r.Namespace = m.XMLNamespace.Prefix, m.XMLNamespace.URI
	}
	return r
}

// leftOut names operations that share their request line with another one
// and live on hosts of their own (directory buckets, Object Lambda).
var leftOut = map[string]bool{
	"s3:ListDirectoryBuckets":   true,
	"s3:WriteGetObjectResponse": true,
}

// s3Roots gives the root elements of S3's answers, which the model does not
// hold, from the response syntax of the S3 API reference
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html).
var s3Roots = map[string]string{
	"CompleteMultipartUpload":                    "CompleteMultipartUploadResult",
	"CreateMultipartUpload":                      "InitiateMultipartUploadResult",
	"CreateSession":                              "CreateSessionResult",
	"DeleteObjects":                              "DeleteResult",
	"GetBucketAccelerateConfiguration":           "AccelerateConfiguration",
	"GetBucketAcl":                               "AccessControlPolicy",
	"GetBucketCors":                              "CORSConfiguration",
	"GetBucketLifecycleConfiguration":            "LifecycleConfiguration",
	"GetBucketLocation":                          "LocationConstraint",
	"GetBucketLogging":                           "BucketLoggingStatus",
	"GetBucketNotificationConfiguration":         "NotificationConfiguration",
	"GetBucketRequestPayment":                    "RequestPaymentConfiguration",
	"GetBucketTagging":                           "Tagging",
	"GetBucketVersioning":                        "VersioningConfiguration",
	"GetBucketWebsite":                           "WebsiteConfiguration",
	"GetObjectAcl":                               "AccessControlPolicy",
	"GetObjectAttributes":                        "GetObjectAttributesResponse",
	"GetObjectTagging":                           "Tagging",
	"ListBucketAnalyticsConfigurations":          "ListBucketAnalyticsConfigurationResult",
	"ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsOutput",
	"ListBucketInventoryConfigurations":          "ListInventoryConfigurationsResult",
	"ListBucketMetricsConfigurations":            "ListMetricsConfigurationsResult",
	"ListBuckets":                                "ListAllMyBucketsResult",
	"ListMultipartUploads":                       "ListMultipartUploadsResult",
	"ListObjectVersions":                         "ListVersionsResult",
	"ListObjects":                                "ListBucketResult",
	"ListObjectsV2":                              "ListBucketResult",
	"ListParts":                                  "ListPartsResult",
}
