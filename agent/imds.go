package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mantle-iam/mantle/broker"
)

// IMDSOptions configure an [IMDS]. The zero value serves credentials to callers
// with a token and no instance data.
type IMDSOptions struct {
	// Instance says what the metadata service tells a caller about the instance
	// it is on. Nil tells nothing. SDKs need the region; without it some of them
	// find credentials and still fail.
	Instance func(broker.Caller) Instance

	// Upstream is real instance metadata, and Allow says which of its paths are
	// handed on, to callers that have a role: MetadataPaths makes one. What it
	// answers goes before what Instance says. Without either nothing is handed
	// on. Credentials, user data and signatures never are, whatever Allow says.
	Upstream Upstream
	Allow    func(path string) bool

	// Denied words the answer about a role that AWS does not let the caller
	// have, in place of AWS's own reason. Nil tells that.
	Denied func(role string) string

	// AllowV1 says which callers are answered without a token, as version 1 did.
	// Nil is nobody: without a token any request that can be forged in a
	// caller's name is answered with its credentials.
	AllowV1 func(broker.Caller) bool

	// HopLimit is the number of routers the answer to a token request may pass,
	// 1 to 64, as HttpPutResponseHopLimit of EC2; 0 means 1, which no
	// packet that leaves this host survives. It is set as the IP TTL of the
	// connection, where the operating system has one.
	HopLimit int

	// Hosts are names or addresses clients may use for this endpoint besides
	// localhost, the address they connect to, 169.254.169.254 and fd00:ec2::254.
	Hosts []string

	// Log hears of every request that was turned away. Nil is silent.
	Log *slog.Logger

	// Refused hears of those that the Broker was not asked about. It may be nil,
	// must be quick, and may be called by many goroutines at once.
	Refused func(Refusal)
}

// IMDS is the EC2 instance metadata service, as far as SDKs and start-up
// scripts need it, with the credentials of the caller's own role. Who calls is
// what [Serve] found out.
//
// Version 2 is required: a token, got by PUT and bound to the caller, comes
// with every request. That holds for every version prefix, "latest" and dated.
// What is not listed here answers 404: api/token, meta-data/iam/ (info,
// security-credentials/ and security-credentials-extended/) and what [Instance]
// describes or [IMDSOptions].Allow lets through. User data does not
// exist, and signatures only where an Instance makes them.
//
//	https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
//	https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
type IMDS struct {
	broker  Broker
	decider Decider    // nil if the broker is none
	early   Prefetcher // nil if the broker is none
	opt     IMDSOptions
	key     [32]byte // of tokens; new with every IMDS
	started time.Time
	hosts   hosts
	headers headers
	buffers buffers
}

// NewIMDS returns a metadata service that serves what b lends. If b is a
// [Decider] and a [Prefetcher] too, as *broker.Broker is, no request but the
// one for credentials waits for STS.
func NewIMDS(b Broker, opt IMDSOptions) *IMDS {
	if opt.HopLimit == 0 {
		opt.HopLimit = 1
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	names := append([]string{IMDSAddress4, IMDSAddress6}, opt.Hosts...)
	decider, _ := b.(Decider)
	early, _ := b.(Prefetcher)
	m := &IMDS{broker: b, decider: decider, early: early, opt: opt, started: time.Now(), hosts: newHosts(names...), headers: newHeaders()}
	rand.Read(m.key[:]) // never fails: crypto/rand
	return m
}

// imdsVersions are the version prefixes of the metadata service, besides
// "latest". All are served alike.
func imdsVersions() []string {
	return []string{
		"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15",
		"2008-02-01", "2008-09-01", "2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12",
		"2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30", "2016-09-02",
		"2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03",
		"2021-03-23", "2021-07-15", "2022-09-24", "2024-04-11",
	}
}

const latest = "latest"

// ServeHTTP answers one request.
func (m *IMDS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Server"] = m.headers.server
	h["Accept-Ranges"] = m.headers.ranges

	path, ok := canonicalPath(r)
	switch {
	case !ok:
		m.fail(w, r, nobody(), imdsError(http.StatusBadRequest, "the path is not spelled canonically: no escapes, no empty or dotted segments"))
		return
	case !m.hosts.allow(r):
		m.fail(w, r, nobody(), imdsError(http.StatusForbidden, "this endpoint is not called %q; use the address in AWS_EC2_METADATA_SERVICE_ENDPOINT", r.Host))
		return
	}
	if p := checkBody(r); p != nil {
		m.fail(w, r, nobody(), imdsError(p.status, "%s", p.reason))
		return
	}
	version, rest, slash := strings.Cut(path[1:], "/")
	if rest == "api/token" {
		m.serveToken(w, r, version)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p := imdsError(http.StatusMethodNotAllowed, "metadata is read with GET, not with %s", quoteMethod(r.Method))
		p.allow = "GET, HEAD"
		m.fail(w, r, nobody(), p)
		return
	}
	who, unknown := connectionOf(r).identify()
	if unknown != nil {
		who = nobody()
	}
	if !m.authenticated(w, r, who, unknown) {
		return
	}
	switch {
	case path == "/":
		m.text(w, strings.Join(append(imdsVersions(), latest), "\n"))
	case version != latest && !slices.Contains(imdsVersions(), version):
		m.fail(w, r, who, &imdsProblem{status: http.StatusNotFound, reason: fmt.Sprintf("there is no version %q", version)})
	case !slash:
		m.redirect(w, path)
	case rest == "meta-data/iam" || strings.HasPrefix(rest, "meta-data/iam/"):
		m.serveIAM(w, r, who, unknown, path, strings.TrimPrefix(rest, "meta-data/"))
	default:
		m.serveInstance(w, r, who, unknown, path, rest)
	}
}

// authenticated checks the token of r, or that who needs none; if not, it
// answers.
func (m *IMDS) authenticated(w http.ResponseWriter, r *http.Request, who broker.Caller, unknown error) bool {
	values := r.Header[tokenHeader]
	var p *imdsProblem
	switch {
	case len(values) == 0 && unknown == nil && m.opt.AllowV1 != nil && m.opt.AllowV1(who):
		return true
	case len(values) == 0:
		p = imdsError(http.StatusUnauthorized, "a token is required: PUT /latest/api/token with X-aws-ec2-metadata-token-ttl-seconds, and send it as X-aws-ec2-metadata-token")
	case len(values) > 1:
		p = imdsError(http.StatusUnauthorized, "the request has more than one token")
	default:
		left, ok := m.verify(values[0], who)
		if ok {
			w.Header()[ttlHeader] = []string{strconv.Itoa(int(left / time.Second))}
			return true
		}
		p = imdsError(http.StatusUnauthorized, "the token is unknown, expired, or was given to another caller; ask for a new one")
	}
	m.fail(w, r, who, p)
	return false
}

// nobody is a caller of which nothing is known.
func nobody() broker.Caller { return broker.Caller{UID: -1, PID: -1} }

// serveIAM answers what depends on the caller's role; rest starts with "iam".
func (m *IMDS) serveIAM(w http.ResponseWriter, r *http.Request, who broker.Caller, unknown error, path, rest string) {
	if name := relayed(r); name != "" {
		m.fail(w, r, who, imdsError(http.StatusForbidden, "the request has a %s header: credentials are not handed to proxies; take this endpoint out of the proxy's reach (NO_PROXY)", name))
		return
	}
	if unknown != nil {
		m.fail(w, r, who, imdsError(http.StatusNotFound, "no role: %v", unknown))
		return
	}
	if c := connectionOf(r); !c.bill(who) {
		m.fail(w, r, who, imdsError(http.StatusTooManyRequests, "this workload has too many connections open; reuse or close them"))
		return
	}
	role, creds, err := m.role(r, who)
	if err != nil && r.Context().Err() != nil {
		role, err = "", errLate
	}
	if role == "" {
		p := imdsProblemOf(err)
		if m.decider != nil {
			p.class = RefusedRole // decided without the Broker's having refused
		}
		m.fail(w, r, who, p)
		return
	}
	profile, name, ok := cutRole(role)
	if !ok {
		m.fail(w, r, who, imdsError(http.StatusInternalServerError, "%q is not the ARN of a role", role))
		return
	}
	switch rest {
	case "iam", "iam/security-credentials", "iam/security-credentials-extended":
		m.redirect(w, path)
		return
	case "iam/":
		m.text(w, "info\nsecurity-credentials/")
		return
	case "iam/info", "iam/info/":
		id := profileID(profile)
		if m.opt.Instance != nil {
			if i := m.opt.Instance(who); i.ProfileARN != "" {
				profile, id = i.ProfileARN, i.ProfileID
			}
		}
		m.text(w, string(appendInfo(nil, profile, id, m.started)))
		return
	case "iam/security-credentials/", "iam/security-credentials-extended/":
		if err := connectionOf(r).confirm(); err != nil {
			m.fail(w, r, who, imdsError(http.StatusNotFound, "no role: %v", err))
			return
		}
		if m.early != nil {
			m.early.Prefetch(who) // a refusal is told when the credentials are asked for
		}
		m.text(w, name)
		return
	}
	asked, extended := strings.CutPrefix(rest, "iam/security-credentials-extended/")
	if !extended {
		if asked, ok = strings.CutPrefix(rest, "iam/security-credentials/"); !ok {
			m.fail(w, r, who, noPath())
			return
		}
	}
	if strings.TrimSuffix(asked, "/") != name {
		m.fail(w, r, who, imdsError(http.StatusNotFound, "this caller's role is not the one asked for; iam/security-credentials/ names it"))
		return
	}
	if creds == nil && err == nil {
		var lent broker.Credentials
		if lent, err = m.broker.Credentials(r.Context(), who); err != nil && r.Context().Err() != nil {
			err = errLate
		}
		creds = &lent
	}
	if err != nil {
		m.failCredentials(w, r, who, err)
		return
	}
	m.credentials(w, r, who, creds, role, extended)
}

// role returns the ARN of the caller's role, and its credentials if they had
// to be borrowed to know it. An error may come with a role: one that exists
// and cannot be borrowed.
func (m *IMDS) role(r *http.Request, who broker.Caller) (string, *broker.Credentials, error) {
	if m.decider != nil {
		d := m.decider.Decide(who)
		if !d.Granted() {
			return "", nil, &broker.RefusedError{Caller: who, Decision: d}
		}
		return d.Loan.Role, nil, nil
	}
	creds, err := m.broker.Credentials(r.Context(), who)
	if err == nil {
		return creds.RoleARN, &creds, nil
	}
	if lend, ok := errors.AsType[*broker.LendError](err); ok {
		return lend.Role, nil, err
	}
	return "", nil, err
}

// credentials writes creds, if they may still be handed out.
func (m *IMDS) credentials(w http.ResponseWriter, r *http.Request, who broker.Caller, creds *broker.Credentials, role string, extended bool) {
	left := time.Until(creds.Expires)
	switch {
	case creds.RoleARN != "" && creds.RoleARN != role:
		// The rules changed between the two questions: a client that lists again
		// finds the new name.
		m.fail(w, r, who, imdsError(http.StatusNotFound, "this caller's role has changed; iam/security-credentials/ names the new one"))
		return
	case left <= 0:
		p := imdsError(http.StatusServiceUnavailable, "credentials of %s have expired and no new ones are at hand", role)
		p.retry = time.Second
		m.fail(w, r, who, p)
		return
	}
	if err := connectionOf(r).confirm(); err != nil {
		m.fail(w, r, who, imdsError(http.StatusNotFound, "no role: %v", err))
		return
	}
	if left < botocoreStretch {
		m.opt.Log.LogAttrs(r.Context(), slog.LevelWarn,
			"credentials with little time left: botocore will use them for up to 25 minutes; lengthen the session or use the container endpoint",
			slog.Any("caller", who), slog.Any("credentials", *creds), slog.Duration("left", left.Round(time.Second)))
	}
	issued := creds.Issued
	if issued.IsZero() {
		issued = m.started
	}
	buf := m.buffers.get()
	defer m.buffers.put(buf)
	*buf = appendIMDS(*buf, creds, issued, extended)
	m.write(w, *buf)
}

// botocoreStretch is the life below which botocore may take credentials for
// ones that could not be renewed: its refresh window of 15 minutes and up to 10
// of jitter.
const botocoreStretch = 25 * time.Minute

// text writes a value, or a list of names one a line; neither ends in a
// newline, since botocore puts the role's name into the next path as it comes.
func (m *IMDS) text(w http.ResponseWriter, body string) { m.write(w, []byte(body)) }

func (m *IMDS) write(w http.ResponseWriter, body []byte) {
	h := w.Header()
	h["Content-Type"] = m.headers.text
	h["Last-Modified"] = []string{m.started.UTC().Format(http.TimeFormat)}
	setLength(h, len(body))
	w.Write(body)
}

// redirect sends a client that asked for a directory without its slash there.
func (m *IMDS) redirect(w http.ResponseWriter, path string) {
	h := w.Header()
	h["Location"] = []string{path + "/"}
	setLength(h, 0)
	w.WriteHeader(http.StatusMovedPermanently)
}

// cutRole returns the ARN of the instance profile that stands for the role, of
// the same path and name, and the role's name.
func cutRole(arn string) (profile, name string, ok bool) {
	head, path, ok := strings.Cut(arn, ":role/")
	if !ok || !strings.HasPrefix(head, "arn:") || path == "" {
		return "", "", false
	}
	name = path[strings.LastIndexByte(path, '/')+1:]
	return head + ":instance-profile/" + path, name, name != ""
}
