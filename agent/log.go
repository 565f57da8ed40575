package agent

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/mantle-iam/mantle/broker"
)

// levelOf is the level of the line about an answer without credentials: what
// waiting may cure is a warning, as is a caller turned away; a path that does
// not exist is what SDKs and scripts ask all day.
func levelOf(status int) slog.Level {
	if status == http.StatusNotFound {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// attrsOf says who was turned away at which path. Of a path whose end is a
// secret the end is left out, and so is the query.
func attrsOf(r *http.Request, who broker.Caller, status int) []slog.Attr {
	attrs := []slog.Attr{
		slog.Int("status", status),
		slog.String("method", quoteMethod(r.Method)),
		slog.String("path", pathOf(r)),
		slog.String("remote", r.RemoteAddr),
	}
	if who != nobody() && who != (broker.Caller{}) {
		attrs = append(attrs, slog.Any("caller", who))
	}
	return attrs
}

// pathOf is the path of r without the secret that its end may be, and cut.
func pathOf(r *http.Request) string {
	path := r.URL.Path
	if before, _, ok := strings.Cut(path, "/credentials/"); ok {
		path = before + "/credentials/…"
	}
	if len(path) > maxLoggedPath {
		path = path[:maxLoggedPath] + "…"
	}
	return path
}

// maxLoggedPath is the length in bytes at which a path is cut in the log.
const maxLoggedPath = 200
