package config

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/mantle-iam/mantle/broker"
	"github.com/mantle-iam/mantle/iam"
)

// settle fills in what comes from elsewhere in the file, and then checks what
// no block can check alone.
func (d *decoder) settle(c *Config) {
	for _, r := range c.Roles {
		if r.Region == "" {
			r.Region = c.Base.Region
		}
		d.chain(c, r)
		d.regionOf(r.ARN, r.Region, r.Where)
	}
	if c.Sandbox != nil {
		for _, a := range c.Sandbox.Accounts {
			for _, b := range a.Buckets {
				if b.Region == "" {
					b.Region = c.Base.Region
				}
				if b.Region == "" {
					b.Region = "us-east-1"
				}
			}
		}
	}
	d.overlaps(c)
}

// chain completes the hops that are written as role.NAME and checks the way to
// a role hop by hop.
func (d *decoder) chain(c *Config, r *Role) {
	for i := range r.Via {
		h := &r.Via[i]
		if hr := c.Role(h.ref); h.ref != "" && hr != nil {
			h.ExternalID, h.SessionName = hr.ExternalID, hr.SessionName
			if len(hr.Via) > 0 && hr != r {
				d.add(h.Position, "list the whole chain here", "role %s is itself reached by way of other roles", quote(h.ref))
			}
		}
	}
	for i, h := range r.Via {
		next, what := r.ARN, "role "+quote(r.Name)
		if i+1 < len(r.Via) {
			next, what = r.Via[i+1].ARN, "the next role of via"
		}
		if h.ARN == "" || next == "" {
			continue
		}
		if h.ARN == next {
			d.add(h.Position, "drop the hop: a session of the role is already held", "%s is the same role", what)
		} else if a, b := partition(h.ARN), partition(next); a != b {
			d.add(h.Position, "credentials of one partition are not known in another", "via goes from partition %s to %s", a, b)
		}
	}
}

func partition(arn string) string {
	a, err := iam.ParseARN(arn)
	if err != nil {
		return ""
	}
	return a.Partition
}

// regionOf checks that a role and the region it is used in are of one
// partition.
func (d *decoder) regionOf(arn, region string, w Where) {
	p := partition(arn)
	if p == "" || region == "" || p == partitionOf(region) {
		return
	}
	at := w.At("region")
	if !w.Has("region") {
		at = w.At("arn")
	}
	d.add(at, "set the role's region", "region %s is in partition %s, the role in %s", region, partitionOf(region), p)
}

// partitionOf is the partition of a region, by its name.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
func partitionOf(region string) string {
	for _, p := range []struct{ prefix, partition string }{
		{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"}, {"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// overlaps reports every two workloads that one process could fit: the broker
// would refuse that process, for it must not guess. Whether a user name and a
// uid are the same user shows only in [Config.Rules], which looks again.
func (d *decoder) overlaps(c *Config) {
	known := []*Workload{}
	for _, w := range c.Workloads {
		if w.Match != nil && w.Match.sound() {
			known = append(known, w)
		}
	}
	owner := func(i int) string {
		switch m := known[i].Match; {
		case m.User != "":
			return "user " + m.User
		case m.UID != nil:
			return strconv.Itoa(*m.UID)
		}
		return ""
	}
	for i, j := range pairs(len(known), owner) {
		// Who owns them is settled, so any one uid stands for it.
		if known[i].Match.described(new(0)).Overlaps(known[j].Match.described(new(0))) {
			d.overlap(known[i], known[j])
		}
	}
}

// pairs yields the pairs i < j of n things that have the same owner, or
// of which one has none, which is "": with thousands of owners that is far
// less than all pairs.
func pairs(n int, owner func(int) string) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		owned := map[string][]int{}
		var free, all []int
		for j := range n {
			o := owner(j)
			others := all
			if o != "" {
				others = slices.Concat(owned[o], free)
				owned[o] = append(owned[o], j)
			} else {
				free = append(free, j)
			}
			for _, i := range others {
				if !yield(i, j) {
					return
				}
			}
			all = append(all, j)
		}
	}
}

// overlap reports that a process can fit the match blocks of a and, later in
// the file, of b.
func (ps *problems) overlap(a, b *Workload) {
	hint := "the agent would refuse it: narrow one of them"
	if open := b; a.Match.owned() != b.Match.owned() {
		if b.Match.owned() {
			open = a
		}
		hint = "the agent would refuse it: say which uid or user workload " + quote(open.Name) + " runs as"
	}
	ps.add(b.Match.Where.Position, hint, "a process can fit workload %s and workload %s (%s)", quote(b.Name), quote(a.Name), a.Match.Where.Position)
}

// sound reports whether the block describes anybody, and its user is known if
// it sets one; what is wrong with it otherwise has been said.
func (m *Match) sound() bool {
	if (m.Where.Has("uid") || m.Where.Has("user")) && !m.owned() {
		return false
	}
	return m.owned() || m.Exe != "" || m.Unit != ""
}

func (m *Match) owned() bool { return m.UID != nil || m.User != "" }

// described is the block as the broker takes it, for a user whose uid is known.
func (m *Match) described(uid *int) broker.Match {
	return broker.Match{UID: uid, Exe: m.Exe, Unit: m.Unit}
}
