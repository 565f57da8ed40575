// Package mantle is the map of the house; it holds no code.
//
//	iam       may they?        the policy language of AWS, decided without I/O
//	broker    who gets what?   caller, rule, loan, credentials
//	agent     handed over      the metadata and container endpoints SDKs speak
//	sandbox   try it           an AWS in one process, IAM always enforced
//	cmd/mantle                 the only place that knows everyone
//
// Three laws follow from the table in deps_test.go: deciding never does I/O;
// the sandbox knows nothing of the broker, so that neither can excuse the
// other's bugs; and only cmd/mantle knows everyone, so it is the only place
// to read to see how things fit together.
package mantle
