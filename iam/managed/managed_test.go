package managed

import (
	"testing"

	"github.com/mantle-iam/mantle/iam"
)

func TestPoliciesAreSound(t *testing.T) {
	for arn, p := range In("aws") {
		parsed, err := iam.Parse(iam.Identity, arn, []byte(p.Document))
		if err != nil || parsed.Len() == 0 {
			t.Errorf("%s: %v", arn, err)
		}
		if p.Created.IsZero() || p.Updated.Before(p.Created) || p.Default == "" {
			t.Errorf("%s: created %v, updated %v, version %q", arn, p.Created, p.Updated, p.Default)
		}
	}
}

func TestFind(t *testing.T) {
	for arn, want := range map[string]bool{
		"arn:aws:iam::aws:policy/AmazonS3FullAccess":                               true,
		"arn:aws:iam::aws:policy/amazons3fullaccess":                               false, // case counts
		"arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role": true,
		"arn:aws:iam::aws:policy/AmazonEC2ContainerServiceforEC2Role":              false, // so does the path
		"arn:aws-cn:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy": true,
		"arn:aws:iam::111122223333:policy/AmazonS3FullAccess":                      false,
		"AmazonS3FullAccess": false,
	} {
		p, ok := Find(arn)
		if ok != want || ok && p.ARN != arn {
			t.Errorf("Find(%s) = %v, %v, want %v", arn, p.ARN, ok, want)
		}
	}
}

func TestPartition(t *testing.T) {
	for arn, p := range In("aws-cn") {
		q, ok := Find(arn)
		if !ok || q != p {
			t.Errorf("In and Find disagree about %s", arn)
		}
	}
}
