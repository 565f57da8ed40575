package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

const (
	// maxInstances bounds the living instances of an account in a region.
	maxInstances = 1000
	// tokenLife is how long a client token is remembered at least.
	// https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
	tokenLife = 24 * time.Hour
)

func versionText(n int64) string { return strconv.FormatInt(n, 10) }

// runInstances launches instances, or answers again what it answered to the
// same client token.
func (c *call) runInstances(in *api.RunInstancesInput) (*api.RunInstancesOutput, error) {
	low, high := aws.ToInt32(in.MinCount), aws.ToInt32(in.MaxCount)
	switch {
	case low < 1:
		return nil, invalid("Value (%d) for parameter minCount is invalid. It must be at least 1.", low)
	case high < low:
		return nil, invalid("Value (%d) for parameter maxCount is invalid. It must not be less than minCount.", high)
	}
	token := aws.ToString(in.ClientToken)
	digest := digestOf(in)
	if rows, found, err := c.repeated(token, digest); found || err != nil {
		return c.launched(rows), err
	}
	p, err := c.plan(in)
	if err != nil {
		return nil, err
	}
	rows, err := c.launch(p, int(high))
	if err != nil {
		return nil, err
	}
	if token != "" {
		c.remember(token, digest, rows)
	}
	return c.launched(rows), nil
}

// launch makes the records of a plan's instances.
func (c *call) launch(p *plan, count int) ([]instanceRow, error) {
	c.sweep()
	living := 0
	for _, i := range instances.Range(c.tx, c.scope()) {
		if i.State != types.InstanceStateNameTerminated {
			living++
		}
	}
	if living+count > maxInstances {
		return nil, wire.Fail("InstanceLimitExceeded", 400, "You have requested more instances (%d) than your current instance limit of %d allows for the specified instance type.", living+count, maxInstances)
	}
	want := aws.ToString(p.in.PrivateIpAddress)
	if len(p.in.NetworkInterfaces) == 1 && p.in.NetworkInterfaces[0].PrivateIpAddress != nil {
		want = *p.in.NetworkInterfaces[0].PrivateIpAddress
	}
	if want != "" && count > 1 {
		return nil, combination("The parameter privateIpAddress may not be used with more than one instance")
	}
	reservation := newID("r")
	var out []instanceRow
	for n := range count {
		i := p.proto
		i.ID, i.Reservation, i.Index = newID("i"), reservation, int32(n)
		i.State, i.Launched = types.InstanceStateNameRunning, c.now
		ip, err := c.address(p.subnet, want)
		if err != nil {
			return nil, err
		}
		i.Interface.ID, i.Interface.Attachment, i.Interface.IP = newID("eni"), newID("eni-attach"), ip
		i.Interface.MAC = mac(i.Interface.ID)
		i.PublicIP = publicIP(i)
		i.Volumes = slices.Clone(i.Volumes)
		for v := range i.Volumes {
			i.Volumes[v].ID, i.Volumes[v].Created = newID("vol"), c.now
			if err := c.tag(i.Volumes[v].ID, p.tags[types.ResourceTypeVolume]); err != nil {
				return nil, err
			}
		}
		if i.Profile != nil {
			profile := *i.Profile
			profile.Association, profile.Since = newID("iip-assoc"), c.now
			i.Profile = &profile
		}
		if err := c.tag(i.Interface.ID, p.tags[types.ResourceTypeNetworkInterface]); err != nil {
			return nil, err
		}
		tags := p.tags[types.ResourceTypeInstance]
		if i.Template != "" {
			// EC2 notes the launch template in tags of its own.
			tags = append(slices.Clone(tags),
				types.Tag{Key: new("aws:ec2launchtemplate:id"), Value: &i.Template},
				types.Tag{Key: new("aws:ec2launchtemplate:version"), Value: &i.TemplateV})
		}
		if err := c.tag(i.ID, tags); err != nil {
			return nil, err
		}
		instances.Put(c.tx, c.key(i.ID), i)
		out = append(out, i)
	}
	return out, nil
}

// launched is the answer: instances as they are at first.
func (c *call) launched(rows []instanceRow) *api.RunInstancesOutput {
	if len(rows) == 0 {
		return nil
	}
	out := &api.RunInstancesOutput{ReservationId: &rows[0].Reservation, OwnerId: &c.account, Groups: []types.GroupIdentifier{}}
	for _, i := range rows {
		v := c.instanceView(i)
		if i.State == types.InstanceStateNameRunning {
			v.State = stateView(types.InstanceStateNamePending)
			v.PublicIpAddress, v.PublicDnsName = nil, new("")
			v.StateReason = &types.StateReason{Code: new("pending"), Message: new("pending")}
		}
		out.Instances = append(out.Instances, v)
	}
	return out
}

// publicIP makes a public address that no network routes: one of 198.18/15,
// set aside by RFC 2544 for tests. It changes with each start.
func publicIP(i instanceRow) string {
	if !i.PublicAddress {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", i.ID, i.Starts))
	return fmt.Sprintf("198.%d.%d.%d", 18+sum[0]&1, sum[1], 1+sum[2]%254)
}

// digestOf tells requests apart, whatever their token.
func digestOf(in *api.RunInstancesInput) string {
	plain := *in
	plain.ClientToken, plain.DryRun = nil, nil
	b, err := json.Marshal(plain)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// repeated finds the instances that a client token has launched.
func (c *call) repeated(token, digest string) (rows []instanceRow, found bool, err error) {
	t, ok := get(c, clientTokens, token)
	if token == "" || !ok || c.now.Sub(t.Used) > tokenLife {
		return nil, false, nil
	}
	if t.Request != digest {
		return nil, true, wire.Fail("IdempotentParameterMismatch", 400, "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	for _, id := range t.IDs {
		if i, ok := get(c, instances, id); ok && !c.vanished(i) {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return nil, true, wire.Fail("IdempotentInstanceTerminated", 400, "The client token you have provided is associated with a resource that is already deleted. Please use a different client token.")
	}
	return rows, true, nil
}

func (c *call) remember(token, digest string, rows []instanceRow) {
	for key, t := range clientTokens.Range(c.tx, c.scope()) {
		if c.now.Sub(t.Used) > tokenLife {
			clientTokens.Delete(c.tx, key)
		}
	}
	t := tokenRow{Request: digest, Used: c.now}
	for _, i := range rows {
		t.IDs = append(t.IDs, i.ID)
	}
	clientTokens.Put(c.tx, c.key(token), t)
}
