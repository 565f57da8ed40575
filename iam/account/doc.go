// Package account holds one AWS account as data: its users, groups, roles,
// managed policies and instance profiles, with the policies that bind them.
//
// [Parse] reads what
//
//	aws iam get-account-authorization-details
//
// prints (the JSON of GetAccountAuthorizationDetails,
// https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html);
// several outputs, pages or files, may follow one another in its input or be
// brought together by [Merge]. Policy documents may be JSON objects, as the
// AWS CLI prints them, or strings, URL-encoded as the API sends them or plain.
// Every document is compiled, so an account that was read can be decided
// over: [Account.PoliciesOf] gives what binds one user or role.
//
// Reading is strict: a member that is not known, comes twice or is missing,
// an ARN that contradicts its entity, or a document that is no policy is an
// [Error] that says where it is and to what it belongs.
package account
