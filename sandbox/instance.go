package sandbox

import (
	"fmt"
	"time"

	engine "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/service/sts"
)

// Session is a set of temporary credentials of the sandbox.
type Session struct {
	AccessKeyID, SecretAccessKey, SessionToken string
	Expires                                    time.Time
	// ARN is the principal that the credentials act as.
	ARN string
}

// String hides the secrets.
func (s Session) String() string {
	return fmt.Sprintf("session of %s (%s…)", s.ARN, s.AccessKeyID[:4])
}

// GoString hides the secrets.
func (s Session) GoString() string { return s.String() }

// InstanceSession makes the credentials that an EC2 instance with an
// instance profile around the role would find at its metadata service: the
// role's trust policy must let ec2.amazonaws.com in, and the session is
// named after the instance. Life zero means six hours.
func (s *Server) InstanceSession(roleARN, instanceID string, life time.Duration) (Session, error) {
	return s.serviceSession(roleARN, sts.VendInput{
		Service: "ec2.amazonaws.com", SessionName: instanceID, Life: life, Now: s.clock.now().UTC(),
		Context: map[string]string{"ec2:RoleDelivery": "2.0"},
	})
}

func (s *Server) serviceSession(roleARN string, in sts.VendInput) (Session, error) {
	role, ok := directory{s.iam}.Role(roleARN)
	if !ok {
		return Session{}, fmt.Errorf("the sandbox has no role %s", roleARN)
	}
	v, d, err := s.sts.Vend(role, in)
	if err != nil {
		return Session{}, err
	}
	if d.Outcome != engine.Allow {
		return Session{}, fmt.Errorf("%s cannot assume %s: its trust policy must allow sts:AssumeRole to the principal {\"Service\": %q}", in.Service, roleARN, in.Service)
	}
	return Session{v.AccessKeyID, v.SecretAccessKey, v.SessionToken, v.Expires, v.ARN}, nil
}
