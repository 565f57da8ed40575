package autoscaling

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

func count(n int32) string { return strconv.Itoa(int(n)) }

// heed drops the members that no longer run; it tells whether there were any.
func (c *call) heed(g *groupRow) bool {
	n := len(g.Members)
	g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m memberRow) bool {
		_, _, ok := c.ec2.Running(c.tx, c.account, c.region, m.ID)
		return !ok
	})
	return len(g.Members) < n
}

// scale brings a group to its desired capacity. A launch that fails leaves a
// failed activity, as AWS does: the group itself stays as it was asked for.
func (c *call) scale(g *groupRow, why string) {
	at := "At " + c.now.Format("2006-01-02T15:04:05Z") + " "
	if c.heed(g) && int32(len(g.Members)) < g.Desired {
		why = "an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped"
	}
	for int32(len(g.Members)) < g.Desired {
		if !c.launch(g, at+why+".  At "+c.now.Format("2006-01-02T15:04:05Z")+" an instance was started in response to a difference between desired and actual capacity, increasing the capacity from "+strconv.Itoa(len(g.Members))+" to "+count(g.Desired)+".") {
			return
		}
	}
	for int32(len(g.Members)) > g.Desired {
		m := g.surplus()
		c.ec2.Terminate(c.tx, c.account, c.region, c.now, m.ID)
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(o memberRow) bool { return o.ID == m.ID })
		c.note(g, activityRow{Description: "Terminating EC2 instance: " + m.ID, Cause: at + why + ".", Status: string(types.ScalingActivityStatusCodeSuccessful)}, m.Zone, "")
	}
}

// launch adds one member, in the subnet that has the fewest.
func (c *call) launch(g *groupRow, cause string) bool {
	subnet, zone := g.emptiest(c)
	tags := map[string]string{"aws:autoscaling:groupName": g.Name}
	for _, t := range g.Tags {
		if t.Propagate {
			tags[t.Key] = t.Value
		}
	}
	_, name, number, err := c.ec2.LaunchTemplate(c.tx, c.account, c.region, g.TemplateID, g.TemplateVersion)
	var id string
	if err == nil {
		id, err = c.ec2.Launch(c.tx, c.account, c.region, c.now, g.TemplateID, number, subnet, tags)
	}
	if err != nil {
		text := reason(err) + " Launching EC2 instance failed."
		if last, ok := c.last(g); !ok || last.Message != text {
			c.note(g, activityRow{Description: "Launching a new EC2 instance.  Status Reason: " + text, Cause: cause, Message: text, Status: string(types.ScalingActivityStatusCodeFailed)}, zone, subnet)
		}
		return false
	}
	_, kind, _ := c.ec2.Running(c.tx, c.account, c.region, id)
	g.Members = append(slices.Clone(g.Members), memberRow{id, zone, kind, g.TemplateID, name, number})
	c.note(g, activityRow{Description: "Launching a new EC2 instance: " + id, Cause: cause, Status: string(types.ScalingActivityStatusCodeSuccessful)}, zone, subnet)
	return true
}

// emptiest is the subnet whose zone has the fewest members.
func (g *groupRow) emptiest(c *call) (subnet, zone string) {
	best := -1
	for _, s := range g.Subnets {
		z, _, _ := c.ec2.SubnetZone(c.tx, c.account, c.region, s)
		if n := g.in(z); best < 0 || n < best {
			best, subnet, zone = n, s, z
		}
	}
	return subnet, zone
}

func (g *groupRow) in(zone string) (n int) {
	for _, m := range g.Members {
		if m.Zone == zone {
			n++
		}
	}
	return n
}

// surplus is the member to end next: the oldest of the fullest zone.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
func (g *groupRow) surplus() memberRow {
	best := g.Members[0]
	for _, m := range g.Members[1:] {
		if g.in(m.Zone) > g.in(best.Zone) {
			best = m
		}
	}
	return best
}

// note keeps an activity.
func (c *call) note(g *groupRow, a activityRow, zone, subnet string) {
	a.ID, a.Group, a.At = newUUID(), g.Name, c.now
	a.Details = fmt.Sprintf(`{"Availability Zone":%q}`, zone)
	if subnet != "" {
		a.Details = fmt.Sprintf(`{"Subnet ID":%q,"Availability Zone":%q}`, subnet, zone)
	}
	g.Activities++
	activities.Put(c.tx, c.activityKey(g.Name, g.Activities), a)
	// A hundred are enough to read.
	activities.Delete(c.tx, c.activityKey(g.Name, g.Activities-100))
}

// activityKey sorts activities by age. No name holds a NUL.
func (c *call) activityKey(group string, n int) string {
	return c.key(group) + fmt.Sprintf("\x00%010d", n)
}

// last is the newest activity of a group.
func (c *call) last(g *groupRow) (activityRow, bool) {
	return activities.Get(c.tx, c.activityKey(g.Name, g.Activities))
}
