package audit

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/mantle-iam/mantle/agent"
	"github.com/mantle-iam/mantle/broker"
)

// timeFormat is RFC 3339 with milliseconds, UTC.
const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// row appends the members of one JSON object. It is written by hand because a
// line is written for each loan: encoding/json takes several times as long.
type row struct{ b []byte }

func (r *row) key(name string) {
	if r.b[len(r.b)-1] != '{' {
		r.b = append(r.b, ',')
	}
	r.b = append(r.b, '"')
	r.b = append(r.b, name...)
	r.b = append(r.b, `":`...)
}

// text appends a member unless value is empty.
func (r *row) text(name, value string) {
	if value == "" {
		return
	}
	r.key(name)
	r.b = appendString(r.b, value)
}

func (r *row) number(name string, value int) {
	if value < 0 {
		return
	}
	r.key(name)
	r.b = strconv.AppendInt(r.b, int64(value), 10)
}

func (r *row) truth(name string, value bool) {
	r.key(name)
	r.b = strconv.AppendBool(r.b, value)
}

func (r *row) time(name string, t time.Time) {
	r.key(name)
	r.b = append(r.b, '"')
	r.b = t.UTC().AppendFormat(r.b, timeFormat)
	r.b = append(r.b, '"')
}

func (r *row) begin(name string) {
	r.key(name)
	r.b = append(r.b, '{')
}

func (r *row) end() { r.b = append(r.b, '}') }

func (r *row) head(t time.Time, level string) {
	r.b = append(r.b, '{')
	r.time("time", t)
	r.text("level", level)
	r.text("msg", "loan")
}

func (r *row) done() []byte { return append(r.b, "}\n"...) }

// appendEvent appends the line of an event. It has no secret: the members
// access_key_id and session_name are what CloudTrail has as
// userIdentity.accessKeyId and in userIdentity.arn.
//
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
func appendEvent(b []byte, e *broker.Event) []byte {
	r := row{b}
	level := "INFO"
	if e.Err != nil {
		level = "WARN"
	}
	r.head(e.Time, level)
	r.text("outcome", e.Outcome.String())
	r.text("workload", e.Rule)
	asked := e.Outcome != broker.Issued && e.Outcome != broker.NotIssued
	if asked {
		r.text("how", e.Caller.How)
		r.text("door", e.Caller.Door)
		r.caller(&e.Caller)
	}
	r.text("role", e.Role)
	r.text("session_name", e.SessionName)
	r.text("access_key_id", e.AccessKeyID)
	if !e.Expires.IsZero() {
		r.time("expires", e.Expires)
	}
	if asked {
		r.truth("cached", e.Cached)
	}
	r.key("took_ms")
	r.b = strconv.AppendFloat(r.b, float64(e.Took.Microseconds())/1000, 'f', -1, 64)
	if e.Err != nil {
		r.text("error", e.Err.Error())
	}
	return r.done()
}

// appendRefusal appends the line of a refusal by a door.
func appendRefusal(b []byte, f *agent.Refusal, door string) []byte {
	r := row{b}
	r.head(f.Time, "WARN")
	r.text("outcome", broker.Refused.String())
	r.text("how", f.Caller.How)
	r.text("door", door)
	r.caller(&f.Caller)
	r.text("remote", f.Remote)
	r.text("path", f.Path)
	r.number("status", f.Status)
	r.text("class", f.Class)
	r.text("error", f.Reason)
	return r.done()
}

// caller appends what is known of a caller; nothing if nothing is.
func (r *row) caller(c *broker.Caller) {
	kernel := c.How == broker.ByPeer
	if !kernel && c.Workload == "" && c.Container == nil && c.Task == nil && c.Pod == nil {
		return
	}
	r.begin("caller")
	r.text("workload", c.Workload)
	if kernel {
		r.number("uid", c.UID)
		r.number("gid", c.GID)
		r.number("pid", c.PID)
	}
	r.text("exe", c.Exe)
	r.text("unit", c.Unit)
	if x := c.Container; x != nil {
		r.begin("container")
		r.text("runtime", x.Runtime)
		r.text("id", x.ID)
		r.text("name", x.Name)
		r.text("image", x.Image)
		r.text("compose_project", x.Project())
		r.text("compose_service", x.Service())
		r.end()
	}
	if x := c.Task; x != nil {
		r.begin("task")
		r.text("arn", x.ARN)
		r.text("cluster", x.Cluster)
		r.text("family", x.Family)
		r.text("revision", x.Revision)
		r.text("container", x.Container)
		r.end()
	}
	if x := c.Pod; x != nil {
		r.begin("pod")
		r.text("namespace", x.Namespace)
		r.text("name", x.Name)
		r.text("uid", x.UID)
		r.text("service_account", x.ServiceAccount)
		r.text("container", x.Container)
		r.end()
	}
	r.end()
}

// appendString appends a JSON string. What a caller may choose, such as the path
// of its program, cannot end a line or a string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, _ := json.Marshal(s) // a string always marshals
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
