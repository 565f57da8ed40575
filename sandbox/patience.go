package sandbox

import (
	"net/http"
	"strings"
	"time"
)

// The AWS SDK for Go v2 (smithy-go, transport/http) closes the body of its
// request when the head of the answer is there, and reading a closed body
// through io.WriterTo is an error to it. Go's transport looks for the end of
// a request's body once more after it has sent the last byte; if the answer's
// head comes before that, the transport takes the error for a broken request
// and closes the connection with the rest of the answer in it: "failed to
// decode response body … use of closed network connection". AWS is far enough
// away; a sandbox on the same machine meets one long answer in twenty that
// way. So a long answer to that client is held back for a moment.

// pause is how long. Its transport needs some microseconds, and more where
// processors are busy: on two busy ones, of a thousand answers 65 were lost
// without a pause, 2 with one of 50 µs, and one at times with 1 ms.
const pause = 3 * time.Millisecond

// short is the size in bytes of an answer that arrives with its head, and
// cannot be lost.
const short = 2048

// patient is w, with a pause before a long answer for a client that needs it.
func patient(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.ContentLength == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead || !strings.Contains(r.UserAgent(), "aws-sdk-go-v2/") {
		return w
	}
	return &patientWriter{ResponseWriter: w}
}

type patientWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *patientWriter) Write(b []byte) (int, error) {
	if !w.begun && len(b) >= short {
		time.Sleep(pause)
	}
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
