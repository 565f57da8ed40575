package dynamodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Two errors of the API carry more than a message: the item that a condition
// failed on, and the reasons for which a transaction was cancelled.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html

// with is the error with one more member of its body.
func with(e *wire.Error, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	out := *e
	out.Members = append(slices.Clone(e.Members), wire.Member{Name: name, Value: text})
	return &out
}

// conditionFailedOn is conditionFailed, with the item if that was asked for.
func conditionFailedOn(old map[string]value, want types.ReturnValuesOnConditionCheckFailure) error {
	err := conditionFailed()
	if want != types.ReturnValuesOnConditionCheckFailureAllOld || old == nil {
		return err
	}
	e, _ := errors.AsType[*wire.Error](err)
	return with(e, "Item", item(old))
}

// reason says why one request of a transaction stood in its way; the zero
// reason is that it did not.
type reason struct {
	Code    string
	Message string `json:",omitempty"`
	Item    item   `json:",omitempty"`
}

// cancelled is the error of a transaction; there is a reason for each of its
// requests.
func cancelled(reasons []reason) error {
	var codes bytes.Buffer
	for i := range reasons {
		if reasons[i].Code == "" {
			reasons[i].Code = "None"
		}
		if i > 0 {
			codes.WriteString(", ")
		}
		codes.WriteString(reasons[i].Code)
	}
	e := wire.Fail("TransactionCanceledException", 0, "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", codes.String())
	return with(e, "CancellationReasons", reasons)
}
