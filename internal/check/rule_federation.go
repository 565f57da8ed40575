package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mantle-iam/mantle/iam"
)

func oidcClaims(in *Input, add func(Finding)) {
	in.statements(func(s *statement) {
		if !s.allows() || !s.covers("sts:AssumeRoleWithWebIdentity") {
			return
		}
		for _, p := range s.principal {
			_, issuer, ok := strings.Cut(p.text, ":oidc-provider/")
			if p.kind != "Federated" || !ok {
				continue
			}
			sub, aud := s.test(issuer+":sub"), s.test(issuer+":aud")
			for _, t := range []*test{sub, aud} {
				if t == nil {
					continue
				}
				if op := strings.ToLower(t.operator); strings.HasPrefix(op, "forallvalues:") || strings.HasSuffix(op, "ifexists") {
					add(s.found(t.name, fmt.Sprintf("%s on %s holds for tokens without the claim, too", t.operator, t.key), "write StringEquals, or StringLike for a pattern"))
				}
			}
			switch {
			case sub == nil:
				cure := "add the condition StringEquals " + issuer + ":sub"
				if issuer == "token.actions.githubusercontent.com" {
					cure += ` = "repo:ORG/REPO:ref:refs/heads/main"`
				}
				add(s.found(p.node, "every token of "+issuer+" may assume the role: nothing is said of its sub", cure))
			case slices.ContainsFunc(sub.values, func(n *node) bool { return strings.Trim(n.text, "*?") == "" || n.text == "repo:*" }):
				add(s.found(sub.name, "every token of "+issuer+" may assume the role: the pattern of sub matches all", "name the repository, project or service account"))
			case strings.Contains(strings.ToLower(sub.operator), "equals") && slices.ContainsFunc(sub.values, func(n *node) bool { return strings.ContainsAny(n.text, "*?") }):
				add(s.found(sub.name, sub.operator+" takes * as it is written: no token matches", "write StringLike"))
			}
			if aud == nil {
				f := s.found(p.node, "nothing is said of the token's aud: tokens made for other audiences of the provider are taken too", "add the condition StringEquals "+issuer+":aud = \"sts.amazonaws.com\"")
				f.Severity = Warning
				add(f)
			}
		}
	}, iam.Trust)
}

func podIdentity(in *Input, add func(Finding)) {
	const service = "pods.eks.amazonaws.com"
	in.statements(func(s *statement) {
		if !s.allows() {
			return
		}
		for _, p := range s.principal {
			if p.kind != "Service" || !sameService(p.text, service) {
				continue
			}
			for _, a := range []string{"sts:AssumeRole", "sts:TagSession"} {
				if !slices.ContainsFunc(s.document.statements, func(o statement) bool {
					return o.allows() && o.covers(a) && slices.ContainsFunc(o.principal, func(q principal) bool { return sameService(q.text, service) })
				}) {
					add(s.found(p.node, "EKS Pod Identity passes six session tags, and the trust policy lacks "+a, `write "Action": ["sts:AssumeRole", "sts:TagSession"]`))
				}
			}
		}
	}, iam.Trust)
	for _, w := range in.facts.worlds {
		x := in.facts.index[w]
		for _, r := range x.types["aws_eks_pod_identity_association"] {
			arn, _ := str(r.Values, "role_arn")
			role := in.facts.byARN[arn]
			for _, y := range x.referred(r, "role_arn") {
				if name, _ := str(y.Values, "name"); role == nil && y.Type == "aws_iam_role" && name != "" {
					role = in.facts.role(name, "")
				}
			}
			if role == nil || role.trust == nil {
				add(Finding{Where: place(r, "role_arn"), Address: r.Address, Needs: "the trust policy of the role of " + r.Address})
				continue
			}
			if !role.trust.trusts(service) {
				add(Finding{Where: place(r, "role_arn"), Address: r.Address, Message: role.title() + " is given to pods but does not trust " + service,
					Cure: `add the principal "Service": "` + service + `" with sts:AssumeRole and sts:TagSession to its trust policy`})
			}
		}
	}
}

// podAnnotations are annotations by which pods get roles.
var podAnnotations = []string{"iam.amazonaws.com/role", "iam.amazonaws.com/external-id", "iam.amazonaws.com/session-name"}

func podRole(in *Input, add func(Finding)) {
	for _, m := range in.facts.manifests {
		for _, a := range podAnnotations {
			at, ok := m.annotations[a]
			if _, below := m.pod[a]; ok && !below && m.kind != "Pod" && m.kind != "Namespace" && m.kind != "ServiceAccount" {
				add(Finding{Where: at.where, Address: m.kind + " " + m.name, Message: fmt.Sprintf("annotation %s is on the %s and not on its pods: they get no role, or the node's", a, m.kind), Cure: "move it to spec.template.metadata.annotations"})
			}
			if at, ok := m.pod[a]; ok && m.hostNetwork != nil {
				add(Finding{Where: m.hostNetwork.where, Address: m.kind + " " + m.name, Message: fmt.Sprintf("a pod with hostNetwork has the node's address: %s = %s is ignored, and it gets the node's role", a, at.value), Cure: "drop hostNetwork, or use EKS Pod Identity"})
			}
		}
	}
}
