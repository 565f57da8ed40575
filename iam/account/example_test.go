package account_test

import (
	"fmt"
	"log"

	"github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/iam/account"
)

// A role of an account that was read from AWS is asked what it may do.
func Example() {
	a, err := account.Parse([]byte(`{
	    "RoleDetailList": [{
	        "Arn": "arn:aws:iam::111122223333:role/web",
	        "Path": "/", "RoleName": "web", "RoleId": "AROAEXAMPLEEXAMPLE001",
	        "CreateDate": "2026-01-31T12:00:00Z",
	        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": {
	            "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}},
	        "RolePolicyList": [{"PolicyName": "read", "PolicyDocument": {"Version": "2012-10-17", "Statement": {
	            "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::shop/*"}}}]
	    }]}`))
	if err != nil {
		log.Fatal(err)
	}
	web := a.Roles[0]
	policies, err := a.PoliciesOf(web.ARN)
	if err != nil {
		log.Fatal(err)
	}
	for _, action := range []string{"s3:GetObject", "s3:PutObject"} {
		d := policies.Decide(&iam.Request{
			Principal: iam.Principal{Type: iam.AssumedRole, Account: a.ID, Issuer: web.ARN, ID: web.ID,
				ARN: "arn:aws:sts::111122223333:assumed-role/web/session"},
			Action: action, Resource: "arn:aws:s3:::shop/cat.jpg", ResourceAccount: a.ID, Context: iam.NewContext(),
		})
		fmt.Println(action, d.Outcome)
	}
	// Output:
	// s3:GetObject Allow
	// s3:PutObject ImplicitDeny
}
