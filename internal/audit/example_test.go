package audit_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/internal/audit"
)

// Which program made a call that CloudTrail has? The access key id is in both
// logs, and STS issues none twice.
func Example() {
	var lines strings.Builder
	log, err := audit.Open("-", &lines, audit.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	log.Event(broker.Event{
		Time: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), Outcome: broker.Lent, Rule: "reports",
		Caller: broker.Caller{UID: 1001, GID: 1001, PID: 4711, Exe: "/usr/bin/reports", Unit: "reports.service", How: broker.ByPeer},
		Role:   "arn:aws:iam::111122223333:role/reports", SessionName: "reports@host", AccessKeyID: "ASIAIOSFODNN7EXAMPLE",
	})
	log.Close()

	const trail = `{"eventTime": "2026-11-22T09:04:11Z", "eventSource": "s3.amazonaws.com", "eventName": "DeleteBucket",
		"userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/reports/reports@host", "accessKeyId": "ASIAIOSFODNN7EXAMPLE"}}`
	var call struct {
		EventName    string
		UserIdentity struct{ AccessKeyID string }
	}
	if err := json.Unmarshal([]byte(trail), &call); err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(lines.String()) {
		var loan struct {
			Workload string
			Key      string `json:"access_key_id"`
			Caller   struct {
				PID  int
				Unit string
			}
		}
		if err := json.Unmarshal([]byte(line), &loan); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		if loan.Key == call.UserIdentity.AccessKeyID {
			fmt.Printf("%s was called by %s (%s, pid %d)\n", call.EventName, loan.Workload, loan.Caller.Unit, loan.Caller.PID)
		}
	}
	// Output:
	// DeleteBucket was called by reports (reports.service, pid 4711)
}
