package sandbox

import (
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Fault makes a share of a service's calls fail, so that a client's retries
// can be watched. Calls are struck after authentication and before anything
// is decided or done, so that a struck call has no effect.
type Fault struct {
	// Service is the signing name of a service, or "*" for all.
	Service string
	// Throttle and Error are the shares of calls, from 0 to 1, that are
	// answered with the service's throttling error, and with its internal
	// error.
	Throttle, Error float64
}

// faults are the faults by service.
type faults map[string]Fault

func newFaults(list []Fault) (faults, error) {
	out := faults{}
	for _, f := range list {
		if f.Throttle < 0 || f.Error < 0 || f.Throttle+f.Error > 1 {
			return nil, fmt.Errorf("fault of %s: shares of %g and %g; they must be at least 0, and 1 at most together", f.Service, f.Throttle, f.Error)
		}
		out[f.Service] = f
	}
	return out, nil
}

// throttled and broken are the errors by family (IAM, EC2, DynamoDB and S3
// API References, "Common errors", "Error responses").
var (
	throttled = [...]wording{
		queryFamily: {"Throttling", http.StatusBadRequest, "Rate exceeded"},
		ec2Family:   {"RequestLimitExceeded", http.StatusServiceUnavailable, "Request limit exceeded."},
		jsonFamily:  {"ThrottlingException", http.StatusBadRequest, "Rate exceeded"},
		s3Family:    {"SlowDown", http.StatusServiceUnavailable, "Please reduce your request rate."},
	}
	broken = [...]wording{
		queryFamily: {"ServiceFailure", http.StatusInternalServerError, "The request processing has failed because of an unknown error."},
		ec2Family:   {"InternalError", http.StatusInternalServerError, "An internal error has occurred."},
		jsonFamily:  {"InternalServerError", http.StatusInternalServerError, "The request could not be processed because of an internal error."},
		s3Family:    {"InternalError", http.StatusInternalServerError, "We encountered an internal error. Please try again."},
	}
)

// strike picks the fault of a call, nil for none.
func (f faults) strike(service string) *wire.Error {
	if len(f) == 0 {
		return nil
	}
	x, ok := f[service]
	if !ok {
		x = f["*"]
	}
	at := rand.Float64()
	var w wording
	switch {
	case at < x.Throttle:
		w = throttled[familyOf(service)]
	case at < x.Throttle+x.Error:
		w = broken[familyOf(service)]
	default:
		return nil
	}
	return &wire.Error{Code: w.code, Status: w.status, Message: w.text}
}
