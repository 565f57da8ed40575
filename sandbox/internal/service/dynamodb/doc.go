// Package dynamodb is the sandbox's DynamoDB.
//
// The files, in the order in which a request meets them:
//
//	dynamodb.go        the service, its table of operations, the rows of the store
//	ref.go             which table a name or ARN means
//	checks.go          the permissions of each operation, and their condition keys
//	create.go describe.go modify.go settings.go policy.go  tables
//	grammar.go scope.go path.go condition.go update.go reserved.go  expressions
//	value.go number.go key.go  values, numbers and the order of keys
//	write.go put.go    one item: get, put, update, delete
//	keycondition.go read.go query.go  many items: query and scan
//	batch.go transact.go  many requests in one
//	capacity.go        consumed capacity
//	errors.go cancel.go  errors, and those that carry more than a message
//
// Tables and items are rows of the store. Items are kept under keys whose
// byte order is the order of the sort keys, so a query is a scan of
// neighbouring rows; each secondary index is a second set of rows that point
// to items. All states that AWS passes through are over at once: a table is
// ACTIVE when CreateTable answers. Items whose time to live has passed stay
// until they are deleted, as AWS deletes them "within a few days".
//
// Not here, and refused by name: the legacy conditional parameters (Expected,
// AttributesToGet, KeyConditions and their like), PartiQL, streams' records,
// backups, exports and global tables.
package dynamodb
