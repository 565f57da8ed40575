package broker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// A rule for each workload, something that assumes roles, and a question.
func Example() {
	rules := broker.Rules{
		{Name: "web", Match: broker.Match{UID: new(1001)}, Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/web"}},
		{Name: "jobs", Match: broker.Match{Unit: "job@*.service"}, Loan: broker.Loan{Role: "arn:aws:iam::111122223333:role/jobs"}},
	}
	sts := broker.LenderFunc(func(_ context.Context, l broker.Loan) (broker.Credentials, error) {
		return broker.Credentials{
			AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG", SessionToken: "IQoJb3JpZ2luX2Vj",
			RoleARN: l.Role, Expires: time.Now().Add(l.Life()),
		}, nil
	})
	b := broker.New(rules, sts, broker.Options{Host: broker.Host{Name: "box"}})

	c, err := b.Credentials(context.Background(), broker.Caller{UID: 1001, PID: 4711, How: broker.ByPeer})
	fmt.Println(c.RoleARN, err)

	_, err = b.Credentials(context.Background(), broker.Caller{UID: 1002, PID: 4712, How: broker.ByPeer})
	fmt.Println(err)
	var refused *broker.RefusedError
	fmt.Println(errors.As(err, &refused))
	// Output:
	// arn:aws:iam::111122223333:role/web <nil>
	// refused uid 1002 pid 4712 (peer): no workload's match fits it; add a match block that does, or give the workload a token
	// true
}

// Credentials do not print their secrets.
func ExampleCredentials() {
	c := broker.Credentials{
		AccessKeyID:     "ASIAIOSFODNN7EXAMPLE",
		SecretAccessKey: "wJalrXUtnFEMI/K7MDENG",
		SessionToken:    "IQoJb3JpZ2luX2Vj",
		RoleARN:         "arn:aws:iam::111122223333:role/web",
		Expires:         time.Date(2026, 11, 22, 13, 0, 0, 0, time.UTC),
	}
	fmt.Printf("%v\n%+v\n%#v\n", c, c, c)
	// Output:
	// ASIAIOSFODNN7EXAMPLE for arn:aws:iam::111122223333:role/web until 2026-11-22T13:00:00Z
	// ASIAIOSFODNN7EXAMPLE for arn:aws:iam::111122223333:role/web until 2026-11-22T13:00:00Z
	// broker.Credentials(ASIAIOSFODNN7EXAMPLE for arn:aws:iam::111122223333:role/web until 2026-11-22T13:00:00Z)
}

// Session names are made such that STS accepts them.
func ExampleSessionName() {
	fmt.Println(broker.SessionName("PowerUser/hjacobs"))
	fmt.Println(broker.SessionName("a-workload-whose-name-goes-on-and-on@ip-10-0-7-10.eu-west-1.compute.internal"))
	// Output:
	// PowerUser-hjacobs
	// a-workload-whose-name-goes-on-and-on@ip-10-0-7-10.eu-we-fa7dc68c
}
