package graph_test

import (
	"fmt"
	"os"

	"github.com/mantle-iam/mantle/iam/account"
	"github.com/mantle-iam/mantle/iam/graph"
)

// details is what aws iam get-account-authorization-details prints of a small
// account: mira may assume anything with MFA, deploy trusts the account, and
// admin trusts deploy for those who know an external id.
const details = `{
	"UserDetailList": [{
		"Path": "/", "UserName": "mira", "UserId": "AIDAEXAMPLEEXAMPLE001", "Arn": "arn:aws:iam::111122223333:user/mira",
		"CreateDate": "2026-01-01T00:00:00Z", "GroupList": [], "AttachedManagedPolicies": [],
		"UserPolicyList": [{"PolicyName": "assume", "PolicyDocument": {"Version": "2012-10-17", "Statement": {
			"Sid": "WithMFA", "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*",
			"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}}}]
	}],
	"RoleDetailList": [{
		"Path": "/", "RoleName": "deploy", "RoleId": "AROAEXAMPLEEXAMPLE001", "Arn": "arn:aws:iam::111122223333:role/deploy",
		"CreateDate": "2026-01-01T00:00:00Z", "InstanceProfileList": [], "RolePolicyList": [], "AttachedManagedPolicies": [],
		"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": {
			"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole"}}
	}, {
		"Path": "/", "RoleName": "admin", "RoleId": "AROAEXAMPLEEXAMPLE002", "Arn": "arn:aws:iam::111122223333:role/admin",
		"CreateDate": "2026-01-01T00:00:00Z", "InstanceProfileList": [], "RolePolicyList": [], "AttachedManagedPolicies": [],
		"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": {
			"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/deploy"}, "Action": "sts:AssumeRole"}}
	}]
}`

func load() *graph.Graph {
	a, err := account.Parse([]byte(details))
	if err != nil {
		panic(err)
	}
	g, err := graph.Build(a)
	if err != nil {
		panic(err)
	}
	return g
}

func ExampleGraph_WhoCanAssume() {
	paths, err := load().WhoCanAssume("arn:aws:iam::111122223333:role/admin")
	if err != nil {
		fmt.Println(err)
	}
	for _, p := range paths {
		fmt.Printf("%v: %v\n", p.Verdict, p)
		for _, h := range p.Hops {
			fmt.Println("   ", h)
			for _, e := range h.Evidence {
				fmt.Printf("        %s: %s, statement %d\n", e.Layer, e.Policy, e.Statement)
			}
		}
	}
	// Output:
	// allowed: role/deploy -> role/admin
	//     role/deploy -> role/admin (direct)
	//         trust: trust policy of role admin, statement 0
	// if conditions hold: user/mira -> role/deploy -> role/admin
	//     user/mira -> role/deploy (via account, if aws:MultiFactorAuthPresent)
	//         trust: trust policy of role deploy, statement 0
	//         identity: inline policy assume of user mira, statement 0
	//     role/deploy -> role/admin (direct)
	//         trust: trust policy of role admin, statement 0
}

func ExampleGraph_CanAssume() {
	a, err := load().CanAssume("arn:aws:iam::111122223333:user/mira", "arn:aws:iam::111122223333:role/admin")
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(a.Verdict)
	fmt.Println("caller:", a.Caller.Verdict, "-", a.Caller.Note)
	fmt.Println("trust: ", a.Trust.Verdict, "-", a.Trust.Note)
	fmt.Println("around:", a.Around)
	// Output:
	// denied
	// caller: if conditions hold - identity policies allow the action, if conditions hold
	// trust:  denied - the trust policy does not match
	// around: [user/mira -> role/deploy -> role/admin]
}

func ExampleGraph_WriteMermaid() {
	if err := load().WriteMermaid(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// flowchart LR
	// 	subgraph a111122223333 ["account 111122223333"]
	// 		n0(["user/mira"])
	// 		n1["role/admin"]
	// 		n2["role/deploy"]
	// 	end
	// 	n0 -.->|"via account, if aws:MultiFactorAuthPresent"| n2
	// 	n2 -->|"direct"| n1
}

func ExampleDrawing_WriteDOT() {
	g := load()
	paths, err := g.Reach("arn:aws:iam::111122223333:role/deploy")
	if err != nil {
		fmt.Println(err)
	}
	if err := g.DrawPaths(paths).WriteDOT(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// digraph iam {
	// 	rankdir=LR;
	// 	node [shape=box, style=rounded];
	// 	subgraph "cluster_111122223333" {
	// 		label="account 111122223333";
	// 		"arn:aws:iam::111122223333:role/admin" [label="role/admin"];
	// 		"arn:aws:iam::111122223333:role/deploy" [label="role/deploy"];
	// 	}
	// 	"arn:aws:iam::111122223333:role/deploy" -> "arn:aws:iam::111122223333:role/admin" [label="direct", style=solid];
	// }
}
