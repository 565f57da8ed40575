package config

import (
	"iter"
	"slices"
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
	var known []described
	groups := map[string]int{} // stand-ins for the numbers of groups
	for _, w := range c.Workloads {
		for _, m := range w.Match {
			if !m.sound() {
				continue
			}
			gid := m.GID
			if m.Group != "" {
				if groups[m.Group] == 0 {
					groups[m.Group] = -1 - len(groups)
				}
				gid = new(groups[m.Group])
			}
			var uid *int
			if m.owned() {
				uid = new(0) // who owns them is settled when two are compared, so any one stands for it
			}
			known = append(known, described{w, m, m.described(uid, gid)})
		}
	}
	d.overlapping(known, func(i int) string { return known[i].match.owner() })
}

// described is one block of a workload and what it means.
type described struct {
	workload *Workload
	match    *Match
	means    broker.Match
}

// overlapping reports every two blocks of different workloads that one process
// can fit.
func (ps *problems) overlapping(known []described, owner func(int) string) {
	for i, j := range pairs(len(known), owner) {
		if known[i].workload != known[j].workload && known[i].means.Overlaps(known[j].means) {
			ps.overlap(known[i], known[j])
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

// overlap reports that a process can fit a block of a and, later in the file,
// one of b.
func (ps *problems) overlap(a, b described) {
	hint := "the agent would refuse it: narrow one of them"
	if open := b; a.match.Kind == KindProcess && a.match.owned() != b.match.owned() {
		if b.match.owned() {
			open = a
		}
		hint = "the agent would refuse it: say which uid or user workload " + quote(open.workload.Name) + " runs as"
	}
	ps.add(b.match.Where.Position, hint, "a process can fit workload %s and workload %s (%s)", quote(b.workload.Name), quote(a.workload.Name), a.match.Where.Position)
}

// sound reports whether the block describes anybody, and its user and group are
// known if it sets them; what is wrong with it otherwise has been said.
func (m *Match) sound() bool {
	if (m.Where.Has("uid") || m.Where.Has("user")) && !m.owned() {
		return false
	}
	if (m.Where.Has("gid") || m.Where.Has("group")) && m.GID == nil && m.Group == "" {
		return false
	}
	return m.Kind != KindProcess || m.owned() || m.GID != nil || m.Group != "" || m.Exe != "" || m.Unit != ""
}

func (m *Match) owned() bool { return m.UID != nil || m.User != "" }
