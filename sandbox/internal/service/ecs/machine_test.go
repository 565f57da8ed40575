package ecs

import (
	"testing"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// TestOwnMachine: only the credentials of an instance say which one it is.
func TestOwnMachine(t *testing.T) {
	const arn = "arn:aws:ec2:us-west-2:111122223333:instance/i-0123456789abcdef0"
	session := func(from, arn string) *service.Session {
		return &service.Session{Name: "i-0123456789abcdef0", FromService: from, Context: map[string]string{"ec2:SourceInstanceARN": arn}}
	}
	for _, c := range []struct {
		name    string
		session *service.Session
		want    string
	}{
		{"an instance", session("ec2.amazonaws.com", arn), "i-0123456789abcdef0"},
		{"a user", nil, ""},
		{"a task", session("ecs-tasks.amazonaws.com", arn), ""},
		{"a chained role with the instance's name", session("", arn), ""},
		{"an instance of another region", session("ec2.amazonaws.com", "arn:aws:ec2:eu-west-1:111122223333:instance/i-1"), ""},
		{"an instance of another account", session("ec2.amazonaws.com", "arn:aws:ec2:us-west-2:444455556666:instance/i-1"), ""},
		{"no instance", session("ec2.amazonaws.com", "arn:aws:ec2:us-west-2:111122223333:volume/vol-1"), ""},
		{"no ARN", session("ec2.amazonaws.com", ""), ""},
	} {
		r := &service.Request{Region: region}
		r.Caller.Account, r.Caller.Session = account, c.session
		got, ok := (&call{req: r}).ownMachine()
		if ok != (c.want != "") || ok && got.InstanceID != c.want {
			t.Errorf("%s: got %v %t, want %q", c.name, got, ok, c.want)
		}
	}
}
