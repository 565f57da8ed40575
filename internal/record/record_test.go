package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclparse"
	"pgregory.net/rapid"
)

const (
	me     = "arn:aws:sts::111122223333:assumed-role/web/s"
	bucket = "arn:aws:s3:::node-sdk-sample-7f0c"
	passed = "arn:aws:iam::111122223333:role/task"
)

func calls() []Call {
	return []Call{
		{Action: "sts:GetCallerIdentity", Resource: "*", Principal: me},
		{Action: "s3:CreateBucket", Resource: bucket, Principal: me, Agent: "node"},
		{Action: "s3:PutObject", Resource: bucket + "/hello_world.txt", Principal: me, Agent: "node"},
		{Action: "s3:PutObject", Resource: bucket + "/hello_world.txt", Principal: me, Agent: "node"},
		{Action: "s3:PutObject", Resource: bucket + "/b.txt", Principal: me, Denied: true},
		{Action: "iam:PassRole", Resource: passed, PassedTo: "ecs-tasks.amazonaws.com", Principal: me},
		{Action: "iam:PassRole", Resource: passed, PassedTo: "ec2.amazonaws.com", Principal: me},
		{Action: "ec2:DescribeInstances", Resource: "*", Principal: me},
	}
}

func TestDraft(t *testing.T) {
	d, err := New(calls(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	want := `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Ec2DescribeInstances",
      "Effect": "Allow",
      "Action": [
        "ec2:DescribeInstances"
      ],
      "Resource": [
        "*"
      ]
    },
    {
      "Sid": "IamPassRole",
      "Effect": "Allow",
      "Action": [
        "iam:PassRole"
      ],
      "Resource": [
        "arn:aws:iam::111122223333:role/task"
      ],
      "Condition": {
        "StringEquals": {
          "iam:PassedToService": "ec2.amazonaws.com"
        }
      }
    },
    {
      "Sid": "IamPassRole2",
      "Effect": "Allow",
      "Action": [
        "iam:PassRole"
      ],
      "Resource": [
        "arn:aws:iam::111122223333:role/task"
      ],
      "Condition": {
        "StringEquals": {
          "iam:PassedToService": "ecs-tasks.amazonaws.com"
        }
      }
    },
    {
      "Sid": "S3CreateBucket",
      "Effect": "Allow",
      "Action": [
        "s3:CreateBucket"
      ],
      "Resource": [
        "arn:aws:s3:::node-sdk-sample-7f0c"
      ]
    },
    {
      "Sid": "S3PutObject",
      "Effect": "Allow",
      "Action": [
        "s3:PutObject"
      ],
      "Resource": [
        "arn:aws:s3:::node-sdk-sample-7f0c/b.txt",
        "arn:aws:s3:::node-sdk-sample-7f0c/hello_world.txt"
      ]
    }
  ]
}
`
	if got := string(d.Policy.JSON()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	i := slices.IndexFunc(d.Used, func(u Used) bool { return strings.HasSuffix(u.Resource, "b.txt") })
	if u := d.Used[i]; u.Calls != 1 || u.Denied != 1 || !slices.Equal(u.By, []string{me}) {
		t.Errorf("the denied call is %+v", u)
	}
	text := d.Terraform("job")
	if _, diags := hclparse.NewParser().ParseHCL(text, "x.tf"); diags.HasErrors() {
		t.Errorf("%v\n%s", diags, text)
	}
	if !strings.Contains(string(text), `"s3:PutObject", # seen 3×, denied 1×`) {
		t.Errorf("no counts in\n%s", text)
	}
}

func TestGeneralize(t *testing.T) {
	d, err := New(calls(), Options{Generalize: []string{"arn:aws:s3:::node-sdk-sample-*/*", "arn:aws:s3:::node-sdk-sample-*"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Check(); err != nil {
		t.Error(err)
	}
	var resources []string
	for _, s := range d.Policy.Statement {
		if strings.HasPrefix(s.Action[0], "s3:") {
			resources = append(resources, s.Resource...)
		}
	}
	if want := []string{"arn:aws:s3:::node-sdk-sample-*", "arn:aws:s3:::node-sdk-sample-*/*"}; !slices.Equal(resources, want) {
		t.Errorf("got %q, want %q", resources, want)
	}
	for _, bad := range []string{"*", "arn:aws:*:::x", "arn:aws:s3:::plain", "s3://x/*", "arn:aws:s3:::a?*"} {
		if _, err := New(calls(), Options{Generalize: []string{bad}}); err == nil {
			t.Errorf("pattern %q is taken", bad)
		}
	}
}

// TestCheckFinds: a draft with too little or too much does not pass.
func TestCheckFinds(t *testing.T) {
	for name, spoil := range map[string]func(*Draft){
		"less": func(d *Draft) { d.Policy.Statement = d.Policy.Statement[1:] },
		"more": func(d *Draft) {
			d.Policy.Statement[0].Action = append(slices.Clone(d.Policy.Statement[0].Action), "ec2:RunInstances")
		},
		"another service": func(d *Draft) {
			d.Policy.Statement[1].Condition = map[string]map[string]string{"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
		},
	} {
		d, err := New(calls(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if spoil(d); d.Check() == nil {
			t.Errorf("%s: it passes", name)
		}
	}
}

func TestNothing(t *testing.T) {
	d, err := New([]Call{{Action: "sts:GetCallerIdentity", Resource: "*"}}, Options{})
	if err != nil || len(d.Policy.Statement) != 0 || d.Check() != nil {
		t.Errorf("got %+v, %v", d, err)
	}
}

// TestDraftsAreLeast: whatever is recorded, the draft is what was needed.
func TestDraftsAreLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Call
		for range rapid.IntRange(1, 20).Draw(t, "calls") {
			service := rapid.SampledFrom([]string{"s3", "sqs", "dynamodb"}).Draw(t, "service")
			action := rapid.SampledFrom([]string{"Get", "Put", "List"}).Draw(t, "action")
			c := Call{Action: service + ":" + action + "Thing", Resource: fmt.Sprintf("arn:aws:%s:::thing/%d", service, rapid.IntRange(0, 3).Draw(t, "n"))}
			if rapid.Bool().Draw(t, "star") {
				c.Resource = "*"
			}
			if rapid.Bool().Draw(t, "pass") {
				c = Call{Action: "iam:PassRole", Resource: passed, PassedTo: rapid.SampledFrom([]string{"ec2.amazonaws.com", "ecs-tasks.amazonaws.com"}).Draw(t, "to")}
			}
			list = append(list, c)
		}
		d, err := New(list, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Check(); err != nil {
			t.Errorf("%v\n%s", err, d.Policy.JSON())
		}
	})
}
