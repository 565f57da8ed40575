package sandbox

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	engine "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Record is one call in the shape of a CloudTrail record (CloudTrail User
// Guide, "CloudTrail record contents"), with the engine's decisions added.
// It holds no secret: of credentials it has the key id.
type Record struct {
	EventVersion        string            `json:"eventVersion"`
	UserIdentity        UserIdentity      `json:"userIdentity"`
	EventTime           time.Time         `json:"eventTime"`
	EventSource         string            `json:"eventSource"`
	EventName           string            `json:"eventName"`
	AWSRegion           string            `json:"awsRegion,omitempty"`
	SourceIPAddress     string            `json:"sourceIPAddress,omitempty"`
	UserAgent           string            `json:"userAgent,omitempty"`
	ErrorCode           string            `json:"errorCode,omitempty"`
	ErrorMessage        string            `json:"errorMessage,omitempty"`
	RequestParameters   map[string]string `json:"requestParameters,omitempty"`
	ResponseElements    map[string]string `json:"responseElements,omitempty"`
	RequestID           string            `json:"requestID"`
	EventID             string            `json:"eventID"`
	ReadOnly            bool              `json:"readOnly"`
	EventType           string            `json:"eventType"`
	Resources           []RecordResource  `json:"resources,omitempty"`
	RecipientAccountID  string            `json:"recipientAccountId,omitempty"`
	Decisions           []RecordDecision  `json:"decisions,omitempty"`
	DurationMicrosecond int64             `json:"durationMicroseconds"`
}

// UserIdentity says who called.
type UserIdentity struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn,omitempty"`
	AccountID   string `json:"accountId,omitempty"`
	AccessKeyID string `json:"accessKeyId,omitempty"`
	UserName    string `json:"userName,omitempty"`
	// IdentityProvider stands in for the ARN of a caller whom an identity
	// provider vouches for.
	IdentityProvider string          `json:"identityProvider,omitempty"`
	SessionContext   *SessionContext `json:"sessionContext,omitempty"`
}

// SessionContext says what a session was made from.
type SessionContext struct {
	SessionIssuer  *SessionIssuer `json:"sessionIssuer,omitempty"`
	SourceIdentity string         `json:"sourceIdentity,omitempty"`
	Attributes     struct {
		CreationDate     time.Time `json:"creationDate"`
		MFAAuthenticated string    `json:"mfaAuthenticated"`
	} `json:"attributes"`
}

// SessionIssuer is the role or user behind a session.
type SessionIssuer struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	UserName    string `json:"userName"`
}

// RecordResource is a resource that the call touched.
type RecordResource struct {
	ARN       string `json:"ARN"`
	AccountID string `json:"accountId,omitempty"`
}

// RecordDecision is what the engine said of one permission.
type RecordDecision struct {
	Action   string         `json:"action"`
	Resource string         `json:"resource"`
	Outcome  engine.Outcome `json:"outcome"`
	Layer    engine.Layer   `json:"layer,omitempty"`
	// Policy and Statement name the deciding statement, counted from 0.
	Policy    string `json:"policy,omitempty"`
	Statement *int   `json:"statement,omitempty"`
	// PassedToService is the service that iam:PassRole was asked for.
	PassedToService string `json:"passedToService,omitempty"`
}

// eventSource is the service as CloudTrail names it.
func eventSource(service string) string { return service + ".amazonaws.com" }

// record writes down a call that has been answered.
func record(p *passage) Record {
	out := Record{
		EventVersion: "1.11", EventTime: p.arrived.UTC(), EventSource: eventSource(p.service), EventName: p.op.Name,
		RequestID: p.id, EventID: newRequestID(), EventType: "AwsApiCall", UserAgent: p.http.UserAgent(),
		ReadOnly: readOnly(p.op.Name), DurationMicrosecond: time.Since(p.began).Microseconds(),
	}
	if out.EventName == "" {
		out.EventName = p.call.OpName
	}
	if src := source(p.http); src.IsValid() {
		out.SourceIPAddress = src.String()
	}
	if p.fault != nil {
		out.ErrorCode, out.ErrorMessage = p.fault.Code, p.fault.Message
	}
	if p.req == nil {
		out.UserIdentity.Type = "Unknown"
		return out
	}
	out.AWSRegion, out.RecipientAccountID = p.req.Region, p.req.Caller.Account
	out.UserIdentity = userIdentity(&p.req.Caller)
	seen := map[string]bool{}
	for _, v := range p.req.Verdicts {
		d := RecordDecision{Action: v.Action, Resource: v.Resource, Outcome: v.Decision.Outcome, Layer: v.Decision.Layer, PassedToService: v.PassedTo}
		if v.Decision.Policy != nil {
			d.Policy, d.Statement = v.Decision.Policy.Name(), &v.Decision.Statement
		}
		out.Decisions = append(out.Decisions, d)
		if v.Resource != "*" && !seen[v.Resource] {
			seen[v.Resource] = true
			out.Resources = append(out.Resources, RecordResource{v.Resource, v.Owner})
		}
	}
	parameters(&out, p)
	return out
}

// parameters adds what links calls with one another: which role became
// which session under which key, and which object was touched.
func parameters(out *Record, p *passage) {
	switch {
	case p.service == "sts" && strings.HasPrefix(p.op.Name, "AssumeRole"):
		out.RequestParameters = map[string]string{}
		for name, parameter := range map[string]string{"roleArn": "RoleArn", "roleSessionName": "RoleSessionName", "principalArn": "PrincipalArn"} {
			if v := p.call.Form.Get(parameter); v != "" {
				out.RequestParameters[name] = v
			}
		}
		switch made := p.out.(type) {
		case *awssts.AssumeRoleOutput:
			out.ResponseElements = session(made.Credentials, made.AssumedRoleUser)
		case *awssts.AssumeRoleWithWebIdentityOutput:
			out.ResponseElements = session(made.Credentials, made.AssumedRoleUser)
		case *awssts.AssumeRoleWithSAMLOutput:
			out.ResponseElements = session(made.Credentials, made.AssumedRoleUser)
		}
	case p.service == "s3" && p.call.Vars["Bucket"] != "":
		out.RequestParameters = map[string]string{"bucketName": p.call.Vars["Bucket"]}
		if key := p.call.Vars["Key"]; key != "" {
			out.RequestParameters["key"] = key
		}
	}
}

// session names the session that a call has made, without its secrets.
func session(c *ststypes.Credentials, who *ststypes.AssumedRoleUser) map[string]string {
	return map[string]string{
		"accessKeyId": aws.ToString(c.AccessKeyId), "expiration": c.Expiration.UTC().Format(time.RFC3339),
		"assumedRoleArn": aws.ToString(who.Arn),
	}
}

func userIdentity(c *service.Caller) UserIdentity {
	u := UserIdentity{
		Type: principalTypes[c.Type], PrincipalID: c.UserID, ARN: c.ARN, AccountID: c.Account, AccessKeyID: c.AccessKeyID,
	}
	switch c.Type {
	case engine.Root:
		u.Type = "Root"
	case engine.User:
		u.Type, u.UserName = "IAMUser", c.Name
	case engine.Federated:
		// CloudTrail User Guide, "CloudTrail userIdentity element".
		u.Type, u.UserName, u.ARN, u.IdentityProvider = "WebIdentityUser", c.Name, "", c.ARN
		if strings.Contains(c.ARN, ":saml-provider/") {
			u.Type = "SAMLUser"
		}
	}
	ses := c.Session
	if ses == nil {
		return u
	}
	u.SessionContext = &SessionContext{SourceIdentity: ses.SourceIdentity}
	u.SessionContext.Attributes.CreationDate = ses.Issued.UTC()
	u.SessionContext.Attributes.MFAAuthenticated = "false"
	if ses.MFA {
		u.SessionContext.Attributes.MFAAuthenticated = "true"
	}
	if c.Type == engine.AssumedRole {
		u.SessionContext.SessionIssuer = &SessionIssuer{Type: "Role", PrincipalID: c.ID, ARN: c.Issuer, AccountID: c.Account, UserName: c.Name}
	}
	return u
}

// readOnly tells calls that change nothing, by their names.
func readOnly(name string) bool {
	for _, prefix := range []string{"Get", "List", "Describe", "Head", "Simulate", "Query", "Scan", "BatchGet", "BatchCheck"} {
		if strings.HasPrefix(name, prefix) && name != "GetSessionToken" && name != "GetFederationToken" {
			return true
		}
	}
	return false
}

// String is the record as one line of JSON.
func (r Record) String() string {
	b, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
