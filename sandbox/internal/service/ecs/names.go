package ecs

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/mantle-iam/mantle/iam"
)

// maxName bounds the names of clusters, services and families, and the
// names of containers.
const maxName = 255

// validName tells whether a text consists of letters, digits, hyphens and
// underscores, as every name in ECS does.
func validName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		switch ch := s[i]; {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', ch == '-', ch == '_':
		default:
			return false
		}
	}
	return true
}

// newHex makes the id of a task or container instance: 32 hex digits.
func newHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// newUUID makes the id of a container, event or attachment.
func newUUID() string {
	h := newHex()
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// TaskID is the id at the end of a task's ARN. It is the session name of the
// task's roles.
func TaskID(taskARN string) string { return taskARN[strings.LastIndexByte(taskARN, '/')+1:] }

// home is where a resource lives.
type home struct{ account, region string }

func (h home) key() string { return h.account + "/" + h.region + "/" }

// here is where the call acts.
func (c *call) here() home { return home{c.account(), c.req.Region} }

func (s *ECS) arn(h home, resource string) string {
	return iam.ARN{Partition: s.opt.Partition, Service: "ecs", Region: h.region, Account: h.account, Resource: resource}.String()
}

// cluster is a cluster as a parameter names it, whether it exists or not.
type cluster struct {
	home
	name string
}

func (k cluster) key() string     { return k.home.key() + k.name }
func (k cluster) members() string { return k.key() + "/" } // prefix of what is in it

func (c *call) clusterARN(k cluster) string { return c.arn(k.home, "cluster/"+k.name) }

// parse splits an ARN that a parameter gives in place of a name. The rest is
// what follows "KIND/".
func (c *call) parse(kind, s string) (h home, rest string, err error) {
	a, err := iam.ParseARN(s)
	if err == nil && a.Service == "ecs" && a.Partition == c.opt.Partition {
		if rest, ok := strings.CutPrefix(a.Resource, kind+"/"); ok && rest != "" {
			return home{a.Account, a.Region}, rest, nil
		}
	}
	return home{}, "", invalidParameter("Invalid identifier: %s is not the ARN of a %s.", s, kind)
}

// cluster reads a parameter that names a cluster by name or ARN; nil is the
// cluster "default".
func (c *call) cluster(p *string) (cluster, error) {
	s := aws.ToString(p)
	k := cluster{c.here(), s}
	switch {
	case s == "":
		k.name = "default"
	case strings.HasPrefix(s, "arn:"):
		var err error
		if k.home, k.name, err = c.parse("cluster", s); err != nil {
			return k, err
		}
	}
	if !validName(k.name) {
		return k, invalidParameter("Identifier contains invalid characters: %s", k.name)
	}
	return k, nil
}

// member is a service, task or container instance as parameters name it.
type member struct {
	cluster
	id string
}

func (m member) key() string { return m.cluster.members() + m.id }

func (c *call) memberARN(kind string, m member) string {
	return c.arn(m.home, kind+"/"+m.name+"/"+m.id)
}

// member reads a parameter that names something in a cluster, by id or by
// ARN: KIND/CLUSTER/ID, or KIND/ID as it was before 2018. An ARN that names
// another cluster is about that cluster.
func (c *call) member(kind string, k cluster, s string) (member, error) {
	m := member{k, s}
	if strings.HasPrefix(s, "arn:") {
		h, rest, err := c.parse(kind, s)
		if err != nil {
			return m, err
		}
		m.home, m.id = h, rest
		if name, id, ok := strings.Cut(rest, "/"); ok {
			m.name, m.id = name, id
		}
	}
	if !validName(m.id) || !validName(m.name) {
		return m, invalidParameter("Identifier contains invalid characters: %s", s)
	}
	return m, nil
}

// definition is a task definition as a parameter names it.
type definition struct {
	home
	family   string
	revision int32 // 0: the latest
}

func (d definition) familyKey() string { return d.home.key() + d.family }
func (d definition) key() string       { return fmt.Sprintf("%s/%010d", d.familyKey(), d.revision) }

// definitionARN is the ARN of a definition; without a revision it is the one
// that stands for all.
func (c *call) definitionARN(d definition) string {
	rev := "*"
	if d.revision > 0 {
		rev = strconv.Itoa(int(d.revision))
	}
	return c.arn(d.home, "task-definition/"+d.family+":"+rev)
}

// definition reads a parameter that names a task definition: FAMILY,
// FAMILY:REVISION or an ARN.
func (c *call) definition(s string) (definition, error) {
	d := definition{home: c.here()}
	rest := s
	if strings.HasPrefix(s, "arn:") {
		var err error
		if d.home, rest, err = c.parse("task-definition", s); err != nil {
			return d, err
		}
	}
	family, rev, numbered := strings.Cut(rest, ":")
	if numbered {
		n, err := strconv.ParseInt(rev, 10, 32)
		if err != nil || n < 1 {
			return d, clientError("Invalid revision number. Number: %s", rev)
		}
		d.revision = int32(n)
	}
	if !validName(family) {
		return d, clientError("Invalid task definition: %s", s)
	}
	d.family = family
	return d, nil
}

// latest finds the latest ACTIVE revision of a family where none is named.
// If there is none, the definition is returned as it came.
func (c *call) latest(d definition) definition {
	if d.revision > 0 {
		return d
	}
	for _, row := range definitions.Range(c.tx, d.familyKey()+"/") {
		if row.View.Status == active {
			d.revision = row.View.Revision
		}
	}
	return d
}

// foreign is the owner to put in a check: empty for the caller's own.
func (c *call) foreign(h home) string {
	if h.account == c.account() {
		return ""
	}
	return h.account
}

// below yields the rows of a table under a prefix, by what follows it.
func below[T any](seq iter.Seq2[string, T], prefix string) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for key, row := range seq {
			if !yield(key[len(prefix):], row) {
				return
			}
		}
	}
}

// parseService is the service in an ARN.
func parseService(s string) (string, error) {
	a, err := iam.ParseARN(s)
	return a.Service, err
}
