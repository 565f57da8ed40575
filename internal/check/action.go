package check

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed actions.txt
var actionsText string

// actionsDate is when the list of actions was made: an action that is not in
// it may be newer.
const actionsDate = "August 2026"

// An action is one action of the list.
type action struct {
	name  string // s3:GetObject
	level string // of S3: "object", "bucket" or "" for neither alone
}

// actionTable is the list by service and lower-case name.
var actionTable = sync.OnceValue(func() map[string]map[string]action {
	out := map[string]map[string]action{}
	service := ""
	for line := range strings.Lines(actionsText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for w := range strings.FieldsSeq(line) {
			if s, ok := strings.CutSuffix(w, ":"); ok {
				service = s
				out[s] = map[string]action{}
				continue
			}
			name, mark, _ := strings.Cut(w, "/")
			a := action{name: service + ":" + name}
			switch mark {
			case "o":
				a.level = "object"
			case "b":
				a.level = "bucket"
			}
			out[service][strings.ToLower(name)] = a
		}
	}
	return out
})

// operationActions are operations of APIs that people write as actions, and
// the actions that they need.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
var operationActions = map[string]string{
	"s3:headobject":                      "s3:GetObject",
	"s3:listobjects":                     "s3:ListBucket",
	"s3:listobjectsv2":                   "s3:ListBucket",
	"s3:headbucket":                      "s3:ListBucket",
	"s3:listbuckets":                     "s3:ListAllMyBuckets",
	"s3:listobjectversions":              "s3:ListBucketVersions",
	"s3:deleteobjects":                   "s3:DeleteObject",
	"s3:createmultipartupload":           "s3:PutObject",
	"s3:uploadpart":                      "s3:PutObject",
	"s3:completemultipartupload":         "s3:PutObject",
	"s3:uploadpartcopy":                  "s3:PutObject",
	"s3:copyobject":                      "s3:PutObject",
	"s3:postobject":                      "s3:PutObject",
	"s3:listparts":                       "s3:ListMultipartUploadParts",
	"s3:listmultipartuploads":            "s3:ListBucketMultipartUploads",
	"s3:selectobjectcontent":             "s3:GetObject",
	"s3:getbucketencryption":             "s3:GetEncryptionConfiguration",
	"s3:putbucketencryption":             "s3:PutEncryptionConfiguration",
	"s3:deletebucketencryption":          "s3:PutEncryptionConfiguration",
	"s3:getbucketlifecycle":              "s3:GetLifecycleConfiguration",
	"s3:getbucketlifecycleconfiguration": "s3:GetLifecycleConfiguration",
	"s3:putbucketlifecycle":              "s3:PutLifecycleConfiguration",
	"s3:putbucketlifecycleconfiguration": "s3:PutLifecycleConfiguration",
	"s3:deletebucketlifecycle":           "s3:PutLifecycleConfiguration",
	"s3:getbucketreplication":            "s3:GetReplicationConfiguration",
	"s3:putbucketreplication":            "s3:PutReplicationConfiguration",
	"s3:deletebucketreplication":         "s3:PutReplicationConfiguration",
	"s3:getpublicaccessblock":            "s3:GetBucketPublicAccessBlock",
	"s3:putpublicaccessblock":            "s3:PutBucketPublicAccessBlock",
	"s3:deletepublicaccessblock":         "s3:PutBucketPublicAccessBlock",
	"s3:deletebuckettagging":             "s3:PutBucketTagging",
	"s3:deletebucketcors":                "s3:PutBucketCORS",
	"s3:getobjectlockconfiguration":      "s3:GetBucketObjectLockConfiguration",
	"s3:putobjectlockconfiguration":      "s3:PutBucketObjectLockConfiguration",
	"dynamodb:transactgetitems":          "dynamodb:GetItem",
	"dynamodb:transactwriteitems":        "dynamodb:PutItem",
	"dynamodb:executestatement":          "dynamodb:PartiQLSelect",
	"dynamodb:executetransaction":        "dynamodb:PartiQLSelect",
	"dynamodb:batchexecutestatement":     "dynamodb:PartiQLSelect",
	"lambda:invoke":                      "lambda:InvokeFunction",
	"sts:assumerolewithoidc":             "sts:AssumeRoleWithWebIdentity",
}

// nearest is the word that differs least from s, if it differs by little:
// at most two letters, and fewer in short words.
func nearest(s string, words []string) string {
	best, least := "", min(2, len(s)/4)+1
	for _, w := range words {
		if d := distance(strings.ToLower(s), strings.ToLower(w), least); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is how many letters to add, drop, change or swap with their
// neighbour; once it is known to be limit or more, limit.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	prev2 := make([]int, len(b)+1)
	prev := make([]int, len(b)+1)
	cur := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return min(prev[len(b)], limit)
}
