package graph

import (
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

// The actions by which a role is taken on.
const (
	assumeRole     = "sts:AssumeRole"
	assumeSAML     = "sts:AssumeRoleWithSAML"
	assumeIdentity = "sts:AssumeRoleWithWebIdentity"
	passRole       = "iam:PassRole"
)

// trustSays is whom the Allow statements of a trust policy may mean. Everybody
// else is denied: the index saves asking the engine about them.
type trustSays struct {
	everyone  bool
	accounts  []string           // of the data
	named     []*node            // users and roles by ARN or unique id, and roles by a session
	sessions  map[*node][]string // session ARNs that any statement names
	services  []*node
	providers []*node
	outsiders []*node
	strangers []string // principals of accounts in the data that do not exist there, and unique ids of nobody
}

// trustIndex finds the roles whose trust policies may mean a caller.
type trustIndex struct {
	everyone  []*node
	byAccount map[string][]*node
	byNode    map[*node][]*node
	services  []*node
	providers []*node
}

// indexTrust reads all trust policies, and makes nodes of services, providers
// and outsiders that they name.
func (g *Graph) indexTrust() {
	t := &g.trusted
	t.byAccount, t.byNode = map[string][]*node{}, map[*node][]*node{}
	ids := map[string]*node{}
	roles := map[string]*node{} // by account/name in lower case
	for _, n := range g.nodes {
		if n.ID != "" {
			ids[n.ID] = n
		}
		if n.Kind == Role {
			roles[n.Account+"/"+strings.ToLower(n.Name)] = n
		}
	}
	for _, n := range slices.Clone(g.nodes) {
		if n.Kind == Role {
			g.readTrust(n, ids, roles)
		}
	}
	for _, n := range g.nodes {
		if n.Kind != Role {
			continue
		}
		s := &n.says
		if s.everyone {
			t.everyone = append(t.everyone, n)
		}
		for _, a := range s.accounts {
			t.byAccount[a] = append(t.byAccount[a], n)
		}
		for _, list := range [][]*node{s.named, s.services, s.providers, s.outsiders} {
			for _, who := range list {
				t.byNode[who] = append(t.byNode[who], n)
			}
		}
	}
}

func (g *Graph) readTrust(n *node, ids, roles map[string]*node) {
	says := &n.says
	for i := range n.trust.statements {
		s := &n.trust.statements[i]
		allows := s.Effect == iam.EffectAllow &&
			(s.Covers(assumeRole) || s.Covers(assumeSAML) || s.Covers(assumeIdentity))
		for _, p := range s.Principals {
			if p.Kind == "AWS" {
				if who := g.session(p.Value, roles); who != nil {
					if says.sessions == nil {
						says.sessions = map[*node][]string{}
					}
					says.sessions[who] = appendNew(says.sessions[who], p.Value)
					if allows {
						says.named = appendNew(says.named, who)
					}
					continue
				}
			}
			if allows {
				g.trustee(says, p, ids)
			}
		}
	}
}

// trustee files one principal of an Allow statement.
func (g *Graph) trustee(says *trustSays, p iam.StatementPrincipal, ids map[string]*node) {
	switch p.Kind {
	case "Service":
		says.services = appendNew(says.services, g.foreign(p.Value, AWS, "", &g.trusted.services))
	case "Federated":
		says.providers = appendNew(says.providers, g.foreign(p.Value, Provider, "", &g.trusted.providers))
	case "AWS":
		arn, err := iam.ParseARN(p.Value)
		switch {
		case p.Value == "*":
			says.everyone = true
			says.outsiders = appendNew(says.outsiders, g.foreign("*", Outsider, "", nil))
		case isAccount(p.Value) || err == nil && arn.Service == "iam" && arn.Resource == "root" && isAccount(arn.Account):
			id := p.Value
			if err == nil {
				id = arn.Account
			}
			if g.accounts[id] != nil {
				says.accounts = appendNew(says.accounts, id)
				return
			}
			part := "aws"
			if err == nil {
				part = arn.Partition
			}
			says.outsiders = appendNew(says.outsiders, g.foreign("arn:"+part+":iam::"+id+":root", Outsider, id, nil))
		case g.byARN[p.Value] != nil && g.byARN[p.Value].Kind != Outsider:
			says.named = appendNew(says.named, g.byARN[p.Value])
		case ids[p.Value] != nil:
			says.named = appendNew(says.named, ids[p.Value])
		case err == nil && g.accounts[arn.Account] == nil && isAccount(arn.Account):
			says.outsiders = appendNew(says.outsiders, g.foreign(p.Value, Outsider, arn.Account, nil))
		default:
			says.strangers = appendNew(says.strangers, p.Value)
		}
	}
}

// session returns the role whose session an ARN names, or nil.
func (g *Graph) session(s string, roles map[string]*node) *node {
	arn, err := iam.ParseARN(s)
	if err != nil || arn.Service != "sts" {
		return nil
	}
	rest, ok := strings.CutPrefix(arn.Resource, "assumed-role/")
	name, _, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return nil
	}
	return roles[arn.Account+"/"+strings.ToLower(name)]
}

// foreign returns the node of a principal that belongs to no account in the data.
func (g *Graph) foreign(name string, kind Kind, account string, list *[]*node) *node {
	if n := g.byARN[name]; n != nil {
		return n
	}
	n := &node{Node: Node{ARN: name, Kind: kind, Account: account}}
	switch kind {
	case AWS:
		n.view, n.principal = serviceView, iam.Principal{Type: iam.Service, ARN: name}
	case Provider:
		n.view, n.principal = providerView, iam.Principal{Type: iam.Federated, ARN: name}
	default:
		n.view, n.principal = outsiderView, outsider(name, account)
	}
	g.nodes = append(g.nodes, n)
	g.byARN[name] = n
	if list != nil {
		*list = append(*list, n)
	}
	return n
}

// outsider is the principal of an account that is not in the data: one that its
// own account would let do anything.
func outsider(name, id string) iam.Principal {
	arn, err := iam.ParseARN(name)
	switch {
	case err != nil || arn.Resource == "root":
		if id == "" {
			id = "*"
		}
		return iam.Principal{Type: iam.AssumedRole, ARN: "arn:aws:sts::" + id + ":assumed-role/(any)/" + anySession, Account: id, Issuer: "arn:aws:iam::" + id + ":role/(any)"}
	case strings.HasPrefix(arn.Resource, "user/"):
		return iam.Principal{Type: iam.User, ARN: name, Account: id}
	case strings.HasPrefix(arn.Resource, "role/"):
		last := arn.Resource[strings.LastIndexByte(arn.Resource, '/')+1:]
		return iam.Principal{Type: iam.AssumedRole, ARN: "arn:" + arn.Partition + ":sts::" + id + ":assumed-role/" + last + "/" + anySession, Account: id, Issuer: name}
	}
	return iam.Principal{Type: iam.AssumedRole, ARN: name, Account: id}
}

func isAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func appendNew[T comparable](list []T, item T) []T {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}
